//! Counts and names for reports, from the state of a run.

use crate::event::{HostStatus, Outline, Reason, RunStatus, StepPath, TaskId, TaskStatus};
use crate::history::{HostState, RunState, TaskState};
use crate::inventory::HostName;
use crate::report::detail::{one_line, sentence};
use crate::report::text::{clip, list, printable};

/// Columns of an item next to the title of a step.
const ITEM_WIDTH: usize = 40;

/// Steps of the setup that are named before the rest is counted.
const MOST_SET: usize = 8;

/// The states of a host, the most urgent first.
const BY_SEVERITY: [HostStatus; 12] = [
    HostStatus::Stuck,
    HostStatus::Quarantined,
    HostStatus::Unreachable,
    HostStatus::Failed,
    HostStatus::Refused,
    HostStatus::RollingBack,
    HostStatus::TearingDown,
    HostStatus::Active,
    HostStatus::Aborted,
    HostStatus::RolledBack,
    HostStatus::Succeeded,
    HostStatus::NotStarted,
];

/// Counts the hosts of each status that occurs, the worst first.
pub(super) fn by_status(state: &RunState) -> Vec<(HostStatus, usize)> {
    let count = |status: HostStatus| {
        let hosts = state.real_hosts();
        (status, hosts.filter(|(_, host)| host.shown_status() == status).count())
    };
    let counts = BY_SEVERITY.into_iter().map(count);
    counts.filter(|(_, number)| *number > 0).collect()
}

/// Counts the steps of a host that ended with a status, each item of a `for_each` as one; blocks and
/// handlers are not counted.
pub(super) fn steps_ended(state: &RunState, host: &HostState, status: TaskStatus) -> usize {
    let planned = &state.planned;
    let counts = |(path, task): &(&StepPath, &TaskState)| {
        let has_items = task.items.as_ref().is_some_and(|items| !items.is_empty());
        let is_made_of_others = planned.action(path) == "block" || has_items;
        task.status == Some(status) && !planned.is_handler(path) && !is_made_of_others
    };
    host.tasks.iter().filter(counts).count()
}

/// Whether a step of a rollback sent nothing because its condition was already true.
pub(super) fn was_already_done(state: &RunState, host: &HostState, step: &StepPath) -> bool {
    host.task(step).is_some_and(|task| state.planned.was_already_so(step, task))
}

/// Returns what the setup has left, in words; `None` if nothing.
pub(super) fn still_set(state: &RunState) -> Option<String> {
    let set = state.still_set();
    let words = set
        .iter()
        .map(|task| format!("{} ({})", printable(&task.to_string()), title_of(state, task)));
    (!set.is_empty()).then(|| list(words, MOST_SET))
}

/// Returns which commands a run that is over may have left running, in words; `None` if none.
pub(super) fn may_still_run(state: &RunState) -> Option<String> {
    let runs = state.may_still_run();
    let is_over = state.status.has_ended() || state.status == RunStatus::Stuck;
    let words = runs.iter().map(|(task, on)| command_of(state, task, on));
    (is_over && !runs.is_empty()).then(|| list(words, MOST_SET))
}

/// Returns how the teardowns of the setup ended: `torn down`; `None` if none was due.
pub(super) fn torn_down(state: &RunState, setup: &HostState) -> Option<String> {
    let (ran, left_out) = state.torn_down();
    let why = |(_, why): &(&StepPath, &Reason)| sentence(&why.text);
    let one =
        |left: &(&StepPath, &Reason)| format!("{} ({})", printable(&left.0.to_string()), why(left));
    setup.teardown?;
    Some(match (ran.is_empty(), left_out.as_slice()) {
        (_, []) => "torn down".to_owned(),
        (true, [left]) => format!("teardown skipped ({})", why(left)),
        (true, left) => format!("teardowns skipped: {}", list(left.iter().map(one), MOST_SET)),
        (false, left) => format!("torn down; skipped: {}", list(left.iter().map(one), MOST_SET)),
    })
}

/// Returns a step of a host with its title: `at upgrade: Upgrade it`.
pub(super) fn step_text(
    state: &RunState,
    host: &HostState,
    words: &str,
    step: &StepPath,
) -> String {
    let title = title_on(state, Some(host), step);
    format!("{words} {}: {title}", printable(&step.to_string()))
}

/// Returns a command as it is named in reports: `s2/upgrade (upgrade, on s2)`.
pub(super) fn command_of(state: &RunState, task: &TaskId, on: &HostName) -> String {
    let (id, title) = (printable(&task.to_string()), title_of(state, task));
    format!("{id} ({title}, on {})", printable(on.as_str()))
}

/// Returns the title of a task, with its item, printable. A title that is only a template is
/// replaced by the question as it was asked, or by the command as it was sent.
pub(super) fn title_of(state: &RunState, id: &TaskId) -> String {
    title_on(state, state.hosts.get(&id.host), &id.step)
}

fn title_on(state: &RunState, host: Option<&HostState>, step: &StepPath) -> String {
    let title = state.planned.title(step);
    let task = host.and_then(|host| host.task(step));
    let asked = || task.filter(|_| state.planned.action(step) == "approve")?.asked.as_deref();
    let attempt = || task?.attempts.last();
    let title = if !title.contains("{{") {
        sentence(&title)
    } else if let Some(asked) = asked() {
        sentence(asked)
    } else {
        attempt().map_or_else(|| sentence(&title), |attempt| one_line(&attempt.command))
    };
    title + &host.map(|host| item_of(state, host, step)).unwrap_or_default()
}

/// Returns the item of a `for_each` that a task is for: ` [2 of 3: lmtp]`, printable; empty if there
/// is none.
pub(super) fn item_of(state: &RunState, host: &HostState, step: &StepPath) -> String {
    let item = state.planned.item(host, step);
    let item =
        item.and_then(|(items, number)| Some((items, number, items.get(number.wrapping_sub(1))?)));
    let Some((items, number, item)) = item else { return String::new() };
    let text = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
    let text = clip(&printable(&text), ITEM_WIDTH);
    format!(" [{number} of {}: {text}]", items.len())
}

/// Returns the batches: `, 1 at a time`.
pub(crate) fn batches(outline: &Outline) -> String {
    let groups = outline.serial_groups.iter();
    let groups = groups.map(|(group, sizes)| {
        let sizes = at_a_time(sizes);
        format!(", {} {}", printable(group), sizes.trim_start_matches(", "))
    });
    at_a_time(&outline.serial) + &groups.collect::<String>()
}

fn at_a_time(serial: &[usize]) -> String {
    match serial {
        [] => String::new(),
        [size] => format!(", {size} at a time"),
        sizes => {
            let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
            format!(", in batches of {}", sizes.join(", then "))
        }
    }
}
