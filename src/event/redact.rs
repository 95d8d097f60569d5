//! Events and progress without secrets.
//!
//! Only text from hosts, templates and operators is redacted. Names of hosts, steps and attempts
//! stay as they are, even if a secret occurs in them: the state of a run depends on them. The first
//! event has no secrets by construction ([`crate::resolve::secrets`]).

use std::borrow::Cow;

use crate::event::{
    Event, HostEvent, Outcome, PreflightVerdict, Progress, Reason, RunEvent, TaskEvent,
};
use crate::secret::Redactor;

impl Event {
    /// Returns the event without secrets.
    #[must_use]
    pub fn redacted(mut self, by: &Redactor) -> Self {
        if by.is_idle() {
            return self;
        }
        match &mut self {
            Self::Run(event) => event.redact(by),
            Self::Host { event, .. } => event.redact(by),
            Self::Task { event, .. } => event.redact(by),
        }
        self
    }
}

impl RunEvent {
    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::RollbackRequested { reason: why, .. }
            | Self::AbortRequested { reason: why, .. }
            | Self::Ended { why, .. } => {
                optional(why, |why| text(why, by));
            }
            Self::Paused { why } => text(why, by),
            Self::Ordered { why, .. } => reason(why, by),
            Self::Planned(planned) => {
                optional(&mut planned.reason, |why| text(why, by));
                planned.labels.values_mut().for_each(|label| text(label, by));
                planned.arguments.iter_mut().for_each(|word| text(word, by));
            }
            Self::Started | Self::Resumed { .. } | Self::StopRequested { .. } => {}
        }
    }
}

impl HostEvent {
    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::PreflightEnded { verdict } => match verdict {
                PreflightVerdict::Passed | PreflightVerdict::Reached => {}
                PreflightVerdict::Failed(why) => reason(why, by),
                PreflightVerdict::NoAnswer(error) => error.redact(by),
            },
            Self::Ended { why, .. } => optional(why, |why| reason(why, by)),
            Self::RollbackStarted { why } => reason(why, by),
            Self::Blocked { why, .. } | Self::LockLeft { why, .. } => text(why, by),
            Self::Started
            | Self::KeySeen { .. }
            | Self::Locked { .. }
            | Self::TeardownStarted { .. } => {}
        }
    }
}

impl TaskEvent {
    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::Started { items, .. } => {
                items.iter_mut().flatten().for_each(|item| by.value(item));
            }
            Self::BlockRetried { why, .. } => reason(why, by),
            Self::AttemptIntended { command, .. } => text(command, by),
            Self::AttemptEnded { outcome, .. } => match outcome {
                Outcome::Ended { stdout, stderr, .. } => {
                    text(stdout, by);
                    text(stderr, by);
                }
                Outcome::NotSent(error) => error.redact(by),
                Outcome::NeverStarted => {}
                Outcome::Unknown { why, .. } => text(why, by),
            },
            Self::Ended { why, result, .. } => {
                optional(why, |why| reason(why, by));
                optional(result, |result| by.value(result));
            }
            Self::PointOfNoReturn { why, .. } => text(why, by),
            Self::QuestionAsked { question } => {
                text(&mut question.text, by);
                reason(&mut question.why, by);
            }
            Self::QuestionAnswered { reason, .. } => optional(reason, |reason| text(reason, by)),
            Self::WaitTicked { .. }
            | Self::TimeSpent { .. }
            | Self::RequirementsPassed
            | Self::QuestionExpired => {}
        }
    }
}

impl Progress {
    /// Returns the progress without secrets.
    #[must_use]
    pub fn redacted(mut self, by: &Redactor) -> Self {
        match &mut self {
            Self::Waiting { wait, .. } => {
                pairs(&mut wait.values, by);
                optional(&mut wait.error, |error| text(error, by));
            }
            Self::Output { lines, .. } => lines.iter_mut().for_each(|line| text(line, by)),
            Self::Retrying { why, .. } | Self::Away { why, .. } | Self::Locked { why, .. } => {
                text(why, by);
            }
        }
        self
    }
}

fn optional<T>(value: &mut Option<T>, clean: impl FnOnce(&mut T)) {
    if let Some(value) = value {
        clean(value);
    }
}

fn reason(reason: &mut Reason, by: &Redactor) {
    text(&mut reason.text, by);
    for seen in &mut reason.seen {
        pairs(&mut seen.values, by);
        optional(&mut seen.error, |error| text(error, by));
    }
}

fn pairs(values: &mut [(String, String)], by: &Redactor) {
    for (_, value) in values {
        text(value, by);
    }
}

fn text(text: &mut String, by: &Redactor) {
    if let Cow::Owned(clean) = by.text(text) {
        *text = clean;
    }
}
