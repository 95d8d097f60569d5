//! The binary and real OpenSSH servers: a failed login, and a host with an unexpected key.

mod bastions;
mod fleet;
mod hundred;
pub(crate) mod proxy;
pub(crate) mod server;

use self::server::{Agent, Server};
use crate::harness::Planrun;

/// Says hello.
const HELLO: &str = "version: 1
name: hello
hosts: all
steps:
  - run: echo hello
    read_only: true
";

/// Makes a file, asks, makes another.
fn two_steps(server: &Server) -> String {
    let (first, second) = (server.path("first"), server.path("second"));
    format!(
        "version: 1
name: two-steps
hosts: all
steps:
  - id: first
    run: touch {first}
    idempotent: true
    rollback: {{run: rm -f {first}, idempotent: true}}
  - id: ask
    approve: Shall it go on?
  - id: second
    run: touch {second}
    idempotent: true
    rollback: {{none: the test ends here}}
",
        first = first.display(),
        second = second.display()
    )
}

#[test]
fn a_host_that_shows_another_key_after_a_pause_is_sent_nothing_not_even_a_rollback() {
    let Some(mut server) = Server::start("another_key") else {
        return;
    };
    let planrun = Planrun::new();
    let key = format!(", ansible_ssh_private_key_file: \"{}\"", server.path("user").display());
    let inventory = planrun.file("hosts.yaml", server.inventory(&key));
    let plan = planrun.file("plan.yaml", two_steps(&server));
    planrun.run(&["apply", &plan, "-i", &inventory, "--yes"]).exits(6);
    assert!(server.path("first").exists());
    let logins = server.logged("Accepted publickey");

    // Both keys are known: only what the run has seen tells them apart.
    server.shows("two");
    planrun.run(&["resolve", "last", "web1/ask", "--as", "approve"]);
    let resumed = planrun.run(&["resume", "last"]);
    resumed.exits(6).says("quarantined").says("and earlier in this run it showed ssh-ed25519");
    let back = planrun.run(&["rollback", "last", "--yes"]);
    back.exits(6).says("quarantined");
    assert!(server.path("first").exists());
    assert!(!server.path("second").exists());
    assert_eq!(server.logged("Accepted publickey"), logins);
    planrun.run(&["show", "last"]).says("quarantined");

    server.shows("one");
    planrun.run(&["resume", "last"]);
    assert!(!server.path("first").exists());
    assert!(!server.path("second").exists());
}

#[test]
fn an_agent_with_too_many_keys_is_reported_once_and_a_named_key_of_it_is_the_fix() {
    let Some(server) = Server::start("many_keys") else {
        return;
    };
    let mut keys: Vec<String> = (0..8).map(|number| format!("wrong{number}")).collect();
    for key in &keys {
        server.keygen(key);
    }
    keys.push("user".to_owned());
    let agent = Agent::start(&server, &keys);
    let mut planrun = Planrun::new();
    planrun.environment("SSH_AUTH_SOCK", Some(&agent.socket));
    planrun.environment("HOME", Some(server.path("").to_str().unwrap()));
    let plan = planrun.file("plan.yaml", HELLO);
    let inventory = planrun.file("hosts.yaml", server.inventory(""));

    let refused = planrun.run(&["apply", &plan, "-i", &inventory, "--yes"]);
    assert_ne!(refused.status, Some(0));
    refused.says("as `MaxAuthTries` of its SSH server demands");
    refused.says("set `ansible_ssh_private_key_file` to the right key");
    assert_eq!(server.logged("maximum authentication attempts exceeded"), 1);

    // With a passphrase, only the agent can use it.
    server.keygen_with(&["-q", "-p", "-P", "", "-N", "secret", "-f"], "user");
    let key = format!(", ansible_ssh_private_key_file: \"{}\"", server.path("user").display());
    let inventory = planrun.file("hosts.yaml", server.inventory(&key));
    planrun.run(&["apply", &plan, "-i", &inventory, "--yes"]).exits(0);
}

#[test]
fn an_agent_that_does_not_answer_is_a_problem_of_this_machine() {
    let Some(server) = Server::start("dead_agent") else {
        return;
    };
    let mut planrun = Planrun::new();
    planrun.environment("SSH_AUTH_SOCK", Some(server.path("no-agent").to_str().unwrap()));
    planrun.environment("HOME", Some(server.path("").to_str().unwrap()));
    let plan = planrun.file("plan.yaml", HELLO);
    let inventory = planrun.file("hosts.yaml", server.inventory(""));
    let paused = planrun.run(&["apply", &plan, "-i", &inventory, "--yes"]);
    assert_ne!(paused.status, Some(0));
    paused.says("cannot be reached: cannot use the agent at SSH_AUTH_SOCK");
    assert_eq!(server.logged("Failed publickey"), 0);
}
