//! Steps by their paths, without a walk through the plan.

use std::collections::HashMap;

use crate::plan::{Action, Plan, Rollback, Step};
use crate::task::StepPath;

/// Where each step of a plan is, by its path.
#[derive(Clone, Debug, Default)]
pub struct Routes(HashMap<StepPath, Vec<Turn>>);

/// One turn on the way from the steps of a plan to one of them.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// To a step of the list, by its position.
    Step(usize),
    /// To a step of the rescue.
    Rescue(usize),
    /// To the rollback.
    Handler,
}

impl Routes {
    /// Finds the way to each step.
    pub(super) fn of(steps: &[Step]) -> Self {
        let mut routes = Self::default();
        routes.list(steps, Turn::Step, &[]);
        routes
    }

    fn list(&mut self, steps: &[Step], turn: fn(usize) -> Turn, before: &[Turn]) {
        for (position, step) in steps.iter().enumerate() {
            let mut route = before.to_vec();
            route.push(turn(position));
            self.step(step, route);
        }
    }

    fn step(&mut self, step: &Step, route: Vec<Turn>) {
        if let Action::Block { steps, rescue } = &step.action {
            self.list(steps, Turn::Step, &route);
            self.list(rescue, Turn::Rescue, &route);
        }
        if let Rollback::Handler(handler) = &step.rollback {
            let mut route = route.clone();
            route.push(Turn::Handler);
            self.step(handler, route);
        }
        self.0.insert(step.path.clone(), route);
    }
}

impl Plan {
    /// Returns the places of all steps, sorted.
    pub fn places(&self) -> Vec<&StepPath> {
        let mut places: Vec<&StepPath> = self.routes.0.keys().collect();
        places.sort();
        places
    }

    /// Returns the step at a place in the plan, and the step with the `for_each` that
    /// repeats it: itself, or one around it.
    pub fn find(&self, path: &StepPath) -> Option<(&Step, Option<&Step>)> {
        let mut found: Option<&Step> = None;
        let mut of = None;
        for turn in self.routes.0.get(path)? {
            let step = match (turn, found) {
                (Turn::Step(position), None) => self.steps.get(*position)?,
                (turn, Some(step)) => part(step, *turn)?,
                (Turn::Rescue(_) | Turn::Handler, None) => return None,
            };
            if step.for_each.is_some() {
                of = Some(step);
            }
            found = Some(step);
        }
        found.map(|step| (step, of))
    }
}

/// The role of a step in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// As a part of a block.
    Part,
    /// As a step of its rescue.
    Rescue,
    /// As its rollback.
    Handler,
}

impl Plan {
    /// Returns the steps around a step, the outermost first, and the role of the next one in each.
    pub fn around(&self, path: &StepPath) -> Vec<(&Step, Within)> {
        let mut around = Vec::new();
        let mut found: Option<&Step> = None;
        for turn in self.routes.0.get(path).into_iter().flatten() {
            if let Some(outer) = found {
                let within = match turn {
                    Turn::Step(_) => Within::Part,
                    Turn::Rescue(_) => Within::Rescue,
                    Turn::Handler => Within::Handler,
                };
                around.push((outer, within));
            }
            found = match (turn, found) {
                (Turn::Step(position), None) => self.steps.get(*position),
                (turn, Some(step)) => part(step, *turn),
                (Turn::Rescue(_) | Turn::Handler, None) => None,
            };
        }
        around
    }
}

fn part(step: &Step, turn: Turn) -> Option<&Step> {
    match (turn, &step.action, &step.rollback) {
        (Turn::Step(position), Action::Block { steps, .. }, _) => steps.get(position),
        (Turn::Rescue(position), Action::Block { rescue, .. }, _) => rescue.get(position),
        (Turn::Handler, _, Rollback::Handler(handler)) => Some(handler),
        _ => None,
    }
}
