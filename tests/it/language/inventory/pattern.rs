//! Tests of [`super`].

use planrun::diagnostic::Diagnostics;
use planrun::inventory::Inventory;
use planrun::inventory::pattern::resolve;
use planrun::inventory::read::read;
use planrun::source::Sources;

/// Reads web1 to web4, db1 and db2, a lone host and an address, in this order.
fn inventory() -> Inventory {
    let text = "lone\n2001:db8::7\n[web]\nweb[1:4]\n[db]\ndb[1:2].example.org\n\
                [prod]\nweb2\ndb1.example.org\n[none:children]\nvoid\n[void]\n\
                [site:children]\nweb\ndb\n";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hosts.ini");
    std::fs::write(&path, text).unwrap();
    let mut found = Diagnostics::default();
    read(&path, "hosts.ini", &mut Sources::default(), &mut found).unwrap()
}

#[track_caller]
fn check(pattern: &str, expected: &str) {
    let shown = match resolve(pattern, &inventory()) {
        Ok(hosts) => {
            let names: Vec<&str> = hosts.iter().map(planrun::inventory::HostName::as_str).collect();
            names.join(" ").replace(".example.org", "")
        }
        Err(error) => format!("error: {error}"),
    };
    assert_eq!(shown, expected, "{pattern}");
}

#[test]
fn names_and_groups_stand_for_their_hosts() {
    check("web3", "web3");
    check("web", "web1 web2 web3 web4");
    check("site", "web1 web2 web3 web4 db1 db2");
    check("all", "lone 2001:db8::7 web1 web2 web3 web4 db1 db2");
    check("*", "lone 2001:db8::7 web1 web2 web3 web4 db1 db2");
    check("ungrouped", "lone 2001:db8::7");
    check("none", "");
}

#[test]
fn unions_are_in_the_order_of_the_inventory_and_without_repetition() {
    check("db,web3,web3,lone", "lone web3 db1 db2");
    check("db:web3 : lone", "lone web3 db1 db2");
    check("web3,db:lone", "lone web3 db1 db2");
}

#[test]
fn exclusion_and_intersection_act_after_everything_else() {
    check("web:!web3", "web1 web2 web4");
    check("!web3:web", "web1 web2 web4");
    check("web:&prod", "web2");
    check("&prod,web,db,!web2", "db1");
    check("!web", "lone 2001:db8::7 db1 db2");
    check("web:&db", "");
    check("web,!nothing*", "web1 web2 web3 web4");
}

#[test]
fn globs_match_hosts_and_groups() {
    check("web*", "web1 web2 web3 web4");
    check("*.example.org", "db1 db2");
    check("web?", "web1 web2 web3 web4");
    check("we[a-c][!13]*", "web2 web4");
    // A number in brackets at the end is an index, as in Ansible.
    check("we[a-c][1]", "web2");
    check("web[!2-4]", "web1");
    check("d*", "db1 db2");
    check("pr*", "web2 db1");
}

#[test]
fn expressions_match_from_the_beginning() {
    check("~web[13]", "web1 web3");
    check("~.*2", "2001:db8::7 web2 db2");
    check("~eb", "error: no host or group matches `~eb`");
    check("~web(1|2),lone", "lone web1 web2");
    check("~(", "error: invalid host pattern `~(`: unclosed group");
    check(
        "~(a{1000}){1000}",
        "error: invalid host pattern `~(a{1000}){1000}`: compiles to more than 1048576 bytes",
    );
}

#[test]
fn an_index_picks_from_the_hosts_of_a_group() {
    check("web[0]", "web1");
    check("web[-1]", "web4");
    check("web[1:2]", "web2 web3");
    check("web[2:]", "web3 web4");
    check("web[2:99]", "web3 web4");
    check("site[-1],!web[0]", "db2");
    check("web*[0]", "web1");
    check("web[4]", "error: `web[4]` is out of range: `web` has 4 hosts");
    check("web[-5]", "error: `web[-5]` is out of range: `web` has 4 hosts");
    check("web[4:9]", "error: `web[4:9]` is out of range: `web` has 4 hosts");
    check("void[0]", "error: `void[0]` is out of range: `void` has 0 hosts");
}

#[test]
fn a_range_of_names_is_one_where_the_base_is_no_group() {
    check("we[0:1]", "error: no host or group named `we0` in the inventory; did you mean `web`?");
    check("db[1:2].example.org", "db1 db2");
    check("lone[0:0]", "lone");
}

#[test]
fn addresses_with_colons_stay_whole() {
    check("2001:db8::7", "2001:db8::7");
    check("2001:db8::7,lone", "lone 2001:db8::7");
    check("all,!2001:db8::7,!site", "lone");
    check("2001:db8::[7:7]", "2001:db8::7");
}

#[test]
fn unknown_names_are_faults_even_where_they_take_away() {
    check("wbe", "error: no host or group named `wbe` in the inventory; did you mean `web`?");
    check(
        "web:!wbe3",
        "error: no host or group named `wbe3` in the inventory; did you mean `web3`?",
    );
    check(
        "web:&proud",
        "error: no host or group named `proud` in the inventory; did you mean `prod`?",
    );
    check("nothing*", "error: no host or group matches `nothing*`");
    check(
        "localhost",
        "error: `localhost` is not in the inventory; add it there with `planrun_connection: local`",
    );
}

#[test]
fn malformed_patterns_are_told() {
    check("", "error: invalid host pattern ``: empty");
    check(" , ", "error: invalid host pattern ` , `: empty");
    check("web[", "error: invalid host pattern `web[`: unbalanced brackets");
    check("web]", "error: invalid host pattern `web]`: unbalanced brackets");
    check("web:!", "error: invalid host pattern ``: missing name after `:`, `!` or `&`");
    check("!!web", "error: invalid host pattern `!web`: duplicate `!` or `&`");
    check("@file", "error: invalid host pattern `@file`: files of names are not supported");
}

#[test]
fn a_name_of_both_a_group_and_a_host_is_the_group_as_everywhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hosts.ini");
    std::fs::write(&path, "[web]\nweb\nweb2\n").unwrap();
    let mut found = Diagnostics::default();
    let inventory = read(&path, "hosts.ini", &mut Sources::default(), &mut found).unwrap();
    let hosts = resolve("web", &inventory).unwrap();
    assert_eq!(hosts.len(), 2);
    assert_eq!(Some(hosts), inventory.members("web"));
}
