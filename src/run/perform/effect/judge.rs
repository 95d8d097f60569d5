//! Whether an attempt took effect.

use std::time::Duration;

use crate::event::{Outcome, Reason, TaskStatus, Truth};
use crate::output;
use crate::output::Reading;
use crate::plan::{Action, Effect, ExitCodes};
use crate::quote;
use crate::run::decide::Observed;
use crate::run::observe::{Observation, first_line};
use crate::run::perform::Task;
use crate::run::perform::effect::in_place::IN_PLACE;
use crate::transport::{Exit, Output};

/// Longest stream that a result without `parse` has, in bytes.
pub(super) const MOST_OF_A_STREAM: usize = 64 * 1024;

/// Whether an attempt took effect.
#[derive(Clone, Debug)]
pub(super) enum Judgement {
    /// What was wanted is so.
    Done(TaskStatus, Reason, Option<serde_json::Value>),
    /// It is known not to be so, and the attempt is known to be over.
    NotDone(TaskStatus, Reason),
    InDoubt(Reason),
}

impl Judgement {
    /// Returns it without its reasons.
    pub(super) fn observed(&self) -> Observed {
        match self {
            Self::Done(..) => Observed::Done,
            Self::NotDone(..) => Observed::NotDone,
            Self::InDoubt(_) => Observed::InDoubt,
        }
    }

    pub(super) fn why(&self) -> Reason {
        match self {
            Self::Done(_, why, _) | Self::NotDone(_, why) | Self::InDoubt(why) => why.clone(),
        }
    }
}

impl Task<'_, '_, '_> {
    /// Returns what the `id` of a step that failed names: the result of its last command, if that
    /// ended by itself and what it printed is known.
    pub(in crate::run::perform) fn failed_result(
        &self,
        output: Option<&Output>,
    ) -> Option<serde_json::Value> {
        let Action::Effect(effect) = &self.step.action else { return None };
        read_result(&effect.reading, output?, false).ok().flatten()
    }

    /// Judges the last attempt: by `done_when` if there is one, else by its exit code.
    pub(super) async fn judge(&self, effect: &Effect, output: Option<&Output>) -> Judgement {
        let outcome = self.state().attempts.last().and_then(|last| last.outcome.clone());
        let (known, exit_well, text) = describe(outcome.as_ref(), effect);
        let result =
            output.map(|output| read_result(&effect.reading, output, exit_well)).transpose();
        let result = match result {
            Ok(result) => result.flatten(),
            Err(why) => {
                let text = format!("cannot parse its output: {why}");
                return Judgement::NotDone(TaskStatus::Failed, Reason::of(text));
            }
        };
        let status = match &outcome {
            Some(Outcome::Ended { exit: Exit::TimedOut, .. }) => TaskStatus::TimedOut,
            _ => TaskStatus::Failed,
        };
        let done = if effect.read_only { TaskStatus::Unchanged } else { TaskStatus::Changed };
        let Some(done_when) = &effect.done_when else {
            let why = |text: String| Reason::of(text);
            return match (known, exit_well) {
                (true, true) => Judgement::Done(done, why(text), result),
                (true, false) => Judgement::NotDone(status, why(text)),
                (false, _) => match self.state().attempts.last() {
                    Some(last) if self.is_in_place(effect, &last.on).await => {
                        Judgement::Done(done, why(format!("{text}; but {IN_PLACE}")), result)
                    }
                    _ => Judgement::InDoubt(why(text)),
                },
            };
        };
        let within = match self.length(&effect.within) {
            Ok(within) => within,
            Err(why) => return Judgement::NotDone(TaskStatus::Failed, why),
        };
        let look = || async { self.observer().condition(done_when).await };
        // There is no need to wait for an attempt that was never sent; nor for one that may still
        // be running while users wait.
        let is_open = outcome.as_ref().is_some_and(Outcome::may_be_running);
        let is_over = matches!(outcome, Some(Outcome::NotSent(_) | Outcome::NeverStarted));
        let within =
            if is_over || (is_open && self.is_critical()) { Duration::ZERO } else { within };
        let seen = self.look_until(within, look).await;
        let also_exit = effect.exit_codes.is_some() && known && !exit_well;
        let is_in_doubt = match seen.truth() {
            Truth::True => false,
            Truth::False => is_open,
            Truth::Unknown => !known,
        };
        match seen.truth() {
            Truth::True if also_exit => {
                let text = format!("{text}, although `done_when` is true");
                Judgement::NotDone(status, seen.reason(text))
            }
            Truth::True => Judgement::Done(done, seen.reason(text), result),
            Truth::False | Truth::Unknown => {
                let why = seen.reason(format!("{text}; {}", unseen(&seen)));
                if is_in_doubt { Judgement::InDoubt(why) } else { Judgement::NotDone(status, why) }
            }
        }
    }
}

/// Longest part of a condition, or of the values it was decided on, in a sentence, in characters.
const MAX_SHOWN: usize = 120;

/// Describes what was expected, and what was observed.
fn unseen(seen: &Observation) -> String {
    let missing = seen.seen.iter().find(|seen| seen.truth != Truth::True);
    let Some(missing) = missing else { return "`done_when` is not true".to_owned() };
    let short = |text: &str| quote::shortened(text, MAX_SHOWN);
    let values = missing.values.iter();
    let values: Vec<String> = values.map(|(name, value)| format!("{name} = {value}")).collect();
    let found = match (&missing.error, values.is_empty()) {
        (Some(error), _) => format!("unknown: {}", short(error)),
        (None, true) => "false".to_owned(),
        (None, false) => format!("false: {}", short(&values.join(", "))),
    };
    format!("`{}` is {found}", short(&missing.condition))
}

/// What is known of an outcome: whether the attempt is over, whether its exit is one of success,
/// and both in words.
fn describe(outcome: Option<&Outcome>, effect: &Effect) -> (bool, bool, String) {
    match outcome {
        Some(Outcome::Ended { exit: Exit::Code(code), stdout, stderr, .. }) => {
            let well = match &effect.exit_codes {
                Some(ExitCodes::Any) => true,
                Some(ExitCodes::These(codes)) => codes.contains(code),
                None => *code == 0,
            };
            let said = first_line(stderr.as_bytes(), if well { b"" } else { stdout.as_bytes() });
            let is_unexpected = !well && effect.exit_codes.is_some();
            let unexpected = if is_unexpected { "unexpected " } else { "" };
            (true, well, format!("{unexpected}exit code {code}{said}"))
        }
        Some(Outcome::Ended { exit: Exit::Signal(signal), .. }) => {
            (true, false, format!("killed by signal {signal}"))
        }
        Some(Outcome::Ended { exit: Exit::TimedOut, .. }) => (true, false, "timed out".to_owned()),
        Some(Outcome::NotSent(error)) => (true, false, format!("not sent: {error}")),
        Some(Outcome::NeverStarted) => (true, false, "not started".to_owned()),
        Some(Outcome::Unknown { why, .. }) => (false, false, why.clone()),
        None => (false, false, "its outcome was not recorded".to_owned()),
    }
}

/// Reads the result of a step as its `parse` says; without one, `{exit, stdout, stderr}`. A stream
/// that is too long is left out: a part must not be read as the whole.
fn read_result(
    reading: &Reading,
    output: &Output,
    exit_well: bool,
) -> Result<Option<serde_json::Value>, String> {
    let Exit::Code(code) = output.exit else { return Ok(None) };
    match reading {
        Reading::Whole => {}
        Reading::Discard => return Ok(Some(serde_json::json!({ "exit": code }))),
        _ if !exit_well => return Ok(None),
        _ => {
            let Output { stdout, stdout_len, stderr, .. } = output;
            return output::read(reading, code, stdout, *stdout_len, stderr).map(Some);
        }
    }
    let mut result = serde_json::Map::new();
    result.insert("exit".to_owned(), code.into());
    let streams = [
        ("stdout", &output.stdout, output.stdout_len),
        ("stderr", &output.stderr, output.stderr_len),
    ];
    for (name, bytes, length) in streams {
        if length <= bytes.len().min(MOST_OF_A_STREAM) as u64 {
            result.insert(name.to_owned(), String::from_utf8_lossy(bytes).into());
        }
    }
    Ok(Some(result.into()))
}
