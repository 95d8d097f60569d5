//! The steps of a plan: those of its stages and of its hosts, in their order, and what is in them.

use indexmap::IndexMap;

use crate::plan::{Action, Check, Effect, Plan, Rollback, Step, Upload, Work};
use crate::source::Span;
use crate::task::Stage;
use crate::template::expression::Expr;

impl Plan {
    /// Lowers `serial` to at most so many hosts at a time.
    pub fn cap(&mut self, most: usize) {
        let sizes = self.serial.iter_mut().flat_map(|section| &mut section.sizes);
        sizes.for_each(|size| *size = most.min(*size));
    }

    /// Returns the groups whose members its texts use by `groups.NAME`.
    pub fn used_groups(&self) -> IndexMap<&str, Option<Span>> {
        let mut groups = IndexMap::new();
        self.each_use(&mut |one| {
            for part in one.text.roots().into_iter().flat_map(Expr::all) {
                if let Some(name) = part.group() {
                    groups.entry(name).or_insert_with(|| one.text.written().place(part));
                }
            }
        });
        groups
    }

    /// Returns the steps of a stage, or those for each host.
    pub fn steps_of(&self, stage: Option<Stage>) -> &[Step] {
        match stage {
            None => &self.steps,
            Some(Stage::Setup) => &self.setup,
            Some(Stage::Finish) => &self.finish,
        }
    }

    /// Returns the stages that have steps.
    pub fn stages(&self) -> impl Iterator<Item = Stage> {
        Stage::ALL.into_iter().filter(|stage| !self.steps_of(Some(*stage)).is_empty())
    }

    /// Returns the steps of all stages and of the hosts, in the order in which a run does them.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.setup.iter().chain(&self.steps).chain(&self.finish)
    }

    /// Whether a step of it is a point of no return of all hosts.
    pub fn has_no_return_of_all(&self) -> bool {
        let mut found = false;
        self.visit(&mut |step| {
            found |= step.point_of_no_return.as_ref().is_some_and(|point| point.all_hosts);
        });
        found
    }

    /// Returns what is checked on a host before the first change, or at its turn.
    pub fn preflight_at(&self, is_turn: bool) -> Vec<Check> {
        let more = if is_turn { &self.preflight_turn } else { &self.preflight_start };
        self.preflight.iter().chain(more).cloned().collect()
    }

    /// Calls a function on every step, in the order of the run.
    pub fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Step)) {
        self.all_steps().for_each(|step| step.visit(see));
    }

    /// Returns the steps that could be read and have an id, by their ids.
    pub(crate) fn ids(&self) -> IndexMap<&str, &Step> {
        let mut ids = IndexMap::new();
        self.visit_sound(&mut |step| ids.extend(step.id.as_deref().map(|id| (id, step))));
        ids
    }

    /// Calls a function on every step that could be read; what is in another one is left out.
    pub(crate) fn visit_sound<'a>(&'a self, see: &mut dyn FnMut(&'a Step)) {
        self.all_steps().for_each(|step| step.visit_sound(see));
    }
}

impl Step {
    /// Calls a function on this step and all in it: parts, rescues and handlers, in the order of
    /// the plan.
    pub fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Self)) {
        see(self);
        self.parts().for_each(|step| step.visit(see));
    }

    /// Calls a function on this step and all in it that could be read.
    pub(crate) fn visit_sound<'a>(&'a self, see: &mut dyn FnMut(&'a Self)) {
        if !self.is_poisoned {
            see(self);
            self.parts().for_each(|step| step.visit_sound(see));
        }
    }

    /// Returns the steps in it: parts, then rescues, then its handler.
    fn parts(&self) -> impl Iterator<Item = &Self> {
        let (steps, rescue): (&[Self], &[Self]) = match &self.action {
            Action::Block { steps, rescue } => (steps, rescue),
            _ => (&[], &[]),
        };
        let handler = match &self.rollback {
            Rollback::Handler(handler) => Some(handler.as_ref()),
            _ => None,
        };
        steps.iter().chain(rescue).chain(handler)
    }

    /// Whether nothing of the run is undone any more once it has ended: it, or a part of it that is not
    /// left out, is a point of no return of all hosts.
    pub(crate) fn ends_all_returns(&self) -> bool {
        let parts = match &self.action {
            Action::Block { steps, .. } => &steps[..],
            _ => &[],
        };
        self.point_of_no_return.as_ref().is_some_and(|point| point.all_hosts)
            || parts.iter().any(|part| part.when.is_none() && part.ends_all_returns())
    }

    pub fn effect(&self) -> Option<&Effect> {
        match &self.action {
            Action::Effect(effect) => Some(effect),
            _ => None,
        }
    }
    pub fn upload(&self) -> Option<&Upload> {
        match &self.effect()?.command.work {
            Work::Upload(upload) => Some(upload),
            _ => None,
        }
    }

    /// Returns the key of its action.
    pub fn action_word(&self) -> &'static str {
        match &self.action {
            Action::Effect(effect) => (&effect.command.work).into(),
            action => action.into(),
        }
    }
}
