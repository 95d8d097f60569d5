//! Schedules that once broke a promise, and schedules that are the same every time.

use std::time::Duration;

use planrun::event::{Event, HostEvent, Record, RunStatus};

use crate::cases;
use crate::cases::Case;
use crate::fault::{Fate, Fault, Kind, Point, Schedule};
use crate::hosts::Fact;
use crate::life::{Lived, live};

fn fault(point: Point, number: u32, kind: Kind) -> Fault {
    Fault { point, number, kind }
}

#[track_caller]
fn lived(plan: &str, faults: Vec<Fault>) -> Lived {
    let cases = cases::all();
    let case: &Case = cases.iter().find(|case| case.name == plan).unwrap();
    let lived = live(case, &Schedule { faults, ..Schedule::quiet() }, None);
    assert_eq!(lived.broken, None, "{}", lived.trace());
    lived
}

/// When something first happened.
#[track_caller]
fn at(lived: &Lived, is: impl Fn(&Fact) -> bool) -> Duration {
    let found = lived.log.iter().find(|(_, fact)| is(fact));
    found.unwrap_or_else(|| panic!("{}", lived.trace())).0
}

#[test]
fn schedules_that_once_broke_a_promise_keep_them() {
    let cases = cases::all();
    for seed in [
        19_393, 23_566, 29_518, 30_385, 49_316, 76_517, 104_099, 105_478, 137_571, 149_926,
        153_957, 157_777, 159_777, 321_475, 772_327,
    ] {
        let case = cases::of_seed(&cases, seed);
        let lived = live(case, &Schedule::of(seed, case), None);
        assert_eq!(lived.broken, None, "seed {seed}: {}", lived.trace());
    }
}

#[test]
fn a_stop_while_a_block_is_checked_does_not_start_it() {
    // The check of what the `uninterruptible` block requires is the third probe.
    let lived = lived("critical", vec![fault(Point::Look, 3, Kind::Interrupt)]);
    // One process pauses, the next one completes the run.
    assert_eq!(lived.processes(), 2, "{}", lived.trace());
    let next = at(&lived, |fact| matches!(fact, Fact::Process { from } if from.epoch > 1));
    let in_block = |fact: &Fact| matches!(fact, Fact::Took { key, .. } if key == "b");
    assert!(at(&lived, in_block) > next, "{}", lived.trace());
}

#[test]
fn a_host_does_not_end_while_a_command_runs_that_a_rescue_has_left() {
    let lived = lived("critical", vec![fault(Point::Send, 3, Kind::Ends(Fate::Stubborn))]);
    assert_eq!(lived.status(), Some(RunStatus::Succeeded), "{}", lived.trace());
    let over = lived.log.iter().rposition(|(_, fact)| matches!(fact, Fact::Over { .. }));
    let last = lived.log.iter().rposition(|(_, fact)| matches!(fact, Fact::Commit { .. }));
    assert!(over < last, "{}", lived.trace());
}

#[test]
fn a_host_is_not_rolled_back_while_a_command_without_rollback_runs() {
    let lived = lived(
        "uploads",
        vec![
            fault(Point::Send, 1, Kind::Ends(Fate::Stubborn)),
            fault(Point::Send, 2, Kind::Ends(Fate::Fails)),
        ],
    );
    assert!(lived.status().is_some_and(RunStatus::has_ended), "{}", lived.trace());
}

#[test]
fn a_lock_that_an_earlier_process_took_is_released_or_reported() {
    // The second host cannot be reached from its end on, also by the process that completes the run.
    let away = Kind::Away { host: 1, seconds: 90 };
    let faults = vec![fault(Point::Look, 5, away), fault(Point::Commit, 22, Kind::Interrupt)];
    let lived = lived("drained", faults);
    assert_eq!(lived.processes(), 2, "{}", lived.trace());
    let is_left = |record: &Record| matches!(&record.event, Event::Host { host, event: HostEvent::LockLeft { .. } } if host.as_str() == "web2");
    assert!(lived.records[0].iter().any(is_left), "{}", lived.trace());
}

#[test]
fn a_resume_reads_the_plan_that_was_stored() {
    for case in cases::all() {
        let restored = planrun::run::planned::restore(&case.planned).unwrap();
        let (one, two) = (&restored.plan.plan.steps, &case.plan.plan.steps);
        assert_eq!(format!("{one:?}"), format!("{two:?}"), "{}", case.name);
    }
}
