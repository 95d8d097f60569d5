//! Executes a run in this process, up to the exit code.
//!
//! One thread does everything: the run, its view, the signals. The first INT or TERM asks the run to
//! pause, the second one ends the process: recorded events are safe, and commands on hosts continue
//! there. A closed terminal ends nothing.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::cli::asker::Operator;
use crate::cli::expected::Alike;
use crate::cli::inbox::Inbox;
use crate::cli::notifying::{Left, Notifications, Notifying};
use crate::cli::sharing::Sharing;
use crate::cli::signals::{Signals, Wish};
use crate::cli::targets::Targets;
use crate::cli::values::{Speed, duration, speed};
use crate::cli::view::{Output, View};
use crate::cli::{Context, Exit, Fault, expected, locks, log, runtime};
use crate::clock::Pace;
use crate::event::{Event, JournalError, Record};
use crate::history::RunState;
use crate::report::summary::summary_of;
use crate::resolve::ResolvedPlan;
use crate::run::answers::Answers;
use crate::run::{Asker, Run, Stop, exit_status};
use crate::store::{RunJournal, Store};
use crate::transport::TransportError;
use crate::transport::redacting::Redacting;

/// How a run is executed and shown.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct How {
    /// How long to wait for a host that another run has locked; by default, fail at once
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    lock_timeout: Duration,
    /// How to show the run; by default as `output` of your configuration says, else `human`
    #[arg(long, value_name = "FORMAT")]
    output: Option<Output>,
    /// Show the last lines of a command while it runs; planrun reads them from its host every two seconds
    #[arg(long)]
    follow: bool,
    /// On model hosts: how many seconds of the model pass in a second, or `max`; by default 100 in the live view,
    /// where Enter skips ahead, and `max` elsewhere
    #[arg(long, value_name = "TIMES", value_parser = speed)]
    pace: Option<Speed>,
}

impl How {
    /// Returns how the run is shown.
    pub(super) fn output(self, context: &Context) -> Result<Output, Fault> {
        context.output_or(self.output)
    }

    /// Returns how many seconds of the model pass in a second; `None` if its time jumps, and for real hosts.
    pub(super) fn times(self, is_model: bool, context: &Context) -> Result<Option<f64>, Fault> {
        if !is_model {
            return match self.pace {
                Some(_) => Err(Fault::new(
                    Exit::INVALID,
                    "`--pace` is for model hosts, and these are real",
                )
                .help("leave out `--pace`")),
                None => Ok(None),
            };
        }
        let speed = match self.pace {
            Some(speed) => speed,
            None if self.output(context)?.moves(context) => context.usual_pace()?,
            None => Speed::Max,
        };
        Ok(speed.times())
    }
}

pub(super) struct Session<'a> {
    pub(super) context: &'a Context,
    pub(super) store: &'a Store,
    pub(super) journal: &'a RunJournal,
    pub(super) plan: &'a ResolvedPlan,
    pub(super) targets: &'a Targets,
    /// The events before this process.
    pub(super) history: &'a [Record],
    /// The state after these.
    pub(super) state: RunState,
    /// The first new event.
    pub(super) first: Event,
    pub(super) how: How,
    /// `user@machine`.
    pub(super) by: String,
}

enum Ended {
    Driven(Result<Box<RunState>, JournalError>),
    Locked(TransportError),
    Left(Wish),
}

impl Session<'_> {
    /// Executes the run, and waits for its notifications.
    pub(super) fn run(self) -> Result<Exit, Fault> {
        let (context, run) = (self.context, self.journal.run());
        let redactor = &self.plan.secrets.redactor;
        let started = Notifications::start(run, &self.by, redactor, &self.state, context);
        let (notifications, left) = (Rc::new(RefCell::new(started?)), Left::default());
        let done = self.execute(&notifications, &left);
        notifications.borrow_mut().end(&done, &left, context);
        done
    }

    fn execute(
        mut self,
        notifications: &Rc<RefCell<Notifications>>,
        left: &Left,
    ) -> Result<Exit, Fault> {
        log::hide(&self.plan.secrets.redactor);
        let doing = "cannot start the run";
        let runtime = runtime(doing)?;
        let run = self.journal.run().clone();
        let output = self.how.output(self.context)?;
        let pace = self.targets.pace.clone();
        let view = View::new(&run, output, self.history, pace, self.context);
        expected::tell(&view, self.alike(), Some(expected::least(self.plan)));
        let view = Rc::new(RefCell::new(view));
        self.targets.prompter.attach(&view);
        let state = std::mem::take(&mut self.state);
        let drive = self.drive(&view, notifications, state);
        let ended = LocalSet::new().block_on(&runtime, drive);
        // A read from the terminal may still be in progress, and would block the end.
        runtime.shutdown_background();
        let view = Rc::into_inner(view).expect("the prompter keeps the view only while it asks");
        view.into_inner().finish();
        let ended = ended.map_err(|error| Fault::of(Exit::INTERNAL, doing, &error))?;
        let state = match ended {
            Ended::Driven(Ok(state)) => state,
            Ended::Locked(error) => {
                let fault = Fault::new(Exit::HELD, error.to_string());
                let fault = locks::help(self.context).into_iter().fold(fault, Fault::help);
                return Err(fault.help("nothing was recorded; the run is unchanged"));
            }
            Ended::Driven(Err(error)) => return Err(Fault::of_journal(self.journal, &error)),
            Ended::Left(wish) => {
                left.set(true);
                self.context.say(&format!(
                    "ended immediately by {}; commands that are running on hosts continue there; \
                     to continue, run `{} resume {run}`",
                    wish.name(),
                    self.context.program()
                ));
                return Ok(wish.exit());
            }
        };
        self.targets.save()?;
        let report = output.report();
        let invocation = self.context.invocation(run, report);
        self.context.write(report, "");
        self.context.write(report, summary_of(&state, &invocation).trim_end());
        let exit = Exit(exit_status(&state));
        if exit == Exit::HELD {
            for help in locks::help(self.context) {
                self.context.say(&format!("{} {help}", self.context.strong("help:")));
            }
        }
        Ok(exit)
    }

    fn alike(&self) -> Alike {
        Alike {
            dir: self.store.dir().to_owned(),
            plan: self.plan.plan.name.clone(),
            is_model: self.targets.is_model(),
            run: Some(self.journal.run().clone()),
        }
    }

    async fn drive(
        &self,
        view: &Rc<RefCell<View>>,
        notifications: &Rc<RefCell<Notifications>>,
        state: RunState,
    ) -> std::io::Result<Ended> {
        let clock = self.targets.clock.clone();
        let sharing = Rc::new(Sharing::new(self.store, self.journal.run(), clock.clone()));
        let reporter = RefCell::new(Notifying::new(view, &sharing, notifications));
        let mut signals = Signals::install()?;
        let (stop, answers) = (Stop::default(), Answers::default());
        let (stopping, stopped) = watch::channel(false);
        let pause = |by: &str| {
            stop.request(by);
            // Without a terminal there is no asker.
            let _unheard = stopping.send(true);
        };
        // Said when a prompt has been given up, which leaves its line first.
        let unsaid = RefCell::new(None);
        let told = |by: &str| {
            if stop.requested().is_none() {
                pause(by);
                unsaid.replace(Some(format!("pausing after the running steps, as {by} asked")));
            }
        };
        let mut inbox = Inbox::new(self.store, self.journal.run(), &answers, &told);
        let operator = Operator::new(view, stopped);
        let transport =
            Redacting { transport: &self.targets.transport, redactor: &self.plan.secrets.redactor };
        let run = Run {
            id: self.journal.run().clone(),
            plan: self.plan,
            clock,
            transport: &transport,
            journal: self.journal,
            reporter: &reporter,
            asker: operator.as_ref().map(|operator| operator as &dyn Asker),
            answers: &answers,
            stop: &stop,
            epoch: self.journal.epoch(),
            by: self.by.clone(),
            lock_timeout: self.how.lock_timeout,
            follow: self.how.follow,
        };
        let mut work = pin!(run.take_up(state, self.first.clone()));
        let mut is_stopping = false;
        loop {
            tokio::select! {
                biased;
                wish = signals.next() => {
                    if wish == Wish::Hup {
                        // The run continues; if the terminal is gone, a question pauses it.
                        let _unheard = stopping.send(true);
                        continue;
                    }
                    if is_stopping {
                        return Ok(Ended::Left(wish));
                    }
                    is_stopping = true;
                    pause(wish.name());
                    let text = "pausing after the running steps; press ^C again to exit immediately";
                    unsaid.replace(Some(text.to_owned()));
                }
                () = inbox.look() => {}
                () = sharing.serve() => {}
                () = skip(operator.as_ref(), self.targets.pace.as_deref()) => {}
                done = &mut work => return Ok(match done {
                    Ok(Ok(state)) => Ended::Driven(Ok(Box::new(state))),
                    Ok(Err(error)) => Ended::Locked(error),
                    Err(error) => Ended::Driven(Err(error)),
                }),
                () = std::future::ready(()), if unsaid.borrow().is_some() => {
                    let text = unsaid.take().unwrap_or_default();
                    view.borrow().say(&text);
                }
            }
        }
    }
}

/// Lets the time of a model jump when the operator wants it.
async fn skip(operator: Option<&Operator<'_>>, pace: Option<&Pace>) {
    match operator.zip(pace) {
        Some((operator, pace)) => {
            operator.enter().await;
            pace.skip();
        }
        None => std::future::pending().await,
    }
}
