//! Crashes at every commit of every plan, forward and in the rollback; pairs of them for small plans.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crate::cases;
use crate::cases::Case;
use crate::fault::{Fault, Kind, Point, Schedule};
use crate::life::{Lived, live};
use crate::shrink::story;

/// How a crash is brought about.
const CRASHES: [Kind; 2] = [Kind::CrashBefore, Kind::CrashAfter];

fn crash(number: u32, kind: Kind) -> Fault {
    Fault { point: Point::Commit, number, kind }
}

/// Lives through a schedule; panics with its story if it breaks a promise.
#[track_caller]
fn lived(case: &Case, schedule: &Schedule) -> Lived {
    let lived = live(case, schedule, None);
    assert!(lived.broken.is_none(), "{}", story(case, schedule, None));
    lived
}

/// The commits of a run with so many crashes more.
fn sweep(case: &Case, schedule: &Schedule, from: u32, depth: u32, points: &AtomicU64) {
    let mut number = from;
    loop {
        for kind in CRASHES {
            let mut crashed = schedule.clone();
            crashed.faults.push(crash(number, kind));
            let lived = lived(case, &crashed);
            if lived.counts[Point::Commit as usize] < number {
                return;
            }
            points.fetch_add(1, Ordering::Relaxed);
            if depth > 1 {
                sweep(case, &crashed, number + 1, depth - 1, points);
            }
        }
        number += 1;
    }
}

#[test]
fn a_crash_at_any_commit_of_an_abort_breaks_no_promise() {
    let points = AtomicU64::new(0);
    for case in cases::all().iter().filter(|case| case.plan.plan.stages().next().is_some()) {
        for number in 1..=case.counts[0][Point::Commit as usize] {
            // The operator stops the run there, or the process is killed, and the next one aborts it.
            // What it has left may be rolled back later.
            let crashes = [Kind::Interrupt, Kind::CrashAfter, Kind::CrashAfter];
            for (kind, rollback_after) in crashes.into_iter().zip([false, false, true]) {
                let faults = vec![crash(number, kind)];
                let abort_at = Some(1);
                let schedule = Schedule { faults, rollback_after, abort_at, ..Schedule::quiet() };
                sweep(case, &schedule, number + 1, 1, &points);
            }
        }
    }
    assert!(points.into_inner() > 2_000);
}

#[test]
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "figures to be seen")]
fn a_crash_at_any_commit_breaks_no_promise_nor_do_two() {
    let is_long = std::env::var_os("PLANRUN_SIM_LONG").is_some();
    // How many commits a plan may have whose pairs, or triples, are gone through.
    let (most_of_pairs, most_of_triples) = if is_long { (1_000, 36) } else { (26, 0) };
    let begin = Instant::now();
    let points = AtomicU64::new(0);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let cases = cases::all();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number / 2) else { break };
                    let rollback_after = number % 2 == 1;
                    let schedule = Schedule { rollback_after, ..Schedule::quiet() };
                    let commits = case.counts[number % 2][Point::Commit as usize];
                    let depth = match commits {
                        few if few <= most_of_triples => 3,
                        few if few <= most_of_pairs => 2,
                        _ => 1,
                    };
                    let own = AtomicU64::new(0);
                    sweep(case, &schedule, 1, depth, &own);
                    let own = own.into_inner();
                    points.fetch_add(own, Ordering::Relaxed);
                    let name = &case.name;
                    println!("{name}: {commits} commits, depth {depth}, {own} crash points");
                }
            });
        }
    });
    let took = begin.elapsed().as_secs_f64();
    let points = points.into_inner();
    println!("{points} crash points, {took:.1} s");
    assert!(points >= if is_long { 1_000_000 } else { 20_000 }, "{points}");
}
