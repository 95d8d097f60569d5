//! Passes the events of a run to its view, to those who watch it, and to the notifications of the user.
//!
//! A problem of a notification is a line next to the view. It changes nothing in the run.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use jiff::Timestamp;

use crate::cli::sharing::Sharing;
use crate::cli::signals::{Signals, Wish};
use crate::cli::view::View;
use crate::cli::{Context, Exit, Fault, runtime};
use crate::clock::Clock;
use crate::event::{Progress, Record, RunId};
use crate::history::{Reporter, RunState};
use crate::notify::Notifier;
use crate::notify::message::Observer;
use crate::report::text::printable;
use crate::secret::Redactor;

/// The notifications of a run.
pub(super) struct Notifications {
    observer: Observer,
    notifier: Notifier,
}

/// Whether the operator ended the process immediately: then nothing is waited for.
pub(super) type Left = Cell<bool>;

impl Notifications {
    /// Starts the threads of the targets.
    pub(super) fn start(
        run: &RunId,
        by: &str,
        redactor: &Redactor,
        state: &RunState,
        context: &Context,
    ) -> Result<Self, Fault> {
        let (by, redactor) = (by.to_owned(), redactor.clone());
        let observer = Observer::new(run.clone(), context.program(), by, redactor, state);
        let notifier = Notifier::start(context.settings()?.targets());
        Ok(Self { observer, notifier })
    }

    fn event(&mut self, record: &Record, state: &RunState) -> Vec<String> {
        if let Some(message) = self.observer.message(record, state) {
            self.notifier.send(&message);
        }
        self.notifier.problems()
    }

    /// Waits for what is under way, for a limited time, or until a signal. The result of the run is
    /// known and shown by then.
    pub(super) fn end(&mut self, done: &Result<Exit, Fault>, left: &Left, context: &Context) {
        if let Err(fault) = done {
            let why = fault.lines().join(": ");
            let now = Clock::Real.now();
            if let Some(message) = self.observer.interrupted(&why, fault.exit().0, now) {
                self.notifier.send(&message);
            }
        }
        if !left.get()
            && let Ok(runtime) = runtime("cannot wait for notifications")
        {
            let notifier = &mut self.notifier;
            runtime.block_on(async {
                let mut say = |line: &str| context.say(&warning(line));
                match Signals::install() {
                    Ok(mut signals) => tokio::select! {
                        () = notifier.end(&mut say) => {}
                        () = interrupted(&mut signals) => {}
                    },
                    Err(_) => notifier.end(&mut say).await,
                }
            });
        }
        for line in self.notifier.abandon() {
            context.say(&warning(&line));
        }
    }
}

/// Waits until the operator interrupts. A terminal that is closed does not: they rely on notifications then.
async fn interrupted(signals: &mut Signals) {
    while signals.next().await == Wish::Hup {}
}

/// Returns the line about a problem of a notification.
fn warning(line: &str) -> String {
    format!("warning: {}", printable(line))
}

/// See the module.
pub(super) struct Notifying {
    view: Rc<RefCell<View>>,
    sharing: Rc<Sharing>,
    notifications: Rc<RefCell<Notifications>>,
}

impl Notifying {
    pub(super) fn new(
        view: &Rc<RefCell<View>>,
        sharing: &Rc<Sharing>,
        of: &Rc<RefCell<Notifications>>,
    ) -> Self {
        Self { view: Rc::clone(view), sharing: Rc::clone(sharing), notifications: Rc::clone(of) }
    }

    fn say(&self, lines: &[String]) {
        for line in lines {
            self.view.borrow().say(&warning(line));
        }
    }
}

impl Reporter for Notifying {
    fn event(&mut self, record: &Record, state: &RunState) {
        self.sharing.event(record);
        self.view.borrow_mut().event(record, state);
        let problems = self.notifications.borrow_mut().event(record, state);
        self.say(&problems);
    }

    fn progress(&mut self, progress: &Progress, now: Timestamp, state: &RunState) {
        self.sharing.progress(progress, now);
        self.view.borrow_mut().progress(progress, now, state);
        let problems = self.notifications.borrow_mut().notifier.problems();
        self.say(&problems);
    }
}
