//! `planrun resume`: continues a run that was paused, interrupted or answered.

use crate::cli::open_run::{OpenRun, RunArg};
use crate::cli::secret_args::SecretArgs;
use crate::cli::session::{How, Session};
use crate::cli::targets::Targets;
use crate::cli::{Context, Exit, Fault, open_run, print, targets, who};
use crate::event::{Event, RunEvent, RunStatus};
use crate::history::RunState;
use crate::report::next::next;
use crate::run::planned::{Restored, restore};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    word: RunArg,
    #[command(flatten)]
    secrets: SecretArgs,
    #[command(flatten)]
    how: How,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    context.settings()?;
    let store = context.store()?;
    let run = store.find(&args.word.run)?;
    let records = store.records(&run)?;
    let state = RunState::for_report(&records);
    if state.status == RunStatus::Succeeded {
        context.say(&format!("run {run} has already succeeded"));
        return Ok(Exit::SUCCEEDED);
    }
    let is_stuck = state.status == RunStatus::Stuck && !state.is_only_setup_stuck();
    if state.status.has_ended() || is_stuck {
        let ways = next(&state, &context.program(), &run).into_iter();
        return Err(ways.fold(open_run::ended(&run, state.status), |fault, next| {
            fault.help(format!("{} `{}`", next.why, next.command))
        }));
    }
    let by = who();
    let taken = open_run::take(&store, &run, &by)?;
    let first = Event::Run(RunEvent::Resumed { by: by.clone() });
    go_on(taken, first, &args.secrets, args.how, by, &store, context)
}

/// Executes a run that was taken over.
pub(super) fn go_on(
    taken: OpenRun,
    first: Event,
    secret_args: &SecretArgs,
    how: How,
    by: String,
    store: &Store,
    context: &Context,
) -> Result<Exit, Fault> {
    let past = taken.last();
    let OpenRun { journal, records, state } = taken;
    let planned = open_run::planned(&records)?;
    let times = how.times(!planned.models.is_empty(), context)?;
    store.need_room(open_run::room(planned))?;
    open_run::need_machines(store, &journal, &first)?;
    open_run::tell_changes(planned, context);
    let Restored { mut plan, sources, notes } = restore(planned).map_err(|why| {
        Fault::new(Exit::STORE, format!("this planrun cannot read the plan of the run: {why}"))
            .help("use the planrun version that started the run")
    })?;
    if !notes.is_empty() {
        context.say("note: a new run of this plan would be refused; this run continues with it");
        print::diagnostics(&notes, &sources, context);
    }
    secret_args.secrets(&mut plan, planned, journal.run(), sources, context)?;
    let model = targets::stored(&planned.models)?;
    let targets = Targets::new(model, &plan.inventory, store, journal.run(), past, times)?;
    let session = Session {
        context,
        store,
        journal: &journal,
        plan: &plan,
        targets: &targets,
        history: &records,
        state,
        first,
        how,
        by,
    };
    session.run()
}
