//! The expected result of a scenario, and its comparison with what was observed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::event::{Event, Record, TaskEvent};
use crate::history::RunState;
use crate::inventory::HostName;
use crate::quote;
use crate::report::text;
use crate::run::exit_status;
use crate::scenario::Unmet;
use crate::source::Span;
use crate::task::TaskId;
use crate::transport::model::ModelTransport;

/// Longest value in a message.
const LONGEST: usize = 300;

/// One expectation.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) what: What,
    pub(super) value: Value,
    pub(super) place: Span,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Run,
    Exit,
    Took {
        is_least: bool,
        length: Duration,
    },
    Host(HostName),
    Step(TaskId),
    State(HostName, String),
    /// How often a command is sent, on one host or on all.
    Sent {
        command: String,
        on: Option<String>,
    },
    NothingSent,
    /// The first step after the resume.
    Next,
}

impl Expected {
    /// Returns the value of a host that it is about.
    pub(super) fn value(&self) -> Option<(&HostName, &str)> {
        match &self.what {
            What::State(host, name) => Some((host, name)),
            _ => None,
        }
    }
}

/// What was observed.
pub(super) struct Observed<'a> {
    /// `None` if the controller died.
    pub(super) state: Option<&'a RunState>,
    pub(super) world: &'a ModelTransport,
    /// The commands that were sent, each with its host.
    pub(super) sent: Vec<(String, String)>,
    /// The records after the resume.
    pub(super) resumed: &'a [Record],
    pub(super) took: Duration,
}

impl Observed<'_> {
    /// Returns what is not as expected of a scenario at this place.
    pub(super) fn compare(&self, expected: &[Expected], place: Span) -> Vec<Unmet> {
        if self.state.is_none() {
            let message = "the controller died, and the run was not resumed";
            let diagnostic = Diagnostic::error(Code::UnmetExpectation, message)
                .at(place, "in this scenario")
                .help("add `resume: true`");
            return vec![Unmet { diagnostic, values: None }];
        }
        expected.iter().filter_map(|one| self.one(one)).collect()
    }

    fn one(&self, expected: &Expected) -> Option<Unmet> {
        let observed = self.value(&expected.what);
        let is_met = match &expected.what {
            What::Took { is_least: true, length } => self.took >= *length,
            What::Took { is_least: false, length } => self.took <= *length,
            What::NothingSent => self.sent.is_empty(),
            _ => observed == expected.value,
        };
        if is_met {
            return None;
        }
        let (shown, wanted) = (shown(&observed), wanted(expected));
        let name = expected.what.name();
        let message = format!("{name}: expected {wanted}, observed {shown}");
        let diagnostic = Diagnostic::error(Code::UnmetExpectation, message)
            .at(expected.place, format!("observed {shown}"));
        let diagnostic = match self.why(&expected.what) {
            Some(why) => diagnostic.help(why),
            None => diagnostic,
        };
        Some(Unmet { diagnostic, values: Some((expected.value.clone(), observed)) })
    }

    fn value(&self, what: &What) -> Value {
        let Some(state) = self.state else { return Value::Null };
        match what {
            What::Run => json!(state.status),
            What::Exit => json!(exit_status(state)),
            What::Took { .. } => json!(text::duration(self.took)),
            What::Host(host) => json!(state.hosts.get(host).map(|host| host.status)),
            What::Step(task) => json!(state.task(task).and_then(|task| task.status)),
            What::State(host, name) => match self.world.world() {
                Ok(world) => world.get(host, name).unwrap_or_default(),
                Err(error) => json!(error.to_string()),
            },
            What::Sent { .. } => json!(self.sent.iter().filter(|sent| what.is(sent)).count()),
            What::NothingSent => {
                json!(self.sent.iter().map(|(on, it)| format!("{on}: {it}")).collect::<Vec<_>>())
            }
            What::Next => json!(first_task(self.resumed).map(|task| step_at_host(&task))),
        }
    }

    /// Returns what is known about the reason.
    fn why(&self, what: &What) -> Option<String> {
        match what {
            What::Run => Some(format!("the run gives this reason: {}", self.state?.why.as_ref()?)),
            What::Host(host) => {
                let why = self.state?.hosts.get(host)?.why.as_ref()?;
                Some(format!("the host has this reason: {}", why.text))
            }
            What::Sent { command, .. } => {
                let texts = self.sent.iter().map(|(_, text)| text.as_str());
                let near = nearest(command, texts).filter(|near| near != command)?;
                Some(format!("the most similar command that was sent is `{near}`"))
            }
            _ => None,
        }
    }
}

impl What {
    fn name(&self) -> String {
        match self {
            Self::Run => "status of the run".into(),
            Self::Exit => "exit code".into(),
            Self::Took { .. } => "duration".into(),
            Self::Host(host) => format!("status of {host}"),
            Self::Step(task) => format!("status of `{}`", step_at_host(task)),
            Self::State(host, name) => format!("`{host}.{name}`"),
            Self::Sent { command, on: None } => format!("`{}` sent", short(command)),
            Self::Sent { command, on: Some(on) } => format!("`{}` sent to {on}", short(command)),
            Self::NothingSent => "commands".into(),
            Self::Next => "first step after the resume".into(),
        }
    }

    /// Whether a command that was sent to a host is the one that is counted.
    fn is(&self, (host, text): &(String, String)) -> bool {
        matches!(self, Self::Sent { command, on }
            if command == text && on.as_ref().is_none_or(|on| on == host))
    }
}

fn wanted(expected: &Expected) -> String {
    match &expected.what {
        What::Took { is_least: true, length } => format!("at least {}", text::duration(*length)),
        What::Took { is_least: false, length } => format!("at most {}", text::duration(*length)),
        What::NothingSent => "none".into(),
        _ => shown(&expected.value),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::String(text) => format!("`{}`", short(text)),
        other => short(&other.to_string()),
    }
}

fn short(text: &str) -> String {
    quote::shortened(text, LONGEST)
}

fn step_at_host(task: &TaskId) -> String {
    format!("{}@{}", task.step, task.host)
}

/// Returns the task that is sent for, or ends, first.
fn first_task(records: &[Record]) -> Option<TaskId> {
    records.iter().find_map(|record| match &record.event {
        Event::Task {
            task,
            event: TaskEvent::AttemptIntended { .. } | TaskEvent::Ended { .. },
        } => Some(task.clone()),
        _ => None,
    })
}

/// What a scenario names and its run never met.
pub(super) mod not_exercised {
    use super::{Code, Diagnostic, Span, Unmet};
    use crate::event::Answer;
    use crate::scenario::Open;
    use crate::scenario::faults::FaultSpec;
    use crate::schema::one_of;
    use crate::transport::model::FaultKind;

    fn unmet(message: String, place: Span, label: &str, help: String) -> Unmet {
        let diagnostic = Diagnostic::error(Code::NotExercised, message);
        Unmet { diagnostic: diagnostic.at(place, label).help(help), values: None }
    }

    pub(in crate::scenario) fn fault(spec: &FaultSpec, place: Span) -> Unmet {
        let (message, help) = match &spec.fault {
            FaultKind::Known(name) => (
                format!("fault `{name}` was never injected"),
                "check that the command of this step has this fault in the model, and that the \
                 step is reached",
            ),
            _ => ("a fault was never injected".to_owned(), "check that the step is reached"),
        };
        unmet(message, place, "never injected", help.to_owned())
    }

    pub(in crate::scenario) fn controller(place: Span, message: &str) -> Unmet {
        let help = "name a step that sends a command, and that is reached";
        unmet(message.to_owned(), place, "never reached", help.to_owned())
    }

    pub(in crate::scenario) fn answer(open: &Open) -> Unmet {
        let answer: &str = open.answer.into();
        match &open.asked {
            None => {
                let message = format!("the run never asked for the answer `{answer}`");
                unmet(message, open.place, "never asked", "check that the step asks".to_owned())
            }
            Some(answers) => {
                let words: Vec<&str> = answers.iter().map(|&one: &Answer| one.into()).collect();
                let message = format!("`{answer}` does not answer the question of this step");
                unmet(
                    message,
                    open.place,
                    "other answers are possible",
                    format!("use {}", one_of(&words)),
                )
            }
        }
    }
}
