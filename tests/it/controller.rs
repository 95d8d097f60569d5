//! Problems on the machine that planrun runs on: they are no failure of a host, wherever in a run
//! they come up.

use std::cell::Cell;

use async_trait::async_trait;
use planrun::event::Event;
use planrun::event::RunStatus;
use planrun::inventory::Host;
use planrun::run::exit_status;
use planrun::transport::AttemptId;
use planrun::transport::Command;
use planrun::transport::Output;
use planrun::transport::Recovered;
use planrun::transport::Transport;
use planrun::transport::TransportError;
use planrun::transport::model::ModelTransport;

use crate::scene::Memory;
use crate::scene::Scene;
use crate::scene::fault;
use crate::scene::start;
use crate::scene::trace;

/// Reaches a world, until a key on this machine can no longer be read.
struct Failing<'a> {
    world: &'a ModelTransport,
    /// How often it still reaches it.
    left: Cell<usize>,
    /// Whether it was to reach it after that.
    met: Cell<bool>,
}

impl Failing<'_> {
    fn pass(&self, host: &Host) -> Result<(), TransportError> {
        let left = self.left.get();
        if left == 0 {
            self.met.set(true);
            let why = "the key `keys/id` cannot be read".to_owned();
            return Err(TransportError::Controller { host: host.name.clone(), why });
        }
        self.left.set(left - 1);
        Ok(())
    }
}

#[async_trait(?Send)]
impl Transport for Failing<'_> {
    async fn look(&self, host: &Host, command: &Command) -> Result<Output, TransportError> {
        self.pass(host)?;
        self.world.look(host, command).await
    }

    async fn attempt(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
    ) -> Result<Output, TransportError> {
        self.pass(host)?;
        self.world.attempt(host, id, command).await
    }

    async fn recover(&self, host: &Host, id: &AttemptId) -> Result<Recovered, TransportError> {
        self.pass(host)?;
        self.world.recover(host, id).await
    }
}

/// Looks of every kind, and effects forward, back, and in a critical section.
const PLAN: &str = r#"
version: 1
name: controller
hosts: backend1
preflight:
  Dovecot runs: dovecot == "active"
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
steps:
  - id: was
    set: {state: dovecot}
  - id: stop
    when: dovecot == "active"
    requires: {Dovecot runs: dovecot == "active"}
    run: systemctl stop dovecot
    done_when: dovecot == "inactive"
    rollback: {run: systemctl start dovecot, done_when: dovecot == "active"}
  - assert: {it is stopped: dovecot == "inactive"}
  - uninterruptible: it is an example
    rollback: {none: its parts are undone}
    block:
      - id: start
        run: systemctl start dovecot
        done_when: dovecot == "active"
        rollback: {run: systemctl stop dovecot, done_when: dovecot == "inactive"}
      - wait: {until: dovecot == "active", timeout: 10s}
  - id: reload
    run: doveadm reload
    idempotent: true
    rollback: {run: doveadm reload, idempotent: true}
"#;

/// What was done, each command that took effect once; any member of a group may have done it.
fn effects(journal: &Memory) -> Vec<String> {
    let records = journal.records.borrow();
    let mut commands = Vec::new();
    for record in records.iter() {
        match &record.event {
            Event::AttemptIntended { command, .. } => commands.push(command.clone()),
            Event::AttemptEnded { outcome: planrun::event::Outcome::NotSent(_), .. } => {
                commands.pop();
            }
            _ => {}
        }
    }
    commands
}

/// Lets the key go after each command that reached a host, and takes the run up again with it back.
#[track_caller]
fn breaks_everywhere(faults: &[(&str, &str, &str)], end: RunStatus) {
    let scene = Scene::new(PLAN, &[]);
    let faults = || faults.iter().map(|(host, step, kind)| fault(host, step, kind, None)).collect();
    let clock = start();
    let whole = Memory::default();
    let state = scene.drive(&clock, &scene.world(&clock, faults()), &whole, None).unwrap();
    assert_eq!(state.status, end, "{}", trace(&whole));
    let wanted = effects(&whole);
    let mut paused = 0;
    for left in 1..2_000 {
        let clock = start();
        let world = scene.world(&clock, faults());
        let failing = Failing { world: &world, left: Cell::new(left), met: Cell::new(false) };
        let journal = Memory::default();
        let state = scene.drive(&clock, &failing, &journal, None).unwrap();
        if !failing.met.get() {
            assert!(paused > 10, "{paused}");
            return;
        }
        if state.status == RunStatus::Refused {
            assert_eq!(exit_status(&state), 2, "{}", trace(&journal));
            continue;
        }
        assert_eq!(state.status, RunStatus::Paused, "{left}\n{}", trace(&journal));
        assert_eq!(exit_status(&state), 6);
        paused += 1;
        let resumed = scene.drive(&clock, &world, &journal, None).unwrap();
        assert_eq!(resumed.status, end, "{left}\n{}", trace(&journal));
        assert_eq!(effects(&journal), wanted, "{left}\n{}", trace(&journal));
    }
    panic!("the run does not end");
}

#[test]
fn a_key_that_cannot_be_read_pauses_the_run_wherever_it_is() {
    breaks_everywhere(&[], RunStatus::Succeeded);
}

#[test]
fn a_key_that_cannot_be_read_in_a_rollback_leaves_nothing_stuck() {
    breaks_everywhere(&[("backend1", "reload", "refused")], RunStatus::RolledBack);
}
