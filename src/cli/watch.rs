//! `planrun watch`: shows a run while another process works on it, and one that has ended.
//!
//! Events come from the store, so nothing is shown that was not recorded. Progress is not recorded: between two
//! events of a wait there is only the time.

use std::time::Duration;

use crate::cli::expected::Alike;
use crate::cli::signals::{Signals, Wish};
use crate::cli::view::{Output, View};
use crate::cli::{Context, Exit, Fault, expected, runtime};
use crate::clock::Clock;
use crate::event::RunId;
use crate::history::{Reporter as _, RunState};
use crate::report::summary::summary_of;
use crate::run::exit_status;
use crate::store::Reader;

/// The time between checks of the store.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun watch                             the last run
  planrun watch last --output json | jq .   each event as it is recorded

^C ends the view only. The exit code is that of the run when no process works on it any more.")]
pub(super) struct Args {
    /// Run ID, a unique prefix or suffix, or `last`
    #[arg(value_name = "RUN", default_value = "last")]
    run: String,
    /// How to show the run; by default as `output` of your configuration says, else `human`
    #[arg(long, value_name = "FORMAT")]
    output: Option<Output>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let doing = "cannot show the run";
    let output = context.output_or(args.output)?;
    let runs = context.runs()?;
    let run = runs.find(&args.run)?;
    let mut view = View::new(&run, output, &[], None, context);
    let planned = RunState::for_report(&runs.reading(&run, 0)?.records).planned;
    let alike = Alike {
        dir: runs.dir().to_owned(),
        plan: planned.plan.clone(),
        is_model: planned.is_model,
        run: Some(run.clone()),
    };
    expected::tell(&view, alike, None);
    let ended = runtime(doing)?.block_on(follow(&runs, &run, &mut view));
    view.finish();
    Ok(match ended? {
        Ok(state) => {
            let invocation = context.invocation(run, output.report());
            context.write(output.report(), "");
            context.write(output.report(), summary_of(&state, &invocation).trim_end());
            Exit(exit_status(&state))
        }
        Err(wish) => {
            context.say(&format!("the view has ended, run {run} continues"));
            wish.exit()
        }
    })
}

/// Shows all events of a run until no process works on it, or until the user has seen enough.
async fn follow(
    runs: &Reader,
    run: &RunId,
    view: &mut View,
) -> Result<Result<RunState, Wish>, Fault> {
    let signals = Signals::install();
    let mut signals =
        signals.map_err(|error| Fault::of(Exit::INTERNAL, "cannot show the run", &error))?;
    let mut state = RunState::default();
    let mut last = 0;
    loop {
        // Before the events are read: the last ones of a process that ends meanwhile are among them.
        let is_alive = runs.is_alive(run);
        for record in runs.reading(run, last)?.whole()? {
            state.apply_for_report(&record);
            view.event(&record, &state);
            last = record.seq;
        }
        if !is_alive {
            return Ok(Ok(state));
        }
        tokio::select! {
            wish = signals.next() => return Ok(Err(wish)),
            () = Clock::Real.sleep(PAUSE) => {}
        }
    }
}
