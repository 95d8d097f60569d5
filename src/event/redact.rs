//! Events and news without secrets.
//!
//! Only what comes from a host or a rendered text is touched. Names of hosts, steps and attempts
//! stay as they are, whatever a secret may be: the state of a run hangs on them. The first event
//! holds no secret by the way it is made ([`crate::resolve::secrets`]).

use std::borrow::Cow;

use crate::event::{Event, Outcome, PreflightVerdict, Progress, Reason};
use crate::secret::Redactor;

impl Event {
    /// Returns the event without secrets.
    #[must_use]
    pub fn redacted(mut self, redactor: &Redactor) -> Self {
        if !redactor.is_idle() {
            self.redact(redactor);
        }
        self
    }

    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::PreflightEnded { verdict, .. } => match verdict {
                PreflightVerdict::Held | PreflightVerdict::Reached => {}
                PreflightVerdict::NotHeld(why) => reason(why, by),
                PreflightVerdict::NoAnswer(error) => error.redact(by),
            },
            Self::HostEnded { why, .. } => optional(why, |why| reason(why, by)),
            Self::RollbackBegun { why, .. } | Self::RoundBegun { why, .. } => reason(why, by),
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
            Self::TaskEnded { why, result, .. } => {
                optional(why, |why| reason(why, by));
                optional(result, |result| by.value(result));
            }
            Self::TaskBegun { items, .. } => {
                let items = items.iter_mut().flatten();
                items.for_each(|item| by.value(item));
            }
            Self::QuestionAsked { question, .. } => {
                text(&mut question.text, by);
                reason(&mut question.why, by);
            }
            Self::QuestionAnswered { reason, .. } | Self::RollbackRequested { reason, .. } => {
                optional(reason, |reason| text(reason, by));
            }
            Self::RunPaused { why }
            | Self::PointOfNoReturn { why, .. }
            | Self::HostBlocked { why, .. } => text(why, by),
            Self::RunEnded { why, .. } => optional(why, |why| text(why, by)),
            Self::RunPlanned(_)
            | Self::RunStarted
            | Self::RunResumed { .. }
            | Self::HostBegun { .. }
            | Self::HostKeySeen { .. }
            | Self::WaitTicked { .. }
            | Self::TimeSpent { .. }
            | Self::RequirementsHeld { .. }
            | Self::StopRequested { .. } => {}
        }
    }
}

impl Progress {
    /// Returns the news without secrets.
    #[must_use]
    pub fn redacted(mut self, by: &Redactor) -> Self {
        match &mut self {
            Self::Waiting { values, error, .. } => {
                pairs(values, by);
                optional(error, |error| text(error, by));
            }
            Self::Retrying { why, .. } | Self::Away { why, .. } => text(why, by),
        }
        self
    }
}

/// Cleans what is there.
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
