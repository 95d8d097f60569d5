//! Faults of model hosts, scripted as data.

use std::cell::RefCell;
use std::rc::Rc;

use planrun::inventory::HostName;
use planrun::model::Model;
use planrun::task::StepPath;
use planrun::transport::Body;
use planrun::transport::model::{FaultKind, Faults, Occasion};

/// A fault, where and how often it comes up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FaultSpec {
    /// The host that runs the command, or whose state it means. `None` is any.
    pub(crate) host: Option<HostName>,
    /// What brings it up.
    pub(crate) on: Trigger,
    pub(crate) fault: FaultKind,
    /// How often; `None` is always.
    pub(crate) times: Option<u32>,
}

/// What brings a fault up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// An effect of the step with this path, or of a part of it. Looks are left alone.
    Step(String),
    /// Any look or effect with these words.
    Command(Vec<String>),
}

/// Scripted faults, and how often each came up.
#[derive(Debug)]
pub(crate) struct Script(RefCell<Vec<(FaultSpec, u32)>>);

impl Script {
    /// Scripts faults; the model must know them.
    #[track_caller]
    pub(crate) fn new(faults: Vec<FaultSpec>, model: &Model) -> Rc<Self> {
        let known = model.faults();
        for spec in &faults {
            if let FaultKind::Known(name) = &spec.fault {
                assert!(known.contains(&name.as_str()), "unknown fault `{name}`; known: {known:?}");
            }
        }
        Rc::new(Self(RefCell::new(faults.into_iter().map(|spec| (spec, 0)).collect())))
    }

    /// Returns the faults that have not come up, in their order.
    pub(crate) fn left(&self) -> Vec<FaultSpec> {
        let faults = self.0.borrow();
        let unused = faults.iter().filter(|(_, times)| *times == 0);
        unused.map(|(spec, _)| spec.clone()).collect()
    }
}

impl Faults for Script {
    fn take(&self, what: &Occasion<'_>) -> Option<FaultKind> {
        let mut faults = self.0.borrow_mut();
        let (spec, times) = faults.iter_mut().find(|(spec, times)| {
            spec.times.is_none_or(|most| *times < most) && fits(spec, what)
        })?;
        *times += 1;
        Some(spec.fault.clone())
    }
}

fn fits(spec: &FaultSpec, what: &Occasion<'_>) -> bool {
    let host = spec.host.as_ref().is_none_or(|host| host == what.here || Some(host) == what.about);
    let trigger = match &spec.on {
        Trigger::Step(path) => what.is_effect && is_part_of(&what.command.step, path),
        Trigger::Command(words) => {
            matches!(&what.command.body, Body::Argv(argv) if argv == words)
        }
    };
    let known = match &spec.fault {
        FaultKind::Known(name) => what.known.contains(&name.as_str()),
        _ => true,
    };
    host && trigger && known
}

/// Whether a command belongs to a step: `stop.rollback/1` is a part of `stop.rollback`, not of `stop`.
/// `stop` is each item of a `for_each`, `stop.2` the second.
fn is_part_of(step: &str, path: &str) -> bool {
    let (_, step) = step.split_once('/').unwrap_or(("", step));
    let is_in = |step: &str| {
        step.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    is_in(step) || is_in(&StepPath::from(step).in_plan().to_string())
}
