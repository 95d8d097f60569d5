//! The result of a run and its exit code, from those of its hosts: the most severe one decides, and every
//! kind is named.
//!
//! Nothing was sent to a host that failed its preflight, so it is not rolled back. If other hosts
//! keep their changes, such a run has failed; if no host was changed, it is refused.

use crate::event::{HostStatus, PreflightVerdict, RunStatus, TaskStatus};
use crate::history::{HostState, RunState};
use crate::task::Stage;
use crate::transport::TransportError;

/// The ends of hosts to which nothing was sent.
pub const UNTOUCHED: [HostStatus; 3] =
    [HostStatus::Refused, HostStatus::Unreachable, HostStatus::Quarantined];

/// Returns the status of a run that has ended, and why, if it did not succeed.
pub fn verdict(state: &RunState) -> (RunStatus, Option<String>) {
    let groups = HostGroups::of(state);
    if let Some(abort) = &state.abort {
        let torn_down = on("teardown failed on", &groups.not_torn_down);
        let status = if torn_down.is_some() { RunStatus::Stuck } else { RunStatus::Aborted };
        let said: Vec<String> = torn_down.into_iter().chain([abort.why.clone()]).collect();
        return (status, Some(said.join("; ")));
    }
    let status = groups.status();
    let why = (status != RunStatus::Succeeded).then(|| groups.why(status));
    (status, why)
}

/// The hosts of a run, by their result.
struct HostGroups<'s> {
    /// The operator requested a rollback.
    is_asked: bool,
    stuck: Vec<&'s str>,
    /// The setup, if its teardown failed.
    not_torn_down: Vec<&'s str>,
    /// The setup, if it is rolled back because no host keeps a change.
    undone_setup: Vec<&'s str>,
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
    /// Those of them on which something was changed; and `finish`, if a rollback leaves it.
    kept: Vec<&'s str>,
    /// Those on which something was changed, and which an earlier abort has left as they are.
    aborted: Vec<&'s str>,
    /// Nothing was changed for any host.
    is_unchanged: bool,
    /// Every step that was reached was skipped.
    is_left_out: bool,
}

impl<'s> HostGroups<'s> {
    fn of(state: &'s RunState) -> Self {
        let with = |wanted: &dyn Fn(&HostState) -> bool| -> Vec<&'s str> {
            let hosts = state.hosts.iter().filter(|(_, host)| wanted(host));
            hosts.map(|(name, _)| name.as_str()).collect()
        };
        let are = |status: HostStatus| with(&|host| host.status == status);
        let is_stuck = |host: &HostState| host.status == HostStatus::Stuck;
        let is_undone = |host: &HostState| host.status == HostStatus::RolledBack;
        let is_follower = |host: &HostState| {
            is_undone(host) && host.stage == Some(Stage::Setup) && host.failed.is_none()
        };
        let succeeded =
            |host: &HostState| host.status == HostStatus::Succeeded && host.stage.is_none();
        let is_aborted = |host: &HostState| {
            host.status == HostStatus::Aborted && host.stage != Some(Stage::Setup)
        };
        let is_asked = state.rollback.is_some();
        // The setup is only rolled back if no host keeps a change.
        let waiting = state.hosts.iter().filter(|(_, host)| host.stage != Some(Stage::Setup));
        let waiting = waiting.filter(|(name, host)| state.awaits_rollback(name, host));
        let untouched = UNTOUCHED.map(|status| (status.word(), are(status)));
        let mut tasks = state.hosts.values().flat_map(|host| host.tasks.values());
        Self {
            is_asked,
            stuck: with(&|host| is_stuck(host) && !state.has_failed_teardown(host)),
            not_torn_down: with(&|host| state.has_failed_teardown(host)),
            undone_setup: with(&is_follower),
            failed: are(HostStatus::Failed),
            waiting: waiting.map(|(name, _)| name.as_str()).collect(),
            past: with(&|host| {
                let is_kept = succeeded(host) || is_aborted(host);
                is_asked && is_kept && host.no_return.is_some()
            }),
            undone: with(&|host| is_undone(host) && !is_follower(host)),
            unsent: with(&|host| is_undone(host) && !is_follower(host) && !host.was_undone()),
            untouched: untouched.into_iter().filter(|(_, hosts)| !hosts.is_empty()).collect(),
            succeeded: with(&succeeded),
            kept: with(&|host| {
                let is_finish = is_asked
                    && host.stage == Some(Stage::Finish)
                    && host.status == HostStatus::Succeeded;
                (succeeded(host) || is_finish) && host.was_changed()
            }),
            aborted: with(&|host| is_aborted(host) && host.was_changed()),
            is_unchanged: !state.hosts.values().any(HostState::was_changed),
            is_left_out: tasks.all(|task| task.status == Some(TaskStatus::Skipped)),
        }
    }

    fn status(&self) -> RunStatus {
        let is_refused = self.is_left_out || !self.untouched.is_empty();
        if !self.stuck.is_empty() || !self.not_torn_down.is_empty() {
            RunStatus::Stuck
        } else if !self.failed.is_empty() || !self.past.is_empty() {
            RunStatus::Failed
        } else if !self.undone.is_empty()
            || !self.undone_setup.is_empty()
            || self.is_asked && self.untouched.is_empty()
        {
            RunStatus::RolledBack
        } else if self.is_unchanged && is_refused {
            RunStatus::Refused
        } else if !self.untouched.is_empty() {
            RunStatus::Failed
        } else {
            RunStatus::Succeeded
        }
    }

    /// Returns on which hosts a requested rollback sent something, and on which not.
    fn undone(&self) -> [Option<String>; 2] {
        let is_sent = |host: &&&str| !self.unsent.contains(*host);
        let sent: Vec<&str> = self.undone.iter().filter(is_sent).copied().collect();
        [on("rolled back on", &sent), on("no rollback was sent to", &self.unsent)]
    }

    fn why(&self, status: RunStatus) -> String {
        let mut said = Vec::new();
        said.extend(on("rollback failed on", &self.stuck));
        said.extend(on("teardown failed on", &self.not_torn_down));
        said.extend(on("failed on", &self.failed));
        if self.is_asked && status == RunStatus::RolledBack {
            said.push("requested by an operator".to_owned());
        } else if self.is_asked {
            said.push("an operator requested a rollback".to_owned());
        }
        let undone = on("failed on", &self.undone);
        if self.is_asked {
            said.extend(self.undone().into_iter().flatten());
            let is_nothing = self.is_unchanged && self.undone.is_empty();
            said.extend(is_nothing.then(|| "nothing had to be undone".to_owned()));
        } else if said.is_empty() && self.untouched.is_empty() {
            said.extend(undone);
        } else {
            let which = if self.undone.len() == 1 { "which is" } else { "which are" };
            said.extend(undone.map(|hosts| format!("{hosts}, {which} rolled back")));
        }
        said.extend(on("rollback was not started on", &self.waiting));
        let is = "is past the point of no return and keeps its changes";
        let are = "are past the point of no return and keep their changes";
        said.extend(about(&self.past, is, are));
        for (word, hosts) in &self.untouched {
            let is = format!("was {word}: nothing was sent to it");
            let are = format!("were {word}: nothing was sent to them");
            said.extend(about(hosts, &is, &are));
        }
        said.extend(about(&self.undone_setup, "is rolled back", "are rolled back"));
        let is_by_others = self.failed.is_empty() && self.past.is_empty();
        match status {
            // What follows all hosts has failed, and they stay as they are.
            RunStatus::RolledBack
                if self.is_asked || self.undone.contains(&Stage::Finish.word()) =>
            {
                said.extend(self.kept());
                let is = "was aborted before and keeps its changes";
                said.extend(about(&self.aborted, is, "were aborted before and keep their changes"));
            }
            RunStatus::Failed if is_by_others => said.extend(self.kept()),
            RunStatus::Refused if said.is_empty() => {
                said.push("every step was skipped; nothing was changed".to_owned());
            }
            RunStatus::Refused => said.extend(on("nothing had to change on", &self.succeeded)),
            _ => {}
        }
        said.join("; ")
    }

    fn kept(&self) -> Option<String> {
        let keep = "succeeded and keep their changes";
        about(&self.kept, "succeeded and keeps its changes", keep)
    }
}

/// Returns what happened on hosts; `None` if there are none.
fn on(words: &str, hosts: &[&str]) -> Option<String> {
    (!hosts.is_empty()).then(|| format!("{words} {}", hosts.join(", ")))
}

/// Returns what is so of one host, or of several; `None` if there are none.
fn about(hosts: &[&str], one: &str, several: &str) -> Option<String> {
    let words = if hosts.len() == 1 { one } else { several };
    (!hosts.is_empty()).then(|| format!("{} {words}", hosts.join(", ")))
}

/// Returns the exit code of a run that has ended or paused: the most severe that applies.
///
/// 0 succeeded, or rolled back or aborted on request; 1 failed and rolled back; 2 refused; 3 failed, and not
/// everything is rolled back; 4 unreachable before any change; 5 stuck; 6 paused; 7 another run has locked
/// a host; 77 host key verification or a privilege was refused.
pub fn exit_status(state: &RunState) -> u8 {
    match state.status {
        RunStatus::Succeeded | RunStatus::Aborted => 0,
        RunStatus::RolledBack if state.rollback.is_some() => 0,
        RunStatus::RolledBack => 1,
        RunStatus::Refused => {
            let hosts = state.hosts.values();
            let verdicts = hosts.flat_map(|host| [&host.preflight, &host.last_preflight]);
            let codes = verdicts.flatten().map(|verdict| match verdict {
                PreflightVerdict::NoAnswer(error) => match error {
                    TransportError::HostKey { .. } | TransportError::Denied { .. } => 77,
                    TransportError::Locked { .. } => 7,
                    error if error.is_away() => 4,
                    _ => 2,
                },
                _ => 2,
            });
            codes.max().unwrap_or(2)
        }
        RunStatus::Failed => 3,
        RunStatus::Stuck => 5,
        RunStatus::Planned | RunStatus::Running | RunStatus::Paused => {
            // A stuck host outweighs the pause of the others.
            let any = |is: fn(&HostState) -> bool| state.hosts.values().any(is);
            if any(|host| host.status == HostStatus::Stuck) {
                5
            } else if any(|host| host.is_locked) {
                7
            } else {
                6
            }
        }
    }
}
