//! `planrun resume`: continues a run that was paused, interrupted or answered.

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::identity::who;
use crate::cli::secret_args::SecretArgs;
use crate::cli::session::Session;
use crate::cli::stored::{Taken, Word};
use crate::cli::targets::Targets;
use crate::cli::view::Output;
use crate::cli::{stored, targets, tell};
use crate::event::{Event, RunEvent, RunId, RunStatus};
use crate::history::{Requested, RunState};
use crate::run::decide::can_turn;
use crate::run::planned::{Restored, restore};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    word: Word,
    #[command(flatten)]
    secrets: SecretArgs,
    /// How to show the run
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    output: Output,
}

/// Takes over the run and continues it.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let store = context.store()?;
    let run = store.find(&args.word.run)?;
    let records = store.records(&run)?;
    let status = stored::status(&records);
    if status == RunStatus::Succeeded {
        context.say(&format!("run {run} has already succeeded"));
        return Ok(Exit::SUCCEEDED);
    }
    let can_turn =
        RunState::of(&records).is_ok_and(|state| can_turn(&state, &Requested::default()));
    if let Some(fault) = ended(&run, status, can_turn) {
        return Err(fault);
    }
    let by = who();
    let taken = stored::take(&store, &run, &by)?;
    let first = vec![Event::Run(RunEvent::Resumed { by: by.clone() })];
    go_on(taken, first, &args.secrets, args.output, by, &store, context)
}

/// Executes a run that was taken over.
pub(super) fn go_on(
    taken: Taken,
    first: Vec<Event>,
    secret_args: &SecretArgs,
    output: Output,
    by: String,
    store: &Store,
    context: &Context,
) -> Result<Exit, Fault> {
    let past = taken.last();
    let Taken { journal, records, state } = taken;
    let planned = stored::planned(&records)?;
    store.need_room(stored::room(planned))?;
    if let Some(first) = first.first() {
        stored::need_machines(store, &journal, first)?;
    }
    stored::tell_changes(planned, context);
    let Restored { mut plan, sources, notes } = restore(planned).map_err(|why| {
        Fault::new(Exit::STORE, format!("this planrun cannot read the plan of the run: {why}"))
            .help("use the planrun version that started the run")
    })?;
    if !notes.is_empty() {
        context.say("note: a new run of this plan would be refused; this run continues with it");
        tell::tell(&notes, &sources, context);
    }
    secret_args.secrets(&mut plan, planned, journal.run(), sources, context)?;
    let model = targets::stored(&planned.models)?;
    let targets = Targets::new(model, &plan.inventory, store, journal.run(), past)?;
    let session = Session {
        context,
        store,
        journal: &journal,
        plan: &plan,
        targets: &targets,
        history: &records,
        state,
        first,
        output,
        by,
    };
    session.run()
}

/// Returns why a run cannot be resumed after its end; `None` if it has not ended.
fn ended(run: &RunId, status: RunStatus, can_turn: bool) -> Option<Fault> {
    let help = match status {
        RunStatus::Planned | RunStatus::Running | RunStatus::Paused | RunStatus::Succeeded => {
            return None;
        }
        RunStatus::Refused => "nothing was changed; fix the cause and apply the plan again".into(),
        RunStatus::RolledBack => "fix the cause and apply the plan again".into(),
        RunStatus::Failed if can_turn => format!(
            "undo it with `planrun rollback {run}`, or fix the cause and apply the plan again"
        ),
        RunStatus::Failed => "nothing can be undone; fix the cause and apply the plan again".into(),
        RunStatus::Stuck => {
            format!("fix the cause, then continue the rollback with `planrun rollback {run}`")
        }
        RunStatus::Aborted => "check the hosts, then apply the plan again".into(),
    };
    let message = format!("run {run} has ended: {}", status.word());
    Some(Fault::new(Exit::INVALID, message).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_ended_says_what_to_do_instead() {
        let run = RunId("a1".to_owned());
        let stuck = ended(&run, RunStatus::Stuck, true).unwrap();
        assert_eq!(stuck.exit(), Exit::INVALID);
        let text = stuck.text();
        assert!(text.starts_with("run a1 has ended: stuck"), "{text}");
        assert!(text.contains("planrun rollback a1"), "{text}");
        assert!(ended(&run, RunStatus::Paused, true).is_none());
        assert!(ended(&run, RunStatus::Running, true).is_none());
        for can_turn in [true, false] {
            let failed = ended(&run, RunStatus::Failed, can_turn).unwrap().text();
            assert_eq!(failed.contains("planrun rollback a1"), can_turn, "{failed}");
        }
    }
}
