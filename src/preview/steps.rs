//! The steps of a preview: of each the hosts with the same command and decision, and what was observed.

use std::collections::BTreeMap;

use crate::duration;
use crate::event::{Seen, Truth};
use crate::inventory::HostName;
use crate::plan::{Action, Rollback, Step as PlanStep, Wait};
use crate::preview::decide::{Verdict, Verdicts, reads, reads_of};
use crate::preview::{Command, Decision, Group, Observed, Role, Step};
use crate::resolve::ResolvedPlan;
use crate::run::survey::{HostSurvey, Shown, StepSurvey};
use crate::task::{Stage, StepPath};
use crate::template::expression::Expression;

/// What the steps of one stage, or those of the hosts, are made of.
pub(super) struct Steps<'a> {
    pub(super) plan: &'a ResolvedPlan,
    pub(super) hosts: Vec<&'a HostSurvey>,
    pub(super) verdicts: &'a BTreeMap<HostName, Verdicts>,
}

/// A step on a host, or one item of it.
struct At<'a> {
    host: &'a HostSurvey,
    label: String,
    survey: &'a StepSurvey,
    verdict: Verdict,
}

impl<'a> Steps<'a> {
    /// Makes the steps, numbered from the one before `first`.
    pub(super) fn of(&self, stage: Option<Stage>, first: &mut usize) -> Vec<Step> {
        let steps = self.plan.plan.steps_of(stage).iter();
        let number = |step| {
            *first += 1;
            self.step(step, first.to_string(), None)
        };
        steps.map(number).collect()
    }

    fn step(&self, step: &PlanStep, number: String, of: Option<&PlanStep>) -> Step {
        let of = of.or_else(|| step.for_each.is_some().then_some(step));
        let at = self.at(step, of);
        let (mut parts, mut rescued) = (Vec::new(), Vec::new());
        if let Action::Block { steps, rescue } = &step.action {
            let numbered = |(position, part): (usize, &PlanStep)| {
                self.step(part, format!("{number}.{}", position + 1), of)
            };
            parts = steps.iter().enumerate().map(numbered).collect();
            rescued = rescue.iter().map(|part| self.step(part, String::new(), of)).collect();
        }
        let (rollback, no_rollback) = match &step.rollback {
            Rollback::Handler(handler) => {
                (Some(Box::new(self.step(handler, String::new(), of))), None)
            }
            Rollback::None(why) => (None, Some(why.clone())),
            Rollback::Unsaid => (None, None),
        };
        Step {
            number,
            path: step.path.to_string(),
            title: step.title.clone(),
            action: step.action_word().to_owned(),
            groups: groups(&at, self.plan),
            observed: self.observed(step, &at),
            notes: notes(step, &at),
            parts,
            rescue: rescued,
            rollback,
            no_rollback,
            teardown: step.is_teardown,
        }
    }

    /// Returns the step on each host, once for each item.
    fn at(&self, step: &PlanStep, of: Option<&PlanStep>) -> Vec<At<'a>> {
        let mut all = Vec::new();
        for host in &self.hosts {
            let verdicts = self.verdicts.get(&host.host);
            let mut push = |path: &StepPath, item: Option<usize>| {
                let Some(survey) = host.steps.get(path) else { return };
                let verdict = verdicts.and_then(|all| all.get(path)).cloned().unwrap_or_default();
                let whole = of.and_then(|of| item.map(|number| of.path.at_item(&of.path, number)));
                let item = whole.and_then(|path| host.steps.get(&path)?.item.clone());
                let label = match item {
                    Some(item) => format!("{} [{}]", host.host, item.trim_matches('"')),
                    None => host.host.to_string(),
                };
                all.push(At { host, label, survey, verdict });
            };
            let items = of.and_then(|of| host.steps.get(&of.path)?.items.clone());
            match (of, items) {
                (Some(of), Some(Ok(count))) => {
                    for number in 1..=count {
                        push(&step.path.at_item(&of.path, number), Some(number));
                    }
                }
                _ => push(&step.path, None),
            }
        }
        all
    }

    fn observed(&self, step: &PlanStep, at: &[At<'_>]) -> Vec<Observed> {
        let mut all = Vec::new();
        for one in at {
            let survey = one.survey;
            let mut add = |role, seen: &Seen, expression: Option<&Expression>| {
                let after = known_after(self.plan, seen, expression);
                add(&mut all, role, seen, after, &one.label);
            };
            if let Some(seen) = &survey.when {
                add(Role::When, seen, step.when.as_deref());
            }
            for (seen, check) in survey.requires.iter().zip(&step.requires) {
                add(Role::Requires, seen, Some(&check.condition));
            }
            if let Some(seen) = &survey.done {
                let done_when = step.effect().and_then(|effect| effect.done_when.as_deref());
                add(Role::DoneWhen, seen, done_when);
            }
            match &step.action {
                Action::Wait(wait) => {
                    if let (Wait::Until { until, .. }, Some(seen)) =
                        (wait.as_ref(), survey.checks.first())
                    {
                        add(Role::Until, seen, Some(until));
                    }
                }
                Action::Assert { checks, .. } => {
                    for (seen, check) in survey.checks.iter().zip(checks) {
                        add(Role::Assert, seen, Some(&check.condition));
                    }
                }
                _ => {}
            }
        }
        all
    }
}

/// Returns the steps on whose results an unknown condition depends.
pub(super) fn known_after(
    plan: &ResolvedPlan,
    seen: &Seen,
    expression: Option<&Expression>,
) -> Vec<String> {
    let unknown = expression.filter(|_| seen.truth == Truth::Unknown);
    unknown.map(|expression| reads(&plan.plan, expression).results).unwrap_or_default()
}

/// Adds what was observed on a host to the same of others.
pub(super) fn add(
    all: &mut Vec<Observed>,
    role: Role,
    seen: &Seen,
    known_after: Vec<String>,
    host: &str,
) {
    let mut seen = seen.clone();
    if !known_after.is_empty() {
        // That a result has no value yet is what `known_after` says.
        (seen.error, seen.values) = (None, Vec::new());
    }
    match all.iter_mut().find(|one| one.role == role && one.seen == seen) {
        Some(one) => one.hosts.push(host.to_owned()),
        None => all.push(Observed { role, seen, known_after, hosts: vec![host.to_owned()] }),
    }
}

fn groups(at: &[At<'_>], plan: &ResolvedPlan) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for one in at {
        let is_skipped = one.verdict.decision == Some(Decision::Skipped);
        let shown = one.survey.command.as_ref().filter(|_| !is_skipped);
        let command = shown.map(|shown| command(shown, one.host, plan));
        let Verdict { decision, why } = one.verdict.clone();
        if decision.is_none() && why.is_none() && command.is_none() {
            continue;
        }
        let is_same = |group: &&mut Group| {
            group.decision == decision && group.why == why && group.command == command
        };
        match groups.iter_mut().find(is_same) {
            Some(group) => group.hosts.push(one.label.clone()),
            None => {
                groups.push(Group { hosts: vec![one.label.clone()], decision, why, command });
            }
        }
    }
    groups
}

fn command(shown: &Shown, host: &HostSurvey, plan: &ResolvedPlan) -> Command {
    let names: Vec<String> = shown.on.iter().map(ToString::to_string).collect();
    let on = match (&shown.one_of, shown.on.as_slice()) {
        (Some(group), [_, _, ..]) => Some(format!("one of {group} ({})", names.join(", "))),
        (_, [on]) if *on == host.host => None,
        (_, [on]) => Some(on.to_string()),
        _ => None,
    };
    let results = reads_of(&plan.plan, shown.missing.iter().map(String::as_str)).results;
    let other = shown.missing.iter().find(|name| !results.contains(name));
    let why = other.map(|name| match name.as_str() {
        "run" => "the ID of the run is known only when it starts".to_owned(),
        "item" => "the items are known only when the step starts".to_owned(),
        name => format!("`{name}` has no value yet"),
    });
    Command {
        text: shown.text.clone(),
        stdin: shown.stdin.clone(),
        on,
        user: shown.user.clone(),
        known_after: results,
        error: shown.error.clone().or(why),
    }
}

/// Returns what a step says of itself.
fn notes(step: &PlanStep, at: &[At<'_>]) -> Vec<String> {
    let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
    for one in at {
        if one.verdict.decision == Some(Decision::Skipped) {
            continue;
        }
        let survey = one.survey;
        let mut all = Vec::new();
        if let Some(Err(why)) = &survey.items {
            all.push(format!("once for each item; {why}"));
        }
        let time = |time: Option<std::time::Duration>| {
            time.map_or_else(|| "a time that is not known yet".to_owned(), duration::show)
        };
        if let (Some(when), None) = (&step.when, &survey.when) {
            all.push(format!("only if {}", when.text));
        }
        match &step.action {
            Action::Wait(wait) => {
                let times = survey.times;
                all.push(match wait.as_ref() {
                    Wait::For(_) => format!("waits {}", time(times.at_least)),
                    Wait::Until { until, .. } => {
                        let stable = times.stable_for.filter(|stable| !stable.is_zero());
                        let stable = stable.map(|it| format!(" for {}", duration::show(it)));
                        format!(
                            "waits up to {} until this is true{}: {}",
                            time(times.at_most),
                            stable.unwrap_or_default(),
                            until.text
                        )
                    }
                });
            }
            Action::Approve(_) => {
                let text = survey.message.clone().unwrap_or_default();
                all.push(format!("asks the operator: {}", text.trim_end()));
            }
            Action::Fail(_) => {
                let text = survey.message.clone().unwrap_or_default();
                all.push(format!("fails: {}", text.trim_end()));
            }
            Action::Set(_) => {
                for (name, value) in &survey.values {
                    all.push(match value {
                        Ok(value) => format!("{name} is {value} now"),
                        Err(why) => format!("{name} is unknown now: {why}"),
                    });
                }
            }
            _ => {}
        }
        for text in all {
            match notes.iter_mut().find(|(known, _)| *known == text) {
                Some((_, hosts)) => hosts.push(&one.label),
                None => notes.push((text, vec![&one.label])),
            }
        }
    }
    let all = at.len();
    let with_hosts = |(text, hosts): (String, Vec<&str>)| {
        if hosts.len() == all { text } else { format!("{text} ({})", hosts.join(", ")) }
    };
    notes.into_iter().map(with_hosts).collect()
}
