//! What can be known of a run before it starts: a preview is made of it.
//!
//! Hosts are reached and probes run as in a preflight; nothing else is sent, and no lock is taken (`once`
//! refuses all other requests). Conditions and texts are evaluated as in a run, with the names that are known
//! before its first step: a text that needs the result of a step stays as it is written. Each probe runs at
//! most once on a host, so everything that is shown comes from one snapshot.
//!
//! Here are facts only. What follows from them is decided by [`crate::preview`].

mod once;
mod shown;

use std::collections::BTreeMap;
use std::time::Duration;

use minijinja::Value;
use minijinja::value::Serde;

use crate::event::{Seen, Truth};
use crate::inventory::HostName;
use crate::plan::{Action, Deferred, Effect, ItemList, Probe, Rollback, Step, Wait, Work};
use crate::resolve::{self, ResolvedPlan};
use crate::run::observe::Observer;
use crate::run::survey::once::Once;
use crate::run::there::{add_there, place};
use crate::run::{decide, reach, render};
use crate::task::{Stage, StepPath};
use crate::template::expression::Expression;
use crate::template::{Mode, Names, Template};
use crate::transport::hosts::at_a_time;
use crate::transport::{Body, Exit, Transport, TransportError};

pub use once::Probed;
pub use shown::Shown;

/// The most items of a `for_each` that are listed one by one.
const MAX_ITEMS: usize = 1_000;

/// What was observed, and what could be rendered.
#[derive(Debug, Default)]
pub struct Survey {
    /// The hosts of the run, and its stages.
    pub hosts: Vec<HostSurvey>,
    /// The condition of `order` on each host.
    pub ordered: Vec<(HostName, Seen)>,
    /// The probes that ran.
    pub probes: Vec<Probed>,
}

#[derive(Debug)]
pub struct HostSurvey {
    pub host: HostName,
    /// If it is not a host but a stage, which has no preflight.
    pub stage: Option<Stage>,
    /// Why it cannot be worked on.
    pub refused: Option<TransportError>,
    pub preflight: Vec<Seen>,
    pub steps: BTreeMap<StepPath, StepSurvey>,
}

/// What is known of a step on a host, or of one item of it.
#[derive(Debug, Default)]
pub struct StepSurvey {
    /// The item that it is done for.
    pub item: Option<String>,
    /// How many items it has, if it is the whole step with a `for_each`; or why this is unknown.
    pub items: Option<Result<usize, String>>,
    pub when: Option<Seen>,
    pub requires: Vec<Seen>,
    /// Its `done_when`.
    pub done: Option<Seen>,
    /// Whether the file of an upload without `done_when` is in place.
    pub in_place: Option<bool>,
    /// The conditions that a wait or an assertion is about.
    pub checks: Vec<Seen>,
    /// The values that it would record now.
    pub values: Vec<(String, Result<serde_json::Value, String>)>,
    pub command: Option<Shown>,
    /// What the operator is shown.
    pub message: Option<String>,
    pub times: Times,
}

/// The times of a step, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// How long a wait takes at least.
    pub at_least: Option<Duration>,
    /// How long a wait, or an assertion, may take.
    pub at_most: Option<Duration>,
    pub stable_for: Option<Duration>,
    /// How long a command may take.
    pub timeout: Option<Duration>,
    /// The pauses between all attempts.
    pub delays: Option<Duration>,
}

/// What a probe has printed on a host, and its value.
#[derive(Debug)]
pub struct Looked {
    pub probed: Probed,
    pub value: Result<serde_json::Value, String>,
}

/// Observes everything that a preview shows; without a transport, only what needs no host.
pub async fn survey(plan: &ResolvedPlan, transport: Option<&dyn Transport>) -> Survey {
    let once = Once::new(transport);
    let hosts = plan.hosts.iter().map(|host| (host.clone(), None));
    let stages = plan.plan.stages().map(|stage| (stage.host(), Some(stage)));
    let work = hosts.chain(stages).map(|(host, stage)| {
        let surveyor = Surveyor { plan, once: &once, host, stage };
        async move { surveyor.survey().await }
    });
    let hosts = at_a_time(decide::PREFLIGHT_WIDTH, work).await;
    let mut ordered = Vec::new();
    if let Some(order) = &plan.plan.order {
        let observe = |host: &HostName| {
            let (host, once) = (host.clone(), &once);
            async move {
                let names = resolve::names(plan, &host);
                let observer = Observer { plan, transport: once, host: &host, names: &names };
                let seen = observer.condition(&order.condition).await.seen.into_iter().next();
                seen.map(|seen| (host, seen))
            }
        };
        let seen = at_a_time(decide::PREFLIGHT_WIDTH, plan.hosts.iter().map(observe)).await;
        ordered = seen.into_iter().flatten().collect();
    }
    Survey { hosts, ordered, probes: once.into_probed() }
}

/// Runs a probe for a host, on each host that it reads, and evaluates an expression.
pub async fn look(
    plan: &ResolvedPlan,
    transport: &dyn Transport,
    host: &HostName,
    probe: &Probe,
    expression: Option<&Expression>,
) -> (Vec<Looked>, Option<(Seen, Result<serde_json::Value, String>)>) {
    let once = Once::new(Some(transport));
    let names = resolve::names(plan, host);
    let observer = Observer { plan, transport: &once, host, names: &names };
    let mut all = Vec::new();
    for on in plan.members(&probe.target, std::slice::from_ref(host)) {
        let value = observer.look_at(probe, &on).await.map_err(|failure| failure.why());
        let value = value.and_then(|it| serde_json::to_value(&it).map_err(|e| e.to_string()));
        let probed = once.last(&on).unwrap_or_else(|| Probed::unsent(on, probe));
        all.push(Looked { probed, value });
    }
    let mut seen = None;
    if let Some(expression) = expression {
        let condition = observer.condition(expression).await.seen.into_iter().next();
        let value = observer.value(expression).await;
        seen = condition.map(|condition| (condition, value));
    }
    (all, seen)
}

/// Returns the least that the steps take which are not inside of others: the sum of the waits that they make
/// anyway. It is computed for the first host.
pub fn least_times(plan: &ResolvedPlan) -> Vec<(StepPath, Duration)> {
    fn least(step: &Step, names: &Names) -> Duration {
        if step.when.is_some() || step.for_each.is_some() {
            return Duration::ZERO;
        }
        match &step.action {
            Action::Block { steps, .. } => steps.iter().map(|step| least(step, names)).sum(),
            Action::Wait(_) => times(step, names).at_least.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }
    let hosts = plan.hosts.first().map(|host| (host.clone(), None));
    let stages = plan.plan.stages().map(|stage| (stage.host(), Some(stage)));
    let mut all = Vec::new();
    for (host, stage) in hosts.into_iter().chain(stages) {
        let names = resolve::names(plan, &host);
        let steps = plan.plan.steps_of(stage).iter();
        all.extend(steps.map(|step| (step.path.clone(), least(step, &names))));
    }
    all
}

/// Makes the survey of one host, or of a stage.
struct Surveyor<'a> {
    plan: &'a ResolvedPlan,
    once: &'a Once<'a>,
    host: HostName,
    stage: Option<Stage>,
}

/// A step that is to be surveyed.
#[derive(Clone)]
struct Visit<'p> {
    step: &'p Step,
    /// The step with the `for_each` around it or of it, the number of the item, and its value.
    item: Option<(&'p Step, usize, Value)>,
    /// Whether its conditions are evaluated: not those of what only runs after a failure.
    observe: bool,
    /// Whether its items are unknown.
    is_whole: bool,
}

impl<'a> Surveyor<'a> {
    async fn survey(self) -> HostSurvey {
        let plan = self.plan;
        let names = resolve::names(plan, &self.host);
        let refused = self.reach(&names).await.err();
        let mut preflight = Vec::new();
        if refused.is_none() && self.stage.is_none() && self.once.is_open() {
            let checks = plan.plan.preflight_at(false);
            preflight = self.observer(&names).checks(&checks).await.seen;
        }
        let steps = self.steps(&names, refused.is_none()).await;
        let Self { host, stage, .. } = self;
        HostSurvey { host, stage, refused, preflight, steps }
    }

    fn observer<'s>(&'s self, names: &'s Names) -> Observer<'s> {
        Observer { plan: self.plan, transport: self.once, host: &self.host, names }
    }

    /// Logs in as each user that the steps need, as a preflight does.
    async fn reach(&self, names: &Names) -> Result<(), TransportError> {
        if !self.once.is_open() {
            return Ok(());
        }
        for choice in reach::choices(self.plan, &self.host, self.stage, names) {
            let mut result = Ok(());
            for (on, user) in choice {
                let Some(on) = self.plan.inventory.host(&on) else { continue };
                let reached = self.once.log_in(on, user.as_deref()).await;
                if reached.is_ok() {
                    result = Ok(());
                    break;
                }
                result = result.and(reached);
            }
            result?;
        }
        Ok(())
    }

    async fn steps(&self, names: &Names, observe: bool) -> BTreeMap<StepPath, StepSurvey> {
        let top = self.plan.plan.steps_of(self.stage).iter();
        let visit = |step| Visit { step, item: None, observe, is_whole: false };
        let mut open: Vec<Visit<'a>> = top.map(visit).rev().collect();
        let mut all = BTreeMap::new();
        while let Some(visit) = open.pop() {
            let names = self.names_at(&visit, names);
            let mut survey = StepSurvey::default();
            if let Some(for_each) = &visit.step.for_each
                && visit.item.is_none()
                && !visit.is_whole
            {
                let items = self.items(&for_each.list, &names, visit.observe).await;
                survey.items = Some(items.as_ref().map(Vec::len).map_err(Clone::clone));
                match items {
                    Ok(items) => {
                        let items = items.into_iter().take(MAX_ITEMS).enumerate().rev();
                        open.extend(items.map(|(number, value)| Visit {
                            item: Some((visit.step, number + 1, value)),
                            ..visit.clone()
                        }));
                    }
                    Err(_) => open.push(Visit { is_whole: true, observe: false, ..visit.clone() }),
                }
                all.insert(visit.step.path.clone(), survey);
                continue;
            }
            let path = match &visit.item {
                Some((of, number, _)) => visit.step.path.at_item(&of.path, *number),
                None => visit.step.path.clone(),
            };
            let is_left_out = self.step(&visit, &names, &mut survey).await;
            open.extend(parts(&visit, !is_left_out).into_iter().rev());
            let of = visit.item.as_ref().filter(|(of, ..)| std::ptr::eq(*of, visit.step));
            survey.item = of.map(|(_, _, value)| value.to_string());
            survey.items = all.remove(&path).and_then(|whole: StepSurvey| whole.items);
            all.insert(path, survey);
        }
        all
    }

    fn names_at(&self, visit: &Visit<'_>, names: &Names) -> Names {
        let mut names = names.clone();
        if let Some((_, _, value)) = &visit.item {
            names.insert("item".into(), value.clone());
        }
        let target = visit.step.effect().map(|effect| &effect.target);
        let on = target.and_then(|target| place(target, &self.host, &names));
        if let Some(on) = on.and_then(|on| self.plan.inventory.host(&on)) {
            add_there(&mut names, &self.host, on);
        }
        names
    }

    async fn items(
        &self,
        list: &ItemList,
        names: &Names,
        observe: bool,
    ) -> Result<Vec<Value>, String> {
        let observer = self.observer(names);
        let value = async |expression: &Expression| {
            if observe {
                return observer.value(expression).await;
            }
            Err("known only if it runs".to_owned())
        };
        match list {
            ItemList::HostsOf(group, _) => {
                let hosts = self.plan.inventory.members(group).unwrap_or_default();
                Ok(hosts.iter().map(|host| host.as_str().into()).collect())
            }
            ItemList::Expression(list) => match value(list).await? {
                serde_json::Value::Array(items) => {
                    Ok(items.into_iter().map(|item| Serde(item).into()).collect())
                }
                _ => Err(format!("`{}` is not a list", list.text)),
            },
            ItemList::Written(items) => {
                let mut all = Vec::new();
                for item in items {
                    all.push(match item {
                        Deferred::Now(value) => Serde(value.clone()).into(),
                        Deferred::Template(text) => match text.whole() {
                            Some(whole) => Serde(value(&whole).await?).into(),
                            None => rendered(text, names)?.into(),
                        },
                    });
                }
                Ok(all)
            }
        }
    }

    /// Surveys a step, and returns whether it is left out.
    async fn step(&self, visit: &Visit<'_>, names: &Names, survey: &mut StepSurvey) -> bool {
        let (step, observer) = (visit.step, self.observer(names));
        let mut observe = visit.observe;
        if let Some(when) = step.when.as_ref().filter(|_| observe) {
            survey.when = observer.condition(when).await.seen.into_iter().next();
            observe = survey.when.as_ref().is_none_or(|when| when.truth != Truth::False);
        }
        survey.times = times(step, names);
        if observe && !step.requires.is_empty() {
            survey.requires = observer.checks(&step.requires).await.seen;
        }
        match &step.action {
            Action::Effect(effect) => {
                survey.command = Some(shown::shown(effect, names, &self.host, self.plan));
                if let Some(done_when) = effect.done_when.as_ref().filter(|_| observe) {
                    survey.done = observer.condition(done_when).await.seen.into_iter().next();
                } else if observe && self.once.is_open() {
                    survey.in_place = self.is_in_place(effect, names, &step.path).await;
                }
            }
            Action::Wait(wait) => {
                if let Wait::Until { until, .. } = wait.as_ref()
                    && observe
                {
                    survey.checks = observer.condition(until).await.seen;
                }
            }
            Action::Assert { checks, .. } if observe => {
                survey.checks = observer.checks(checks).await.seen;
            }
            Action::Set(values) if observe => {
                for (name, expression) in values {
                    survey.values.push((name.clone(), observer.value(expression).await));
                }
            }
            Action::Approve(approve) => survey.message = Some(text_of(&approve.text, names)),
            Action::Fail(text) => survey.message = Some(text_of(text, names)),
            Action::Assert { .. } | Action::Set(_) | Action::Block { .. } => {}
        }
        visit.observe && !observe
    }

    /// Whether the file of an upload is as the upload would leave it; `None` if that is not known, or there is
    /// no upload.
    async fn is_in_place(&self, effect: &Effect, names: &Names, step: &StepPath) -> Option<bool> {
        if !matches!(effect.command.work, Work::Upload(_)) {
            return None;
        }
        let on = place(&effect.target, &self.host, names)?;
        let names = (names, &self.plan.secrets.names(&self.host));
        let made = render::command(&effect.command, names, &self.host, &on, self.plan, step);
        let (on, mut command) = made.ok()?;
        let Body::Upload(file) = command.body else { return None };
        command.body = Body::Compare(file);
        let output = self.once.look(on, &command).await.ok()?;
        match (&output.exit, output.stdout.trim_ascii()) {
            (Exit::Code(0), b"same") => Some(true),
            (Exit::Code(0), b"other") => Some(false),
            _ => None,
        }
    }
}

/// Returns the parts of a step, its rescue and its handler.
fn parts<'p>(visit: &Visit<'p>, observe: bool) -> Vec<Visit<'p>> {
    let mut all = Vec::new();
    let observed = Visit { observe: visit.observe && observe, ..visit.clone() };
    let blind = Visit { observe: false, ..visit.clone() };
    if let Action::Block { steps, rescue } = &visit.step.action {
        all.extend(steps.iter().map(|step| Visit { step, ..observed.clone() }));
        all.extend(rescue.iter().map(|step| Visit { step, ..blind.clone() }));
    }
    if let Rollback::Handler(step) = &visit.step.rollback {
        all.push(Visit { step, ..blind });
    }
    all
}

fn rendered(text: &Template, names: &Names) -> Result<String, String> {
    text.render(Mode::Text, names).map_err(|error| error.to_string())
}

fn text_of(text: &Template, names: &Names) -> String {
    rendered(text, names).unwrap_or_else(|_| text.text.clone())
}

fn times(step: &Step, names: &Names) -> Times {
    let length = |time: &Deferred<Duration>| render::length(time, names).ok();
    match &step.action {
        Action::Wait(wait) => match wait.as_ref() {
            Wait::For(time) => {
                let time = length(time);
                Times { at_least: time, at_most: time, ..Times::default() }
            }
            Wait::Until { at_least, timeout, stable_for, .. } => {
                let (least, stable_for) = (length(at_least), length(stable_for));
                Times {
                    at_least: least.max(stable_for),
                    at_most: length(timeout).map(|timeout| timeout.max(least.unwrap_or_default())),
                    stable_for,
                    ..Times::default()
                }
            }
        },
        Action::Assert { within, .. } => {
            Times { at_most: length(within), at_least: Some(Duration::ZERO), ..Times::default() }
        }
        Action::Effect(effect) => {
            let again = effect.retry.attempts.saturating_sub(1);
            Times {
                timeout: length(&effect.command.timeout),
                delays: length(&effect.retry.delay).map(|delay| delay.saturating_mul(again)),
                ..Times::default()
            }
        }
        _ => Times::default(),
    }
}
