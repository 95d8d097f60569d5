//! The first event of a run: all that a resume needs.
//!
//! Converts a resolved plan to the event, and back, without reading a file of the controller. The
//! plan is stored as text and read again by a resume: a newer planrun must understand it as the
//! older one did, so it contains the version of the language. An error that only a newer planrun
//! reports in it does not lock the operator out ([`load::started`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use sha2::{Digest, Sha256};

use crate::diagnostic::{Diagnostics, Severity, render};
use crate::event::{FileContent, Outline, OutlineStep, RunPlanned};
use crate::load;
use crate::plan::{Action, Plan, Rollback, Section, Step};
use crate::resolve::secrets::Secrets;
use crate::resolve::{Origins, ResolvedPlan, groups_value, sections};
use crate::source::Sources;
use crate::task::{Stage, StepPath};

/// The version of the events that this planrun writes.
pub const FORMAT: u32 = 1;

/// A run cannot be resumed from its first event.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A newer planrun wrote it.
    #[error("the run was written in format {0}, this planrun knows {FORMAT}; update planrun")]
    Newer(u32),
    /// The text of the plan is not the one with which the run was started.
    #[error("the plan kept with the run does not match its digest; the store is damaged")]
    Digest,
    /// A file is not the one with which the run was started.
    #[error("the file `{0}` kept with the run does not match its digest; the store is damaged")]
    File(String),
    /// The plan cannot be understood now: another planrun wrote the run.
    #[error("this planrun does not understand the plan kept with the run:\n{0}")]
    Plan(String),
}

/// Makes the first event of a run.
///
/// `plan_text` is the text of the plan, `by` is who starts the run, and `models` are the texts of
/// the models that the inventory names, by their paths as written there.
pub fn planned(
    resolved: &ResolvedPlan,
    plan_path: &str,
    plan_text: &str,
    by: &str,
    models: BTreeMap<String, String>,
) -> RunPlanned {
    RunPlanned {
        format: FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        by: by.to_owned(),
        reason: None,
        labels: IndexMap::new(),
        commit: None,
        plan_path: plan_path.to_owned(),
        arguments: Vec::new(),
        limit: None,
        serial: None,
        plan_text: plan_text.to_owned(),
        plan_digest: digest(plan_text.as_bytes()),
        inventory: resolved.inventory.clone(),
        hosts: resolved.hosts.clone(),
        stages: resolved.plan.stages().collect(),
        locks: resolved.locks(),
        inputs: resolved.inputs.clone(),
        files: resolved
            .files
            .iter()
            .map(|(path, bytes)| {
                let content = FileContent { digest: digest(bytes), hex: hex::encode(bytes) };
                (path.clone(), content)
            })
            .collect(),
        secrets: None,
        models,
        outline: outline(&resolved.plan),
    }
}

/// A plan made from the first event of its run.
#[derive(Debug)]
pub struct Restored {
    pub plan: ResolvedPlan,
    /// The text of the plan.
    pub sources: Sources,
    /// What this planrun would refuse in it, as notes.
    pub notes: Diagnostics,
}

/// Makes a resolved plan of the first event of its run.
pub fn restore(planned: &RunPlanned) -> Result<Restored, RestoreError> {
    if planned.format > FORMAT {
        return Err(RestoreError::Newer(planned.format));
    }
    if digest(planned.plan_text.as_bytes()) != planned.plan_digest {
        return Err(RestoreError::Digest);
    }
    let mut sources = Sources::default();
    let mut notes = Diagnostics::default();
    let (path, text) = (&planned.plan_path, &planned.plan_text);
    let Some(mut plan) = load::started(path, text, &mut sources, &mut notes) else {
        notes.retain(|one| one.severity == Severity::Error);
        return Err(RestoreError::Plan(render::human(&notes, &sources, false)));
    };
    if let Some(most) = planned.serial {
        plan.cap(most);
    }
    let mut files: BTreeMap<String, Arc<[u8]>> = BTreeMap::new();
    for (path, content) in &planned.files {
        let bytes = hex::decode(&content.hex).ok().filter(|bytes| digest(bytes) == content.digest);
        let bytes = bytes.ok_or_else(|| RestoreError::File(path.clone()))?;
        files.insert(path.clone(), bytes.into());
    }
    let groups = groups_value(&plan, &planned.inventory);
    let sections = sections(&plan, &planned.inventory, &planned.hosts);
    let plan = ResolvedPlan {
        plan,
        inventory: planned.inventory.clone(),
        hosts: planned.hosts.clone(),
        inputs: planned.inputs.clone(),
        origins: Origins::default(),
        files,
        secrets: Secrets::default(),
        groups,
        sections,
    };
    Ok(Restored { plan, sources, notes })
}

/// Returns what reports know of a plan.
pub fn outline(plan: &Plan) -> Outline {
    let mut steps = Vec::new();
    for stage in [Some(Stage::Setup), None, Some(Stage::Finish)] {
        list(plan.steps_of(stage), stage, None, false, &mut steps);
    }
    Outline {
        plan: plan.name.clone(),
        summary: plan.summary.clone(),
        serial: match &plan.serial[..] {
            [Section { group: None, sizes }] => sizes.clone(),
            _ => Vec::new(),
        },
        serial_groups: (plan.serial.iter())
            .filter_map(|section| Some((section.group.as_ref()?.0.clone(), section.sizes.clone())))
            .collect(),
        steps,
    }
}

fn list(
    all: &[Step],
    stage: Option<Stage>,
    parent: Option<&StepPath>,
    handler: bool,
    steps: &mut Vec<OutlineStep>,
) {
    for step in all {
        steps.push(OutlineStep {
            path: step.path.clone(),
            parent: parent.cloned(),
            stage,
            title: step.title.clone(),
            action: step.action_word().to_owned(),
            handler,
            teardown: step.is_teardown,
        });
        let own = Some(&step.path);
        if let Action::Block { steps: parts, rescue } = &step.action {
            list(parts, stage, own, handler, steps);
            list(rescue, stage, own, handler, steps);
        }
        if let Rollback::Handler(way_back) = &step.rollback {
            list(std::slice::from_ref(way_back), stage, own, true, steps);
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
