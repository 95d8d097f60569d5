//! Host entries, users and paths that an inventory may have; `inventories` compares the rest with Ansible.

use std::path::Path;

use planrun::diagnostic::{Code, Diagnostics};
use planrun::inventory::{Inventory, read, user};
use planrun::source::Sources;

/// Reads a text as the inventory of this name.
fn read(name: &str, text: &str) -> (Option<Inventory>, Diagnostics) {
    let mut found = Diagnostics::default();
    let inventory = read::text(Path::new(name), text, &mut Sources::default(), &mut found);
    (inventory, found)
}

#[test]
fn an_entry_that_cannot_be_expanded_is_reported_with_the_reason() {
    for (entry, why) in [
        ("b[5:1]", "`[5:1]` ends before it starts"),
        ("b[c:a]", "`[c:a]` ends before it starts"),
        ("b[01:100]", "the bounds of `[01:100]` are padded to different widths"),
        ("b[1:]", "`[1:]` has no end"),
        ("b[1:9:0]", "the step of `[1:9:0]` is not a positive integer"),
        ("b[1:x]", "the bounds of `[1:x]` must be two numbers or two letters"),
        ("b[1:2:3:4]", "`[1:2:3:4]` must be `[begin:end]` or `[begin:end:step]`"),
        ("b[1:999999999999]", "it has more than 100000 hosts"),
        ("b[1:999][1:999]", "it has more than 100000 hosts"),
        ("web:", "missing port after `:`"),
        ("web:x", "unexpected `:` outside of a port or an IPv6 address"),
        ("web:70000", "port 70000 is not between 1 and 65535"),
        ("[::1]", "an IPv6 address without a port must not have brackets"),
    ] {
        let (inventory, found) =
            read("hosts.yaml", &format!("web: {{hosts: {{\"{entry}\": }}}}\n"));
        let fault = found.sorted()[0];
        assert!(inventory.is_none() && fault.code == Code::HostEntry, "{entry}: {fault:?}");
        let label = &fault.primary.as_ref().unwrap().text;
        assert_eq!(label, why, "{entry}");
    }
}

#[test]
fn a_value_that_is_not_a_literal_stays_a_string_and_deep_nesting_has_a_limit() {
    let deep = "[".repeat(100_000);
    for text in ["1__0", "'a", "[1", "[1,,2]", "{1: }", "1,,", "f'a'", ".", ",", "()x", &deep] {
        let (inventory, found) = read("hosts.ini", &format!("web1\n[all:vars]\nx={text}\n"));
        let inventory = inventory.unwrap_or_else(|| panic!("{text}: {found:?}"));
        assert_eq!(inventory.hosts[0].vars["x"].value, text, "{text}");
    }
}

#[test]
fn users_of_directories_gateways_and_numbers_are_accepted_and_shell_syntax_is_not() {
    for name in [
        "root",
        "ops@corp.example",
        "CORP\\ops",
        "corp+ops",
        "web1$",
        "#1000",
        "_apt",
        "0day",
        "ops%web1:22",
        "ops/admin@EXAMPLE.ORG",
        "größe",
        "a=b",
    ] {
        assert!(user::is_user(name), "{name}");
    }
    for name in [
        "",
        "-u",
        "-oProxyCommand=x",
        "a b",
        "$(id)",
        "a$b",
        "`id`",
        "a;b",
        "#",
        "#1a",
        "a\n",
        "\u{201c}ops\u{201d}",
        "ops\u{a0}",
        "'ops'",
        "a|b",
        "a\u{202e}b",
        "a\0",
    ] {
        assert!(!user::is_user(name), "{name:?}");
    }
}

#[test]
fn a_tilde_in_the_path_of_a_key_is_the_home_of_the_user() {
    let home = std::env::var("HOME").unwrap();
    let home = home.trim_end_matches('/');
    let here = std::env::current_dir().unwrap();
    for (written, path) in [
        ("~/.ssh/id", format!("{home}/.ssh/id")),
        ("~", home.to_owned()),
        ("~other/id", "~other/id".to_owned()),
        ("keys/~/id", format!("{}/keys/~/id", here.display())),
    ] {
        let (inventory, _) =
            read("hosts.ini", &format!("web1 ansible_ssh_private_key_file={written}\n"));
        let inventory = inventory.unwrap();
        assert_eq!(inventory.hosts[0].link.identity_file.as_deref(), Some(path.as_str()));
    }
}
