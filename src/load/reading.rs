//! A plan that is only read: as it is, or for the hosts of an inventory. No program is run and no secret is
//! read.

use std::path::Path;

use crate::diagnostic::Diagnostics;
use crate::file::directory;
use crate::inventory::program::NoPrograms;
use crate::load;
use crate::load::{Request, inputs};
use crate::plan::Plan;
use crate::resolve::{self, Inputs, ResolvedPlan};
use crate::source::Sources;

/// A plan to be read.
#[derive(Debug)]
pub enum ReadPlan {
    Alone(Box<Plan>),
    /// For the hosts of an inventory.
    Resolved(Box<ResolvedPlan>),
}

impl ReadPlan {
    pub fn plan(&self) -> &Plan {
        match self {
            Self::Alone(plan) => plan,
            Self::Resolved(resolved) => &resolved.plan,
        }
    }

    pub fn resolved(&self) -> Option<&ResolvedPlan> {
        match self {
            Self::Alone(_) => None,
            Self::Resolved(resolved) => Some(resolved),
        }
    }
}

/// Reads a plan, with the inventory and the values that the request names; `None` if there are errors among
/// the diagnostics.
pub fn read(
    path: &Path,
    request: &Request,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<ReadPlan> {
    let (_, plan) = load::plan(path, sources, found)?;
    if request.inventories.is_empty() {
        return (!found.has_errors()).then(|| ReadPlan::Alone(Box::new(plan)));
    }
    let plan_dir = directory(path);
    let inventory =
        load::inventory(&request.inventories, Some(plan_dir), &mut NoPrograms, sources, found);
    let given = inputs::read(request, plan_dir, sources, found);
    let file = given.as_ref().and_then(|given| Some(given.file.as_ref()?.0));
    let resolved = match (inventory, given) {
        (Some((_, inventory)), Some(given)) => {
            let given = Inputs { without_secrets: true, ..given };
            resolve::resolve(plan, inventory, &given, sources, found)
        }
        _ => None,
    };
    if let Some(file) = file {
        inputs::hide(file, sources);
    }
    let resolved = resolved.filter(|_| !found.has_errors());
    resolved.map(|resolved| ReadPlan::Resolved(Box::new(resolved)))
}
