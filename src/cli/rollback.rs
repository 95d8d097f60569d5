//! `planrun rollback`: rolls back a run.
//!
//! It prints the hosts and their order first. A host after its point of no return is refused, which is
//! printed before anything else. If no host can be rolled back, nothing is recorded, and the run does not
//! change.

use std::collections::HashSet;

use crate::cli::open_run::{self, OpenRun, RunArg, planned};
use crate::cli::resume::go_on;
use crate::cli::secret_args::SecretArgs;
use crate::cli::session::How;
use crate::cli::{Context, Exit, Fault, request, who};
use crate::event::{Answer, Event, HostStatus, RunEvent, RunId, RunPlanned, RunStatus};
use crate::history::{Refusal, RunState};
use crate::inventory::{HostName, pattern};
use crate::quote;
use crate::report::next::next;
use crate::report::text::{count, list, printable};
use crate::resolve::ResolvedPlan;
use crate::run::decide::{rollback_batches, to_undo};
use crate::run::planned::restore;
use crate::task::Stage;

/// Maximum number of batches that are listed before the rollback.
const MOST_BATCHES: usize = 20;

/// Maximum number of hosts of a batch that are listed.
const MOST_NAMES: usize = 8;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    word: RunArg,
    #[command(flatten)]
    secrets: SecretArgs,
    /// Roll back only these hosts of the run: a host pattern, as for `apply`
    #[arg(long, short, value_name = "PATTERN")]
    limit: Option<String>,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Start without asking for confirmation; questions of the plan are still asked
    #[arg(long, short, overrides_with = "yes")]
    yes: bool,
    #[command(flatten)]
    how: How,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    context.settings()?;
    let store = context.store()?;
    let run = store.find(&args.word.run)?;
    let status = open_run::status(&store.records(&run)?);
    let nothing_left = || {
        let word = status.word();
        context.say(&format!("run {run} is already {word}"));
        Ok(Exit::SUCCEEDED)
    };
    if status == RunStatus::Refused {
        return nothing_left();
    }
    let by = who();
    if store.is_alive(&run) {
        let state = RunState::for_report(&store.records(&run)?);
        if state.rollback.is_some() && state.status.is_under_way() {
            let message = format!("another process already rolls back run {run}");
            return Err(Fault::new(Exit::HELD, message)
                .help(format!("to follow it, run `planrun watch {run}`"))
                .help(format!("to pause it, run `planrun stop {run}`")));
        }
        let question = format!("another process works on run {run}; pause it, and then roll back?");
        if !args.yes && !context.confirm(&question)? {
            return Ok(Exit::INVALID);
        }
        request::stop_and_wait(&store, &run, &by, context)?;
    }
    let taken = open_run::take(&store, &run, &by)?;
    let only = args.limit.as_deref().map(|limit| chosen(limit, planned(&taken.records)?));
    let request = taken.state.rollback_of(only.transpose()?);
    let refused = taken.state.refusals(&request);
    if !taken.state.can_roll_back(&request) {
        if taken.state.status == RunStatus::RolledBack && refused.is_empty() {
            return nothing_left();
        }
        return Err(fault(&run, &taken.state, &refused, &context.program()));
    }
    let requested = Event::Run(RunEvent::RollbackRequested {
        by: by.clone(),
        reason: args.reason.clone(),
        hosts: request.only.as_ref().map(|hosts| hosts.iter().cloned().collect()),
    });
    let requested_state = taken.takes(&requested, taken.now(&store)?).map_err(|why| {
        Fault::new(Exit::INVALID, format!("run {run} cannot be rolled back: {why}"))
            .help(format!("to see what was done, run `planrun show {run}`"))
    })?;
    for refusal in &refused {
        let line = printable(&sentence(refusal));
        context.say(&format!("{} {line}", context.bad("refused:")));
        if let Some(line) = what_is_left(refusal, &taken.state) {
            context.say(&format!("  {}", printable(&line)));
        }
    }
    let parts = announce(&taken, &requested_state, context);
    let is_model = !planned(&taken.records)?.models.is_empty();
    let changes = parts > 0 || !refused.is_empty();
    if changes && !args.yes && !is_model && !context.confirm("roll them back?")? {
        return Ok(Exit::INVALID);
    }
    go_on(taken, requested, &args.secrets, args.how, by, &store, context)
}

/// Returns the hosts of a run that match a pattern.
fn chosen(limit: &str, planned: &RunPlanned) -> Result<Vec<HostName>, Fault> {
    let fault = |why: String| {
        let hosts = list(planned.hosts.iter().map(HostName::as_str), MOST_NAMES);
        let message = format!("`--limit {limit}`: {why}");
        Fault::new(Exit::INVALID, message).help(format!("choose from {hosts}"))
    };
    let named =
        pattern::resolve(limit, &planned.inventory).map_err(|why| fault(why.to_string()))?;
    let named: HashSet<HostName> = named.into_iter().collect();
    let hosts = planned.hosts.iter().filter(|host| named.contains(*host)).cloned();
    let hosts: Vec<HostName> = hosts.collect();
    if hosts.is_empty() {
        return Err(fault("the run does not have these hosts".into()));
    }
    Ok(hosts)
}

/// Prints the hosts to roll back and their order, from the state of the run before and after the request. Returns
/// the number of hosts and stages.
fn announce(taken: &OpenRun, requested: &RunState, context: &Context) -> usize {
    // An unreadable plan is reported later.
    let planned = planned(&taken.records).map(restore);
    let Ok(Ok(restored)) = planned else { return 0 };
    let state = &taken.state;
    let batches = rollback_batches(&restored.plan, requested);
    let is_stage = |name: &&&HostName| state.hosts.get(**name).is_some_and(|it| it.stage.is_some());
    let parts = batches.iter().flatten().count();
    let hosts = parts - batches.iter().flatten().filter(is_stage).count();
    if parts == 0 {
        context.say("no hosts to roll back");
        return parts;
    }
    let how = match batches.len() {
        0 | 1 => "",
        _ => ", the last one started first; each batch is rolled back before the next one starts",
    };
    let what = match hosts {
        0 => list(batches.iter().flatten().map(|stage| stage.as_str()), MOST_NAMES),
        _ => count(hosts, "host"),
    };
    context.say(&format!("rolling back {what}{how}:"));
    if !state.torn_down().0.is_empty() {
        context.say("  the setup is torn down, and is not set up again for the rollback");
    }
    let name = |host: &&HostName| {
        let status = state.hosts.get(*host).map_or("", |host| host.status.word());
        format!("{host} ({status})")
    };
    for (number, batch) in batches.iter().enumerate().take(MOST_BATCHES) {
        let names = list(batch.iter().map(name), MOST_NAMES);
        context.say(&format!("  {}. {}", number + 1, printable(&names)));
    }
    if let Some(more @ 1..) = batches.len().checked_sub(MOST_BATCHES) {
        context.say(&format!("  and {more} more"));
    }
    if let Some(line) = stages_left(&restored.plan, requested) {
        context.say(&format!("  {}", printable(&line)));
    }
    parts
}

/// Returns which stages a rollback of some hosts leaves as they are.
fn stages_left(plan: &ResolvedPlan, requested: &RunState) -> Option<String> {
    let request = requested.rollback.as_ref()?;
    let is_left = |stage: Stage| match requested.stage(stage) {
        Some((name, _)) if request.includes(name) => false,
        Some((_, setup)) if stage == Stage::Setup => to_undo(plan, setup, false).count() > 0,
        Some((_, finish)) => finish.rollback_can_start(),
        None => false,
    };
    let stages = [Stage::Finish, Stage::Setup].into_iter().filter(|stage| is_left(*stage));
    let stages: Vec<&str> = stages.map(Stage::word).collect();
    let hosts = requested.real_hosts();
    let hosts = hosts.filter(|(name, host)| !request.includes(name) && host.keeps_a_change());
    let hosts = list(hosts.map(|(name, _)| name.as_str()), MOST_NAMES);
    let are = if stages.len() == 1 { "is" } else { "are" };
    let stages = stages.join(" and ");
    (!stages.is_empty()).then(|| format!("{stages} {are} not rolled back: changes stay on {hosts}"))
}

/// Returns why a host cannot be rolled back.
fn sentence(refusal: &Refusal<'_>) -> String {
    let Refusal { host, step, why, .. } = refusal;
    let (step, why) = (step.seen_from(host), why.trim_end());
    format!("{host} cannot be rolled back: it is past the point of no return of step {step}: {why}")
}

/// Returns what happens to a refused host that has not ended.
fn what_is_left(refusal: &Refusal<'_>, state: &RunState) -> Option<String> {
    let host = refusal.host;
    let open = state.open_questions();
    match open.iter().find(|(task, _)| task.host == *host) {
        Some((task, _)) => Some(format!("{task} still waits for an answer; then {host} continues")),
        None if refusal.status == HostStatus::Active => {
            Some(format!("{host} continues with its remaining steps"))
        }
        None => None,
    }
}

/// Returns why no host can be rolled back, and what to do instead.
fn fault(run: &RunId, state: &RunState, refused: &[Refusal<'_>], program: &str) -> Fault {
    let why = if refused.is_empty() {
        "no host has anything to undo"
    } else {
        "nothing can be undone on any host"
    };
    let message = format!("run {run} cannot be rolled back: {why}");
    let fault = refused
        .iter()
        .fold(Fault::new(Exit::INVALID, message), |fault, refusal| fault.because(sentence(refusal)))
        .help("nothing was recorded; the run is unchanged");
    let is_open =
        matches!(state.status, RunStatus::Planned | RunStatus::Running | RunStatus::Paused);
    if !is_open {
        let fault = fault.help(format!("to see what was done, run `{program} show {run}`"));
        return match state.status {
            RunStatus::Succeeded => fault,
            RunStatus::Stuck => next(state, program, run)
                .into_iter()
                .skip(1)
                .fold(fault, |fault, next| fault.help(format!("{} `{}`", next.why, next.command))),
            _ => fault.help("do the remaining work by hand, or apply the plan again"),
        };
    }
    let open = state.open_questions();
    let fault = open.iter().fold(fault, |fault, (task, question)| {
        let words: Vec<&str> = question.answers.iter().copied().map(Answer::word).collect();
        let task = quote::readable(&task.to_string());
        fault.help(format!(
            "answer it ({}) to continue: `{program} resolve {run} {task} --as ANSWER`",
            words.join(", ")
        ))
    });
    let then = if open.is_empty() { "" } else { "then " };
    let fault = fault.help(format!("{then}continue: `{program} resume {run}`"));
    fault.help(format!("or abandon it: `{program} abort {run} --acknowledge`"))
}
