//! Errors of the system, printed in one place: what was tried, why it failed, what to do.

use std::error::Error;
use std::panic::PanicHookInfo;

use crate::cli::exit::Exit;
use crate::cli::out;
use crate::event::JournalError;
use crate::report::text::printable;
use crate::store::{RunJournal, StoreError};

#[derive(Debug)]
pub(super) struct Fault {
    exit: Exit,
    /// The message and its causes; empty if everything was printed already.
    lines: Vec<String>,
    help: Vec<String>,
}

impl Fault {
    /// Makes an error with a message: lower case, no full stop.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, lines: vec![message.into()], help: Vec::new() }
    }

    /// Makes an error of another one and all its causes.
    pub(super) fn of(exit: Exit, message: impl Into<String>, error: &dyn Error) -> Self {
        let mut fault = Self::new(exit, message);
        let mut next = Some(error);
        while let Some(error) = next {
            fault.lines.push(error.to_string());
            next = error.source();
        }
        fault
    }

    /// The problem was printed already.
    pub(super) fn reported(exit: Exit) -> Self {
        Self { exit, lines: Vec::new(), help: Vec::new() }
    }

    /// Makes an error of a journal that could not be written; the journal knows the details.
    pub(super) fn of_journal(journal: &RunJournal, error: &JournalError) -> Self {
        let fault = match journal.fault() {
            Some(fault) => Self::from(fault),
            None => Self::new(Exit::STORE, error.to_string()),
        };
        if matches!(journal.fault(), Some(StoreError::Locked(_))) {
            return fault;
        }
        let run = journal.run();
        fault
            .help("no further step was started; commands that are running on hosts continue there")
            .help(format!("to see what was recorded, run `planrun show {run}`"))
    }

    #[must_use]
    pub(super) fn because(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    #[must_use]
    pub(super) fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns the message and its causes; none if everything was printed already.
    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    pub(super) fn helps(&self) -> &[String] {
        &self.help
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::Held { .. } | StoreError::Fenced { .. } | StoreError::Locked(_) => {
                Exit::HELD
            }
            StoreError::NoSuchRun { .. }
            | StoreError::Ambiguous { .. }
            | StoreError::BadName(_) => Exit::INVALID,
            _ => Exit::STORE,
        };
        let fault = Self::new(exit, error.to_string());
        match error {
            StoreError::Damaged { run, .. } => fault
                .help("the run cannot be resumed or rolled back; other runs are not affected")
                .help(format!("to see the readable events, run `planrun show {run}`"))
                .help(format!(
                    "repair the hosts by hand, then run `planrun abort {run} --acknowledge`"
                )),
            StoreError::Locked(locked) => {
                let run = &locked.run.id;
                let see = format!("to see what was done, run `planrun show {run}`");
                match locked.pid {
                    Some(_) => fault
                        .help(see)
                        .help(format!("wait for it, or pause it with `planrun stop {run}`")),
                    None => fault
                        .help(format!("{see}; it lists the commands that continue the run"))
                        .help(format!(
                            "or abandon it and leave its hosts as they are: \
                             `planrun abort {run} --acknowledge`"
                        )),
                }
            }
            StoreError::Held { run, .. } => fault
                .help(format!("to follow it, run `planrun watch {run}`"))
                .help(format!("wait for it, or pause it with `planrun stop {run}`")),
            _ => fault,
        }
    }
}

/// Shortens panics: users get one line and what to do, not a trace.
pub(super) fn set_panic_hook() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let payload = info.payload();
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        let place =
            info.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
        let message = printable(message);
        out::write_line(&format!(
            "\rerror: internal error: {message}{place}\n\
             help: recorded runs are listed by `planrun runs`; please report this line"
        ));
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            let trace = std::backtrace::Backtrace::force_capture();
            out::write_line(&trace.to_string());
        }
    }));
}
