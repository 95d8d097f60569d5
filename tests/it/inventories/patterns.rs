//! Host patterns select the hosts that `ansible --list-hosts` prints.

use std::collections::{BTreeMap, BTreeSet};

use planrun::inventory::pattern;

use crate::inventories::{hold, ours};
use crate::support::text;

/// The inventory they are held against.
pub(crate) const INVENTORY: &str = "tests/cases/patterns/hosts.ini";
/// What Ansible gives for each.
pub(crate) const KEPT: &str = "tests/cases/patterns/ansible.txt";

/// The patterns.
pub(crate) const PATTERNS: [&str; 68] = [
    "all",
    "*",
    "web",
    "web1",
    "web,db",
    "web:db",
    "web db",
    " web , db ",
    "web:!web2",
    "web,!web2",
    "!web2",
    "!web",
    "web:&berlin",
    "&berlin",
    "web:db:&berlin:!web1",
    "!web1:web:&berlin",
    "site",
    "site:!db",
    "ungrouped",
    "web*",
    "*1",
    "web?",
    "w*1",
    "web[12]*",
    "*[ab]",
    "node[ab]*",
    "node[!a]*",
    "node-[a]*",
    "*.example.org",
    "mail?.example.org",
    "192.0.2.*",
    "192.0.2.1",
    "2001:db8::1",
    "192.0.2.1,2001:db8::1",
    "~web[0-9]+",
    "~^(web|db)1$",
    "~.*example",
    "~node-[ab]",
    "~1",
    "web:!~web[13]",
    "web,~^db",
    "web[0]",
    "web[1]",
    "web[-1]",
    "web[-2]",
    "web[0:1]",
    "web[1:]",
    "web[0:0]",
    "web[1:9]",
    "web[2:1]",
    "web[7]",
    "web[7:9]",
    "site[0]",
    "site[0:3]",
    "all[0]",
    "all[0:2]",
    "web*[0]",
    "berlin[0]",
    "!web[0]",
    "web:!web[0]",
    "web:&berlin[0]",
    "a*",
    "backend[01:03]",
    "web[01:03]",
    "backend[0-1]",
    "web[0-1]",
    "unknown",
    "web:!unknown",
];

#[test]
fn patterns_stand_for_the_hosts_that_ansible_gives() {
    let inventory = ours(&[INVENTORY.to_owned()]).unwrap();
    let kept = text(KEPT);
    let kept: BTreeMap<&str, &str> =
        kept.lines().map(|line| line.split_once(" => ").unwrap()).collect();
    assert_eq!(kept.len(), PATTERNS.len(), "UPDATE_ANSIBLE=1 keeps the answers");
    let mut differences = Vec::new();
    for written in PATTERNS {
        let theirs = kept[written];
        let our = match pattern::resolve(written, &inventory) {
            Ok(hosts) => hosts.iter().map(ToString::to_string).collect(),
            Err(error) => vec![format!("({error})")],
        };
        // Ansible lists them in the order of the pattern; here a run has the inventory's order.
        let same = theirs.split(' ').filter(|name| !name.is_empty()).collect::<BTreeSet<_>>()
            == our.iter().map(String::as_str).collect();
        if !same {
            let our = our.join(" ");
            differences.push(format!("{written}: Ansible [{theirs}], planrun [{our}]\n"));
        }
    }
    let found = BTreeMap::from([("patterns".to_owned(), differences.concat())]);
    hold(&found, &["patterns".to_owned()]);
}
