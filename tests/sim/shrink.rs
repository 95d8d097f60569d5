//! Makes a schedule that breaks a promise as small as it can be, and shows it.

use crate::bug::Bug;
use crate::cases::Case;
use crate::fault::Schedule;
use crate::life::live;

/// Returns the smallest schedule found that still breaks a promise.
pub(crate) fn shrunk(case: &Case, schedule: &Schedule, bug: Option<Bug>) -> Schedule {
    // The same promise, not another one.
    let kind = |schedule: &Schedule| {
        let broken = live(case, schedule, bug).broken?;
        broken.split(':').next().map(str::to_owned)
    };
    let wanted = kind(schedule);
    let is_broken = |schedule: &Schedule| kind(schedule) == wanted;
    let mut smallest = schedule.clone();
    let mut tried = true;
    while std::mem::take(&mut tried) {
        let mut smaller: Vec<Schedule> = Vec::new();
        for number in 0..smallest.faults.len() {
            let mut less = smallest.clone();
            less.faults.remove(number);
            smaller.push(less);
        }
        let quiet = Schedule::quiet();
        let one = smallest.clone();
        smaller.push(Schedule { downtimes: quiet.downtimes, ..one.clone() });
        smaller.push(Schedule { jumps: quiet.jumps, ..one.clone() });
        smaller.push(Schedule { terminals: quiet.terminals, ..one.clone() });
        smaller.push(Schedule { choices: quiet.choices, ..one.clone() });
        smaller.push(Schedule { rollback_at: None, ..one.clone() });
        smaller.push(Schedule { abort_at: None, ..one.clone() });
        smaller.push(Schedule { rival: None, ..one.clone() });
        smaller.push(Schedule { rollback_after: false, ..one });
        for less in smaller {
            if less != smallest && is_broken(&less) {
                smallest = less;
                tried = true;
                break;
            }
        }
    }
    smallest
}

/// A broken promise, for a message.
pub(crate) fn story(case: &Case, schedule: &Schedule, bug: Option<Bug>) -> String {
    let schedule = shrunk(case, schedule, bug);
    let lived = live(case, &schedule, bug);
    let why = lived.broken.clone().unwrap_or_default();
    format!(
        "plan {}: {why}\n{schedule:#?}\n{}\nplan {}: {why}",
        case.name,
        lived.trace(),
        case.name
    )
}
