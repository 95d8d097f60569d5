//! Makes a preview of a plan and a survey.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;

use crate::event::Truth;
use crate::inventory::HostName;
use crate::plan::Action;
use crate::preview::decide::{Earlier, Verdicts, doubt, verdicts};
use crate::preview::steps::{Steps, add, known_after};
use crate::preview::{
    About, Batch, Counts, Decision, FORMAT, Input, Observed, Order, Preview, Probe, Role, Step,
    WaitOf, Waits,
};
use crate::resolve::ResolvedPlan;
use crate::run::decide::forward_batches;
use crate::run::survey::{HostSurvey, Probed, StepSurvey, Survey};
use crate::task::{Stage, StepPath};
use crate::transport::Exit;

pub(super) fn build(plan: &ResolvedPlan, survey: &Survey, about: About<'_>) -> Preview {
    let batches = batches(plan, survey);
    let verdicts = decided(plan, survey, &batches);
    let steps = |stage| {
        let hosts = survey.hosts.iter().filter(|host| host.stage == stage).collect();
        Steps { plan, hosts, verdicts: &verdicts }
    };
    let mut number = 0;
    let setup = steps(Some(Stage::Setup)).of(Some(Stage::Setup), &mut number);
    let hosts = steps(None).of(None, &mut number);
    let finish = steps(Some(Stage::Finish)).of(Some(Stage::Finish), &mut number);
    let mut preview = Preview {
        format: FORMAT,
        planrun: env!("CARGO_PKG_VERSION").to_owned(),
        plan: plan.plan.name.clone(),
        summary: plan.plan.summary.clone(),
        path: about.path.to_owned(),
        inventory: about.inventory.to_owned(),
        model: about.is_model,
        order: order(plan, survey),
        inputs: inputs(plan),
        unreachable: unreachable(survey),
        preflight: preflight(plan, survey),
        setup,
        steps: hosts,
        finish,
        expected: None,
        waits: waits(plan, survey, &verdicts, &batches),
        counts: Counts::default(),
        probes: survey.probes.iter().map(probe).collect(),
        batches,
    };
    preview.counts = counts(&preview.all_steps());
    preview
}

fn batches(plan: &ResolvedPlan, survey: &Survey) -> Vec<Batch> {
    // As in a run: a host of which it is unknown does not come first.
    let is_last = plan.plan.order.as_ref().is_some_and(|order| order.is_last);
    let named = survey.ordered.iter().filter(|(_, seen)| match seen.truth {
        Truth::True => true,
        Truth::False => false,
        Truth::Unknown => is_last,
    });
    let named: BTreeSet<HostName> = named.map(|(host, _)| host.clone()).collect();
    let batches = forward_batches(plan, &named).into_iter();
    let group = |section: usize| Some(plan.plan.serial.get(section)?.group.as_ref()?.0.clone());
    batches.map(|(section, hosts)| Batch { group: group(section), hosts }).collect()
}

/// Decides about all steps: those of the setup come first, then those of the hosts, batch by batch.
fn decided(
    plan: &ResolvedPlan,
    survey: &Survey,
    batches: &[Batch],
) -> BTreeMap<HostName, Verdicts> {
    let stage = |stage| survey.hosts.iter().find(|host| host.stage == Some(stage));
    let mut all = BTreeMap::new();
    let mut before: Vec<Earlier> = Vec::new();
    if let Some(setup) = stage(Stage::Setup) {
        let (verdicts, _) = verdicts(&plan.plan, setup, &mut before);
        all.insert(setup.host.clone(), verdicts);
    }
    let mut after = before.clone();
    let mut busy: Vec<HostName> = Vec::new();
    for batch in batches {
        let mut batch_verdicts = Vec::new();
        for name in &batch.hosts {
            let found = survey.hosts.iter().find(|host| host.host == *name);
            let Some(host) = found.filter(|host| host.stage.is_none()) else { continue };
            let mut own = before.clone();
            let (verdicts, elsewhere) = verdicts(&plan.plan, host, &mut own);
            if own.len() > before.len() {
                busy.push(name.clone());
                after.extend(own.drain(before.len()..));
            }
            batch_verdicts.push((name, verdicts, elsewhere));
        }
        for (name, mut verdicts, elsewhere) in batch_verdicts {
            if let Some(other) = busy.iter().find(|other| *other != name) {
                doubt(&mut verdicts, &elsewhere, other);
            }
            all.insert(name.clone(), verdicts);
        }
    }
    if let Some(finish) = stage(Stage::Finish) {
        let (verdicts, _) = verdicts(&plan.plan, finish, &mut after);
        all.insert(finish.host.clone(), verdicts);
    }
    all
}

fn order(plan: &ResolvedPlan, survey: &Survey) -> Option<Order> {
    let order = plan.plan.order.as_ref()?;
    let mut observed = Vec::new();
    for (host, seen) in &survey.ordered {
        let after = known_after(plan, seen, Some(&order.condition));
        add(&mut observed, Role::Order, seen, after, host.as_str());
    }
    Some(Order { last: order.is_last, observed })
}

fn preflight(plan: &ResolvedPlan, survey: &Survey) -> Vec<Observed> {
    let mut all = Vec::new();
    for (position, _) in plan.plan.preflight_at(false).iter().enumerate() {
        for host in &survey.hosts {
            if let Some(seen) = host.preflight.get(position) {
                add(&mut all, Role::Preflight, seen, Vec::new(), host.host.as_str());
            }
        }
    }
    all
}

fn unreachable(survey: &Survey) -> IndexMap<HostName, String> {
    let refused = |host: &HostSurvey| {
        let error = host.refused.as_ref()?;
        Some((host.host.clone(), error.on(&host.host)))
    };
    survey.hosts.iter().filter_map(refused).collect()
}

fn inputs(plan: &ResolvedPlan) -> Vec<Input> {
    let mut all: Vec<Input> = Vec::new();
    for (name, input) in &plan.plan.inputs {
        let first = all.len();
        for host in &plan.hosts {
            let value = plan.inputs.get(host).and_then(|values| values.get(name));
            let value = value.filter(|_| !input.is_hidden()).cloned();
            let from = plan.origins.get(host).and_then(|origins| origins.get(name));
            let from = from.cloned().unwrap_or_else(|| {
                let why = if input.ask { "typed when a step needs it" } else { "no value" };
                why.to_owned()
            });
            let same = all[first..].iter_mut().find(|it| it.value == value && it.from == from);
            match same {
                Some(known) => known.hosts.push(host.clone()),
                None => all.push(Input {
                    name: name.clone(),
                    value,
                    secret: input.sensitive,
                    from,
                    hosts: vec![host.clone()],
                }),
            }
        }
    }
    all
}

fn probe(probed: &Probed) -> Probe {
    let ended = match &probed.answer {
        None => "not sent".to_owned(),
        Some(Err(error)) => error.on(&probed.on),
        Some(Ok(output)) => match &output.exit {
            Exit::Code(code) => format!("exit code {code}"),
            Exit::Signal(name) => format!("killed by signal {name}"),
            Exit::TimedOut => "timed out".to_owned(),
        },
    };
    Probe {
        name: probed.name.clone(),
        on: probed.on.clone(),
        command: probed.command.clone(),
        user: probed.user.clone(),
        ended,
    }
}

fn counts(steps: &[&Step]) -> Counts {
    let mut counts = Counts::default();
    for group in steps.iter().flat_map(|step| &step.groups) {
        let number = match group.decision {
            Some(Decision::WouldRun) => &mut counts.would_run,
            Some(Decision::MayRun) => &mut counts.may_run,
            Some(Decision::AlreadyDone) => &mut counts.already_done,
            Some(Decision::Skipped) => &mut counts.skipped,
            None => continue,
        };
        *number += group.hosts.len();
    }
    counts
}

/// The known waits of a host, or of a stage.
#[derive(Clone, Copy, Default)]
struct Sum {
    least: Duration,
    most: Duration,
    retries: Duration,
}

fn waits(
    plan: &ResolvedPlan,
    survey: &Survey,
    verdicts: &BTreeMap<HostName, Verdicts>,
    batches: &[Batch],
) -> Waits {
    let mut waits = Waits::default();
    let mut sums: BTreeMap<&HostName, Sum> = BTreeMap::new();
    let mut steps: BTreeMap<StepPath, (Duration, Duration)> = BTreeMap::new();
    for host in &survey.hosts {
        let sum = sums.entry(&host.host).or_default();
        for (path, verdict) in verdicts.get(&host.host).into_iter().flatten() {
            let is_over =
                matches!(verdict.decision, Some(Decision::Skipped | Decision::AlreadyDone));
            let survey = host.steps.get(path).filter(|_| !is_over);
            let step = plan.plan.find(path).map(|(step, _)| &step.action);
            let (Some(StepSurvey { times, .. }), Some(action)) = (survey, step) else { continue };
            sum.retries += times.delays.unwrap_or_default();
            if !matches!(action, Action::Wait(_) | Action::Assert { .. }) {
                continue;
            }
            waits.is_partial |= times.at_most.is_none() || times.at_least.is_none();
            let least = times.at_least.unwrap_or_default();
            let most = times.at_most.unwrap_or_default();
            sum.least += least;
            sum.most += most;
            let of = steps.entry(path.in_plan()).or_insert((least, most));
            *of = (of.0.min(least), of.1.max(most));
        }
    }
    plan.plan.visit(&mut |step| {
        if let Some((least, most)) = steps.remove(&step.path) {
            let (least_ms, most_ms) = (ms(least), ms(most));
            waits.steps.push(WaitOf { step: step.path.to_string(), least_ms, most_ms });
        }
    });
    let of = |hosts: &[HostName], get: fn(&Sum) -> Duration| -> Duration {
        hosts.iter().filter_map(|host| sums.get(host)).map(get).max().unwrap_or_default()
    };
    let stages = Stage::ALL.map(Stage::host);
    let all = |get: fn(&Sum) -> Duration| -> Duration {
        let batches = batches.iter().map(|batch| batch.hosts.as_slice());
        let stages = stages.iter().map(std::slice::from_ref);
        batches.chain(stages).map(|hosts| of(hosts, get)).sum()
    };
    waits.host_least_ms = ms(of(&plan.hosts, |sum| sum.least));
    waits.host_most_ms = ms(of(&plan.hosts, |sum| sum.most));
    waits.host_retries_ms = ms(of(&plan.hosts, |sum| sum.retries));
    waits.run_least_ms = ms(all(|sum| sum.least));
    waits.run_most_ms = ms(all(|sum| sum.most));
    waits
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
