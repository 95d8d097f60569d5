//! Messages: what happened in a run, for people and programs that did not follow it.
//!
//! The format is documented in `docs/configuration.md`: keys are added, never renamed, and all are always
//! present. The redactor of the run searches each message, although events have no secrets.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;

use crate::event::{
    Answer, Event, HostEvent, HostStatus, Record, RunEvent, RunId, TaskEvent, TaskId,
};
use crate::history::{HostState, Planned, RunState};
use crate::inventory::HostName;
use crate::report::next::answers;
use crate::report::text::printable_json;
use crate::run::exit_status;
use crate::secret::Redactor;

/// The version of the format.
const FORMAT: u32 = 1;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    /// A question waits for an answer.
    Question,
    /// A host has failed, or the run can no longer work on it.
    Failure,
    /// A rollback failed.
    Stuck,
    /// The run has ended or is paused, or planrun no longer works on it.
    End,
    /// The user tries a target out.
    Test,
}

impl Kind {
    /// What a target can be notified of.
    pub const ALL: [Self; 4] = [Self::Question, Self::Failure, Self::Stuck, Self::End];

    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// A message, as it is sent.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    format: u32,
    pub event: Kind,
    /// All of it in one line.
    text: String,
    at: Option<Timestamp>,
    run: Option<String>,
    plan: Option<String>,
    inventory: Option<String>,
    /// Whether the hosts are model hosts.
    simulated: bool,
    host: Option<String>,
    step: Option<String>,
    title: Option<String>,
    run_state: Option<&'static str>,
    host_state: Option<&'static str>,
    why: Option<String>,
    question: Option<Asked>,
    reason: Option<String>,
    labels: IndexMap<String, String>,
    started_by: Option<String>,
    /// Who runs the process that sends the message.
    by: String,
    exit_code: Option<u8>,
    #[serde(skip)]
    redactor: Redactor,
}

#[derive(Clone, Debug, Serialize)]
struct Asked {
    text: String,
    answers: Vec<Choice>,
}

#[derive(Clone, Debug, Serialize)]
struct Choice {
    answer: &'static str,
    meaning: String,
    /// The command that gives the answer.
    command: String,
}

impl Message {
    /// Makes a message with which a user tries out a target.
    pub fn test(by: &str, at: Timestamp) -> Self {
        let text = format!("test notification of planrun, sent by {by}");
        Self { at: Some(at), ..Self::new(Kind::Test, text, by) }
    }

    fn new(event: Kind, text: String, by: &str) -> Self {
        Self {
            format: FORMAT,
            event,
            text,
            at: None,
            run: None,
            plan: None,
            inventory: None,
            simulated: false,
            host: None,
            step: None,
            title: None,
            run_state: None,
            host_state: None,
            why: None,
            question: None,
            reason: None,
            labels: IndexMap::new(),
            started_by: None,
            by: by.to_owned(),
            exit_code: None,
            redactor: Redactor::default(),
        }
    }

    /// Returns it as one line of JSON, without secrets.
    pub fn json(&self) -> String {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        self.redactor.value(&mut value);
        printable_json(&value.to_string())
    }
}

/// Reads the events of a run, and makes messages of some of them.
#[derive(Debug)]
pub struct Observer {
    run: RunId,
    /// How planrun is called.
    program: String,
    by: String,
    redactor: Redactor,
    /// The hosts whose failure was notified.
    failed: HashSet<HostName>,
    /// What the run was started with, if it is under way.
    under_way: Option<Arc<Planned>>,
}

impl Observer {
    /// Starts after a state of the run: what happened before was notified by another process.
    pub fn new(
        run: RunId,
        program: String,
        by: String,
        redactor: Redactor,
        state: &RunState,
    ) -> Self {
        let failed = state.hosts.iter().filter(|(_, host)| has_failed(host));
        let failed = failed.map(|(name, _)| name.clone()).collect();
        Self { run, program, by, redactor, failed, under_way: None }
    }

    /// Returns the message about an event, if it has one.
    pub fn message(&mut self, record: &Record, state: &RunState) -> Option<Message> {
        self.under_way = Some(Arc::clone(&state.planned));
        if matches!(record.event, Event::Run(_)) {
            // A resume works on blocked hosts again: another failure is a new one.
            self.failed.retain(|name| state.hosts.get(name).is_some_and(has_failed));
        }
        let is_new_failure = record.event.host().is_some_and(|name| {
            state.hosts.get(name).is_some_and(has_failed) && self.failed.insert(name.clone())
        });
        match &record.event {
            Event::Task { task, event: TaskEvent::QuestionAsked { question } } => {
                let text = format!("{task} waits for an answer: {}", question.text.trim());
                let choices = answers(&self.program, &self.run, task, question);
                let choices = question.answers.iter().copied().map(Answer::word).zip(choices);
                let choices = choices.map(|(answer, (command, about))| Choice {
                    answer,
                    meaning: about,
                    command,
                });
                let asked = Asked { text: question.text.clone(), answers: choices.collect() };
                let why = Some(question.why.text.clone()).filter(|why| !why.is_empty());
                let message = self.about(Kind::Question, &text, record, state);
                Some(Message { question: Some(asked), why, ..message })
            }
            Event::Host { host, event: HostEvent::Ended { status: HostStatus::Stuck, .. } } => {
                Some(self.about_host(Kind::Stuck, "is stuck", host, record, state))
            }
            Event::Run(RunEvent::Ended { why, .. }) => {
                self.under_way = None;
                Some(self.end(state.status.word(), why.as_deref(), record, state))
            }
            Event::Run(RunEvent::Paused { why }) => {
                self.under_way = None;
                Some(self.end(state.status.word(), Some(why), record, state))
            }
            Event::Host { host, .. } | Event::Task { task: TaskId { host, .. }, .. }
                if is_new_failure =>
            {
                Some(self.about_host(Kind::Failure, "has failed", host, record, state))
            }
            _ => None,
        }
    }

    /// Returns the message about a process that stops working on the run, which has not ended; `None` if it has.
    pub fn interrupted(&mut self, why: &str, exit_code: u8, at: Timestamp) -> Option<Message> {
        let planned = self.under_way.take()?;
        let text = format!("planrun no longer works on the run: {why}");
        let mut message = self.of(Kind::End, &text, at, &planned);
        message.run_state = Some("interrupted");
        message.why = Some(why.to_owned());
        message.exit_code = Some(exit_code);
        Some(message)
    }

    fn end(&self, word: &str, why: Option<&str>, record: &Record, state: &RunState) -> Message {
        let why = why.filter(|why| !why.is_empty());
        let text = match why {
            Some(why) => format!("{word}: {why}"),
            None => word.to_owned(),
        };
        let mut message = self.about(Kind::End, &text, record, state);
        message.why = why.map(str::to_owned);
        message.exit_code = Some(exit_status(state));
        message
    }

    fn about_host(
        &self,
        kind: Kind,
        what: &str,
        host: &HostName,
        record: &Record,
        state: &RunState,
    ) -> Message {
        let of = state.hosts.get(host);
        let why = of.and_then(why_of);
        let text = match &why {
            Some(why) => format!("{host} {what}: {why}"),
            None => format!("{host} {what}"),
        };
        let step = of.and_then(|host| match kind {
            Kind::Stuck => host.undo_failed.clone(),
            _ => host.failed.clone(),
        });
        let mut message = self.about(kind, &text, record, state);
        message.title = step.as_ref().map(|step| state.planned.title(step).into_owned());
        message.step = step.map(|step| step.to_string());
        message.why = why;
        message
    }

    /// Returns a message about an event, with what all have.
    fn about(&self, kind: Kind, text: &str, record: &Record, state: &RunState) -> Message {
        let mut message = self.of(kind, text, record.at, &state.planned);
        message.run_state = Some(state.status.word());
        if let Some(host) = record.event.host() {
            message.host = Some(host.to_string());
            message.host_state = state.hosts.get(host).map(|host| host.shown_status().word());
        }
        if let Some(task) = record.event.task() {
            message.step = Some(task.step.to_string());
            message.title = Some(state.planned.title(&task.step).into_owned());
        }
        message
    }

    fn of(&self, kind: Kind, text: &str, at: Timestamp, planned: &Planned) -> Message {
        let simulated = if planned.is_model { " (model hosts)" } else { "" };
        let text = format!("{}{simulated}: {text}", planned.plan);
        Message {
            at: Some(at),
            run: Some(self.run.to_string()),
            plan: Some(planned.plan.clone()),
            inventory: Some(planned.inventory_path.clone()),
            simulated: planned.is_model,
            reason: planned.reason.clone(),
            labels: planned.labels.clone(),
            started_by: Some(planned.by.clone()),
            redactor: self.redactor.clone(),
            ..Message::new(kind, text, &self.by)
        }
    }
}

/// Whether a host has failed: it ended without success, is rolled back because of a failure, or the run can
/// no longer work on it.
fn has_failed(host: &HostState) -> bool {
    let is_rolled_back =
        matches!(host.status, HostStatus::RollingBack | HostStatus::RolledBack | HostStatus::Stuck);
    host.blocked.is_some()
        || is_rolled_back && host.failed.is_some()
        || matches!(
            host.shown_status(),
            HostStatus::Failed
                | HostStatus::Unreachable
                | HostStatus::Quarantined
                | HostStatus::Refused
        )
}

fn why_of(host: &HostState) -> Option<String> {
    let reason = host.why.as_ref().map(|why| why.text.clone()).filter(|text| !text.is_empty());
    host.blocked.clone().or(reason)
}
