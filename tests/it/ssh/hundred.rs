//! Many hosts at once, some of which refuse, hang, reset, or show another key. `PLANRUN_FLEET` sets their
//! number.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use super::server::Server;
use crate::harness::Planrun;

/// How many servers of sshd the good hosts share.
const SERVERS: usize = 4;

/// What is wrong with every twentieth host each.
const FAULTS: [(&str, &str); 4] = [
    ("refusing", "refuses the connection: no SSH server listens there"),
    ("hanging", "accepts connections, but the login did not start"),
    ("resetting", "closed the connection"),
    ("strange", "another key"),
];

/// A listener that accepts connections, and keeps them open or closes them.
fn listener(keeps: bool) -> u16 {
    let listener = TcpListener::bind(("127.0.14.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut kept: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            if keeps {
                kept.push(stream);
            } else {
                let mut stream = stream;
                // What was sent is read, so that the other side sees an end and not a reset at times.
                let _count = stream.read(&mut [0; 64]);
            }
        }
    });
    port
}

/// Returns an inventory of many hosts on few servers, and the names of those with each fault.
fn fleet(
    planrun: &Planrun,
    servers: &[Server],
    count: usize,
) -> (String, [Vec<String>; FAULTS.len()]) {
    let closed = TcpListener::bind(("127.0.14.1", 0)).unwrap().local_addr().unwrap().port();
    let mut known = Vec::new();
    for server in servers {
        let (address, port) = server.address();
        known.push(format!("[{address}]:{port} {}", server.read("one.pub")));
    }
    let known = planrun.file("known", known.concat());
    let (address, port) = servers[0].address();
    let other = servers[0].read("two.pub");
    let strange = planrun.file("strange", format!("[{address}]:{port} {other}"));
    let mut hosts = Vec::new();
    let mut faulty = [const { Vec::new() }; FAULTS.len()];
    for number in 0..count {
        let name = format!("web{number:04}");
        let fault = Some(number % 20).filter(|fault| *fault < FAULTS.len());
        let port = match fault {
            Some(3) => port,
            Some(0) => closed,
            Some(fault) => listener(fault == 1),
            None => servers[number % SERVERS].address().1,
        };
        let file = if fault == Some(3) { &strange } else { &known };
        let group = fault.map_or("good", |fault| FAULTS[fault].0);
        hosts.push(format!("{name} ansible_port={port} planrun_known_hosts={file} kind={group}"));
        if let Some(fault) = fault {
            faulty[fault].push(name);
        }
    }
    let key = servers[0].path("user");
    let inventory = planrun.file(
        "hosts.ini",
        format!(
            "[all]\n{}\n[all:vars]\nansible_host={address}\nansible_timeout=20\nplanrun_locks=none\n\
             ansible_ssh_private_key_file={}\n",
            hosts.join("\n"),
            key.display()
        ),
    );
    (inventory, faulty)
}

/// Returns a plan of five steps, each of which adds a line to a file.
fn five_steps(effects: &Path, count: usize) -> String {
    let step = |number: usize| {
        format!(
            "  - id: step{number}\n    run: sh -c 'echo \"$1\" >>{}' sh \"{{{{ host }}}}/{number}\"\n    \
             idempotent: true\n    rollback: {{none: the test ends here}}\n",
            effects.display()
        )
    };
    let steps: String = (0..5).map(step).collect();
    format!("version: 1\nname: many\nhosts: all\nserial: {count}\nsteps:\n{steps}")
}

#[test]
fn each_of_many_hosts_gets_its_own_end_and_a_hung_one_slows_no_other() {
    let count = std::env::var("PLANRUN_FLEET").map_or(100, |count| count.parse().unwrap());
    let mut servers = Vec::new();
    for _ in 0..SERVERS {
        let Some(server) = Server::start("hundred") else {
            return;
        };
        fs::copy(servers.first().unwrap_or(&server).path("user.pub"), server.path("copy")).unwrap();
        fs::rename(server.path("copy"), server.path("user.pub")).unwrap();
        servers.push(server);
    }
    let planrun = Planrun::new();
    let (inventory, faulty) = fleet(&planrun, &servers, count);
    let bad: usize = faulty.iter().map(Vec::len).sum();
    let jobs = count.min(100).to_string();
    let pinged = planrun.run(&["ping", "-i", &inventory, "--jobs", &jobs]);
    pinged.exits(77).says(&format!("{} of {count} hosts can be worked on", count - bad));
    // Messages are folded.
    let shown = pinged.stdout.split_whitespace().chain(pinged.stderr.split_whitespace());
    let shown: Vec<&str> = shown.collect();
    let shown = shown.join(" ");
    for ((_, words), names) in FAULTS.iter().zip(&faulty) {
        for name in names {
            let (_, after) =
                shown.split_once(&format!("{name} ")).unwrap_or_else(|| panic!("{name}: {shown}"));
            let message = after.split(" web").next().unwrap();
            assert!(message.contains(words), "{name}: {message}");
        }
    }

    // A run with the faulty hosts changes nothing; without them, each step is done once on each host.
    let effects = planrun.path("effects");
    let plan = planrun.file("plan.yaml", five_steps(&effects, count));
    let refused = planrun.run(&["apply", &plan, "-i", &inventory, "--yes"]);
    refused.exits(77);
    assert!(!effects.exists());
    let limit = format!("all:!{}", faulty.concat().join(":!"));
    let applied = planrun.run(&["apply", &plan, "-i", &inventory, "--yes", "--limit", &limit]);
    applied.exits(0);
    let text = fs::read_to_string(&effects).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!((lines.len(), text.lines().count()), ((count - bad) * 5, (count - bad) * 5));
}
