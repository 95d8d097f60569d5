//! From a plan and an inventory to a resolved plan: these hosts, these values, these files.
//!
//! After this stage nothing is read from the controller's disk any more: a [`ResolvedPlan`] is
//! stored with its run, and a resume works on it and not on files edited since.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::inventory::HostName;
use crate::inventory::Inventory;
use crate::plan::Plan;

/// A plan for certain hosts with certain values.
#[derive(Clone, Debug)]
pub struct ResolvedPlan {
    /// The plan.
    pub plan: Plan,
    /// The inventory: all of it, for delegated steps.
    pub inventory: Inventory,
    /// The hosts to be worked on, in the order of the inventory.
    pub hosts: Vec<HostName>,
    /// The values of the inputs, host by host.
    pub inputs: IndexMap<HostName, IndexMap<String, serde_json::Value>>,
    /// The files that uploads and inputs name, by the path as rendered from the plan.
    pub files: BTreeMap<String, Arc<[u8]>>,
}

/// Stub.
pub fn names(_resolved: &ResolvedPlan, _host: &HostName) -> crate::template::Names {
    crate::template::Names::new()
}
