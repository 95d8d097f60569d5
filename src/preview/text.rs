//! The words of a preview, alike in all formats for people.

use std::time::Duration;

use crate::event::Truth;
use crate::preview::decide::quoted;
use crate::preview::{Command, Counts, Input, Observed, Preview, Role, Waits};
use crate::report::text::{count, duration, list};

/// Hosts that are named in a line.
pub(super) const MOST_HOSTS: usize = 6;

/// Values of a condition that are shown.
const MOST_VALUES: usize = 3;

/// Returns what a preview is about: `web on 3 hosts of prod.yaml (model hosts)`.
pub(super) fn headline(preview: &Preview) -> String {
    let hosts: usize = preview.batches.iter().map(|batch| batch.hosts.len()).sum();
    let model = if preview.model { " (model hosts)" } else { "" };
    format!("{} on {} of {}{model}", preview.plan, count(hosts, "host"), preview.inventory)
}

/// Returns how the hosts are worked on, in a few words.
pub(super) fn batches(preview: &Preview) -> String {
    let all = preview.batches.as_slice();
    let hosts = all.iter().map(|batch| batch.hosts.len()).sum();
    let largest = all.iter().map(|batch| batch.hosts.len()).max().unwrap_or_default();
    let hosts_of = count(hosts, "host");
    match all.len() {
        _ if hosts == 1 => hosts_of,
        1 => format!("{hosts_of} at the same time"),
        _ if largest == 1 => format!("{hosts_of}, 1 at a time"),
        batches => format!("{hosts_of} in {batches} batches, at most {largest} at a time"),
    }
}

/// Returns what follows for `apply`.
pub(super) fn outlook(preview: &Preview) -> String {
    if preview.can_start() {
        return "Each condition is checked again in the run.".to_owned();
    }
    let why = if preview.unreachable.is_empty() {
        "a check of the preflight does not pass"
    } else {
        "a host cannot be worked on"
    };
    format!("`planrun apply` would be refused now: {why}.")
}

/// Returns the probes that ran, each with its hosts.
pub(super) fn probes(preview: &Preview) -> Vec<(&str, Vec<&str>)> {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for probe in &preview.probes {
        let host = probe.on.as_str();
        match all.iter_mut().find(|(known, _)| *known == probe.name) {
            Some((_, hosts)) if hosts.contains(&host) => {}
            Some((_, hosts)) => hosts.push(host),
            None => all.push((&probe.name, vec![host])),
        }
    }
    all
}

/// Returns a value of an input, and where it is from.
pub(super) fn input(input: &Input) -> (String, &str) {
    let value = match &input.value {
        _ if input.secret && input.value.is_none() => "(secret)".to_owned(),
        None => "(none)".to_owned(),
        Some(serde_json::Value::String(text)) if text.is_empty() => "\"\"".to_owned(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    (value, &input.from)
}

/// Returns what a condition gave now.
pub(super) fn result(observed: &Observed) -> String {
    let seen = &observed.seen;
    let values: Vec<String> = (seen.values.iter().take(MOST_VALUES))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let values = match seen.values.len().saturating_sub(MOST_VALUES) {
        0 => values.join(", "),
        more => format!("{}, {}", values.join(", "), count(more, "more value")),
    };
    let tail = if values.is_empty() { String::new() } else { format!(": {values}") };
    match (seen.truth, observed.known_after.as_slice(), &seen.error) {
        (Truth::True, ..) => format!("true now{tail}"),
        (Truth::False, ..) => format!("false now{tail}"),
        (Truth::Unknown, [], Some(error)) => format!("unknown now: {error}"),
        (Truth::Unknown, [], None) => format!("unknown now{tail}"),
        (Truth::Unknown, after, _) => format!("known only after {}", quoted(after)),
    }
}

/// Returns what a condition is, before its result.
pub(super) fn subject(observed: &Observed) -> String {
    let seen = &observed.seen;
    match observed.role {
        Role::Assert | Role::Preflight => seen.claim.clone(),
        Role::Requires => format!("requires, checked at its turn: {}", seen.claim),
        Role::When => format!("when {}", seen.condition),
        Role::DoneWhen => format!("done when {}", seen.condition),
        Role::Order => seen.condition.clone(),
        // The step itself says what it waits for.
        Role::Until => String::new(),
    }
}

/// Returns the standard input of a command in one line.
pub(super) fn stdin(command: &Command) -> Option<String> {
    let text = command.stdin.as_ref()?;
    let mut lines = text.trim_end().lines();
    let first = lines.next().unwrap_or_default();
    Some(match lines.count() {
        0 => format!("stdin: {first}"),
        more => format!("stdin: {first} (and {})", count(more, "more line")),
    })
}

/// Returns where a command runs and what is not known of it; `user` is the user of the other commands.
pub(super) fn remarks(command: &Command, user: Option<&str>) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(command.on.as_ref().map(|on| format!("on {on}")));
    if command.user.as_deref() != user {
        all.push(format!("as {}", command.user.as_deref().unwrap_or("the login user")));
    }
    if !command.known_after.is_empty() {
        all.push(format!("known only after {}", quoted(&command.known_after)));
    }
    all.extend(command.error.clone());
    all
}

/// Returns hosts, or `None` if these are all.
pub(super) fn hosts(hosts: &[String], all: usize) -> Option<String> {
    (hosts.len() != all).then(|| list(hosts, MOST_HOSTS))
}

/// Returns the sum of what would be run.
pub(super) fn counts(counts: Counts) -> String {
    let mut all = vec![format!("{} would run (+)", count(counts.would_run, "command"))];
    if counts.may_run > 0 {
        all.push(format!("{} may run (~)", counts.may_run));
    }
    if counts.already_done > 0 {
        all.push(format!("{} already done (=)", counts.already_done));
    }
    if counts.skipped > 0 {
        all.push(format!("{} skipped (-)", counts.skipped));
    }
    all.join(", ")
}

/// Returns a time from a lower to an upper bound.
pub(super) fn range(least: u64, most: u64) -> String {
    let show = |ms| duration(Duration::from_millis(ms));
    match (least, most) {
        (least, most) if least == most => show(most),
        (0, most) => format!("up to {}", show(most)),
        (least, most) => format!("{} to {}", show(least), show(most)),
    }
}

/// Returns how long the run is expected to take.
pub(super) fn expected(preview: &Preview) -> Option<String> {
    let expected = preview.expected?;
    let time = duration(Duration::from_millis(expected.run_ms));
    Some(format!("about {time} for the run, from {}", count(expected.runs, "earlier run")))
}

/// Returns the sums of all waits; none if the plan does not wait.
pub(super) fn waits(waits: &Waits) -> Vec<String> {
    let mut all = Vec::new();
    if waits.run_most_ms > 0 || waits.is_partial {
        all.push(format!(
            "{} a host; {} for all batches",
            range(waits.host_least_ms, waits.host_most_ms),
            range(waits.run_least_ms, waits.run_most_ms)
        ));
    }
    if waits.is_partial {
        all.push("without the waits whose time is not known yet".into());
    }
    if waits.host_retries_ms > 0 {
        let retries = range(0, waits.host_retries_ms);
        all.push(format!("if commands fail, pauses before other attempts: {retries} a host"));
    }
    all
}

/// Returns the user that most commands run as; `None` for the login user.
pub(super) fn usual_user(preview: &Preview) -> Option<String> {
    let groups = preview.all_steps();
    let groups = groups.iter().flat_map(|step| &step.groups);
    let mut users: Vec<(Option<&String>, usize)> = Vec::new();
    for command in groups.filter_map(|group| group.command.as_ref()) {
        let user = command.user.as_ref();
        match users.iter_mut().find(|(known, _)| *known == user) {
            Some((_, times)) => *times += 1,
            None => users.push((user, 1)),
        }
    }
    users.into_iter().rev().max_by_key(|(_, times)| *times)?.0.cloned()
}
