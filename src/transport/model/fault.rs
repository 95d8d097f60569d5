//! Faults of model hosts, scripted as data.

use crate::inventory::HostName;
use crate::model::{Act, FaultKind, Model, ModelError};
use crate::task::StepPath;

/// A fault, where and how often it comes up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSpec {
    /// The host that runs the command, or whose state it means. `None` is any.
    pub host: Option<HostName>,
    /// What brings it up.
    pub on: Trigger,
    pub fault: FaultKind,
    /// How often; `None` is always.
    pub times: Option<u32>,
}

/// What brings a fault up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// An effect of the step with this path, or of a part of it. Looks are left alone.
    Step(String),
    /// Any look or effect with these words.
    Command(Vec<String>),
}

/// The faults of a transport and how often each came up.
#[derive(Debug, Default)]
pub(super) struct Scripted {
    faults: Vec<(FaultSpec, u32)>,
}

impl Scripted {
    pub(super) fn new(faults: Vec<FaultSpec>, model: &Model) -> Result<Self, ModelError> {
        let known = model.faults();
        for spec in &faults {
            if let FaultKind::Known(name) = &spec.fault
                && !known.contains(&name.as_str())
            {
                let (of, known) = (model.name(), known.join(", "));
                return Err(ModelError::Impossible(format!(
                    "unknown fault `{name}` of the model {of}; known faults: {known}"
                )));
            }
        }
        Ok(Self { faults: faults.into_iter().map(|spec| (spec, 0)).collect() })
    }

    /// Returns the fault that comes up for a command, and counts it.
    pub(super) fn take(&mut self, what: &Occasion<'_>) -> Option<FaultKind> {
        let (spec, times) = self
            .faults
            .iter_mut()
            .find(|(spec, times)| spec.times.is_none_or(|most| *times < most) && what.fits(spec))?;
        *times = times.saturating_add(1);
        Some(spec.fault.clone())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    pub(super) fn unused(&self) -> Vec<FaultSpec> {
        let unused = self.faults.iter().filter(|(_, times)| *times == 0);
        unused.map(|(spec, _)| spec.clone()).collect()
    }
}

/// A command that a fault may meet.
pub(super) struct Occasion<'a> {
    pub(super) here: &'a HostName,
    pub(super) about: Option<&'a HostName>,
    pub(super) step: &'a str,
    pub(super) act: &'a Act<'a>,
    pub(super) effect: bool,
    pub(super) known: &'a [&'a str],
}

impl Occasion<'_> {
    fn fits(&self, spec: &FaultSpec) -> bool {
        let host =
            spec.host.as_ref().is_none_or(|host| host == self.here || Some(host) == self.about);
        let trigger = match &spec.on {
            Trigger::Step(path) => self.effect && self.is_part_of(path),
            Trigger::Command(words) => *self.act == Act::run(words),
        };
        let known = match &spec.fault {
            FaultKind::Known(name) => self.known.contains(&name.as_str()),
            _ => true,
        };
        host && trigger && known
    }

    /// Whether the command belongs to a step: `stop.rollback/1` is a part of `stop.rollback`, not
    /// of `stop`. `stop` is each item of a `for_each`, `stop.2` the second.
    fn is_part_of(&self, path: &str) -> bool {
        let (_, step) = self.step.split_once('/').unwrap_or(("", self.step));
        let is_in = |step: &str| {
            step.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        is_in(step) || is_in(&StepPath::from(step).in_plan().to_string())
    }
}
