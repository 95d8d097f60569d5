//! Steps by their paths, without a walk through the plan.

use std::collections::HashMap;

use crate::plan::{Action, Plan, Rollback, Step};
use crate::task::{Stage, StepPath};

/// How each step of a plan is reached from the top, by its path: its role in each step around it.
#[derive(Clone, Debug, Default)]
pub struct Routes(HashMap<StepPath, Vec<Role>>);

/// What a step is in the step around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A part of the block, or a step for each host, at this position.
    Part(usize),
    /// A step of a stage, at this position.
    Stage(Stage, usize),
    /// A part of its rescue, at this position.
    Rescue(usize),
    Handler,
}

impl Routes {
    pub(super) fn of(setup: &[Step], steps: &[Step], finish: &[Step]) -> Self {
        let mut routes = Self::default();
        routes.list(setup, |position| Role::Stage(Stage::Setup, position), &[]);
        routes.list(steps, Role::Part, &[]);
        routes.list(finish, |position| Role::Stage(Stage::Finish, position), &[]);
        routes
    }

    fn list(&mut self, steps: &[Step], role: impl Fn(usize) -> Role, before: &[Role]) {
        for (position, step) in steps.iter().enumerate() {
            self.step(step, [before, &[role(position)]].concat());
        }
    }

    fn step(&mut self, step: &Step, route: Vec<Role>) {
        if let Action::Block { steps, rescue } = &step.action {
            self.list(steps, Role::Part, &route);
            self.list(rescue, Role::Rescue, &route);
        }
        if let Rollback::Handler(handler) = &step.rollback {
            self.step(handler, [route.as_slice(), &[Role::Handler]].concat());
        }
        self.0.insert(step.path.clone(), route);
    }
}

impl Plan {
    /// Returns the paths of all steps, sorted.
    pub fn places(&self) -> Vec<&StepPath> {
        let mut places: Vec<&StepPath> = self.routes.0.keys().collect();
        places.sort();
        places
    }

    /// Returns the steps from the top to a step, itself the last, each with its role in the one
    /// before it. Of a step at an item, the same as in the plan.
    fn route(&self, path: &StepPath) -> Vec<(&Step, Role)> {
        let mut route: Vec<(&Step, Role)> = Vec::new();
        for role in self.routes.0.get(&path.in_plan()).into_iter().flatten() {
            let outer = route.last().map(|(step, _)| *step);
            let Some(step) = self.step_in(outer, *role) else { break };
            route.push((step, *role));
        }
        route
    }

    fn step_in<'p>(&'p self, outer: Option<&'p Step>, role: Role) -> Option<&'p Step> {
        match (role, outer.map(|outer| (&outer.action, &outer.rollback))) {
            (Role::Part(position), None) => self.steps.get(position),
            (Role::Stage(stage, position), None) => self.steps_of(Some(stage)).get(position),
            (Role::Part(position), Some((Action::Block { steps, .. }, _))) => steps.get(position),
            (Role::Rescue(position), Some((Action::Block { rescue, .. }, _))) => {
                rescue.get(position)
            }
            (Role::Handler, Some((_, Rollback::Handler(handler)))) => Some(handler),
            _ => None,
        }
    }

    /// Returns the stage that a step is in; `None` if it is a step for each host.
    pub fn stage_of(&self, path: &StepPath) -> Option<Stage> {
        match self.routes.0.get(&path.in_plan())?.first() {
            Some(Role::Stage(stage, _)) => Some(*stage),
            _ => None,
        }
    }

    /// Returns the step at a path, and the step with the `for_each` that repeats it: itself, or one
    /// around it.
    pub fn find(&self, path: &StepPath) -> Option<(&Step, Option<&Step>)> {
        let route = self.route(path);
        let of = route.iter().rev().find(|(step, _)| step.for_each.is_some());
        route.last().map(|(step, _)| (*step, of.map(|(step, _)| *step)))
    }

    /// Returns the steps around a step, the outermost first, and the role of the next one in each.
    pub fn around(&self, path: &StepPath) -> Vec<(&Step, Role)> {
        self.route(path).windows(2).map(|pair| (pair[0].0, pair[1].1)).collect()
    }
}
