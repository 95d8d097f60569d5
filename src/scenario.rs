//! Scenarios: a plan on its model, with injected faults and answers, and the expected result.
//!
//! [`crate::load::scenarios`] reads and checks a file of them; [`Scenario::lower`] converts one, [`Scenario::run`]
//! runs it and returns what is not as expected. A run is that of the real engine, on model hosts, in virtual time,
//! with a journal in memory ([`journal`]): the same scenario always ends in the same way. A controller that dies
//! leaves its journal and its hosts, and the next process continues with both ([`stage`]).
//!
//! A fault that was never injected, or an answer that was never needed, fails the scenario: it tests something
//! other than it says. Not here: which files are run, and how the result is shown.

mod expected;
pub mod faults;
pub mod journal;
mod script;
pub mod stage;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::clock::Clock;
use crate::diagnostic::Diagnostic;
use crate::event::{Answer, Approval, Question, Record};
use crate::history::{Reporter, RunState};
use crate::inventory::HostName;
use crate::model::ModelError;
use crate::report::Style;
use crate::report::plain::Plain;
use crate::run::{Asker, Stop};
use crate::scenario::expected::{Expected, Observed, not_exercised};
use crate::scenario::faults::{FaultSpec, Script};
use crate::scenario::journal::MemoryJournal;
use crate::scenario::stage::{Process, Stage};
use crate::source::Span;
use crate::task::TaskId;
use crate::transport::model::ModelTransport;

/// When each scenario starts, in virtual time.
const START: &str = "2026-01-01T00:00:00Z";
/// Columns of the log of a run.
const WIDTH: usize = 120;

/// One run of a plan, and its expected result.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: String,
    pub place: Span,
    /// What differs from the initial state of the model.
    pub state: Vec<(HostName, String, Value)>,
    pub faults: Vec<(FaultSpec, Span)>,
    /// Where the controller dies.
    pub dies_at: Option<(TaskId, Span)>,
    /// Where a stop is requested.
    pub stops_at: Option<(TaskId, Span)>,
    pub answers: Vec<(TaskId, Answer, Span)>,
    /// Whether the run is resumed after it has stopped.
    pub resumes: bool,
    expected: Vec<Expected>,
}

/// The end of a scenario.
#[derive(Debug)]
pub struct Ended {
    /// The state of the run; `None` if its controller died.
    pub state: Option<RunState>,
    /// How long it took, in virtual time.
    pub took: Duration,
    /// What is not as expected; empty if the scenario passed.
    pub unmet: Vec<Unmet>,
    /// The run as lines, as `apply` shows it.
    pub log: String,
}

/// Something that is not as expected.
#[derive(Clone, Debug)]
pub struct Unmet {
    pub diagnostic: Diagnostic,
    /// What was expected and what was observed, if two values were compared.
    pub values: Option<(Value, Value)>,
}

impl Scenario {
    /// Runs it on a stage.
    pub fn run(&self, stage: &Stage) -> Result<Ended, ModelError> {
        let clock = start();
        let faults = Script::new(self.faults.iter().map(|(spec, _)| spec.clone()).collect());
        let world = stage.world(&clock, Rc::clone(&faults))?;
        self.set(&world)?;
        let operator = Operator::new(self.answers.clone());
        let plain = Rc::new(RefCell::new(Plain::new(Vec::new(), Style::plain(WIDTH))));
        let reporter: Rc<RefCell<dyn Reporter>> = Rc::<RefCell<Plain<_>>>::clone(&plain);
        let stop = Rc::<Stop>::default();
        let drive = |journal: &MemoryJournal, stop: &Rc<Stop>, stops_at: Option<&TaskId>| {
            let (clock, world, asker) = (&clock, &world, Some(&operator as &dyn Asker));
            let reporter = &reporter;
            let process = Process { clock, world, journal, asker, reporter, stop, stops_at };
            stage.drive(&process, stage.first(journal))
        };
        let begun = clock.now();
        let dies_at = self.dies_at.as_ref().map(|(task, _)| task.clone());
        let journal = MemoryJournal { dies_at, ..MemoryJournal::default() };
        let mut state = drive(&journal, &stop, self.stops_at.as_ref().map(|(task, _)| task));
        let died = state.is_none();
        let journal = MemoryJournal { dies_at: None, ..journal };
        let rested = journal.records.borrow().len();
        if self.resumes {
            state = drive(&journal, &Rc::default(), None);
        }
        // The time after the last command is only computed when something asks.
        world.world()?;
        let took = clock.now().duration_since(begun).try_into().unwrap_or_default();
        let records: Vec<Record> = journal.records.borrow().clone();
        let observed = Observed {
            state: state.as_ref(),
            world: &world,
            sent: journal.sent(),
            resumed: &records[rested..],
            took,
        };
        let mut unmet = observed.compare(&self.expected, self.place);
        for number in faults.unused() {
            let (spec, place) = &self.faults[number];
            unmet.push(not_exercised::fault(spec, *place));
        }
        if let Some((_, place)) = self.dies_at.as_ref().filter(|_| !died) {
            unmet.push(not_exercised::controller(*place, "the controller did not die here"));
        }
        if let Some((_, place)) = self.stops_at.as_ref().filter(|_| stop.requested().is_none()) {
            unmet.push(not_exercised::controller(*place, "no stop was requested here"));
        }
        unmet.extend(operator.0.into_inner().iter().map(not_exercised::answer));
        let log = String::from_utf8_lossy(plain.borrow().written()).into_owned();
        Ok(Ended { state, took, unmet, log })
    }

    /// Sets what differs from the initial state of the model.
    pub fn set(&self, world: &ModelTransport) -> Result<(), ModelError> {
        let mut state = self.state.iter();
        state.try_for_each(|(host, name, value)| world.set(host, name, value.clone()))
    }

    /// Returns an operator who gives its answers.
    pub fn operator(&self) -> impl Asker + use<> {
        Operator::new(self.answers.clone())
    }

    /// Returns the values of hosts that it compares at the end.
    pub fn values(&self) -> impl Iterator<Item = (&HostName, &str)> {
        self.expected.iter().filter_map(Expected::value)
    }
}

/// Returns the clock of a scenario.
///
/// # Panics
/// Never: the time is a constant.
pub fn start() -> Clock {
    Clock::virtual_from(START.parse().expect("a time"))
}

/// An answer that was not given yet.
struct Open {
    task: TaskId,
    answer: Answer,
    place: Span,
    /// What was asked instead of what it answers.
    asked: Option<Vec<Answer>>,
}

/// Gives the answers of a scenario, each once.
struct Operator(RefCell<Vec<Open>>);

impl Operator {
    fn new(answers: Vec<(TaskId, Answer, Span)>) -> Self {
        let open = answers.into_iter();
        let open = open.map(|(task, answer, place)| Open { task, answer, place, asked: None });
        Self(RefCell::new(open.collect()))
    }
}

#[async_trait(?Send)]
impl Asker for Operator {
    async fn ask(&self, task: &TaskId, question: &Question) -> Option<(Answer, Option<String>)> {
        let mut open = self.0.borrow_mut();
        let found = open.iter().position(|open| open.task == *task)?;
        if !question.answers.contains(&open[found].answer) {
            open[found].asked = Some(question.answers.clone());
            return None;
        }
        let left = question.approval.as_ref().map_or(1, Approval::left);
        let answer = match &open[found].answer {
            // One answer counts for each person who must approve.
            Answer::Approve if left > 1 => Answer::Approve,
            _ => open.remove(found).answer,
        };
        Some((answer, Some("the scenario says so".into())))
    }

    fn person(&self, question: &Question) -> Option<String> {
        let approval = question.approval.as_ref()?;
        Some(format!("operator{}@scenario", approval.given.len() + 1))
    }
}
