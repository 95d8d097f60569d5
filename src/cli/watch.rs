//! `planrun watch`: shows a run while another process works on it, and one that has ended.
//!
//! Events come from the store, and progress from the process that works on the run ([`crate::cli::sharing`]): a run
//! that rests has none. Both go to the view that this process would have, too.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::expected::Alike;
use crate::cli::sharing::{Message, News, Shared};
use crate::cli::signals::{Signals, Wish};
use crate::cli::view::{Output, View};
use crate::cli::{Context, Exit, Fault, expected, runtime};
use crate::clock::Clock;
use crate::event::{Event, Question, RunId, TaskId};
use crate::history::{Reporter as _, RunState};
use crate::report::next::answers;
use crate::report::summary::summary_of;
use crate::report::text::printable;
use crate::run::exit_status;
use crate::store::Reader;

/// The time between checks of the store.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun watch                             the last run
  planrun watch last --output json | jq .   each event as it is recorded

It shows what the process that works on the run shows. To answer a question, use `planrun resolve`.
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
    let watching = Watching {
        runs: &runs,
        run: &run,
        shared: (output != Output::Json).then(Shared::default),
        state: RunState::default(),
        last: 0,
        ended: BTreeMap::new(),
        told: Vec::new(),
        program: context.program(),
    };
    let ended = runtime(doing)?.block_on(follow(watching, &mut view));
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

/// What is shown of a run.
struct Watching<'a> {
    runs: &'a Reader,
    run: &'a RunId,
    /// `None` if only events are shown.
    shared: Option<Shared>,
    state: RunState,
    /// The number of the last event that was read.
    last: u64,
    /// The number of the last event that ended progress of a task.
    ended: BTreeMap<TaskId, u64>,
    /// The open questions that were shown with the commands that answer them.
    told: Vec<(TaskId, Question)>,
    program: String,
}

/// Shows all events of a run, and its progress, until no process works on it, or until the user has seen enough.
async fn follow(
    mut watching: Watching<'_>,
    view: &mut View,
) -> Result<Result<RunState, Wish>, Fault> {
    let signals = Signals::install();
    let mut signals =
        signals.map_err(|error| Fault::of(Exit::INTERNAL, "cannot show the run", &error))?;
    loop {
        // Before the events are read: the last ones of a process that ends meanwhile are among them.
        let is_alive = watching.runs.is_alive(watching.run);
        watching.look(is_alive, view)?;
        if !is_alive {
            return Ok(Ok(watching.state));
        }
        tokio::select! {
            wish = signals.next() => return Ok(Err(wish)),
            () = Clock::Real.sleep(PAUSE) => {}
        }
    }
}

impl Watching<'_> {
    /// Shows what is new.
    fn look(&mut self, is_alive: bool, view: &mut View) -> Result<(), Fault> {
        // Also before the events are read: it may be about a task that they start.
        let come = self.shared.as_mut().map(|shared| shared.take(self.runs, self.run));
        for record in self.runs.reading(self.run, self.last)?.whole()? {
            if let Event::Task { task, event } = &record.event
                && event.ends_attempt()
            {
                self.ended.insert(task.clone(), record.seq);
            }
            self.state.apply_for_report(&record);
            view.event(&record, &self.state);
            self.last = record.seq;
        }
        match come {
            Some(Some(messages)) if is_alive => {
                for message in &messages {
                    self.show(message, view);
                }
            }
            _ => view.forget(),
        }
        if is_alive && self.shared.is_some() {
            self.tell_answers(view);
        }
        Ok(())
    }

    fn show(&self, message: &Message, view: &mut View) {
        let is_so = |news: &&News| {
            let task = news.progress.task();
            task.and_then(|task| self.ended.get(task)).is_none_or(|seq| *seq <= message.seq)
        };
        for news in message.news.iter().filter(is_so) {
            view.progress(&news.progress, news.at, &self.state);
        }
        view.reach(message.now);
    }

    /// Shows the commands that answer the open questions: this process takes no answer.
    fn tell_answers(&mut self, view: &View) {
        let open = self.state.open_questions();
        for (task, question) in &open {
            if self.told.iter().any(|(known, of)| (known, of) == (task, question)) {
                continue;
            }
            let mut lines = format!("To answer {}, run one of:", printable(&task.to_string()));
            for (command, _) in answers(&self.program, self.run, task, question) {
                lines.push_str("\n  ");
                lines.push_str(&command);
            }
            lines.push('\n');
            view.print(&lines);
        }
        self.told = open;
    }
}
