//! Variables that send a connection through another host, or by another program.

use super::{host, read_text};
use planrun::inventory::route::*;

/// Returns the obstacle in the options of `ssh` for a host.
fn of(options: &str) -> Option<Way> {
    let text = format!("web: {{hosts: {{web1: {{ansible_ssh_args: {options}}}}}}}\n");
    let inventory = read_text("hosts.yaml", &text).inventory.unwrap();
    let mut obstacles = host(&inventory, "web1").obstacles().into_iter();
    let first = obstacles.next();
    assert_eq!(obstacles.next(), None, "{options}");
    first.map(|one| one.way)
}

/// Returns the options that `ssh -G` is given.
fn words(options: &str) -> Vec<String> {
    let text = format!("web: {{hosts: {{web1: {{ansible_ssh_args: {options}}}}}}}\n");
    let inventory = read_text("hosts.yaml", &text).inventory.unwrap();
    host(&inventory, "web1").link.ssh_args.clone()
}

#[test]
fn options_that_change_how_a_host_is_reached_are_kept() {
    for (options, kept) in [
        ("-J bastion", "-J bastion"),
        ("-4qJbastion", "-4 -J bastion"),
        ("-oproxyjump=bastion", "-o proxyjump=bastion"),
        (
            "'-C -o ControlMaster=auto -o \"ProxyCommand=ssh -W %h:%p gate\"'",
            "-o ControlMaster=auto -o ProxyCommand=ssh -W %h:%p gate",
        ),
        ("'-p 2222 -l ops -F /dev/null -i /keys/J'", "-p 2222 -l ops -F /dev/null -i /keys/J"),
        ("'-L 1:W:2 -tt -N -V -Q cipher -O exit'", ""),
        ("-F none", "-F none"),
        ("''", ""),
        ("~", ""),
    ] {
        assert_eq!(of(options), None, "{options}");
        assert_eq!(words(options).join(" "), kept, "{options}");
    }
    let relative = std::env::current_dir().unwrap().join("ssh.cfg");
    assert_eq!(words("-F ssh.cfg"), ["-F", relative.to_str().unwrap()]);
}

#[test]
fn the_options_of_all_three_variables_are_joined() {
    let text = "web: {hosts: {web1: {ansible_ssh_extra_args: -p 3, ansible_ssh_args: -p 1, \
                ansible_ssh_common_args: -p 2}}}\n";
    let inventory = read_text("hosts.yaml", text).inventory.unwrap();
    assert_eq!(host(&inventory, "web1").link.ssh_args.join(" "), "-p 1 -p 2 -p 3");
}

#[test]
fn what_is_no_option_and_what_cannot_be_read_are_obstacles() {
    let is_hop = matches!(of("-W web2:22"), Some(Way::Hop(_)));
    assert!(is_hop);
    let word = Way::Other("#".to_owned());
    assert_eq!(of("'-o StrictHostKeyChecking=no # -J x'"), Some(word));
    assert_eq!(of("bastion"), Some(Way::Other("bastion".to_owned())));
    for unknown in [
        "'-o \"open'",
        "'{{ jump }}'",
        "'-o ProxyCommand=\"ssh -W %h:%p {{ gate }}\"'",
        "[-J, bastion]",
        "!vault secret",
    ] {
        assert_eq!(of(unknown), Some(Way::Unknown), "{unknown}");
    }
}

#[test]
fn a_connection_is_an_obstacle_unless_planruns_own_word_says_another() {
    let ways = |vars: &str| -> Vec<Way> {
        let text = format!("web: {{hosts: {{web1: {{{vars}}}}}}}\n");
        let inventory = read_text("hosts.yaml", &text).inventory.unwrap();
        host(&inventory, "web1").obstacles().into_iter().map(|one| one.way).collect()
    };
    for known in ["ssh", "smart", "local", "paramiko_ssh", "ansible.builtin.ssh"] {
        assert_eq!(ways(&format!("ansible_connection: {known}")), []);
    }
    for other in ["docker", "winrm", "amazon.aws.aws_ssm", "community.general.lxd", "SSH"] {
        let way = Way::Connection(other.to_owned());
        assert_eq!(ways(&format!("ansible_connection: {other}")), [way]);
        assert_eq!(ways(&format!("ansible_connection: {other}, planrun_connection: ssh")), []);
    }
    assert_eq!(ways("ansible_connection: local, ansible_ssh_args: -W x:1"), []);
    assert_eq!(ways("planrun_connection: ssh, ansible_ssh_args: -W x:1").len(), 1);
    assert_eq!(ways("ansible_ssh_executable: /usr/bin/ssh"), []);
    assert_eq!(ways("ansible_ssh_executable: /usr/bin/tsh"), [Way::Program]);
    let hop = Way::Hop("ansible_paramiko_proxy_command".to_owned());
    assert_eq!(ways("ansible_paramiko_proxy_command: nc %h %p"), [hop]);
}
