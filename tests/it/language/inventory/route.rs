//! Variables that send a connection through another host, or by another program.

use super::{host, read_text};
use planrun::inventory::route::*;

/// Returns the way that the options of `ssh` name for a host with the port 2222 and the user ops.
fn of(options: &str) -> Option<Way> {
    let vars = format!("{{ansible_port: 2222, ansible_user: ops, ansible_ssh_args: {options}}}");
    let text = format!("web: {{hosts: {{web1: {vars}}}}}\n");
    let inventory = read_text("hosts.yaml", &text).inventory.unwrap();
    let mut obstacles = host(&inventory, "web1").obstacles().into_iter();
    let first = obstacles.next();
    assert_eq!(obstacles.next(), None, "{options}");
    first.map(|one| one.way)
}

#[test]
fn every_form_of_a_hop_is_seen() {
    for options in [
        "-J bastion",
        "-Jbastion",
        "-4qJ bastion",
        "-o ProxyJump=bastion",
        "-oproxyjump=bastion",
        "'-o \"ProxyJump bastion\"'",
        "'-o \"PROXYCOMMAND=ssh -W %h:%p gate\"'",
        "'-C -o ControlMaster=auto -o ProxyCommand=\"ssh -W %h:%p {{ gate }}\"'",
        "'-o StrictHostKeyChecking=no # -J x'",
        "-W web2:22",
    ] {
        let way = of(options);
        let is_hop = matches!(way, Some(Way::Hop(_)));
        let is_word = options.contains('#') && matches!(way, Some(Way::Other(_)));
        assert!(is_hop || is_word, "{options}: {way:?}");
    }
}

#[test]
fn options_that_change_no_way_are_none() {
    for options in [
        "''",
        "~",
        "'-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'",
        "'-C -o ControlMaster=auto -o ControlPersist=60s'",
        "'-o ProxyCommand=none -o ProxyJump=none'",
        "'-p 2222 -l ops -F /dev/null -o HostName=%h -o User=ops -o Port=2222'",
        "'-i keys/J -L 1:W:2 -o SendEnv=J'",
    ] {
        assert_eq!(of(options), None, "{options}");
    }
}

#[test]
fn another_address_and_what_cannot_be_read_are_obstacles() {
    let other = |option: &str| Some(Way::Other(option.to_owned()));
    assert_eq!(of("-p 22"), other("Port"));
    assert_eq!(of("-lroot"), other("User"));
    assert_eq!(of("-o HostName=192.0.2.1"), other("HostName"));
    assert_eq!(of("-F ssh.cfg"), other("-F"));
    assert_eq!(of("bastion"), other("bastion"));
    for unknown in ["'-o \"open'", "'{{ jump }}'", "[-J, bastion]", "!vault secret"] {
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
    assert_eq!(ways("ansible_connection: local, ansible_ssh_args: -J x"), []);
    assert_eq!(ways("planrun_connection: ssh, ansible_ssh_args: -J x").len(), 1);
    assert_eq!(ways("ansible_ssh_executable: /usr/bin/ssh"), []);
    assert_eq!(ways("ansible_ssh_executable: /usr/bin/tsh"), [Way::Program]);
    let hop = Way::Hop("ansible_paramiko_proxy_command".to_owned());
    assert_eq!(ways("ansible_paramiko_proxy_command: nc %h %p"), [hop]);
}
