//! Tests of [`super`].

use planrun::diagnostic::Code;
use std::path::Path;

use serde_json::json;

use super::{host, hosts, members, read_files, read_text, var};
use planrun::diagnostic::{Diagnostic, Diagnostics, render};
use planrun::inventory::{Inventory, read};
use planrun::source::{Sources, Span};

#[test]
fn the_nearer_group_wins_and_the_host_over_all() {
    let text = "all:\n  vars: {a: all, b: all, c: all, d: all}\n  children:\n    site:\n      \
                vars: {b: site, c: site, d: site}\n      children:\n        web:\n          \
                vars: {c: web, d: web}\n          hosts: {web1: {d: web1}}\n";
    let inventory = read_text("hosts.yaml", text).clean();
    for (name, expected) in [("a", "all"), ("b", "site"), ("c", "web"), ("d", "web1")] {
        assert_eq!(var(&inventory, "web1", name), json!(expected));
    }
    assert_eq!(host(&inventory, "web1").groups, ["site", "web"]);
}

#[test]
fn depth_is_the_longest_way_from_all() {
    // `m` is a child of `z`, so it is deeper than `a`, though it is also a child of `all`.
    let text = "a: {hosts: {h: }, vars: {v: a}}\nm: {hosts: {h: }, vars: {v: m}}\n\
                z: {children: {m: }, vars: {v: z}}\n";
    let inventory = read_text("hosts.yaml", text).clean();
    assert_eq!(var(&inventory, "h", "v"), json!("m"));
    assert_eq!(host(&inventory, "h").groups, ["a", "z", "m"]);
}

#[test]
fn at_equal_depth_the_later_name_wins_unless_a_priority_says_otherwise() {
    let text = "b: {hosts: {h: }, vars: {v: b}}\na: {hosts: {h: }, vars: {v: a}}\n";
    assert_eq!(var(&read_text("x.yaml", text).clean(), "h", "v"), json!("b"));
    let text = text.replace("v: a", "v: a, ansible_group_priority: 10");
    let inventory = read_text("x.yaml", &text).clean();
    assert_eq!(var(&inventory, "h", "v"), json!("a"));
    assert_eq!(var(&inventory, "h", "ansible_group_priority"), json!(null));
    let reading = read_text("x.yaml", &text.replace("10", "high"));
    assert_eq!(reading.place(), "high");
}

#[test]
fn vars_files_come_over_the_inventory_file_for_groups_and_for_hosts() {
    let inventory = read_files(
        "hosts.ini",
        &[
            ("hosts.ini", "[web]\nweb1 c=line d=line\n[web:vars]\na=web\nb=web\nc=web\n"),
            // `group_vars/all` is stronger than what the inventory file says of any group.
            ("group_vars/all.yml", "a: file of all\nb: file of all\n"),
            ("group_vars/web.yml", "b: file of web\nc: file of web\n"),
            ("host_vars/web1.yml", "d: file of web1\n"),
        ],
    )
    .clean();
    assert_eq!(var(&inventory, "web1", "a"), json!("file of all"));
    assert_eq!(var(&inventory, "web1", "b"), json!("file of web"));
    assert_eq!(var(&inventory, "web1", "c"), json!("line"));
    assert_eq!(var(&inventory, "web1", "d"), json!("file of web1"));
}

#[test]
fn ungrouped_holds_the_hosts_of_no_other_group() {
    let text = "lone\nweb1\n[ungrouped:vars]\na=1\n[all]\nother\n[web]\nweb1\n";
    let inventory = read_text("hosts.ini", text).clean();
    assert_eq!(hosts(&inventory), "lone web1 other");
    assert_eq!(members(&inventory, "ungrouped"), "lone other");
    assert_eq!(var(&inventory, "other", "a"), json!(1));
    assert_eq!(var(&inventory, "web1", "a"), json!(null));
    assert_eq!(host(&inventory, "lone").groups, ["ungrouped"]);
    assert_eq!(host(&inventory, "web1").groups, ["web"]);
}

#[test]
fn a_variable_knows_where_it_was_written() {
    let inventory = read_files(
        "hosts.yaml",
        &[
            ("hosts.yaml", "web:\n  hosts:\n    web1:\n      a: 1\n  vars:\n    b:\n      - 1\n"),
            ("group_vars/all", "\n\nc: 1\n"),
        ],
    )
    .clean();
    let origin = |name: &str| host(&inventory, "web1").vars[name].origin.clone();
    assert_eq!(origin("a"), "hosts.yaml:4");
    assert_eq!(origin("b"), "hosts.yaml:6");
    assert_eq!(origin("c"), "group_vars/all:3");
}

#[test]
fn groups_that_contain_each_other_are_told() {
    let text = "web1\n[a:children]\nb\n[b:children]\nc\n[c:children]\na\n";
    let reading = read_text("hosts.ini", text);
    assert_eq!(
        reading.told(),
        "group-cycle 7:1 groups contain each other: `b` > `c` > `a` > `b` | in `c`"
    );
    assert_eq!(reading.diagnostics[0].secondary.len(), 2);
    let told = read_text("hosts.yaml", "a: {hosts: {h: }, children: {a: }}\n").told();
    assert_eq!(told, "group-cycle 1:30 groups contain each other: `a` > `a` | in `a`");
    let told = read_text("hosts.yaml", "a: {hosts: {h: }, children: {all: }}\n").told();
    assert!(told.starts_with("group-cycle 1:30 "), "{told}");
}

#[test]
fn a_chain_of_groups_without_end_is_told() {
    let chain = (0..10_000).map(|index| format!("[g{index}:children]\ng{}\n", index + 1));
    let text = format!("{}[g10000]\nweb1\n", chain.collect::<String>());
    let told = read_text("hosts.ini", &text).told();
    assert!(told.starts_with("nested-too-deep "), "{told}");
}

#[test]
fn a_name_of_a_group_and_a_host_is_a_warning() {
    let reading = read_text("hosts.ini", "[web]\nweb\n");
    assert_eq!(reading.told(), "host-is-group 2:1 `web` is both a group and a host | the host");
    assert!(reading.inventory.is_some());
}

#[test]
fn a_group_without_hosts_is_a_warning() {
    let reading = read_text("hosts.ini", "web1\n[db]\n[site:children]\ndb\n");
    let told = "empty-group 2:2 group `db` has no hosts | empty";
    assert_eq!(reading.told(), told);
    let inventory = reading.inventory.unwrap();
    assert_eq!(members(&inventory, "db"), "");
    assert_eq!(members(&inventory, "site"), "");
}

#[test]
fn an_inventory_survives_being_stored() {
    let text = "web:\n  hosts:\n    web[1:2]: {a: 1.5, b: [x, null], ansible_port: 22}\n  vars: \
                {planrun_state: {n: 1}, ansible_become: true}\n";
    let inventory = read_text("hosts.yaml", text).clean();
    let stored = serde_json::to_string(&inventory).unwrap();
    assert_eq!(serde_json::from_str::<Inventory>(&stored).unwrap(), inventory);
}

#[test]
fn places_are_known_also_where_passwords_stand_and_none_of_those_is_shown() {
    let text = "[a]\nweb1 ansible_password=first-one\n[b]\nweb1 ansible_password='second one'\n\
                web1 ansible_password=third-one\n[b:vars]\nansible_become_pass=fourth-one\n";
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let inventory = read::text(Path::new("hosts.ini"), text, &mut sources, &mut found).unwrap();
    for name in ["web1", "a", "b"] {
        let place = inventory.place(name).unwrap();
        found.push(Diagnostic::error(Code::WrongType, "a fault").at(place, "here"));
    }
    let all = text.lines().enumerate().map(|(at, line)| {
        let start = text.lines().take(at).map(|line| line.len() + 1).sum();
        let id = inventory.place("web1").unwrap().source;
        Diagnostic::error(Code::WrongType, "a fault")
            .at(Span::new(id, start, start + line.len()), "")
    });
    all.for_each(|one| found.push(one));
    let shown = render::human(&found, &sources, false);
    assert!(shown.contains("web1 ansible_password="), "{shown}");
    assert!(!shown.contains("-one") && !shown.contains("second"), "{shown}");
}
