//! `planrun rollback`: a run turns round.
//!
//! A host that is past its point of no return is refused, which is said before anything else
//! happens. Where no host can turn round, nothing is recorded: the run stays as it is.

use crate::cli::again::Again;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::identity::who;
use crate::cli::resume::go_on;
use crate::cli::stored;
use crate::cli::stored::Word;
use crate::cli::view::Output;
use crate::event::Answer;
use crate::event::Event;
use crate::event::HostStatus;
use crate::event::RunId;
use crate::event::RunStatus;
use crate::quote;
use crate::report::text::printable;
use crate::run::decide::Refusal;
use crate::run::decide::can_turn;
use crate::run::decide::refusals;
use crate::run::state::RunState;

/// See the module.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    word: Word,
    #[command(flatten)]
    again: Again,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// How the run is shown
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    output: Output,
}

/// Takes the run over, turns it round and drives it on.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let store = context.store()?;
    let run = store.find(&args.word.run)?;
    let status = stored::status(&store.records(&run)?);
    let nothing_left = || {
        let word = status.word();
        context.say(&format!("run {run} is {word}: nothing is left to undo"));
        Ok(Exit::SUCCEEDED)
    };
    if status == RunStatus::Refused {
        return nothing_left();
    }
    let by = who();
    let taken = stored::take(&store, &run, &by)?;
    let refused = refusals(&taken.state);
    if !can_turn(&taken.state) {
        if taken.state.status == RunStatus::RolledBack && refused.is_empty() {
            return nothing_left();
        }
        return Err(fault(&run, &taken.state, &refused, &context.program()));
    }
    let requested = Event::RollbackRequested { by: by.clone(), reason: args.reason.clone() };
    taken.takes(&requested, taken.now(&store)?).map_err(|why| {
        Fault::new(Exit::INVALID, format!("run {run} cannot be rolled back: {why}"))
            .help(format!("see what was done: `planrun show {run}`"))
    })?;
    for refusal in &refused {
        let line = printable(&sentence(refusal));
        context.say(&format!("{} {line}", context.bad("refused:")));
        if let Some(line) = what_is_left(refusal, &taken.state) {
            context.say(&format!("  {}", printable(&line)));
        }
    }
    go_on(taken, vec![requested], &args.again, args.output, by, &store, context)
}

/// Says why a host does not turn round.
fn sentence(refusal: &Refusal<'_>) -> String {
    let Refusal { host, step, why, .. } = refusal;
    let step = &step.0;
    let why = why.trim_end();
    format!("{host} cannot be rolled back: it is past the point of no return of step {step}: {why}")
}

/// Says what becomes of a host that does not turn round and has not ended.
fn what_is_left(refusal: &Refusal<'_>, state: &RunState) -> Option<String> {
    let host = refusal.host;
    let open = state.open_questions();
    match open.iter().find(|(task, _)| task.host == *host) {
        Some((task, _)) => Some(format!(
            "the question of {task} stays open: when it is answered, {host} goes forward"
        )),
        None if refusal.status == HostStatus::Active => {
            Some(format!("what is left to do on {host} is done: it goes forward"))
        }
        None => None,
    }
}

/// Says why no host turns round, and what can be done instead.
fn fault(run: &RunId, state: &RunState, refused: &[Refusal<'_>], program: &str) -> Fault {
    let why = if refused.is_empty() {
        "there is nothing to undo on any host"
    } else {
        "nothing can be undone on any host"
    };
    let message = format!("run {run} cannot be rolled back: {why}");
    let fault = refused
        .iter()
        .fold(Fault::new(Exit::INVALID, message), |fault, refusal| fault.because(sentence(refusal)))
        .help("nothing was recorded: the run stays as it is");
    let is_open =
        matches!(state.status, RunStatus::Planned | RunStatus::Running | RunStatus::Paused);
    if !is_open {
        let fault = fault.help(format!("see what was done: `{program} show {run}`"));
        return match state.status {
            RunStatus::Succeeded => fault,
            _ => fault.help("do what is left by hand, or apply the plan again"),
        };
    }
    let open = state.open_questions();
    let fault = open.iter().fold(fault, |fault, (task, question)| {
        let words: Vec<&str> = question.answers.iter().copied().map(Answer::word).collect();
        let task = quote::readable(&task.to_string());
        fault.help(format!(
            "answer it ({}), that goes forward: `{program} resolve {run} {task} --as ANSWER`",
            words.join(", ")
        ))
    });
    let fault = fault.help(match (open.is_empty(), refused.is_empty()) {
        (false, _) => format!("then go on: `{program} resume {run}`"),
        (true, false) => format!("go forward: `{program} resume {run}`"),
        (true, true) => format!("go on with it: `{program} resume {run}`"),
    });
    fault.help(format!("or end it as it is: `{program} abort {run} --acknowledge`"))
}
