//! Schedules of 2 to 20 faults, by seed.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::cases;
use crate::cases::Case;
use crate::fault::Schedule;
use crate::life::live;
use crate::shrink::story;

/// A number that is set in the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap())
}

/// The seeds to run: so many, from one on.
fn seeds() -> Range<u64> {
    let first = number("PLANRUN_SIM_SEED");
    let usual = if first.is_some() { 1 } else { 10_000 };
    let first = first.unwrap_or(0);
    first..first + number("PLANRUN_SIM_SCHEDULES").unwrap_or(usual)
}

/// Calls a function with each seed, on all processors. Returns how much time of them it took.
fn each(seeds: &Range<u64>, work: impl Fn(u64, &Case, &Schedule) + Sync) -> Duration {
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let spent = Mutex::new(Duration::ZERO);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let cases = cases::all();
                let clock = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
                let begin = clock();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let case = cases::of_seed(&cases, seed);
                    work(seed, case, &Schedule::of(seed, case));
                }
                *spent.lock().unwrap() += clock().saturating_sub(begin);
            });
        }
    });
    spent.into_inner().unwrap()
}

#[test]
fn a_schedule_is_the_same_every_time() {
    each(&(0..number("PLANRUN_SIM_TWICE").unwrap_or(300)), |seed, case, schedule| {
        let (one, two) = (live(case, schedule, None), live(case, schedule, None));
        assert_eq!(one.log, two.log, "seed {seed}");
        assert_eq!(one.records, two.records, "seed {seed}");
    });
}

/// Most broken promises of a kind that are listed.
const LISTED: usize = 3;

#[test]
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "figures to be seen")]
fn no_schedule_of_faults_breaks_a_promise() {
    let seeds = seeds();
    let begin = Instant::now();
    let processes = AtomicU64::new(0);
    let found = Mutex::new(Vec::new());
    let spent = each(&seeds, |seed, case, schedule| {
        let lived = live(case, schedule, None);
        processes.fetch_add(lived.processes() as u64, Ordering::Relaxed);
        if let Some(broken) = &lived.broken {
            found.lock().unwrap().push((seed, case.name.clone(), broken.clone()));
        }
        if seeds.end - seeds.start == 1 {
            println!("{schedule:#?}\n{}", lived.trace());
        }
    });
    let took = begin.elapsed().as_secs_f64();
    let count = seeds.end - seeds.start;
    let processes = processes.into_inner();
    #[expect(clippy::cast_precision_loss, reason = "a figure to be seen")]
    let speed = count as f64 / spent.as_secs_f64();
    println!(
        "{count} schedules from {}, {processes} processes, {took:.1} s, {speed:.0} a second and core",
        seeds.start
    );
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
