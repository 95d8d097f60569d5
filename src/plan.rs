//! The plan: what a file means, every name resolved, every default filled in.
//!
//! [`read`] makes a [`Plan`] of a text: `lower` gives a checked document its meaning, [`check`] finds
//! what only planrun can find (a missing rollback, a name that is not known yet). A plan knows no
//! hosts and no values: [`crate::resolve`] combines it with an inventory.
//!
//! Templates and expressions are kept as written; they are evaluated when their time comes.

mod approve;
pub mod check;
mod command;
mod each;
mod input;
mod lint;
pub mod longest;
mod lower;
mod meant;
mod named;
mod route;
mod steps;
mod uses;
pub mod value;

use std::rc::Rc;
use std::time::Duration;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::document;
use crate::document::{Node, Value};
use crate::output::Reading;
use crate::schema;
use crate::schema::foreign::file;
use crate::schema::foreign::file::Recognised;
use crate::schema::kind::Kind;
use crate::source::{SourceId, Sources, Span};
use crate::task::StepPath;
use crate::template::Template;
use crate::template::expression::Expression;

pub use approve::Approve;
pub use command::{Become, CommandSpec, Deferred, ExitCodes, Target, Upload, UploadSource, Work};
pub use each::{ForEach, ItemList};
pub use input::{Input, InputKind, Pattern};
pub use named::NamedExpression;
pub use route::{Role, Routes};
pub use uses::{Purpose, Text, Use};
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);
pub const DEFAULT_WITHIN: Duration = Duration::from_secs(10);
pub const DEFAULT_RETRY_DELAY: Duration = Duration::from_secs(5);
pub const DEFAULT_EVERY: Duration = Duration::from_secs(5);

/// The version of the plan language.
pub const VERSION: i64 = 1;

/// Reads a plan; `None` if there are errors among the diagnostics.
pub fn read(sources: &Sources, id: SourceId, found: &mut Diagnostics) -> Option<Plan> {
    let mut own = Diagnostics::default();
    let plan = read_text(sources, id, false, &mut own).filter(|_| !own.has_errors());
    found.extend(own);
    plan
}

/// Reads the plan of a run that has started. An earlier planrun accepted it, and its hosts may be half
/// way: what this one would refuse is a note, unless it cannot tell what the plan means.
pub fn read_started(sources: &Sources, id: SourceId, found: &mut Diagnostics) -> Option<Plan> {
    let mut own = Diagnostics::default();
    let plan = read_text(sources, id, true, &mut own).filter(|_| !own.has_errors());
    own.retain(|one| one.severity != Severity::Warning);
    found.extend(own);
    plan
}

/// Makes notes of errors, if the run has started and can live with them.
fn soften(started: bool, found: &Diagnostics) -> Diagnostics {
    let mut out = Diagnostics::default();
    for one in found.sorted() {
        let is_note = started && one.severity == Severity::Error;
        let severity = if is_note { Severity::Note } else { one.severity };
        out.push(Diagnostic { severity, ..one.clone() });
    }
    out
}

fn read_text(
    sources: &Sources,
    id: SourceId,
    started: bool,
    found: &mut Diagnostics,
) -> Option<Plan> {
    let mut node = document::parse(sources, id, found)?;
    if matches!(node.value, Value::Null) {
        Diagnostic::error(Code::EmptyPlan, "the plan is empty")
            .at(Span::new(id, 0, 0), "no keys here")
            .help("start with `version: 1`, `name: ...`, `hosts: ...` and `steps:`")
            .emit(found);
        return None;
    }
    if let Some(&Node { value: Value::Int(version), span, .. }) = node.get("version")
        && version > VERSION
    {
        // Reported alone: a new version may change the meaning of every other key.
        Diagnostic::error(Code::NewerVersion, format!("unsupported plan version {version}"))
            .at(span, format!("this planrun supports version {VERSION}"))
            .help("update planrun")
            .emit(found);
        return None;
    }
    if let Some(file) = file::recognise(&node) {
        found.push(not_a_plan(file));
        return None;
    }
    let mut own = Diagnostics::default();
    schema::check(&node, &Kind::Plan.shape(), &mut own);
    meant::amend(&node, sources, &mut own);
    node.poison(&own.places(false), &own.places(true));
    found.extend(own);
    if found.gives_up() {
        return None;
    }
    // Whatever is wrong, the rest is read as well: all problems are reported at once.
    let lowered = lower::lower(&node, sources);
    let is_stopped = lowered.found.is_stopped() || lowered.unreadable.is_stopped();
    found.extend(lowered.unreadable);
    found.extend(soften(started, &lowered.found));
    if is_stopped || found.gives_up() {
        return None;
    }
    let mut own = Diagnostics::default();
    check::check(&node, &lowered.plan, &lowered.used, &mut own);
    lint::check(&node, &lowered.plan, sources, &mut own);
    found.extend(soften(started, &own));
    Some(lowered.plan)
}

/// Reports what a file is instead of a plan, and nothing else: all other errors would follow from it.
fn not_a_plan(file: Recognised) -> Diagnostic {
    let fault =
        Diagnostic::error(Code::NotAPlan, format!("this is {}, not a planrun plan", file.what))
            .at(file.at, "identified by this key");
    match file.plan {
        Some(plan) => fault
            .help(format!("the equivalent plan starts like this:\n{plan}"))
            .help("add `done_when` and `rollback` to each change"),
        None => fault.help(file.help),
    }
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub name: String,
    /// What it is for, in one line.
    pub summary: Option<String>,
    pub description: Option<String>,
    /// The values given from outside.
    pub inputs: IndexMap<String, Input>,
    /// The host pattern and its location.
    pub hosts: (String, Span),
    /// The sections of the run, one after the other. Never empty.
    pub serial: Vec<Section>,
    pub order: Option<Order>,
    /// How many hosts may fail before no new host starts.
    pub max_failures: usize,
    /// Groups or hosts to lock in addition to the targets.
    pub locks: Vec<(String, Span)>,
    pub probes: IndexMap<String, Probe>,
    /// The named expressions (`let`).
    pub named: IndexMap<String, NamedExpression>,
    /// The checks before the first change, and again at the turn of each host.
    pub preflight: Vec<Check>,
    /// Further checks before the first change only.
    pub preflight_start: Vec<Check>,
    /// Further checks at the turn of each host only.
    pub preflight_turn: Vec<Check>,
    /// What is done once, before the first host.
    pub setup: Vec<Step>,
    /// What is done on each host.
    pub steps: Vec<Step>,
    /// What is done once, when every host has succeeded.
    pub finish: Vec<Step>,
    pub invariants: Invariants,
    /// Where each step is, by its path.
    pub routes: Routes,
}

/// Hosts that are worked on in batches.
#[derive(Clone, Debug)]
pub struct Section {
    /// The group that they are in, and its location; `None` for all hosts of the run.
    pub group: Option<(String, Span)>,
    /// How many at a time, batch by batch; the last repeats. Never empty.
    pub sizes: Vec<usize>,
}

/// Which hosts of a section start first, or last.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whether those for which the condition is true start last.
    pub is_last: bool,
    pub condition: Rc<Expression>,
}

/// A command that reads the state of a host.
#[derive(Clone, Debug)]
pub struct Probe {
    pub name: String,
    pub command: CommandSpec,
    pub target: Target,
    /// How its output becomes a value.
    pub reading: Reading,
    /// The exit codes that are not a failure.
    pub exit_codes: ExitCodes,
    pub span: Span,
}

/// A check: a condition with a sentence that names it.
#[derive(Clone, Debug)]
pub struct Check {
    pub text: String,
    pub condition: Rc<Expression>,
    pub span: Span,
}

/// The invariants, which are not evaluated yet.
#[derive(Clone, Debug, Default)]
pub struct Invariants {
    pub always: Vec<Check>,
    /// When a run ended, paused or is stuck.
    pub at_rest: Vec<Check>,
    /// When a run succeeded or was rolled back.
    pub at_end: Vec<Check>,
}

#[derive(Clone, Debug)]
pub struct Step {
    /// Its place in the plan.
    pub path: StepPath,
    /// Its name for expressions.
    pub id: Option<String>,
    /// What it does, for people: its `name`, else its action in short.
    pub title: String,
    pub action: Action,
    /// What it is done for, once for each.
    pub for_each: Option<ForEach>,
    /// Whether it is done at all.
    pub when: Option<Rc<Expression>>,
    /// The checks before it starts.
    pub requires: Vec<Check>,
    /// How often a block is repeated, if the plan says so; an effect has its own.
    pub retry: Option<Retry>,
    /// The maximum duration of a block, if the plan sets one; an effect has its own.
    pub timeout: Option<Deferred<Duration>>,
    pub rollback: Rollback,
    /// Whether it is a handler that also runs if nothing is rolled back: when the run ends.
    pub is_teardown: bool,
    pub point_of_no_return: Option<NoReturn>,
    /// What a failure leads to; `None`: roll back, or ask the operator after a point of no return.
    pub on_failure: Option<OnFailure>,
    pub on_unknown: OnUnknown,
    /// Why nothing may stop the run inside of it (blocks only).
    pub uninterruptible: Option<String>,
    /// Whether a part of it could not be read, which was reported: what it seems to lack may be
    /// there. Never in a plan that is used.
    pub is_poisoned: bool,
    /// Its location: its first key.
    pub span: Span,
}
#[derive(Clone, Debug, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Action {
    /// Runs a command or uploads a file.
    Effect(Box<Effect>),
    Wait(Box<Wait>),
    Assert {
        checks: Vec<Check>,
        /// How long they may take to come true; zero if nothing is said.
        within: Deferred<Duration>,
    },
    Approve(Box<Approve>),
    Set(Vec<(String, Rc<Expression>)>),
    /// Does steps that belong together.
    Block {
        steps: Vec<Step>,
        /// What runs if one of them fails.
        rescue: Vec<Step>,
    },
    Fail(Template),
}

/// A command that changes something.
#[derive(Clone, Debug)]
pub struct Effect {
    pub command: CommandSpec,
    /// Its target; never [`Target::EachOf`].
    pub target: Target,
    /// The condition that is true once it has worked.
    pub done_when: Option<Rc<Expression>>,
    /// How long that condition may take to become true.
    pub within: Deferred<Duration>,
    /// How often it is repeated; one attempt for steps with neither `done_when` nor `idempotent`.
    pub retry: Retry,
    /// The exit codes of success, if the plan sets them; else `[0]` if there is no `done_when`.
    pub exit_codes: Option<ExitCodes>,
    /// How its output becomes its result.
    pub reading: Reading,
    /// Whether sending it twice does no harm; always so if it only reads.
    pub idempotent: bool,
    /// Whether it only reads: there is nothing to undo, and it is never `changed`.
    pub read_only: bool,
}

#[derive(Clone, Debug)]
pub struct Retry {
    /// How many attempts there are in all; at least 1.
    pub attempts: u32,
    pub delay: Deferred<Duration>,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a plan has few waits, and each is boxed")]
pub enum Wait {
    For(Deferred<Duration>),
    /// Until a condition is true.
    Until {
        until: Rc<Expression>,
        at_least: Deferred<Duration>,
        timeout: Deferred<Duration>,
        /// How often the condition is checked.
        every: Deferred<Duration>,
        /// How long the condition must stay true without a break.
        stable_for: Deferred<Duration>,
        /// What happens when time is up.
        on_timeout: Deferred<OnTimeout>,
    },
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    Fail,
    /// The operator is asked.
    Ask,
    Continue,
}
#[derive(Clone, Debug)]
pub enum Rollback {
    Unsaid,
    /// There is nothing to undo, for this reason.
    None(String),
    /// This undoes it. Its path is `STEP.rollback`.
    Handler(Box<Step>),
}
/// A point of no return: nothing is undone once its step has succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoReturn {
    pub why: String,
    /// Whether that is so of the whole run, not only of the host.
    pub all_hosts: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The host is rolled back.
    Rollback,
    /// The operator is asked.
    Hold,
    /// The run continues, for this reason.
    Continue(String),
}

/// What an unknown outcome leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    /// The operator is asked.
    Ask,
    /// The step fails as unknown.
    Fail,
}

impl<T> Deferred<T> {
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::Now(_) => None,
            Self::Template(template) => Some(template),
        }
    }
}
