//! How a run ends, from the ends of its hosts.

use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;

use planrun::event::Outcome;
use planrun::event::{HostStatus, RunStatus, TaskStatus};
use planrun::history::{AttemptState, Requested};
use planrun::history::{HostState, RunState, TaskState};
use planrun::inventory::HostName;
use planrun::run::decide::verdict::{UNTOUCHED, verdict};
use planrun::task::StepPath;
use planrun::transport::AttemptId;

/// A host that ended so, with one task where something was changed or skipped.
fn host(status: HostStatus, task: Option<TaskStatus>) -> HostState {
    let attempt = AttemptState {
        id: AttemptId("a".to_owned()),
        on: HostName::new("it"),
        command: String::new(),
        timeout: Duration::ZERO,
        intended: Timestamp::UNIX_EPOCH,
        at: (1, 2),
        outcome: Some(Outcome::Unknown { why: String::new(), running: Some(false) }),
        is_refuted: false,
        is_released: false,
    };
    let is_sent = task.is_some_and(|status| status != TaskStatus::Skipped);
    let state = |status| TaskState {
        status: Some(status),
        attempts: Vec::from_iter(is_sent.then(|| attempt.clone())),
        ..TaskState::default()
    };
    let path = StepPath::from("step");
    HostState {
        status,
        begun_at: 1,
        tasks: IndexMap::from_iter(task.map(|status| (path, state(status)))),
        not_undone: Some(0),
        // Of hosts that were rolled back the only task is a rollback.
        forward: Some(0),
        ..HostState::default()
    }
}

fn succeeded() -> HostState {
    host(HostStatus::Succeeded, Some(TaskStatus::Changed))
}

fn past() -> HostState {
    let task = planrun::task::TaskId { host: HostName::new("a"), step: "step".into() };
    HostState { no_return: Some((task, "gone".to_owned())), ..succeeded() }
}

fn failed(status: HostStatus) -> HostState {
    host(status, Some(TaskStatus::Failed))
}

fn untouched(status: HostStatus) -> HostState {
    host(status, None)
}

/// Holds how a run of `web1`, `web2`, ... ends.
#[track_caller]
fn ends(hosts: &[HostState], is_asked: bool, status: RunStatus, why: &str) {
    let names = (1..).map(|number| HostName::new(format!("web{number}")));
    let state = RunState {
        hosts: names.zip(hosts.iter().cloned()).collect(),
        rollback: is_asked.then(Requested::default),
        ..RunState::default()
    };
    let (ended, said) = verdict(&state);
    assert_eq!((ended, said.as_deref().unwrap_or_default()), (status, why));
}

#[test]
fn a_host_that_was_never_touched_is_not_called_rolled_back() {
    let kept = "web1, web2 succeeded and keep their changes";
    for (status, word) in UNTOUCHED.map(|status| (status, status.word())) {
        ends(
            &[succeeded(), succeeded(), untouched(status)],
            false,
            RunStatus::Failed,
            &format!("web3 was {word}: nothing was sent to it; {kept}"),
        );
    }
    ends(
        &[
            succeeded(),
            untouched(HostStatus::Quarantined),
            untouched(HostStatus::Refused),
            untouched(HostStatus::Refused),
            untouched(HostStatus::NotStarted),
        ],
        false,
        RunStatus::Failed,
        "web3, web4 were refused: nothing was sent to them; web2 was quarantined: nothing \
         was sent to it; web1 succeeded and keeps its changes",
    );
}

#[test]
fn where_nobody_was_touched_the_run_is_refused() {
    let refused = "web1 was refused: nothing was sent to it";
    let waits = untouched(HostStatus::NotStarted);
    ends(&[untouched(HostStatus::Refused), waits], false, RunStatus::Refused, refused);
    // What only reads is sent, and unchanged; what was left out is not sent.
    for task in [TaskStatus::Unchanged, TaskStatus::Skipped] {
        ends(
            &[untouched(HostStatus::Refused), host(HostStatus::Succeeded, Some(task))],
            false,
            RunStatus::Refused,
            &format!("{refused}; nothing had to change on web2"),
        );
    }
    ends(
        &[host(HostStatus::Succeeded, Some(TaskStatus::Skipped))],
        false,
        RunStatus::Refused,
        "every step was skipped; nothing was changed",
    );
}

#[test]
fn what_was_sent_and_then_left_out_by_a_person_is_not_nothing() {
    let mut skipped = succeeded();
    skipped.tasks[0].status = Some(TaskStatus::Skipped);
    ends(&[skipped], false, RunStatus::Succeeded, "");
}

#[test]
fn hosts_that_went_back_and_hosts_that_were_refused_are_named_apart() {
    ends(
        &[succeeded(), failed(HostStatus::RolledBack)],
        false,
        RunStatus::RolledBack,
        "failed on web2",
    );
    ends(
        &[succeeded(), failed(HostStatus::RolledBack), untouched(HostStatus::Refused)],
        false,
        RunStatus::RolledBack,
        "failed on web2, which is rolled back; web3 was refused: nothing was sent to it",
    );
    ends(
        &[
            failed(HostStatus::RolledBack),
            failed(HostStatus::RolledBack),
            untouched(HostStatus::Unreachable),
        ],
        false,
        RunStatus::RolledBack,
        "failed on web1, web2, which are rolled back; web3 was unreachable: nothing was \
         sent to it",
    );
    ends(
        &[
            failed(HostStatus::Failed),
            failed(HostStatus::RolledBack),
            untouched(HostStatus::Refused),
        ],
        false,
        RunStatus::Failed,
        "failed on web1; failed on web2, which is rolled back; web3 was refused: \
         nothing was sent to it",
    );
    ends(
        &[failed(HostStatus::Stuck), untouched(HostStatus::Refused)],
        false,
        RunStatus::Stuck,
        "rollback failed on web1; web2 was refused: nothing was sent to it",
    );
}

#[test]
fn a_rollback_that_was_asked_for_names_only_hosts_that_went_back() {
    let back = || host(HostStatus::RolledBack, Some(TaskStatus::Changed));
    ends(
        &[back(), back(), untouched(HostStatus::NotStarted)],
        true,
        RunStatus::RolledBack,
        "requested by an operator; rolled back on web1, web2",
    );
    ends(
        &[back(), untouched(HostStatus::Refused)],
        true,
        RunStatus::RolledBack,
        "requested by an operator; rolled back on web1; web2 was refused: nothing was sent to it",
    );
    ends(
        &[past(), back()],
        true,
        RunStatus::Failed,
        "an operator requested a rollback; rolled back on web2; web1 is past the point of no \
         return and keeps its changes",
    );
    // Whose handlers found nothing to do was not undone by this run.
    let already = || host(HostStatus::RolledBack, None);
    ends(
        &[already(), back(), already()],
        true,
        RunStatus::RolledBack,
        "requested by an operator; rolled back on web2; no rollback was sent to web1, web3",
    );
    ends(
        &[already()],
        true,
        RunStatus::RolledBack,
        "requested by an operator; no rollback was sent to web1",
    );
    // Nobody asked: a host that succeeded did not fail, wherever it stands.
    ends(&[past(), back()], false, RunStatus::RolledBack, "failed on web2");
}
