//! `planrun abort`: ends a run without rolling anything back. What its setup has left is torn down first, by
//! a process like that of a resume; the hosts stay as they are.

use crate::cli::open_run::{OpenRun, RunArg};
use crate::cli::resume::go_on;
use crate::cli::secret_args::SecretArgs;
use crate::cli::session::How;
use crate::cli::{Context, Exit, Fault, Stream, locks, open_run, who};
use crate::clock::Clock;
use crate::event::{Event, RunEvent, RunStatus};
use crate::history::RunState;
use crate::inventory::Connection;
use crate::report::summary::summary;
use crate::report::text::printable;
use crate::run::locks::{lock_id, locked_hosts, release};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    word: RunArg,
    /// Confirm that hosts stay as they are, and may be out of service
    #[arg(long, required = true)]
    acknowledge: bool,
    /// Do not run the teardowns of the plan either: what its `setup` has set stays
    #[arg(long)]
    without_teardown: bool,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    secrets: SecretArgs,
    #[command(flatten)]
    how: How,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let store = context.store()?;
    let run = store.find(&args.word.run)?;
    let by = who();
    // A run with damaged events must not stay open forever.
    let (journal, reading) = store.take_damaged(&run, &by)?;
    let is_whole = reading.damage.is_empty();
    let status = open_run::status(&reading.records);
    if status.has_ended() {
        let fault = open_run::ended(&run, status);
        return Err(fault.help("only a run that has not ended can be aborted"));
    }
    let state = RunState::for_report(&reading.records);
    let mut taken = OpenRun { journal, records: reading.records, state };
    if is_whole && !args.without_teardown && !taken.state.still_set().is_empty() {
        let reason = args.reason.clone();
        let first = Event::Run(RunEvent::AbortRequested { by: by.clone(), reason });
        let exit = go_on(taken, first, &args.secrets, args.how, by, &store, context);
        return exit.map_err(|fault| {
            let program = context.program();
            let command = format!("{program} abort {run} --acknowledge --without-teardown");
            fault.help(format!("or end the run without its teardowns: `{command}`"))
        });
    }
    let why = match &args.reason {
        Some(reason) => format!("aborted by {by}: {reason}"),
        None => format!("aborted by {by}"),
    };
    let ended = Event::Run(RunEvent::Ended { status: RunStatus::Aborted, why: Some(why) });
    let now = if is_whole { taken.now(&store)? } else { Clock::Real.now() };
    if is_whole {
        taken.takes(&ended, now).map_err(|why| {
            Fault::new(Exit::INVALID, format!("run {run} cannot be aborted: {why}"))
        })?;
    }
    release_locks(&taken, context)?;
    taken.add(ended, now)?;
    let invocation = context.invocation(run, Stream::Out);
    context.write(Stream::Out, summary(&taken.records, &invocation).trim_end());
    Ok(Exit::SUCCEEDED)
}

/// Releases the hosts of a run. This comes first: if it is interrupted, the run can be aborted again.
fn release_locks(taken: &OpenRun, context: &Context) -> Result<(), Fault> {
    // The plan of a damaged run may not be readable: then `planrun unlock` is left.
    let Ok(planned) = open_run::planned(&taken.records) else { return Ok(()) };
    let id = lock_id(taken.journal.run(), &RunState::for_report(&taken.records));
    let hosts = planned.hosts.iter().chain(&planned.locks);
    let hosts = locked_hosts(&planned.inventory, hosts).into_iter();
    let hosts = hosts.filter(|host| host.link.connection != Connection::Model);
    for (host, error) in locks::block_on(release(&locks::transport(), hosts, &id))? {
        let why = printable(&error.to_string());
        context.say(&format!("warning: the lock {id} of {host} may remain: {why}"));
    }
    Ok(())
}
