//! Is each of the bugs in [`crate::bug`] found, and after how many schedules?

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bug::{Bug, Misreading, Past, What};
use crate::cases;
use crate::fault::Schedule;
use crate::life::live;

/// All bugs.
const BUGS: [Bug; 63] = [
    Bug::Drops(What::Intent),
    Bug::Drops(What::Outcome),
    Bug::Drops(What::End),
    Bug::Drops(What::Answer),
    Bug::Drops(What::Stop),
    Bug::Drops(What::NoReturn),
    Bug::Drops(What::Key),
    Bug::Drops(What::HostEnd),
    Bug::Drops(What::Teardown),
    Bug::WritesLate(What::Intent),
    Bug::WritesLate(What::Outcome),
    Bug::WritesLate(What::End),
    Bug::NoFence,
    Bug::StoreErrorIgnored,
    Bug::ResendsAfterCut,
    Bug::CutIsNotSent,
    Bug::CutIsTimeout,
    Bug::CutIsSuccess,
    Bug::WrongHost,
    Bug::KeyIgnored,
    Bug::OrdinalReused,
    Bug::LateRequestRuns,
    Bug::DuplicateRuns,
    Bug::RunningIsOver,
    Bug::RunningIsAbsent,
    Bug::LostIsAbsent,
    Bug::ExitIsZero,
    Bug::ExitIsForgotten,
    Bug::LostSpoolUnnoticed,
    Bug::NoLockFence,
    Bug::AnyoneTakesLock,
    Bug::OldEpochTakesLock,
    Bug::ReleasesAnyLock,
    Bug::PauseReleasesLocks,
    Bug::EndKeepsLocks,
    Bug::LocksFirstHost,
    Bug::LocksOnce,
    Bug::LostLockIsTaken,
    Bug::LimitIsForgotten,
    Bug::Rereads(Past::OpenNeverStarted),
    Bug::Rereads(Past::OpenSucceeded),
    Bug::Rereads(Past::UnknownNeverStarted),
    Bug::Rereads(Past::WaitedTwice),
    Bug::Rereads(Past::NoReturnForgotten),
    Bug::Rereads(Past::FailedIsChanged),
    Bug::Rereads(Past::KeysForgotten),
    Bug::Rereads(Past::OrderSwapped),
    Bug::Misreads(Misreading::Idempotent),
    Bug::Misreads(Misreading::OneMoreTry),
    Bug::Misreads(Misreading::NoDoneWhen),
    Bug::Misreads(Misreading::HalfWaits),
    Bug::Misreads(Misreading::NoFirstHandler),
    Bug::Misreads(Misreading::SwappedHandlers),
    Bug::Misreads(Misreading::Interruptible),
    Bug::Misreads(Misreading::OneMoreHost),
    Bug::Misreads(Misreading::OneMoreFailure),
    Bug::Misreads(Misreading::NoRequires),
    Bug::Misreads(Misreading::NoPointOfNoReturn),
    Bug::Misreads(Misreading::FailuresTolerated),
    Bug::Misreads(Misreading::ReadOnly),
    Bug::Misreads(Misreading::NoSetup),
    Bug::Misreads(Misreading::NoTeardown),
    Bug::Misreads(Misreading::NoReturnOfOne),
];

/// The most schedules it may take.
const MOST: u64 = 10_000;

#[test]
#[expect(clippy::print_stdout, reason = "how many schedules it took is a figure to be seen")]
fn every_bug_is_found() {
    let next = AtomicUsize::new(0);
    let missed = Mutex::new(Vec::new());
    // Engines with a bug may panic: that is one way to find it.
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let cases = cases::all();
                while let Some(bug) = BUGS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = (0..MOST).find_map(|seed| {
                        let case = cases::of_seed(&cases, seed);
                        let schedule = Schedule::of(seed, case);
                        let broken = live(case, &schedule, Some(*bug)).broken?;
                        // Without the bug it breaks no promise.
                        let lived = live(case, &schedule, None);
                        assert_eq!(lived.broken, None, "seed {seed}");
                        Some((seed + 1, format!("{}: {broken}", case.name)))
                    });
                    match found {
                        Some((after, why)) => println!("{bug:?}: {after} ({why})"),
                        None => missed.lock().unwrap().push(*bug),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "not found: {missed:?}");
    assert!(BUGS.len() >= 40);
    let manual = include_str!("../../docs/guarantees.md");
    assert!(manual.contains(&format!("tested by {} bugs", BUGS.len())), "{}", BUGS.len());
}
