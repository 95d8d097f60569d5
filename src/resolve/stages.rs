//! `setup` and `finish` run once for all hosts: what they need of the hosts and of the inventory.

use std::collections::HashSet;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::inventory::{HostName, Inventory};
use crate::plan::{NamedExpression, Plan};
use crate::resolve::{ResolvedPlan, hosts};

/// Reports hosts that have the name of a stage: tasks are named by it.
pub(super) fn names(plan: &Plan, inventory: &Inventory, found: &mut Diagnostics) {
    for stage in plan.stages() {
        let word = stage.word();
        if !inventory.hosts.contains_key(&stage.host()) {
            continue;
        }
        let first = plan.steps_of(Some(stage)).first().map(|step| step.span);
        let message = format!("`{word}` is the name of a host and of a part of the plan");
        Diagnostic::error(Code::ReservedName, message)
            .at(first.unwrap_or(plan.hosts.1), format!("tasks of `{word}` are named `{word}/STEP`"))
            .also(inventory.place(word), "the host")
            .help("rename the host in the inventory, and set its address with `ansible_host`")
            .emit(found);
    }
}

/// Reports inputs that a stage uses and that are not the same on all hosts.
pub(super) fn inputs(resolved: &ResolvedPlan, found: &mut Diagnostics) {
    let plan = &resolved.plan;
    let Some((first, others)) = resolved.hosts.split_first() else { return };
    let mut seen = HashSet::new();
    plan.visit(&mut |step| {
        let Some(stage) = plan.stage_of(&step.path) else { return };
        for name in step.uses().into_iter().flat_map(|one| one.text.names()) {
            let mut used = HashSet::new();
            needs(plan, &name.name, &mut used);
            for input in plan.inputs.keys().map(String::as_str).filter(|name| used.contains(name)) {
                let differs = |host: &&HostName| {
                    value(resolved, host, input) != value(resolved, first, input)
                };
                let Some(other) = others.iter().find(differs).filter(|_| seen.insert(input)) else {
                    continue;
                };
                let names = hosts::names(&[first.clone(), other.clone()]);
                let message = format!("`{input}` has different values on {names}");
                Diagnostic::error(Code::InputDiffers, message)
                    .at(name.span, format!("`{}` runs once for all hosts", stage.word()))
                    .also(plan.inputs.get(input).map(|input| input.span), "declared here")
                    .help(format!("set it once for all of them: `--set {input}=VALUE`"))
                    .help("or use another input that does not depend on the host")
                    .emit(found);
            }
        }
    });
}

fn value(resolved: &ResolvedPlan, host: &HostName, input: &str) -> Option<minijinja::Value> {
    let value = resolved.inputs.get(host).and_then(|inputs| inputs.get(input));
    let secret = || resolved.secrets.names(host).get(input).cloned();
    value.map(|value| minijinja::value::Serde(value).into()).or_else(secret)
}

/// Collects the names that a name needs, also through probes and named expressions.
pub(crate) fn needs<'a>(plan: &'a Plan, name: &'a str, used: &mut HashSet<&'a str>) {
    if !used.insert(name) {
        return;
    }
    let inner: Vec<&str> = if let Some(probe) = plan.probes.get(name) {
        let names = probe.command.uses().into_iter().flat_map(|one| one.text.names());
        names.map(|name| name.name.as_str()).collect()
    } else {
        plan.named.get(name).map(NamedExpression::names).unwrap_or_default()
    };
    for name in inner {
        needs(plan, name, used);
    }
}
