//! How a run ended, from how its hosts did: the most severe end decides, and each kind is named.
//!
//! A host that was refused at its turn was never touched: nothing of it is rolled back. Where
//! others keep their changes, such a run has failed; where nobody was touched, it is refused.

use crate::event::{HostStatus, RunStatus, TaskStatus};
use crate::history::{HostState, RunState, TaskState};
use crate::inventory::HostName;
use crate::run::decide::turn::turns;

/// The ends of hosts to which nothing was sent.
const UNTOUCHED: [HostStatus; 3] =
    [HostStatus::Refused, HostStatus::Unreachable, HostStatus::Quarantined];

/// Returns the end of a run, and why, where it is not success.
pub(super) fn verdict(state: &RunState) -> (RunStatus, Option<String>) {
    let ends = Ends::of(state);
    let status = ends.status();
    let why = (status != RunStatus::Succeeded).then(|| ends.why(status));
    (status, why)
}

/// The hosts of a run, by what became of them.
struct Ends<'s> {
    /// A person asked for a rollback.
    is_asked: bool,
    stuck: Vec<&'s str>,
    failed: Vec<&'s str>,
    /// Those that were to be rolled back after a stuck one.
    waiting: Vec<&'s str>,
    /// Those that were to be undone and are past their point of no return.
    past: Vec<&'s str>,
    undone: Vec<&'s str>,
    /// Those of them to which no rollback was sent.
    unsent: Vec<&'s str>,
    /// Those to which nothing was sent, and the word for it.
    untouched: Vec<(&'static str, Vec<&'s str>)>,
    succeeded: Vec<&'s str>,
    /// Those of them on which something was changed.
    kept: Vec<&'s str>,
    /// Nothing was changed for any host.
    is_unchanged: bool,
    /// Every step that was come to was left out.
    is_left_out: bool,
}

impl<'s> Ends<'s> {
    fn of(state: &'s RunState) -> Self {
        let with = |wanted: &dyn Fn(&HostState) -> bool| -> Vec<&'s str> {
            let hosts = state.hosts.iter().filter(|(_, host)| wanted(host));
            hosts.map(|(name, _)| name.as_str()).collect()
        };
        let are = |status: HostStatus| with(&|host| host.status == status);
        let succeeded = |host: &HostState| host.status == HostStatus::Succeeded;
        let request = state.rollback.as_ref();
        let is_asked = request.is_some();
        let waits = |name: &HostName, host: &HostState| {
            request.is_some_and(|request| request.includes(name)) && turns(host)
        };
        let waiting = state.hosts.iter().filter(|(name, host)| waits(name, host));
        let untouched = UNTOUCHED.map(|status| (status.word(), are(status)));
        let mut tasks = state.hosts.values().flat_map(|host| host.tasks.values());
        Self {
            is_asked,
            stuck: are(HostStatus::Stuck),
            failed: are(HostStatus::Failed),
            waiting: waiting.map(|(name, _)| name.as_str()).collect(),
            past: with(&|host| is_asked && succeeded(host) && host.no_return.is_some()),
            undone: are(HostStatus::RolledBack),
            unsent: with(&|host| host.status == HostStatus::RolledBack && !is_undone(host)),
            untouched: untouched.into_iter().filter(|(_, hosts)| !hosts.is_empty()).collect(),
            succeeded: are(HostStatus::Succeeded),
            kept: with(&|host| succeeded(host) && is_changed(host)),
            is_unchanged: !state.hosts.values().any(is_changed),
            is_left_out: tasks.all(|task| task.status == Some(TaskStatus::Skipped)),
        }
    }

    fn status(&self) -> RunStatus {
        let is_refused = self.is_left_out || !self.untouched.is_empty();
        if !self.stuck.is_empty() {
            RunStatus::Stuck
        } else if !self.failed.is_empty() || !self.past.is_empty() {
            RunStatus::Failed
        } else if !self.undone.is_empty() {
            RunStatus::RolledBack
        } else if self.is_unchanged && is_refused {
            RunStatus::Refused
        } else if !self.untouched.is_empty() {
            RunStatus::Failed
        } else {
            RunStatus::Succeeded
        }
    }

    /// Returns where a requested rollback sent something, and where it did not.
    fn undone(&self) -> Vec<String> {
        let is_sent = |host: &&&str| !self.unsent.contains(*host);
        let sent: Vec<&str> = self.undone.iter().filter(is_sent).copied().collect();
        let sent = (!sent.is_empty()).then(|| format!("rolled back on {}", sent.join(", ")));
        let unsent = self.unsent.join(", ");
        let unsent = (!unsent.is_empty()).then(|| format!("no rollback was sent to {unsent}"));
        sent.into_iter().chain(unsent).collect()
    }

    fn why(&self, status: RunStatus) -> String {
        let mut said = Vec::new();
        if !self.stuck.is_empty() {
            said.push(format!("rollback failed on {}", self.stuck.join(", ")));
        }
        if !self.failed.is_empty() {
            said.push(format!("failed on {}", self.failed.join(", ")));
        }
        if self.is_asked && status == RunStatus::RolledBack {
            said.push("requested by an operator".to_owned());
        } else if self.is_asked {
            said.push("an operator requested a rollback".to_owned());
        }
        let hosts = self.undone.join(", ");
        match self.undone.len() {
            0 => {}
            _ if self.is_asked => said.extend(self.undone()),
            _ if said.is_empty() && self.untouched.is_empty() => {
                said.push(format!("failed on {hosts}"));
            }
            1 => said.push(format!("failed on {hosts}, which is rolled back")),
            _ => said.push(format!("failed on {hosts}, which are rolled back")),
        }
        if !self.waiting.is_empty() {
            let hosts = self.waiting.join(", ");
            said.push(format!("rollback was not started on {hosts}"));
        }
        let hosts = self.past.join(", ");
        let verbs = match self.past.len() {
            0 => None,
            1 => Some(("is", "keeps its")),
            _ => Some(("are", "keep their")),
        };
        said.extend(verbs.map(|(is, keeps)| {
            format!("{hosts} {is} past the point of no return and {keeps} changes")
        }));
        for (word, hosts) in &self.untouched {
            said.push(match hosts.as_slice() {
                [host] => format!("{host} was {word}: nothing was sent to it"),
                hosts => format!("{} were {word}: nothing was sent to them", hosts.join(", ")),
            });
        }
        let is_by_others = self.failed.is_empty() && self.past.is_empty();
        let hosts = self.kept.join(", ");
        match (status, self.kept.len()) {
            (RunStatus::RolledBack, 1) if self.is_asked => {
                said.push(format!("{hosts} succeeded and keeps its changes"));
            }
            (RunStatus::RolledBack, 2..) if self.is_asked => {
                said.push(format!("{hosts} succeeded and keep their changes"));
            }
            (RunStatus::Failed, 1) if is_by_others => {
                said.push(format!("{hosts} succeeded and keeps its changes"));
            }
            (RunStatus::Failed, _) if is_by_others => {
                said.push(format!("{hosts} succeeded and keep their changes"));
            }
            (RunStatus::Refused, _) if said.is_empty() => {
                said.push("every step was skipped; nothing was changed".to_owned());
            }
            (RunStatus::Refused, _) if !self.succeeded.is_empty() => {
                let hosts = self.succeeded.join(", ");
                said.push(format!("nothing had to change on {hosts}"));
            }
            _ => {}
        }
        said.join("; ")
    }
}

/// Whether something was sent to a host to roll it back.
fn is_undone(host: &HostState) -> bool {
    let forward = host.forward.unwrap_or(host.tasks.len());
    host.tasks.values().skip(forward).any(TaskState::may_have_run)
}

/// Whether something may have been changed for a host. A step that only reads is sent, and is
/// unchanged.
fn is_changed(host: &HostState) -> bool {
    host.tasks
        .values()
        .any(|task| task.may_have_run() && task.status != Some(TaskStatus::Unchanged))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use indexmap::IndexMap;
    use jiff::Timestamp;

    use super::*;
    use crate::event::Outcome;
    use crate::history::{AttemptState, Requested};
    use crate::inventory::HostName;
    use crate::task::StepPath;
    use crate::transport::AttemptId;

    /// A host that ended so, with one task where something was changed or skipped.
    fn host(status: HostStatus, task: Option<TaskStatus>) -> HostState {
        let attempt = AttemptState {
            id: AttemptId("a".to_owned()),
            on: HostName::new("it"),
            command: String::new(),
            timeout: Duration::ZERO,
            intended: Timestamp::UNIX_EPOCH,
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
        let path = StepPath("step".to_owned());
        HostState {
            status,
            begun_at: 1,
            tasks: IndexMap::from_iter(task.map(|status| (path, state(status)))),
            not_undone: 0,
            // Of hosts that were rolled back the only task is a rollback.
            forward: Some(0),
            ..HostState::default()
        }
    }

    fn succeeded() -> HostState {
        host(HostStatus::Succeeded, Some(TaskStatus::Changed))
    }

    fn past() -> HostState {
        HostState {
            no_return: Some((StepPath("step".to_owned()), "gone".to_owned())),
            ..succeeded()
        }
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
}
