//! The time that planrun itself needs for a run: many steps on one host, forward and back, and few steps
//! on many hosts. The hosts are models, so no time passes but that of planrun. The ratios count:
//! `docs/performance.md` has expected and measured times.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a bench ends if it fails")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use planrun::clock::{Clock, block_on_virtual};
use planrun::diagnostic::{Diagnostics, render};
use planrun::event::{
    Event, Journal, JournalError, Record, RunEvent, RunId, RunPlanned, RunStatus,
};
use planrun::history::{Reporter, RunState};
use planrun::inventory::read;
use planrun::model::Model;
use planrun::resolve::{Inputs, ResolvedPlan};
use planrun::run::answers::Answers;
use planrun::run::planned::planned;
use planrun::run::{Run, Stop};
use planrun::source::Sources;
use planrun::transport::model::ModelTransport;
use planrun::{document, plan, resolve};

const MODEL: &str = "
version: 1
model: made
made:
  state: {done: 0}
  commands:
    - {run: 'work <n:int>', takes: 1s}
    - {run: 'undo <n:int>', takes: 1s}
";

/// Keeps nothing.
struct Nowhere;

#[async_trait(?Send)]
impl Journal for Nowhere {
    async fn append(&self, _: &[Record]) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Shows nothing.
struct Silent;

impl Reporter for Silent {
    fn event(&mut self, _: &Record, _: &RunState) {}
}

/// A plan with this many steps, each with a rollback; optionally the last one fails.
fn steps(number: usize, serial: usize, fails: bool) -> String {
    let mut text = format!("version: 1\nname: made\nhosts: made\nserial: {serial}\nsteps:\n");
    for step in 1..=number {
        writeln!(
            text,
            "  - {{id: s{step}, run: work {step}, idempotent: true, \
             rollback: {{run: undo {step}, idempotent: true}}}}"
        )
        .unwrap();
    }
    if fails {
        text.push_str("  - fail: it is enough\n");
    }
    text
}

/// A plan, its hosts and their model.
struct Made {
    plan: ResolvedPlan,
    planned: RunPlanned,
    model: Arc<Model>,
}

impl Made {
    fn new(plan_text: &str, hosts: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made.yaml");
        let text = format!(
            "made: {{vars: {{planrun_connection: model, planrun_model: made.yaml}}, \
             hosts: {{'h[1:{hosts}]': {{}}}}}}\n"
        );
        std::fs::write(&path, text).unwrap();
        let mut sources = Sources::default();
        let mut found = Diagnostics::default();
        let id = sources.add("plan.yaml", plan_text);
        let plan = plan::read(&sources, id, &mut found).unwrap();
        let inventory = read::read(&path, "made", &mut sources, &mut found).unwrap();
        let given = Inputs::default();
        let plan = resolve::resolve(plan, inventory, &given, &mut sources, &mut found);
        let plan = plan.unwrap_or_else(|| panic!("{}", render::human(&found, &sources, false)));
        let id = sources.add("model.yaml", MODEL);
        let node = document::parse(&sources, id, &mut found).unwrap();
        let model = Model::lower(&node, &sources, &mut found).unwrap();
        let planned = planned(&plan, "plan.yaml", plan_text, "bench@here", BTreeMap::new());
        Self { plan, planned, model: Arc::new(model) }
    }

    /// Drives the run to its end.
    fn run(&self) -> RunStatus {
        let clock = Clock::virtual_from("2026-01-01T00:00:00Z".parse().unwrap());
        let hosts = self.plan.inventory.hosts.values();
        let world =
            ModelTransport::new(Arc::clone(&self.model), hosts, clock.clone(), None).unwrap();
        let reporter = RefCell::new(Silent);
        let stop = Stop::default();
        let answers = Answers::default();
        let run = Run {
            id: RunId("bench".into()),
            plan: &self.plan,
            clock: clock.clone(),
            transport: &world,
            journal: &Nowhere,
            reporter: &reporter,
            asker: None,
            answers: &answers,
            stop: &stop,
            epoch: 1,
            by: "bench@here".into(),
            lock_timeout: std::time::Duration::ZERO,
            follow: false,
        };
        let first = Event::Run(RunEvent::Planned(Box::new(self.planned.clone())));
        let ended = block_on_virtual(&clock, run.drive(RunState::default(), first));
        ended.unwrap().unwrap().status
    }
}

/// Makes a scene of a size.
type Make = Box<dyn Fn(usize) -> Made>;

fn runs(criterion: &mut Criterion) {
    let many_steps = |fails| move |size| Made::new(&steps(size, 1, fails), 1);
    let many_hosts = |serial| move |size| Made::new(&steps(3, serial, false), size);
    let kinds: [(&str, [usize; 2], Make); 4] = [
        ("steps", [1_000, 4_000], Box::new(many_steps(false))),
        ("steps-and-back", [1_000, 4_000], Box::new(many_steps(true))),
        ("hosts-one-by-one", [1_000, 10_000], Box::new(many_hosts(1))),
        ("hosts-side-by-side", [1_000, 10_000], Box::new(many_hosts(100_000))),
    ];
    for (name, sizes, make) in kinds {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10).warm_up_time(Duration::from_millis(100));
        group.measurement_time(Duration::from_secs(2));
        for size in sizes {
            let made = make(size);
            group.throughput(Throughput::Elements(size as u64));
            group.bench_with_input(BenchmarkId::from_parameter(size), &made, |bench, made| {
                bench.iter(|| assert_ne!(made.run(), RunStatus::Paused));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, runs);
criterion_main!(benches);
