//! Values of an inventory reach the plan as they are written.

use crate::desk::Desk;

const PLAN: &str = r#"version: 1
name: as-written
hosts: all
inputs:
  mode: {type: string, default: "0600"}
  release: {type: string, default: none}
  night: {type: string, default: none}
  commit: {type: string, default: none}
  sizes: {type: list, default: [none]}
steps:
  - id: put
    upload: {content: "{{ release }} {{ night }} {{ commit }} {{ sizes | join(' ') }}", to: as-written.conf, mode: "{{ mode }}"}
    rollback: {none: an example}
"#;

/// Applies the plan on this machine; returns the mode of the file it writes, and what is in it.
#[track_caller]
fn written(inventory: &str, text: &str) -> (String, String) {
    let desk = Desk::new();
    desk.write("plan.yaml", PLAN);
    desk.write(inventory, text);
    let line = format!(
        "planrun apply plan.yaml -i ./{inventory} --yes >/dev/null && \
         stat -c %a as-written.conf >&2 && cat as-written.conf >&2"
    );
    let told = desk.types(&line);
    assert_eq!(told.status, 0, "{}", told.text);
    let mut lines = told.text.lines().rev().map(str::to_owned);
    let content = lines.next().unwrap();
    (lines.next().unwrap(), content)
}

#[test]
fn numbers_of_an_inventory_arrive_as_they_are_written() {
    let expected = ("644".to_owned(), "3.10 22:30 61e5104 1_000 0x1F 1.50".to_owned());
    let yaml = "all:\n  vars:\n    mode: 0644\n    release: 3.10\n    night: 22:30\n    \
                commit: 61e5104\n    sizes: [1_000, 0x1F, 1.50]\n  hosts:\n    \
                here: {planrun_connection: local}\n";
    assert_eq!(written("hosts.yaml", yaml), expected);
    let ini = "[web]\nhere planrun_connection=local mode=0644 night=22:30 commit=61e5104\n\
               [web:vars]\nrelease=3.10\nsizes=[1_000, 0x1F, 1.50]\n";
    assert_eq!(written("hosts.ini", ini), expected);
    let json = r#"{"web": {"hosts": {"here": {"planrun_connection": "local", "mode": "0644",
        "release": 3.10, "night": "22:30", "commit": "61e5104", "sizes": ["1_000", "0x1F", 1.50]}}}}"#;
    assert_eq!(written("hosts.json", json), expected);
}

#[test]
fn a_saved_inventory_gives_what_the_first_one_gave() {
    let desk = Desk::new();
    desk.write("plan.yaml", PLAN);
    desk.write("hosts.yaml", "all: {hosts: {here: {planrun_connection: local, release: 3.10}}}\n");
    for ending in ["json", "yaml"] {
        let line = format!(
            "planrun inventory ./hosts.yaml --format {ending} > saved.{ending} && \
             planrun apply plan.yaml -i ./saved.{ending} --yes >/dev/null && \
             cat as-written.conf >&2"
        );
        let told = desk.types(&line);
        assert!(told.text.ends_with("3.10 none none none"), "{ending}: {}", told.text);
    }
}

#[test]
fn paths_of_an_inventory_are_absolute_and_several_inventories_are_one() {
    let desk = Desk::new();
    let one = "all: {hosts: {web1: {planrun_known_hosts: keys/known_hosts}}}\n";
    desk.write("site/one.yaml", one);
    desk.write("two.ini", "web1 ansible_ssh_private_key_file=keys/id ansible_user=ops\n");
    let told = desk.types(
        "planrun inventory -i site/one.yaml -i ./two.ini --inventory 'web2,' --format json >&2",
    );
    assert_eq!(told.status, 0, "{}", told.text);
    assert!(told.text.contains("\"identity_file\": \"/desk/keys/id\""), "{}", told.text);
    assert!(told.text.contains("\"known_hosts\": \"/desk/keys/known_hosts\""), "{}", told.text);
    assert!(told.text.contains("\"user\": \"ops\""), "{}", told.text);
    assert!(told.text.contains("\"web2\": {"), "{}", told.text);
}
