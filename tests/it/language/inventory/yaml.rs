//! Tests of [`super`].

use serde_json::json;

use super::{host, hosts, members, read_text, var};
use planrun::diagnostic::Code;

#[test]
fn groups_are_nested_and_hosts_keep_the_order_of_their_first_mention() {
    let text = "all:\n  hosts: {lone: }\n  children:\n    site:\n      children:\n        \
                web:\n          hosts:\n            web[1:2]: {a: 1}\n            shared:\n        \
                db: {hosts: {db1: {a: [1, {b: c}]}, shared: }}\n";
    let inventory = read_text("hosts.yaml", text).clean();
    assert_eq!(hosts(&inventory), "lone web1 web2 shared db1");
    assert_eq!(members(&inventory, "all"), "lone web1 web2 shared db1");
    assert_eq!(members(&inventory, "site"), "web1 web2 shared db1");
    assert_eq!(members(&inventory, "db"), "db1 shared");
    assert_eq!(members(&inventory, "ungrouped"), "lone");
    assert_eq!(var(&inventory, "web2", "a"), json!(1));
    assert_eq!(var(&inventory, "db1", "a"), json!([1, {"b": "c"}]));
}

#[test]
fn a_single_host_or_child_may_stand_as_text() {
    let text = "web:\n  hosts: web1:2222\nsite:\n  children: web\n";
    let inventory = read_text("hosts.yaml", text).clean();
    assert_eq!(members(&inventory, "site"), "web1");
    assert_eq!(var(&inventory, "web1", "ansible_port"), json!(2222));
}

#[test]
fn an_empty_file_is_told() {
    for text in ["", "---\n", "# nothing\n"] {
        let reading = read_text("hosts.yaml", text);
        assert_eq!(reading.diagnostics.len(), 1, "{text:?}");
        assert_eq!(reading.diagnostics[0].code, Code::EmptyInventory);
        assert_eq!(reading.diagnostics[0].message, "the inventory is empty");
        assert!(reading.inventory.is_none());
    }
    let reading = read_text("hosts.yaml", "all:\n  children: {}\n");
    assert_eq!(reading.told(), "empty-inventory `hosts.yaml` has no hosts");
}

#[test]
fn what_is_not_yaml_is_told_at_its_place() {
    let told = read_text("hosts.yaml", "all:\n  hosts: {a: [}\n").told();
    assert!(told.starts_with("yaml-syntax 2:"), "{told}");
}

#[test]
fn a_list_or_a_scalar_is_no_inventory() {
    let reading = read_text("hosts.yaml", "- web1\n- web2\n");
    let told = "inventory-shape 1:1 the inventory must be a mapping of groups, not a list";
    assert_eq!(reading.told(), told);
    let reading = read_text("hosts.yaml", "web1\n");
    let told = "inventory-shape 1:1 the inventory must be a mapping of groups, not a string";
    assert_eq!(reading.told(), told);
    let reading = read_text("hosts.yaml", "[web]\n");
    assert!(reading.help().contains("`.ini`"), "{}", reading.help());
}

#[test]
fn all_faults_of_shape_are_told_with_their_places() {
    let text = "web:\n  hosts: [web1]\n  childern: {}\n  web2:\n  vars: [a]\n\
                db: [db1]\nlb: {children: [a], hosts: {lb1: 5}}\nhosts: {x: }\n";
    assert_eq!(
        read_text("hosts.yaml", text).told(),
        "inventory-shape 2:10 `hosts` of `web` must be a mapping, not a list\n\
        unknown-group-key 3:3 unknown key `childern` in a group | in the group `web`\n\
        unknown-group-key 4:3 unknown key `web2` in a group | in the group `web`\n\
        inventory-shape 5:9 `vars` of `web` must be a mapping, not a list\n\
        inventory-shape 6:5 the group `db` must be a mapping, not a list\n\
        inventory-shape 7:16 `children` of `lb` must be a mapping, not a list\n\
        inventory-shape 7:34 the host `lb1` must be a mapping, not an integer\n\
        inventory-shape 8:1 expected a group, found `hosts` | the top level of an inventory has groups"
    );
}

#[test]
fn a_slip_in_a_key_is_offered_its_cure() {
    let reading = read_text("hosts.yaml", "web: {host: {web1: }, hosts: {web2: }}\n");
    assert_eq!(reading.help(), "did you mean `hosts`?");
    assert_eq!(reading.place(), "host");
}

#[test]
fn the_configuration_of_a_plugin_is_no_inventory() {
    let reading = read_text("aws.yaml", "plugin: amazon.aws.aws_ec2\nregions: [x]\n");
    assert_eq!(reading.place(), "plugin");
    assert!(reading.help().contains("--list"), "{}", reading.help());
}

#[test]
fn a_value_from_a_vault_is_told_as_such() {
    let text = "web:\n  hosts: {web1: }\n  vars:\n    secret: !vault |\n      \
                $ANSIBLE_VAULT;1.1;AES256\n      6162\n";
    let reading = read_text("hosts.yaml", text);
    assert_eq!(reading.place(), "secret");
    assert_eq!(reading.diagnostics[0].code, Code::VaultValue);
    assert!(reading.help().contains("input"), "{}", reading.help());
    let inventory = reading.inventory.unwrap();
    let web1 = host(&inventory, "web1");
    assert_eq!(web1.vars.get("secret"), None);
    assert_eq!(web1.encrypted["secret"], "hosts.yaml:4");
}

#[test]
fn an_encrypted_value_hides_a_weaker_one() {
    let text =
        "all:\n  vars: {secret: weak}\n  hosts:\n    web1: {secret: !vault 'x'}\n    web2:\n";
    let inventory = read_text("hosts.yaml", text).inventory.unwrap();
    assert_eq!(var(&inventory, "web1", "secret"), json!(null));
    assert_eq!(var(&inventory, "web2", "secret"), json!("weak"));
}

#[test]
fn how_a_host_is_reached_must_not_be_encrypted() {
    let text = "all: {hosts: {web1: {ansible_host: !vault 'x'}}}\n";
    let reading = read_text("hosts.yaml", text);
    assert!(reading.inventory.is_none());
    let told = reading.told();
    assert!(told.contains("this connection variable is encrypted by a vault"), "{told}");
}

#[test]
fn tags_that_ansible_does_not_know_are_told() {
    let reading = read_text("hosts.yaml", "web: {hosts: {web1: {a: !new 'x'}}}\n");
    assert!(reading.told().starts_with("yaml-tag 1:"), "{}", reading.told());
    assert!(reading.help().contains("!vault"), "{}", reading.help());
}

#[test]
fn what_cannot_be_merged_is_told() {
    let reading = read_text("hosts.yaml", "web: {hosts: {web1: {<<: [{a: 1}, x]}}}\n");
    assert_eq!(reading.told(), "merge-key 1:35 `<<` requires a mapping, found a string");
}

#[test]
fn host_entries_that_name_nothing_are_told() {
    let text = "web:\n  hosts:\n    web[5:1]:\n    -oProxyCommand=x:\n    web 1:\n";
    assert_eq!(
        read_text("hosts.yaml", text).told(),
        "host-entry 3:5 invalid host entry `web[5:1]` | `[5:1]` ends before it starts\n\
        unsafe-name 4:5 invalid host name `-oProxyCommand=x` | starts with `-`\n\
        unsafe-name 5:5 invalid host name `web 1` | contains ' '"
    );
}

#[test]
fn the_output_of_ansible_inventory_is_read_as_json() {
    let text = r#"{
        "_meta": {"hostvars": {"db1": {"a": 1}, "web2": {"ansible_host": "192.0.2.2"}},
                  "profile": "inventory_legacy"},
        "all": {"children": ["ungrouped", "site"], "vars": {"b": 2}},
        "site": {"children": ["db", "web"]},
        "db": {"hosts": ["db1"]},
        "web": {"hosts": ["web1", "web2"], "vars": {"a": 0, "b": 3}},
        "old": ["db1"],
        "empty": {"hosts": []}
    }"#;
    let inventory = read_text("hosts.json", text).clean();
    assert_eq!(hosts(&inventory), "db1 web1 web2");
    assert_eq!(members(&inventory, "site"), "db1 web1 web2");
    assert_eq!(members(&inventory, "old"), "db1");
    assert_eq!(var(&inventory, "db1", "a"), json!(1));
    assert_eq!(var(&inventory, "db1", "b"), json!(2));
    assert_eq!(var(&inventory, "web1", "b"), json!(3));
    assert_eq!(host(&inventory, "web2").link.address, "192.0.2.2");
}

#[test]
fn json_in_the_shape_of_yaml_and_with_tabs_is_read_too() {
    let text = "{\n\t\"web\": {\n\t\t\"hosts\": {\"web1\": {\"a\": \"b\"}}\n\t}\n}\n";
    let inventory = read_text("hosts.json", text).clean();
    assert_eq!(var(&inventory, "web1", "a"), json!("b"));
}

#[test]
fn variables_of_a_host_in_no_group_are_told() {
    let text = r#"{"web": {"hosts": ["web1", 5]}, "_meta": {"hostvars": {"web9": {}}}}"#;
    assert_eq!(
        read_text("hosts.json", text).told(),
        "inventory-shape 1:28 the name of a host must be a string, not an integer\n\
        vars-without-host 1:56 host `web9` has variables but is not in a group | not in a group"
    );
}
