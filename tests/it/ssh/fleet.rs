//! `planrun ping` and `planrun hosts trust`, with real servers.

use std::fs;

use super::server::Server;
use crate::harness::Planrun;

#[test]
fn ping_shows_what_each_host_can_do_and_exits_as_a_run_would() {
    let Some(server) = Server::start("ping") else {
        return;
    };
    let planrun = Planrun::new();
    let good = server.inventory_with_key();
    let inventory = planrun.file("hosts.yaml", &good);
    let shown = planrun.run(&["ping", "-i", &inventory]);
    shown.exits(0).says("HOST  LOGIN").says("web1  root").says("1 of 1 host can be worked on");
    let json = planrun.run(&["ping", "web1", "-i", &inventory, "--format", "json"]);
    let data: serde_json::Value = serde_json::from_str(&json.exits(0).stdout).unwrap();
    let host = &data["hosts"][0];
    assert_eq!((&host["host"], &host["user"]), (&"web1".into(), &"root".into()));
    assert!(host["free_kib"].as_u64().unwrap() > 0 && host["clock_skew"].as_i64() == Some(0));
    assert!(host["tools"].as_array().unwrap().contains(&"setsid".into()));
    // It leaves nothing but the place of records.
    let left = fs::read_dir(server.path("state/planrun/attempts")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".memory"]);

    let other = |from: &str, to: &str| good.replace("web1", "web2").replace(from, to);
    let (address, port) = server.address();
    let away =
        planrun.file("away.yaml", other(&format!("ansible_port: {port}"), "ansible_port: 1"));
    let both = planrun.run(&["ping", "-i", &inventory, "-i", &away]);
    both.exits(4)
        .says("web1  root")
        .says("web2 is unreachable")
        .says("1 of 2 hosts can be worked on");
    let known = server.path("known_hosts").display().to_string();
    let strange = planrun.file("strange.yaml", other(&known, "/dev/null"));
    let refused = planrun.run(&["ping", "-i", &strange, "-i", &inventory]);
    refused.exits(77).says("web2 fails host key verification: its host key is unknown");
    let refused = planrun.run(&["ping", "web1", "-i", &inventory, "--become", "no-such-user"]);
    refused.exits(77).says("web1 refused: the user no-such-user does not exist on it");
    planrun.run(&["ping", "web9", "-i", &inventory]).exits(2);
    planrun.run(&["ping", "-i", &inventory, "--jobs", "0"]).exits(2);
    // Where no records can be kept, a run would send nothing.
    fs::remove_dir_all(server.path("state")).unwrap();
    fs::write(server.path("state"), "").unwrap();
    let refused = planrun.run(&["ping", "-i", &inventory]);
    refused
        .exits(77)
        .says("cannot keep a record of the command")
        .says("0 of 1 host can be worked on");
    assert!(address.starts_with("127."));
}

#[test]
fn keys_are_trusted_by_their_fingerprints_or_by_the_operator_and_never_replaced() {
    let Some(mut server) = Server::start("trust") else {
        return;
    };
    let planrun = Planrun::new();
    let known = planrun.path("ssh/known");
    let (address, port) = server.address();
    let inventory = server.inventory_with_key();
    let inventory = inventory
        .replace(&server.path("known_hosts").display().to_string(), &known.display().to_string());
    let inventory = planrun.file("hosts.yaml", inventory);
    let print = |key: &str| {
        let shown = crate::harness::program("ssh-keygen").arg("-lf").arg(server.path(key)).output();
        let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
        shown.split(' ').nth(1).unwrap().to_owned()
    };
    let (one, two) = (print("one.pub"), print("two.pub"));

    // Without a terminal nothing is trusted by itself.
    let shown = planrun.run(&["hosts", "trust", "-i", &inventory]);
    shown.exits(2).says(&format!("web1  [{address}]:{port}  ssh-ed25519 {one}  new"));
    shown.says("pass the expected fingerprints by `--expect`");
    let wrong = planrun.run(&["hosts", "trust", "-i", &inventory, "--expect", &two]);
    wrong.exits(77).says("not expected").says("nothing was added");
    // Nothing that is not a whole fingerprint is compared with one.
    for part in ["", "MD5:e6:b8", "SHA256:", &one[..20], "6"] {
        let refused = planrun.run(&["hosts", "trust", "-i", &inventory, "--expect", part]);
        refused.exits(2).says("expected SHA256: and 43 characters");
    }
    assert!(!known.exists());

    planrun
        .run(&["hosts", "trust", "-i", &inventory, "--expect", &one])
        .exits(0)
        .says("added 1 key");
    assert_eq!(fs::read_to_string(&known).unwrap().lines().count(), 1);
    planrun.run(&["hosts", "trust", "-i", &inventory]).exits(0).says("known");
    planrun.run(&["ping", "-i", &inventory]).exits(0);

    server.shows("two");
    let changed = planrun.run(&["hosts", "trust", "-i", &inventory, "--expect", &two]);
    changed.exits(77).says(&format!("CHANGED: {}:1 has another key", known.display()));
    assert_eq!(fs::read_to_string(&known).unwrap().lines().count(), 1);

    // The operator compares, and answers at the terminal.
    fs::write(&known, "# no end of line").unwrap();
    let trust = format!(
        "(sleep 1; while ! grep -q compare {0}; do sleep 0.1; done; echo y) | \
         script -qfec 'planrun hosts trust -i {inventory}' {0}",
        planrun.path("typescript").display()
    );
    planrun.type_line(&trust).exits(0);
    let lines = fs::read_to_string(&known).unwrap();
    assert!(
        lines.starts_with(&format!("# no end of line\n[{address}]:{port} ssh-ed25519 ")),
        "{lines}"
    );
    planrun.run(&["ping", "-i", &inventory]).exits(0);
}
