//! Decides what would happen to each step, from what was observed before the first one.
//!
//! - *Skipped*, *already done*: the condition is decisive now, and nothing runs before that could change it. Of
//!   a `when` that only uses inputs that is always so.
//! - *Would run*: there is no condition, or it is not true now, and no earlier step has to do with it.
//! - *May run*: everything else. Each condition is evaluated again in the run.
//!
//! An earlier step has to do with a condition if its own `done_when`, or what it waits for, uses the same
//! probes. That a step changes nothing else is not known, so that something is *not* run is only said before
//! the first change.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::event::{Seen, Truth};
use crate::inventory::HostName;
use crate::plan::{Action, Plan, Step, Target, Wait};
use crate::preview::Decision;
use crate::resolve::needs;
use crate::run::survey::{HostSurvey, StepSurvey};
use crate::task::StepPath;
use crate::template::expression::Expression;

/// What would happen to a step on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) decision: Option<Decision>,
    pub(super) why: Option<String>,
}

pub(super) type Verdicts = BTreeMap<StepPath, Verdict>;

/// What an expression reads.
#[derive(Debug, Default)]
pub(super) struct Reads {
    probes: BTreeSet<String>,
    /// The steps whose results it uses.
    pub(super) results: Vec<String>,
    /// Whether a probe of it reads another host.
    elsewhere: bool,
}

/// A step that may do something before another one.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    name: String,
    probes: BTreeSet<String>,
}

/// Returns what a name needs, also through probes and named expressions.
pub(super) fn reads_of<'n>(plan: &Plan, names: impl IntoIterator<Item = &'n str>) -> Reads {
    let mut used = HashSet::new();
    let names: Vec<&str> = names.into_iter().collect();
    for name in &names {
        needs(plan, name, &mut used);
    }
    let mut reads = Reads::default();
    for (name, probe) in plan.probes.iter().filter(|(name, _)| used.contains(name.as_str())) {
        reads.probes.insert(name.clone());
        reads.elsewhere |= !matches!(probe.target, Target::Here);
    }
    let ids = plan.ids().into_keys().filter(|id| used.contains(id));
    reads.results = ids.map(str::to_owned).collect();
    reads
}

pub(super) fn reads(plan: &Plan, expression: &Expression) -> Reads {
    reads_of(plan, expression.names.iter().map(|name| name.name.as_str()))
}

/// Decides about all steps of a host; `before` are the steps before them, to which theirs are added.
pub(super) fn verdicts(
    plan: &Plan,
    host: &HostSurvey,
    before: &mut Vec<Earlier>,
) -> (Verdicts, BTreeSet<StepPath>) {
    let mut judge = Judge {
        plan,
        host,
        before,
        verdicts: Verdicts::new(),
        step: String::new(),
        read_elsewhere: BTreeSet::new(),
    };
    for step in plan.steps_of(host.stage) {
        judge.walk(step, None, None);
    }
    (judge.verdicts, judge.read_elsewhere)
}

/// Takes back that a step is already done, if it was read from other hosts, and these change before or meanwhile.
pub(super) fn doubt(verdicts: &mut Verdicts, elsewhere: &BTreeSet<StepPath>, other: &HostName) {
    for (path, verdict) in verdicts {
        if verdict.decision == Some(Decision::AlreadyDone) && elsewhere.contains(path) {
            verdict.decision = Some(Decision::MayRun);
            verdict.why = Some(format!("already done now; the steps on {other} may change that"));
        }
    }
}

struct Judge<'a> {
    plan: &'a Plan,
    host: &'a HostSurvey,
    before: &'a mut Vec<Earlier>,
    verdicts: Verdicts,
    /// The step that is decided about: its other items are not among the steps before it.
    step: String,
    /// The steps that are already done by what other hosts show.
    read_elsewhere: BTreeSet<StepPath>,
}

impl Judge<'_> {
    fn walk(&mut self, step: &Step, item: Option<(&StepPath, usize)>, outer: Option<&Verdict>) {
        let path = match item {
            Some((of, number)) => step.path.at_item(of, number),
            None => step.path.clone(),
        };
        self.step = name(step);
        let unknown = StepSurvey::default();
        let survey = self.host.steps.get(&path).unwrap_or(&unknown);
        let mut verdict = outer.cloned().unwrap_or_default();
        if step.for_each.is_some() && item.is_none() {
            match &survey.items {
                Some(Ok(count)) => {
                    for number in 1..=*count {
                        self.walk(step, Some((&step.path, number)), outer);
                    }
                    return;
                }
                _ => verdict.may("its items are known only when it starts".into()),
            }
        }
        if let (Some(when), Some(seen)) = (&step.when, &survey.when) {
            self.when(when, seen, &mut verdict);
        }
        if verdict.decision != Some(Decision::Skipped) {
            match &step.action {
                Action::Block { steps, .. } => {
                    for part in steps {
                        self.walk(part, item, Some(&verdict));
                    }
                }
                Action::Effect(effect) => {
                    let own = self.effect(&path, step, survey);
                    verdict = match (own.decision, verdict.why) {
                        (Some(Decision::WouldRun), Some(why)) => Verdict::of(Decision::MayRun, why),
                        (_, why) => Verdict { why: own.why.or(why), ..own },
                    };
                    let is_over = verdict.decision == Some(Decision::AlreadyDone);
                    if !is_over && !effect.read_only {
                        self.passes(step, effect.done_when.as_deref());
                    }
                }
                Action::Wait(wait) => {
                    let until = match wait.as_ref() {
                        Wait::Until { until, .. } => Some(&**until),
                        Wait::For(_) => None,
                    };
                    self.passes(step, until);
                }
                Action::Approve(_) => self.passes(step, None),
                Action::Assert { .. } | Action::Set(_) | Action::Fail(_) => {}
            }
        }
        if !matches!(step.action, Action::Effect(_)) {
            verdict.decision = verdict.decision.filter(|it| *it == Decision::Skipped);
        }
        self.verdicts.insert(path, verdict);
    }

    /// Notes that a step may change something.
    fn passes(&mut self, step: &Step, about: Option<&Expression>) {
        let probes = about.map(|about| reads(self.plan, about).probes).unwrap_or_default();
        self.before.push(Earlier { name: name(step), probes });
    }

    fn when(&self, when: &Expression, seen: &Seen, verdict: &mut Verdict) {
        let reads = reads(self.plan, when);
        let is_fixed =
            reads.probes.is_empty() && reads.results.is_empty() || self.before.is_empty();
        match seen.truth {
            Truth::False if is_fixed => {
                *verdict = Verdict::of(Decision::Skipped, "its `when` is false".into());
            }
            Truth::False => {
                let by = self.earlier(&reads);
                verdict.may(format!("its `when` is false now; {by} may change that"));
            }
            Truth::Unknown => verdict.may(match reads.results.as_slice() {
                [] => "its `when` is unknown now".into(),
                results => format!("its `when` is known only after {}", quoted(results)),
            }),
            Truth::True if is_fixed => {}
            Truth::True => {
                if let Some(by) = self.by(&reads) {
                    verdict.may(format!("its `when` is true now; {by} may change that"));
                }
            }
        }
    }

    fn effect(&mut self, path: &StepPath, step: &Step, survey: &StepSurvey) -> Verdict {
        if self.host.refused.is_some() {
            return Verdict::default();
        }
        let done_when = step.effect().and_then(|effect| effect.done_when.as_deref());
        let (truth, reads) = match (done_when, &survey.done, survey.in_place) {
            (Some(done_when), Some(seen), _) => (seen.truth, reads(self.plan, done_when)),
            (None, _, Some(true)) => (Truth::True, Reads::default()),
            // Only what runs by itself is observed.
            (Some(_), None, _) => {
                return Verdict::of(Decision::MayRun, "it was not observed".into());
            }
            (None, ..) => return Verdict::would_run(),
        };
        match truth {
            Truth::True if self.before.is_empty() => {
                if reads.elsewhere {
                    self.read_elsewhere.insert(path.clone());
                }
                Verdict { decision: Some(Decision::AlreadyDone), why: None }
            }
            Truth::True => {
                let by = self.earlier(&reads);
                Verdict::of(Decision::MayRun, format!("already done now; {by} may change that"))
            }
            Truth::Unknown => Verdict::of(
                Decision::MayRun,
                match reads.results.as_slice() {
                    [] => "whether it is already done is unknown now".into(),
                    results => {
                        format!(
                            "whether it is already done is known only after {}",
                            quoted(results)
                        )
                    }
                },
            ),
            Truth::False => match self.by(&reads) {
                Some(by) => {
                    Verdict::of(Decision::MayRun, format!("not done now; maybe it is after {by}"))
                }
                None => Verdict::would_run(),
            },
        }
    }

    /// Returns steps before that may change something, as the subject of a sentence.
    fn earlier(&self, reads: &Reads) -> String {
        match self.by(reads) {
            Some(by) => format!("earlier steps, such as {by},"),
            None => "earlier steps".to_owned(),
        }
    }

    /// Returns the last step before that has to do with the same probes.
    fn by(&self, reads: &Reads) -> Option<String> {
        let shares = |earlier: &&Earlier| {
            earlier.name != self.step && !earlier.probes.is_disjoint(&reads.probes)
        };
        let last = self.before.iter().rev().find(shares)?;
        Some(format!("`{}`", last.name))
    }
}

/// Returns the name of a step in a sentence.
fn name(step: &Step) -> String {
    step.id.clone().unwrap_or_else(|| step.path.to_string())
}

impl Verdict {
    fn of(decision: Decision, why: String) -> Self {
        Self { decision: Some(decision), why: Some(why) }
    }

    fn would_run() -> Self {
        Self { decision: Some(Decision::WouldRun), why: None }
    }

    fn may(&mut self, why: String) {
        self.decision = Some(Decision::MayRun);
        self.why.get_or_insert(why);
    }
}

/// Joins names of steps.
pub(super) fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
