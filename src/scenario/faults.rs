//! Faults that a scenario injects.

use std::cell::RefCell;
use std::rc::Rc;

use crate::inventory::HostName;
use crate::task::StepPath;
use crate::transport::Body;
use crate::transport::model::{FaultKind, Faults, Occasion};

/// A fault, where it is injected, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSpec {
    /// The host or stage of the step, the host that runs the command, or whose state it uses. `None` is any.
    pub host: Option<HostName>,
    pub on: Trigger,
    pub fault: FaultKind,
    /// `None` is always.
    pub times: Option<u32>,
}

/// The commands that a fault is injected into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// An effect of the step with this path, or of a part of it. Probes are not affected.
    Step(String),
    /// Any command with these words.
    Command(Vec<String>),
}

/// Faults that are to be injected, and how often each was.
#[derive(Debug)]
pub struct Script(RefCell<Vec<(FaultSpec, u32)>>);

impl Script {
    pub fn new(faults: Vec<FaultSpec>) -> Rc<Self> {
        Rc::new(Self(RefCell::new(faults.into_iter().map(|spec| (spec, 0)).collect())))
    }

    /// Returns the positions of the faults that were never injected.
    pub fn unused(&self) -> Vec<usize> {
        let faults = self.0.borrow();
        let unused = faults.iter().enumerate().filter(|(_, (_, times))| *times == 0);
        unused.map(|(number, _)| number).collect()
    }
}

impl Faults for Script {
    fn take(&self, what: &Occasion<'_>) -> Option<FaultKind> {
        let mut faults = self.0.borrow_mut();
        let (spec, times) = faults
            .iter_mut()
            .find(|(spec, times)| spec.times.is_none_or(|most| *times < most) && spec.fits(what))?;
        *times += 1;
        Some(spec.fault.clone())
    }
}

impl FaultSpec {
    fn fits(&self, what: &Occasion<'_>) -> bool {
        let of = what.command.host.as_ref();
        let is_its = |host| host == what.here || Some(host) == what.about || Some(host) == of;
        let host = self.host.as_ref().is_none_or(is_its);
        let trigger = match &self.on {
            Trigger::Step(path) => what.is_effect && is_part_of(&what.command.step, path),
            Trigger::Command(words) => {
                matches!(&what.command.body, Body::Argv(argv) if argv == words)
            }
        };
        let known = match &self.fault {
            FaultKind::Known(name) => what.known.contains(&name.as_str()),
            _ => true,
        };
        host && trigger && known
    }
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
