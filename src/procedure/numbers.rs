//! The numbers of steps, as they are read: `3`, `7.2`; `S1` in the setup, `F1` in the finish, `U1` for what
//! undoes a step, `T1` for a teardown.

use std::collections::HashMap;

use crate::plan::{Action, Plan, Rollback, Step};
use crate::task::{Stage, StepPath};

#[derive(Default)]
pub(super) struct Numbers<'a> {
    by_path: HashMap<&'a StepPath, String>,
    /// What undoes steps, each with its step, in the order of a rollback.
    pub(super) undos: Vec<(&'a Step, &'a Step)>,
    pub(super) teardowns: Vec<(&'a Step, &'a Step)>,
}

impl<'a> Numbers<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        let mut out = Self::default();
        for (stage, mark) in [(Some(Stage::Setup), "S"), (None, ""), (Some(Stage::Finish), "F")] {
            out.list(plan.steps_of(stage), mark);
        }
        // A rollback undoes the finish first, and the setup last.
        for stage in [Some(Stage::Finish), None, Some(Stage::Setup)] {
            out.undo(plan.steps_of(stage));
        }
        for (at, (_, handler)) in out.undos.clone().into_iter().enumerate() {
            out.one(handler, format!("U{}", at + 1));
        }
        for (at, (_, handler)) in out.teardowns.clone().into_iter().enumerate() {
            out.one(handler, format!("T{}", at + 1));
        }
        out
    }

    fn list(&mut self, steps: &'a [Step], before: &str) {
        for (at, step) in steps.iter().enumerate() {
            self.one(step, format!("{before}{}", at + 1));
        }
    }

    fn one(&mut self, step: &'a Step, number: String) {
        if let Action::Block { steps, rescue } = &step.action {
            self.list(steps, &format!("{number}."));
            self.list(rescue, &format!("{number}.R"));
        }
        self.by_path.insert(&step.path, number);
    }

    /// Collects what undoes steps: the last step first, the parts of a block before the block.
    fn undo(&mut self, steps: &'a [Step]) {
        for step in steps.iter().rev() {
            if let Action::Block { steps, rescue } = &step.action {
                self.undo(rescue);
                self.undo(steps);
            }
            if let Rollback::Handler(handler) = &step.rollback {
                let list = if handler.is_teardown { &mut self.teardowns } else { &mut self.undos };
                list.push((step, handler));
            }
        }
    }

    pub(super) fn of_step(&self, step: &Step) -> &str {
        self.by_path.get(&step.path).map_or("", String::as_str)
    }
}
