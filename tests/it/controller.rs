//! Reports of a transport that are not failures of a step: a problem on the controller, an attempt of an
//! older copy of the run, a late result.

use std::cell::{Cell, RefCell};

use async_trait::async_trait;
use planrun::event::{Answer, Event, HostEvent, Record, RunStatus, TaskEvent};
use planrun::inventory::Host;
use planrun::run::exit_status;
use planrun::transport::lock::{LockReply, LockRequest};
use planrun::transport::model::ModelTransport;
use planrun::transport::{Output, Recovered, Reply, Request, Transport, TransportError};

use crate::scene::{InTurn, Memory, Scene, fault, start, trace};

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
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        if matches!(request, Request::Look(_) | Request::Attempt(..) | Request::Recover(..)) {
            self.pass(host)?;
            return self.world.handle(host, request).await;
        }
        Ok(Reply::Done)
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
            Event::Task { event: TaskEvent::AttemptIntended { command, .. }, .. } => {
                commands.push(command.clone());
            }
            Event::Task {
                event: TaskEvent::AttemptEnded { outcome: planrun::event::Outcome::NotSent(_), .. },
                ..
            } => {
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

#[test]
fn an_attempt_that_an_older_copy_of_the_run_does_not_know_pauses_the_run() {
    let scene = Scene::new(PLAN, &[]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let whole = Memory::default();
    let state = scene.drive(&clock, &world, &whole, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&whole));
    // The state directory is restored from before the first command.
    let records = whole.records.into_inner();
    let is_intent = |record: &Record| {
        matches!(record.event, Event::Task { event: TaskEvent::AttemptIntended { .. }, .. })
    };
    let first = records.iter().position(is_intent).unwrap();
    let journal = Memory { records: records[..first].to_vec().into(), ..Memory::default() };
    let mut pauses = 0;
    let state = loop {
        let state = scene.drive(&clock, &world, &journal, None).unwrap();
        if state.status != RunStatus::Paused {
            break state;
        }
        assert_eq!(exit_status(&state), 6);
        pauses += 1;
    };
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(pauses, 3, "{}", trace(&journal));
    let kept = journal.records.borrow();
    let blocked = kept.iter().filter_map(|record| match &record.event {
        Event::Host { event: HostEvent::Blocked { why, .. }, .. } => Some(why.as_str()),
        _ => None,
    });
    assert!(blocked.clone().all(|why| why.contains("already started this attempt")));
    assert_eq!(blocked.count(), 3);
}

/// Loses the connection in every command, and says later what came of it.
struct Late<'a> {
    world: &'a ModelTransport,
    output: RefCell<Option<Output>>,
    /// How often the host says that it is still running.
    running: Cell<usize>,
}

#[async_trait(?Send)]
impl Transport for Late<'_> {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        match request {
            Request::Attempt(id, command, _) => {
                self.output.replace(Some(self.world.attempt(host, id, command).await?));
                let why = "as the test wants it".into();
                Err(TransportError::Cut { host: host.name.clone(), why })
            }
            Request::Recover(..) => {
                let left = self.running.get();
                self.running.set(left.saturating_sub(1));
                let output = self.output.borrow().clone().unwrap();
                let ended = Recovered::Ended(output);
                Ok(Reply::Recovered(if left > 0 { Recovered::Running } else { ended }))
            }
            _ => self.world.handle(host, request).await,
        }
    }
}

/// Nothing but its result shows what the step has done.
const LATE: &str = r"
version: 1
name: late
hosts: backend1
steps:
  - id: reload
    run: doveadm reload
    timeout: 10s
    on_unknown: ask
    rollback: {none: it is an example}
  - assert: {it went well: reload.exit == 0}
";

#[test]
fn a_result_that_arrives_late_is_used() {
    for running in [3, 10] {
        let scene = Scene::new(LATE, &[]);
        let clock = start();
        let world = scene.world(&clock, vec![]);
        let late = Late { world: &world, output: RefCell::default(), running: Cell::new(running) };
        let journal = Memory::default();
        let mut state = scene.drive(&clock, &late, &journal, None).unwrap();
        if running > 5 {
            // Nobody knows yet when its time is up; the operator wants it sent again, and then the
            // result is there.
            assert_eq!(state.status, RunStatus::Paused, "{}", trace(&journal));
            let retry = InTurn(RefCell::new(vec![Answer::Retry]));
            state = scene.drive(&clock, &late, &journal, Some(&retry)).unwrap();
        }
        assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
        assert_eq!(effects(&journal).len(), 1, "{}", trace(&journal));
    }
}

/// A host that is restarted right before its second effect: it has lost its lock, and another run may have
/// taken it.
struct Restarted<'a> {
    world: &'a ModelTransport,
    effects: Cell<usize>,
    /// Whether another run takes the lock after the restart.
    is_taken: Cell<bool>,
    requests: RefCell<Vec<LockRequest>>,
}

impl Restarted<'_> {
    fn lock(&self, host: &Host, request: &LockRequest) -> Result<LockReply, TransportError> {
        self.requests.borrow_mut().push(request.clone());
        let is_restarted = self.effects.get() > 1;
        match request {
            LockRequest::Take(_) if is_restarted && self.is_taken.get() => {
                let why = "is locked by run other of plan p, by eve@desk".to_owned();
                Err(TransportError::Locked { host: host.name.clone(), why })
            }
            LockRequest::Take(_) => {
                let boot = Some(if is_restarted { "second" } else { "first" }.to_owned());
                Ok(LockReply::Taken { is_kept: false, boot })
            }
            LockRequest::Release { .. } => Ok(LockReply::Released),
            LockRequest::Show => Ok(LockReply::Free),
        }
    }
}

#[async_trait(?Send)]
impl Transport for Restarted<'_> {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        if let Request::Lock(request) = request {
            return self.lock(host, request).map(Reply::Lock);
        }
        if let Request::Attempt(..) = request {
            self.effects.set(self.effects.get() + 1);
            if self.effects.get() == 2 {
                let why = "it was restarted, and has lost its lock".to_owned();
                return Err(TransportError::Unreachable { host: host.name.clone(), why });
            }
        }
        self.world.handle(host, request).await
    }
}

#[test]
fn a_host_that_was_restarted_is_locked_again() {
    for is_taken in [false, true] {
        let scene = Scene::new(PLAN, &[]);
        let clock = start();
        let world = scene.world(&clock, vec![]);
        let host = Restarted {
            world: &world,
            effects: Cell::new(0),
            is_taken: Cell::new(is_taken),
            requests: RefCell::default(),
        };
        let journal = Memory::default();
        let mut state = scene.drive(&clock, &host, &journal, None).unwrap();
        if is_taken {
            // Nothing is failed, sent or released: the run waits for the operator.
            assert_eq!((state.status, exit_status(&state)), (RunStatus::Paused, 7));
            let told = trace(&journal);
            assert!(told.contains("is locked by run other of plan p"), "{told}");
            assert_eq!(host.effects.get(), 2, "{told}");
            let requests = host.requests.borrow();
            assert!(requests.iter().all(|one| matches!(one, LockRequest::Take(_))));
            drop(requests);
            host.is_taken.set(false);
            state = scene.drive(&clock, &host, &journal, None).unwrap();
        }
        assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
        let records = journal.records.borrow();
        let locked = records.iter().filter_map(|record| match &record.event {
            Event::Host { event: HostEvent::Locked { boot, lost }, .. } => {
                Some((boot.as_deref(), lost.as_deref()))
            }
            _ => None,
        });
        let locked: Vec<_> = locked.collect();
        let again = (Some("second"), Some("the host was restarted since"));
        assert_eq!(locked, [(Some("first"), None), again], "{}", trace(&journal));
        let requests = host.requests.borrow();
        assert!(matches!(requests.last(), Some(LockRequest::Release { .. })), "{requests:?}");
    }
}

/// Runs the probe of a `done_when` with the effect.
struct Along<'a> {
    world: &'a ModelTransport,
    looks: Cell<usize>,
    effects: Cell<usize>,
}

#[async_trait(?Send)]
impl Transport for Along<'_> {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        match request {
            Request::Attempt(id, command, Some(probe)) => {
                self.effects.set(self.effects.get() + 1);
                let output = self.world.attempt(host, id, command).await?;
                Ok(Reply::Ended(output, self.world.look(host, probe).await.ok()))
            }
            Request::Look(_) => {
                self.looks.set(self.looks.get() + 1);
                self.world.handle(host, request).await
            }
            _ => self.world.handle(host, request).await,
        }
    }
}

#[test]
fn a_step_with_done_when_takes_two_exchanges() {
    let plan = r#"
version: 1
name: along
hosts: backend1
probes:
  dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}
steps:
  - id: stop
    run: systemctl stop dovecot
    done_when: dovecot == "inactive"
    rollback: {run: systemctl start dovecot, done_when: dovecot == "active"}
"#;
    let scene = Scene::new(plan, &[]);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let along = Along { world: &world, looks: Cell::new(0), effects: Cell::new(0) };
    let journal = Memory::default();
    let state = scene.drive(&clock, &along, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!((along.looks.get(), along.effects.get()), (1, 1), "{}", trace(&journal));
}

/// Answers an effect with an output, as a host does that read so much of it.
struct Printing<'a> {
    world: &'a ModelTransport,
    output: Output,
}

#[async_trait(?Send)]
impl Transport for Printing<'_> {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        let reply = self.world.handle(host, request).await?;
        Ok(match (request, reply) {
            (Request::Attempt(..), Reply::Ended(..)) => Reply::Ended(self.output.clone(), None),
            (_, reply) => reply,
        })
    }
}

/// Returns what is stored of a standard output, and whether it is stored as shortened.
fn stored(bytes: &[u8], length: u64) -> (String, bool) {
    let scene = Scene::new(LATE, &[]);
    let (clock, journal) = (start(), Memory::default());
    let world = scene.world(&clock, vec![]);
    let mut output = Output::new(planrun::transport::Exit::Code(0), bytes, "");
    output.stdout_len = length;
    let printing = Printing { world: &world, output };
    let state = scene.drive(&clock, &printing, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    let records = journal.records.borrow();
    let mut ended = records.iter().filter_map(|record| match &record.event {
        Event::Task {
            event:
                TaskEvent::AttemptEnded {
                    outcome: planrun::event::Outcome::Ended { stdout, cut, .. },
                    ..
                },
            ..
        } => Some((stdout.clone(), *cut)),
        _ => None,
    });
    ended.next().unwrap()
}

#[test]
fn the_first_and_the_last_lines_of_a_long_stream_are_stored() {
    assert_eq!(stored(b"one\ntwo \xff\n", 9), ("one\ntwo \u{fffd}\n".to_owned(), false));
    let lines: Vec<String> = (1..=100_000).map(|number| format!("line {number}\n")).collect();
    let stream = lines.concat();
    let (text, is_cut) = stored(stream.as_bytes(), stream.len() as u64);
    assert!(is_cut && text.len() <= 4 * 1024 + 64, "{}", text.len());
    let (beginning, end) = text.split_once('[').unwrap();
    let (missing, end) = end.split_once(" bytes left out]\n").unwrap();
    assert!(stream.starts_with(beginning) && beginning.ends_with('\n'));
    assert!(stream.ends_with(end) && end.starts_with("line "));
    let missing: usize = missing.parse().unwrap();
    assert_eq!(beginning.len() + missing + end.len(), stream.len());

    // Without lines, read in part, or lost.
    let (text, is_cut) = stored(&[b'x'; 10_000], 10_000);
    assert!(is_cut && text.contains("x\n[5904 bytes left out]\nx"), "{text}");
    let (text, is_cut) = stored(&[b'x'; 5_000], 9_096);
    assert!(is_cut && text.ends_with("x\n[5000 bytes left out]\n"), "{text}");
    assert_eq!(stored(b"", 1), ("[the output is lost]\n".to_owned(), true));
}
