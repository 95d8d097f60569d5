//! Schedules of 2 to 20 faults, by seed.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::cases;
use crate::fault::Schedule;
use crate::life::live;
use crate::shrink::story;

/// The seeds to run: one, or so many from 0 on.
fn seeds() -> Range<u64> {
    let number = |name: &str| Some(std::env::var(name).ok()?.parse::<u64>().unwrap());
    match number("PLANRUN_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PLANRUN_SIM_SCHEDULES").unwrap_or(10_000),
    }
}

/// Most broken promises of a kind that are listed.
const LISTED: usize = 3;

#[test]
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "figures to be seen")]
fn no_schedule_of_faults_breaks_a_promise() {
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let begin = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let processes = AtomicU64::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let cases = cases::all();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let case = cases::of_seed(&cases, seed);
                    let schedule = Schedule::of(seed, case);
                    let lived = live(case, &schedule, None);
                    processes.fetch_add(lived.processes.into(), Ordering::Relaxed);
                    if let Some(broken) = &lived.broken {
                        found.lock().unwrap().push((seed, case.name.clone(), broken.clone()));
                    }
                    if seeds.end - seeds.start == 1 {
                        println!("{schedule:#?}\n{}", lived.trace());
                    }
                }
            });
        }
    });
    let took = begin.elapsed().as_secs_f64();
    let count = seeds.end - seeds.start;
    let processes = processes.into_inner();
    println!("{count} schedules, {processes} processes, {took:.1} s on {threads} threads");
    let mut found = found.into_inner().unwrap();
    found.sort();
    let Some((first, ..)) = found.first() else { return };
    let cases = cases::all();
    let case = cases::of_seed(&cases, *first);
    let story = story(case, &Schedule::of(*first, case), None);
    let mut listed: Vec<String> = Vec::new();
    for kind in ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P9", "Q", "wedge", "panic"] {
        let of_kind = found.iter().filter(|(_, _, broken)| broken.starts_with(kind));
        listed.extend(
            of_kind
                .take(LISTED)
                .map(|(seed, name, broken)| format!("seed {seed}, {name}: {broken}")),
        );
    }
    panic!("{story}\n{} of {count} seeds break a promise\n{}", found.len(), listed.join("\n"));
}
