//! The result of a run, from those of its hosts: the most severe one decides, and every kind is
//! named.
//!
//! Nothing was sent to a host that failed its preflight, so it is not rolled back. If other hosts
//! keep their changes, such a run has failed; if no host was changed, it is refused.

use crate::event::{HostStatus, RunStatus, TaskStatus};
use crate::history::{HostState, RunState};

/// The ends of hosts to which nothing was sent.
pub const UNTOUCHED: [HostStatus; 3] =
    [HostStatus::Refused, HostStatus::Unreachable, HostStatus::Quarantined];

/// Returns the status of a run that has ended, and why, if it did not succeed.
pub fn verdict(state: &RunState) -> (RunStatus, Option<String>) {
    let groups = HostGroups::of(state);
    let status = groups.status();
    let why = (status != RunStatus::Succeeded).then(|| groups.why(status));
    (status, why)
}

/// The hosts of a run, by their result.
struct HostGroups<'s> {
    /// The operator requested a rollback.
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
        let succeeded = |host: &HostState| host.status == HostStatus::Succeeded;
        let is_asked = state.rollback.is_some();
        let waiting = state.hosts.iter().filter(|(name, host)| state.awaits_rollback(name, host));
        let untouched = UNTOUCHED.map(|status| (status.word(), are(status)));
        let mut tasks = state.hosts.values().flat_map(|host| host.tasks.values());
        Self {
            is_asked,
            stuck: are(HostStatus::Stuck),
            failed: are(HostStatus::Failed),
            waiting: waiting.map(|(name, _)| name.as_str()).collect(),
            past: with(&|host| is_asked && succeeded(host) && host.no_return.is_some()),
            undone: are(HostStatus::RolledBack),
            unsent: with(&|host| host.status == HostStatus::RolledBack && !host.was_undone()),
            untouched: untouched.into_iter().filter(|(_, hosts)| !hosts.is_empty()).collect(),
            succeeded: are(HostStatus::Succeeded),
            kept: with(&|host| succeeded(host) && host.was_changed()),
            is_unchanged: !state.hosts.values().any(HostState::was_changed),
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

    /// Returns on which hosts a requested rollback sent something, and on which not.
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
