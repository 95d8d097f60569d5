//! Tests of [`super`].

use std::time::Duration;

use serde_json::json;

use super::{host, read_text, var};
use planrun::diagnostic::Code;
use planrun::inventory::{BecomeMethod, Connection, Link, SecretFrom};

/// Reads the link of a host with these variables.
#[track_caller]
fn link(vars: &str) -> Link {
    let inventory = read_text("hosts.yaml", &yaml(vars)).clean();
    host(&inventory, "web1").link.clone()
}

fn yaml(vars: &str) -> String {
    format!("web: {{hosts: {{web1: {{{vars}}}}}}}\n")
}

/// Asserts that a value is told as a fault, once for both hosts, at its place.
#[track_caller]
fn faulty(variable: &str, value: &str, code: Code, help: &str) {
    let text = format!("web:\n  hosts:\n    web[1:2]:\n  vars: {{{variable}: {value}}}\n");
    let reading = read_text("hosts.yaml", &text);
    assert_eq!(reading.place(), value, "{}", reading.told());
    assert_eq!(reading.diagnostics[0].code, code);
    assert!(reading.help().contains(help), "{}", reading.help());
    assert!(reading.inventory.is_none());
}

#[test]
fn without_variables_a_host_is_reached_by_its_name_over_ssh() {
    let link = link("");
    assert_eq!(link.connection, Connection::Ssh);
    assert_eq!(link.address, "web1");
    assert_eq!((link.port, link.user, link.r#become), (None, None, None));
    assert!(link.state.is_empty());
}

#[test]
fn the_variables_of_ansible_make_the_link() {
    let link = link(
        "ansible_host: 2001:db8::1, ansible_port: 2222, ansible_user: ops, \
         ansible_become: yes, ansible_become_user: mail, ansible_timeout: '30', \
         ansible_ssh_private_key_file: keys/id",
    );
    assert_eq!(link.address, "2001:db8::1");
    assert_eq!(link.port, Some(2222));
    assert_eq!(link.user.as_deref(), Some("ops"));
    assert_eq!(link.r#become, Some(true));
    assert_eq!(link.become_user.as_deref(), Some("mail"));
    assert_eq!(link.connect_timeout, Some(Duration::from_secs(30)));
    let key = std::env::current_dir().unwrap().join("keys/id");
    assert_eq!(link.identity_file.as_deref(), key.to_str());
}

#[test]
fn old_names_mean_the_same() {
    let link = link("ansible_ssh_host: 192.0.2.1, ansible_ssh_port: '22', ansible_ssh_user: 7");
    assert_eq!(link.address, "192.0.2.1");
    assert_eq!(link.port, Some(22));
    assert_eq!(link.user.as_deref(), Some("7"));
}

#[test]
fn a_user_is_what_is_written_and_a_port_is_decimal() {
    assert_eq!(link("ansible_user: 0123").user.as_deref(), Some("0123"));
    assert_eq!(link("ansible_user: 1_0").user.as_deref(), Some("1_0"));
    let users = link("ansible_user: ops@corp.example, ansible_become_user: 'CORP\\ops'");
    assert_eq!(users.user.as_deref(), Some("ops@corp.example"));
    assert_eq!(users.become_user.as_deref(), Some("CORP\\ops"));
    faulty("ansible_port", "0022", Code::InventoryValue, "valid port");
    faulty("ansible_port", "22:22", Code::InventoryValue, "valid port");
    faulty("ansible_timeout", "010", Code::InventoryValue, "number");
}

#[test]
fn values_of_ini_files_are_understood() {
    let text = "web1 ansible_become=no ansible_port=2222\nweb2 ansible_become=True\n";
    let inventory = read_text("hosts.ini", text).clean();
    assert_eq!(host(&inventory, "web1").link.r#become, Some(false));
    assert_eq!(host(&inventory, "web1").link.port, Some(2222));
    assert_eq!(host(&inventory, "web2").link.r#become, Some(true));
}

#[test]
fn relative_paths_are_made_absolute() {
    let here = std::env::current_dir().unwrap().join("keys/known");
    let of = |path: &str| link(&format!("planrun_known_hosts: {path}")).known_hosts.unwrap();
    assert_eq!(of("keys/known"), here.display().to_string());
    assert_eq!(of("./keys/known"), here.display().to_string());
    assert_eq!(of("/etc/known"), "/etc/known");
}

#[test]
fn connections_are_planruns_first_and_ansibles_where_there_is_none() {
    assert_eq!(link("planrun_connection: local").connection, Connection::Local);
    assert_eq!(link("ansible_connection: local").connection, Connection::Local);
    assert_eq!(link("ansible_connection: smart").connection, Connection::Ssh);
    let both = link("planrun_connection: ssh, ansible_connection: local");
    assert_eq!(both.connection, Connection::Ssh);
    let reading = read_text("hosts.yaml", &yaml("ansible_connection: winrm"));
    assert_eq!(reading.place(), "winrm");
    assert_eq!(reading.diagnostics[0].code, Code::ForeignConnection);
    assert!(reading.inventory.is_some());
}

#[test]
fn a_model_host_has_a_model_and_a_state() {
    let link = link(
        "planrun_connection: model, planrun_model: models/dovecot.yaml, \
         planrun_state: {vhosts: 50, deep: {a: [1]}}",
    );
    assert_eq!(link.connection, Connection::Model);
    assert_eq!(link.model.as_deref(), Some("models/dovecot.yaml"));
    assert_eq!(link.state["vhosts"], json!(50));
    assert_eq!(link.state["deep"], json!({"a": [1]}));
    let reading = read_text("hosts.yaml", &yaml("planrun_connection: model"));
    assert_eq!(
        reading.told(),
        "no-model 1:15 missing model for `web1` | `planrun_model` is not set"
    );
}

#[test]
fn wrong_values_are_told_at_their_place() {
    faulty("ansible_port", "0", Code::InventoryValue, "valid port");
    faulty("ansible_port", "65536", Code::InventoryValue, "valid port");
    faulty("ansible_port", "ssh", Code::InventoryValue, "valid port");
    faulty("ansible_timeout", "0", Code::InventoryValue, "a number of seconds");
    faulty("ansible_timeout", "10s", Code::InventoryValue, "a number of seconds");
    faulty("ansible_become", "maybe", Code::InventoryValue, "`true` or `false`");
    faulty("ansible_user", "[ops]", Code::InventoryValue, "a single string");
    faulty("planrun_state", "50", Code::InventoryValue, "planrun_state: {");
    faulty("planrun_connection", "locla", Code::InventoryValue, "did you mean `local`?");
    faulty("planrun_connection", "telnet", Code::InventoryValue, "`model`");
    assert_eq!(link("planrun_connection: openssh").connection, Connection::OpenSsh);
}

#[test]
fn names_that_could_be_taken_as_options_are_refused() {
    faulty("ansible_host", "-oProxyCommand=x", Code::UnsafeName, "option");
    faulty("ansible_ssh_user", "a b", Code::UnsafeName, "option");
    faulty("ansible_become_user", "$(id)", Code::UnsafeName, "option");
    faulty("ansible_user", "''", Code::UnsafeName, "option");
}

#[test]
fn templates_are_told_where_planrun_needs_the_value_and_nowhere_else() {
    let value = "\"{{ inventory_hostname }}.example.org\"";
    faulty("ansible_host", value, Code::TemplateInInventory, "write the value for each host");
    faulty("ansible_port", "'{{ p }}'", Code::TemplateInInventory, "write the value for each host");
    faulty(
        "ansible_become",
        "'{% if a %}'",
        Code::TemplateInInventory,
        "write the value for each host",
    );
    let inventory = read_text("hosts.yaml", &yaml("motd: '{{ a }}'")).clean();
    assert_eq!(var(&inventory, "web1", "motd"), json!("{{ a }}"));
}

#[test]
fn passwords_are_left_out_and_that_is_told_once() {
    let text = "web1 ansible_password=x a=1\nweb2 ansible_password=y\n";
    let reading = read_text("hosts.ini", text);
    assert_eq!(
        reading.told(),
        "variable-not-honoured 1:6 `ansible_password` has no effect | secrets are not read"
    );
    let inventory = reading.inventory.unwrap();
    assert_eq!(var(&inventory, "web1", "ansible_password"), json!(null));
    assert_eq!(var(&inventory, "web1", "a"), json!(1));
}

#[test]
fn variables_that_do_nothing_here_are_told() {
    let reading = read_text("hosts.yaml", &yaml("ansible_ssh_common_args: -W jump:22"));
    assert_eq!(reading.diagnostics[0].code, Code::UnsupportedRoute);
    assert_eq!(reading.place(), "-W jump:22");
    let inventory = read_text("hosts.yaml", &yaml("ansible_ssh_common_args: -C -J jump")).clean();
    assert_eq!(var(&inventory, "web1", "ansible_ssh_common_args"), json!("-C -J jump"));
    let reading = read_text("hosts.yaml", &yaml("ansible_become_method: runas"));
    assert_eq!(reading.diagnostics[0].code, Code::VariableNotHonoured);
    for (name, method) in [
        ("sudo", BecomeMethod::Sudo),
        ("ansible.builtin.su", BecomeMethod::Su),
        ("community.general.doas", BecomeMethod::Doas),
    ] {
        assert_eq!(link(&format!("ansible_become_method: {name}")).become_method, method);
    }
    let inventory = read_text("hosts.yaml", &yaml("ansible_become_method: sudo")).clean();
    assert_eq!(var(&inventory, "web1", "ansible_become_method"), json!("sudo"));
    let reading = read_text("hosts.yaml", &yaml("planrun_modle: x"));
    assert_eq!(reading.help(), "did you mean `planrun_model`?");
    assert_eq!(reading.place(), "planrun_modle");
}

#[test]
fn a_password_is_named_by_its_source_and_never_shown() {
    let link = link(
        "planrun_password: ask, planrun_passphrase: 'env:KEY', \
                     planrun_become_password: 'file:/run/secrets/sudo'",
    );
    assert_eq!(link.password, Some(SecretFrom::Ask));
    assert_eq!(link.passphrase, Some(SecretFrom::Env("KEY".to_owned())));
    assert_eq!(link.become_password, Some(SecretFrom::File("/run/secrets/sudo".to_owned())));
    for wrong in ["hunter2!", "'env:'", "'age:x'", "[ask]"] {
        let reading = read_text("hosts.yaml", &yaml(&format!("planrun_password: {wrong}")));
        assert_eq!(reading.diagnostics[0].code, Code::InventoryValue);
        assert!(reading.help().contains("never write a password"), "{}", reading.help());
        assert!(reading.inventory.is_none());
        assert!(!reading.told().contains("hunter2!"), "{}", reading.told());
    }
}

#[test]
fn a_variable_set_to_nothing_is_not_set() {
    assert_eq!(link("ansible_host: , ansible_port: , ansible_user: ").address, "web1");
}
