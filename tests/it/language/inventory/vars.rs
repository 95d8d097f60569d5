//! Files of variables next to an inventory.

use serde_json::json;

use super::{read_files, var};

#[test]
fn every_form_of_a_vars_file_is_read_beside_a_file_inventory() {
    let inventory = read_files(
        "hosts.ini",
        &[
            ("hosts.ini", "[web]\nweb1\nweb2\n[db]\ndb1\n[lb]\nlb1\n"),
            ("group_vars/all", "everywhere: 1\n"),
            ("group_vars/web.yaml", "a: web\n"),
            ("group_vars/db.json", "{\"a\": \"db\"}"),
            ("group_vars/lb/1.yml", "a: first\nb: first\n"),
            ("group_vars/lb/2", "b: second\n"),
            ("group_vars/lb/inner/3.yaml", "c: third\n"),
            ("group_vars/lb/notes.txt", "d: no\n"),
            ("group_vars/lb/.hidden.yml", "d: no\n"),
            ("group_vars/other.yml", "- never looked at\n"),
            ("host_vars/web2.yml", "a: own\n"),
            ("host_vars/web1", "---\n# nothing\n"),
        ],
    )
    .clean();
    for (host, name, expected) in [
        ("web1", "everywhere", json!(1)),
        ("web1", "a", json!("web")),
        ("web2", "a", json!("own")),
        ("db1", "a", json!("db")),
        ("lb1", "a", json!("first")),
        ("lb1", "b", json!("second")),
        ("lb1", "c", json!("third")),
        ("lb1", "d", json!(null)),
    ] {
        assert_eq!(var(&inventory, host, name), expected, "{host} {name}");
    }
}

#[test]
fn the_first_form_hides_the_others_and_that_is_told() {
    let reading = read_files(
        "hosts.ini",
        &[
            ("hosts.ini", "web1\n"),
            ("host_vars/web1/a.yml", "a: 1\n"),
            ("host_vars/web1.yml", "b: 1\n"),
        ],
    );
    assert_eq!(reading.told(), "shadowed-vars `host_vars/web1.yml` is ignored");
    let inventory = reading.inventory.unwrap();
    assert_eq!(var(&inventory, "web1", "a"), json!(1));
    assert_eq!(var(&inventory, "web1", "b"), json!(null));
}

#[test]
fn a_vars_file_that_is_no_mapping_is_told() {
    let files = [("hosts.ini", "[web]\nweb1\n"), ("group_vars/web", "- a\n")];
    let reading = read_files("hosts.ini", &files);
    let told = "inventory-shape 1:1 the file must be a mapping of variables, not a list";
    assert_eq!(reading.told(), told);
    assert!(reading.inventory.is_none());
}

#[test]
fn an_encrypted_file_is_left_out_with_a_warning() {
    let reading = read_files(
        "hosts.ini",
        &[
            ("hosts.ini", "[web]\nweb1\n"),
            ("group_vars/web/vars.yml", "a: 1\n"),
            ("group_vars/web/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n"),
        ],
    );
    assert_eq!(reading.place(), "$ANSIBLE_VAULT;1.1;AES256");
    assert_eq!(reading.diagnostics[0].code, planrun::diagnostic::Code::VaultValue);
    assert_eq!(var(&reading.inventory.unwrap(), "web1", "a"), json!(1));
}
