//! The plans: small ones, each for one part of the language, read as a user's plan is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use planrun::diagnostic::{Diagnostics, render};
use planrun::event::RunPlanned;
use planrun::inventory::{Inventory, read};
use planrun::plan::{Action, Deferred, Effect, Rollback, Step, Target, Wait};
use planrun::resolve::{Inputs, ResolvedPlan, resolve};
use planrun::run::planned::planned;
use planrun::source::Sources;
use planrun::task::StepPath;

use crate::fault::{Counts, Schedule};
use crate::hosts::KEYS;
use crate::life::live;

/// A plan, and what the promises need to know of it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) plan: ResolvedPlan,
    /// The first event of a run.
    pub(crate) planned: RunPlanned,
    /// The same, without what only a resume from a file needs.
    pub(crate) first: RunPlanned,
    /// The values of its hosts.
    pub(crate) keys: Vec<&'static str>,
    /// How many hosts there are, all together.
    pub(crate) machines: usize,
    pub(crate) steps: BTreeMap<StepPath, StepFacts>,
    /// How often a run without faults comes to each point; with a rollback at its end.
    pub(crate) counts: [Counts; 2],
}

/// What the plan says of a step.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one step")]
#[derive(Clone, Debug, Default)]
pub(crate) struct StepFacts {
    /// The blocks around it, the outermost first; for a part of a handler, those around its step too.
    pub(crate) around: Vec<StepPath>,
    /// Its handler.
    pub(crate) handler: Option<StepPath>,
    /// The step that it undoes, as a handler or a part of one.
    pub(crate) undoes: Option<StepPath>,
    pub(crate) is_uninterruptible: bool,
    pub(crate) is_no_return: bool,
    /// Whether that is one of the whole run.
    pub(crate) is_no_return_of_all: bool,
    pub(crate) is_teardown: bool,
    pub(crate) effect: Option<EffectFacts>,
    /// How long it waits at least.
    pub(crate) waits: Duration,
}

/// What the plan says of an effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EffectFacts {
    pub(crate) has_done_when: bool,
    pub(crate) idempotent: bool,
    pub(crate) tries: usize,
    /// Whether it always runs on the same host.
    pub(crate) is_placed: bool,
}

impl Case {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = &std::fs::read_to_string(path).unwrap();
        let mut sources = Sources::default();
        let mut found = Diagnostics::default();
        let id = sources.add(format!("{name}.yaml"), text);
        let plan = planrun::plan::read(&sources, id, &mut found);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/hosts.yaml");
        let inventory = read::read(&path, "hosts.yaml", &mut sources, &mut found);
        let resolved = plan.zip(inventory).and_then(|(plan, inventory)| {
            resolve(plan, inventory, &Inputs::default(), &mut sources, &mut found)
        });
        let plan = resolved.unwrap_or_else(|| panic!("{}", render::human(&found, &sources, false)));
        let planned = planned(&plan, &name, text, "test@here", BTreeMap::new());
        let mut first = planned.clone();
        first.plan_text.clear();
        first.inventory = Inventory::default();
        let words: BTreeSet<&str> = text.split(|char: char| !char.is_alphanumeric()).collect();
        let keys = KEYS.into_iter().filter(|key| words.contains(key)).collect();
        let mut steps = BTreeMap::new();
        for step in plan.plan.all_steps() {
            facts(step, &[], None, &mut steps);
        }
        let machines = plan.inventory.hosts.len();
        let counts = [Counts::default(); 2];
        let mut case = Self { name, plan, planned, first, keys, machines, steps, counts };
        for rollback_after in [false, true] {
            let schedule = Schedule { rollback_after, ..Schedule::quiet() };
            let lived = live(&case, &schedule, None);
            assert_eq!(lived.broken, None, "{}\n{}", case.name, lived.trace());
            case.counts[usize::from(rollback_after)] = lived.counts;
        }
        case
    }

    /// Returns what the plan says of a step, at an item or not.
    pub(crate) fn step(&self, path: &StepPath) -> Option<&StepFacts> {
        self.steps.get(&path.in_plan())
    }

    /// Whether a step is a handler, or part of one.
    pub(crate) fn is_handler(&self, path: &StepPath) -> bool {
        self.step(path).is_some_and(|step| step.undoes.is_some())
    }

    pub(crate) fn effect(&self, path: &StepPath) -> Option<EffectFacts> {
        self.step(path)?.effect
    }
}

fn facts(
    step: &Step,
    around: &[StepPath],
    undoes: Option<&StepPath>,
    all: &mut BTreeMap<StepPath, StepFacts>,
) {
    let mut own = StepFacts {
        around: around.to_vec(),
        handler: match &step.rollback {
            Rollback::Handler(handler) => Some(handler.path.clone()),
            _ => None,
        },
        undoes: undoes.cloned(),
        is_uninterruptible: step.uninterruptible.is_some(),
        is_no_return: step.point_of_no_return.is_some(),
        is_no_return_of_all: step.point_of_no_return.as_ref().is_some_and(|it| it.all_hosts),
        is_teardown: step.is_teardown,
        ..StepFacts::default()
    };
    let inside: Vec<StepPath> = around.iter().chain([&step.path]).cloned().collect();
    match &step.action {
        Action::Effect(effect) => own.effect = Some(of_effect(effect)),
        Action::Wait(wait) => {
            if let Wait::For(Deferred::Now(time))
            | Wait::Until { at_least: Deferred::Now(time), .. } = &**wait
            {
                own.waits = *time;
            }
        }
        Action::Block { steps, rescue } => {
            for part in steps.iter().chain(rescue) {
                facts(part, &inside, undoes, all);
            }
        }
        _ => {}
    }
    if let Rollback::Handler(handler) = &step.rollback {
        facts(handler, &inside, Some(&step.path), all);
    }
    all.insert(step.path.clone(), own);
}

fn of_effect(effect: &Effect) -> EffectFacts {
    EffectFacts {
        has_done_when: effect.done_when.is_some(),
        idempotent: effect.idempotent,
        tries: effect.retry.attempts as usize,
        is_placed: matches!(effect.target, Target::Here | Target::Host(..)),
    }
}

/// Reads all plans, `plans/*.yaml`.
pub(crate) fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/plans");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| Case::read(path)).collect()
}

/// Returns the plan of a seed.
pub(crate) fn of_seed(cases: &[Case], seed: u64) -> &Case {
    &cases[usize::try_from(seed).unwrap() % cases.len()]
}
