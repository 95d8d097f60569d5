//! Measures the time to validate plans and inventories of a thousand to a hundred thousand steps
//! and hosts, and to start. `benches/refuse.rs` measures rejected files. `docs/performance.md` has expected and measured times.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench starts the program like a user, and ends if it fails"
)]

mod made;

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use planrun::diagnostic::{Diagnostics, render};
use planrun::inventory::{Inventory, read};
use planrun::plan::Plan;
use planrun::resolve::Inputs;
use planrun::source::Sources;
use planrun::{plan, resolve};

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// Validates a plan; a fault in it would make the bench measure something else.
fn validate(text: &str) -> (Plan, Sources) {
    let mut sources = Sources::default();
    let id = sources.add("made.yaml", text);
    let mut found = Diagnostics::default();
    let plan = plan::read(&sources, id, &mut found);
    assert!(found.is_empty(), "{}", render::human(&found, &sources, false));
    (plan.unwrap(), sources)
}

/// Reads an inventory from its file.
fn inventory(path: &Path) -> (Inventory, Sources) {
    let mut sources = Sources::default();
    let mut found = Diagnostics::default();
    let inventory = read::read(path, "made", &mut sources, &mut found);
    assert!(found.is_empty(), "{}", render::human(&found, &sources, false));
    (inventory.unwrap(), sources)
}

fn plans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    for size in SIZES {
        let text = made::plan(size);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &text, |bench, text| {
            bench.iter(|| black_box(validate(text)));
        });
    }
    group.finish();
}

fn inventories(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    for (format, make) in
        [("yaml", made::inventory_yaml as fn(usize) -> String), ("ini", made::inventory_ini)]
    {
        let mut group = criterion.benchmark_group(format!("inventory-{format}"));
        group.sample_size(10).warm_up_time(Duration::from_secs(1));
        for size in SIZES {
            let path = folder.path().join(format!("{size}.{format}"));
            std::fs::write(&path, make(size)).unwrap();
            assert_eq!(inventory(&path).0.hosts.len(), size);
            group.throughput(Throughput::Elements(size as u64));
            group.bench_with_input(BenchmarkId::from_parameter(size), &path, |bench, path| {
                bench.iter(|| black_box(inventory(path)));
            });
        }
        group.finish();
    }
}

/// A plan of a thousand steps for more and more hosts.
fn resolved(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let text = made::plan(1_000);
    let mut group = criterion.benchmark_group("resolve");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    for size in SIZES {
        let path = folder.path().join(format!("{size}.yaml"));
        std::fs::write(&path, made::inventory_yaml(size)).unwrap();
        let (inventory, _) = inventory(&path);
        let (plan, mut sources) = validate(&text);
        let given = Inputs::default();
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bench| {
            bench.iter_batched(
                || (plan.clone(), inventory.clone()),
                |(plan, inventory)| {
                    let mut found = Diagnostics::default();
                    let made = resolve::resolve(plan, inventory, &given, &mut sources, &mut found);
                    assert!(found.is_empty());
                    black_box(made.unwrap())
                },
                criterion::BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// The whole program, from its start to its end.
fn program(criterion: &mut Criterion) {
    let run = |words: &[&str]| {
        let status = Command::new(env!("CARGO_BIN_EXE_planrun"))
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success());
    };
    let mut group = criterion.benchmark_group("program");
    group.sample_size(50).warm_up_time(Duration::from_secs(1));
    group.bench_function("version", |bench| bench.iter(|| run(&["--version"])));
    group.bench_function("validate", |bench| {
        bench.iter(|| run(&["validate", "plans/obox-restart.yaml"]));
    });
    group.finish();
}

criterion_group!(all, plans, inventories, resolved, program);
criterion_main!(all);
