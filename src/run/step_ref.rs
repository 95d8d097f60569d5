//! A step of the plan, and the item it runs for.

use crate::inventory::HostName;
use crate::plan::{Action, Plan, Role, Rollback, Step};
use crate::task::{StepPath, TaskId};

/// A step, as the walk of a host reaches it. A step with a `for_each` is reached as a whole, and
/// then once at each item; its parts and its handler are reached at items only.
#[derive(Clone, Copy, Debug)]
pub struct StepRef<'p> {
    pub step: &'p Step,
    /// The item, inside of a `for_each`.
    pub item: Option<Item<'p>>,
}

/// An item of a `for_each`.
#[derive(Clone, Copy, Debug)]
pub struct Item<'p> {
    /// The step that has the `for_each`.
    pub of: &'p Step,
    /// The number of the item, from 1.
    pub number: usize,
}

impl<'p> StepRef<'p> {
    pub(super) fn at(plan: &'p Plan, path: &StepPath) -> Option<Self> {
        let (step, of) = plan.find(&path.in_plan())?;
        let item = match path.item() {
            Some(number) => Some(Item { of: of?, number }),
            None => None,
        };
        Some(Self { step, item })
    }

    /// Returns the steps around it, the outermost first, each with the role of the next one in it.
    pub(super) fn around(&self, plan: &'p Plan) -> Vec<(Self, Role)> {
        // What is around a `for_each` is at none of its items.
        let outside = match self.item {
            Some(item) => plan.around(&item.of.path).len(),
            None => usize::MAX,
        };
        let around = plan.around(&self.step.path).into_iter().enumerate();
        let at = |(depth, (step, role))| {
            let item = self.item.filter(|_| depth >= outside);
            (Self { step, item }, role)
        };
        around.map(at).collect()
    }

    /// Returns the blocks of which it is a part, the outermost first. A rescue is not a part of its
    /// block, and a handler is not a part of what it undoes.
    pub(super) fn blocks_around(&self, plan: &'p Plan) -> Vec<Self> {
        let mut blocks = Vec::new();
        for (at, role) in self.around(plan) {
            match role {
                Role::Part(_) => blocks.push(at),
                Role::Rescue(_) | Role::Stage(..) => {}
                Role::Handler => blocks.clear(),
            }
        }
        blocks
    }

    pub fn path(&self) -> StepPath {
        match self.item {
            Some(item) => self.step.path.at_item(&item.of.path, item.number),
            None => self.step.path.clone(),
        }
    }

    pub fn on(&self, host: &HostName) -> TaskId {
        TaskId { host: host.clone(), step: self.path() }
    }

    /// Whether it is a step with a `for_each` as a whole, at none of its items.
    pub fn is_whole(&self) -> bool {
        self.step.for_each.is_some() && self.item.is_none()
    }

    /// Whether it is a step with a `for_each` at one of its items; not a part of such a step.
    pub fn is_item(&self) -> bool {
        self.step.for_each.is_some() && self.item.is_some()
    }

    /// Whether it is an effect that changes nothing.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(&self.step.action, Action::Effect(effect) if effect.read_only)
    }

    /// Returns a step with a `for_each` at an item.
    pub(super) fn at_item(&self, number: usize) -> Self {
        Self { step: self.step, item: Some(Item { of: self.step, number }) }
    }

    /// Returns a step inside of this one, at the same item.
    pub(super) fn inner(&self, step: &'p Step) -> Self {
        Self { step, item: self.item }
    }

    /// Returns the parts of a block and of its rescue; `None` if it is not a block, or a block with
    /// a `for_each` as a whole.
    pub(super) fn parts(&self) -> Option<(&'p [Step], &'p [Step])> {
        match &self.step.action {
            Action::Block { steps, rescue } if !self.is_whole() => Some((steps, rescue)),
            _ => None,
        }
    }

    /// Returns its handler; a step with a `for_each` is undone item by item.
    pub(super) fn handler(&self) -> Option<Self> {
        match &self.step.rollback {
            Rollback::Handler(handler) if !self.is_whole() => Some(self.inner(handler)),
            _ => None,
        }
    }
}

impl<'p> From<&'p Step> for StepRef<'p> {
    fn from(step: &'p Step) -> Self {
        Self { step, item: None }
    }
}
