//! The INI form of inventories.

use serde_json::json;

use super::{hosts, members, read_text, var};

#[test]
fn sections_hosts_ranges_and_comments_are_read() {
    let text = "# comment\nlone\n; comment\n[web] # the web\nweb[01:03:2] # two\n\
                web-[a:b]:2222\n\n[site:children]\nweb # first\ndb\n[db]\ndb1\n\
                [site:vars]\nwhere=here\n";
    let inventory = read_text("hosts.ini", text).clean();
    assert_eq!(hosts(&inventory), "lone web01 web03 web-a web-b db1");
    assert_eq!(members(&inventory, "site"), "web01 web03 web-a web-b db1");
    assert_eq!(members(&inventory, "ungrouped"), "lone");
    assert_eq!(var(&inventory, "web-a", "ansible_port"), json!(2222));
    assert_eq!(var(&inventory, "db1", "where"), json!("here"));
    assert_eq!(var(&inventory, "lone", "where"), json!(null));
}

#[test]
fn values_are_literals_on_host_lines_and_in_vars_sections() {
    let text = "[web]\nweb1 a=5 b='5' c=\"'5'\" d=yes e=True f=\"x y\" g='[1, 2]' h=0644\n\
                [web:vars]\ni=5\nj=\"5\"\nk=x y\nl = [1, 'a'] # list\nm=a=b\nn=\n";
    let inventory = read_text("hosts.ini", text).clean();
    let value = |name| var(&inventory, "web1", name);
    // The shell's quotes go first: only what they leave is looked at.
    assert_eq!(value("a"), json!(5));
    assert_eq!(value("b"), json!(5));
    assert_eq!(value("c"), json!("5"));
    assert_eq!(value("d"), json!("yes"));
    assert_eq!(value("e"), json!(true));
    assert_eq!(value("f"), json!("x y"));
    assert_eq!(value("g"), json!([1, 2]));
    assert_eq!(value("h"), json!("0644"));
    assert_eq!(value("i"), json!(5));
    assert_eq!(value("j"), json!("5"));
    assert_eq!(value("k"), json!("x y"));
    assert_eq!(value("l"), json!([1, "a"]));
    assert_eq!(value("m"), json!("a=b"));
    assert_eq!(value("n"), json!(""));
}

#[test]
fn a_port_behind_the_name_yields_to_the_variable() {
    let inventory = read_text("hosts.ini", "web1:22 ansible_port=2222\n").clean();
    assert_eq!(var(&inventory, "web1", "ansible_port"), json!(2222));
}

#[test]
fn lines_that_cannot_be_read_are_told_with_their_places() {
    let text = "web1 a='b\nweb2 c\n  web3:\n[we b]\nignored [\n[web:hsots]\nignored too\n\
                [web]\nx=1\n---\nweb[1:0]\n[web:vars]\nnothing\n[a*]\n";
    assert_eq!(
        read_text("hosts.ini", text).told(),
        "ini-syntax 1:8 cannot split this line into words | this quote is not closed\n\
        ini-syntax 2:6 `c` is not a variable | expected `name=value`\n\
        host-entry 3:3 invalid host entry `web3:` | missing port after `:`\n\
        ini-syntax 4:1 invalid section header | expected a name in brackets\n\
        ini-syntax 6:6 unknown section type `hsots`\n\
        ini-syntax 9:1 `x=1` is not a host | expected a host, found a variable\n\
        ini-syntax 10:1 `---` is not a host | this is YAML\n\
        host-entry 11:1 invalid host entry `web[1:0]` | `[1:0]` ends before it starts\n\
        ini-syntax 13:1 `nothing` is not a variable | expected `name=value`\n\
        unsafe-name 14:2 invalid group name `a*` | contains '*'"
    );
}

#[test]
fn a_group_that_is_not_defined_is_told() {
    let text = "[web]\nweb1\n[site:children]\nwbe\n[db:vars]\na=1\n";
    let reading = read_text("hosts.ini", text);
    assert_eq!(
        reading.told(),
        "unknown-group 4:1 undefined group `wbe` | no such group\n\
        unknown-group 5:2 undefined group `db` | no such group"
    );
    assert_eq!(reading.diagnostics[0].help, ["did you mean `web`?"]);
    assert_eq!(reading.diagnostics[1].help, ["define it with a section `[db]`"]);
}

#[test]
fn a_group_may_be_defined_after_it_is_referred_to() {
    let text = "[site:children]\nweb\n[web:vars]\na=1\n[web]\nweb1\n";
    let inventory = read_text("hosts.ini", text).clean();
    assert_eq!(members(&inventory, "site"), "web1");
    assert_eq!(var(&inventory, "web1", "a"), json!(1));
}

#[test]
fn line_ends_of_windows_are_no_part_of_a_line() {
    let text = "[web]\r\nweb1 a=b\r\n[web:vars]\r\nc=d\r\n";
    let inventory = read_text("hosts.ini", text).clean();
    assert_eq!(var(&inventory, "web1", "a"), json!("b"));
    assert_eq!(var(&inventory, "web1", "c"), json!("d"));
}
