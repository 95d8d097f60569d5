//! What all commands need: the terminal, the global options, the state directory.

use std::cell::{Cell, OnceCell};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ColorChoice;
use console::Term;
use jiff::tz::TimeZone;
use tracing_subscriber::EnvFilter;

use crate::cli::Global;
use crate::cli::configuration::Configuration;
use crate::cli::log;
use crate::cli::log::Writer;
use crate::cli::out;
use crate::cli::terminal::Terminal;
use crate::cli::{Exit, Fault};
use crate::event::RunId;
use crate::quote;
use crate::report::Style;
use crate::report::summary::Invocation;
use crate::report::text::printable;
use crate::store::{Reader, Store};

/// Columns if there is no terminal.
const WIDTH: usize = 100;

#[derive(Debug)]
pub(super) struct Context {
    color: Option<ColorChoice>,
    verbose: u8,
    log: Option<PathBuf>,
    state_dir: Option<PathBuf>,
    /// The configuration of the user, read when it is first needed.
    configuration: OnceCell<Configuration>,
    /// Whether its problems were shown.
    is_reported: Cell<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    /// Standard error: messages.
    Err,
}

impl Context {
    pub(super) fn new(global: &Global) -> Self {
        Self {
            color: global.color,
            verbose: global.verbose,
            log: global.log.clone(),
            state_dir: global.state_dir.clone(),
            configuration: OnceCell::new(),
            is_reported: Cell::new(false),
        }
    }

    /// Returns the configuration of the user. What is in force is decided in [`crate::cli::setting`].
    pub(super) fn configuration(&self) -> &Configuration {
        self.configuration.get_or_init(Configuration::read)
    }

    /// The problems of the configuration were shown.
    pub(super) fn configuration_was_reported(&self) {
        self.is_reported.set(true);
    }

    /// Warns of a configuration with an error that the command read, if that was not reported yet.
    pub(super) fn warn(&self) {
        let read = self.configuration.get().filter(|read| read.settings().is_none());
        if let Some(path) =
            read.and_then(|read| read.path.as_ref()).filter(|_| !self.is_reported.get())
        {
            let path = printable(&path.display().to_string());
            self.say(&format!(
                "{} your configuration `{path}` has an error and was not used; to see it, run \
                 `planrun config`",
                self.strong("warning:")
            ));
        }
    }

    pub(super) fn color_option(&self) -> Option<ColorChoice> {
        self.color
    }

    pub(super) fn state_dir_option(&self) -> Option<PathBuf> {
        self.state_dir.clone()
    }

    /// Starts the log. A file that cannot be written is an error, before anything else happens.
    pub(super) fn begin_log(&self) -> Result<(), Fault> {
        let file = self.log.as_deref().map(log::open).transpose()?.map(Arc::new);
        if file.is_none() && !self.is_logging() {
            return Ok(());
        }
        let level = match self.verbose {
            0 | 1 if file.is_none() => "off",
            // What a run records is of no use on standard error, where it is shown anyway.
            0..=2 if file.is_some() => "planrun=info,run=info",
            0..=2 => "planrun=info",
            3 => "planrun=debug",
            _ => "planrun=trace,russh=debug",
        };
        let filter = EnvFilter::try_from_env("PLANRUN_LOG");
        let filter = filter.unwrap_or_else(|_| EnvFilter::new(level));
        let _already_logging = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(file.is_none() && self.colour(Stream::Err))
            .with_writer(move || Writer::to(file.clone()))
            .try_init();
        Ok(())
    }

    /// Whether log lines are written to standard error, which would break a live view.
    pub(super) fn is_logging(&self) -> bool {
        let is_wanted = self.verbose > 1 || std::env::var_os("PLANRUN_LOG").is_some();
        is_wanted && self.log.is_none()
    }

    /// Opens the store for writing.
    pub(super) fn store(&self) -> Result<Store, Fault> {
        Ok(Store::open(&self.dir()?)?)
    }

    /// Opens the store for reading.
    pub(super) fn runs(&self) -> Result<Reader, Fault> {
        Ok(Reader::open(&self.dir()?)?)
    }

    /// Returns the state directory.
    pub(super) fn dir(&self) -> Result<PathBuf, Fault> {
        let set = self.state_dir().map(|set| set.value);
        set.ok_or_else(|| {
            self.unusable("fix the file, or name the state directory: `--state-dir DIR`")
        })
    }

    /// Returns what reports need in order to suggest other commands.
    pub(super) fn invocation(&self, run: RunId, stream: Stream) -> Invocation {
        Invocation { program: self.program(), run, style: self.style(stream) }
    }

    /// Returns how to call planrun: with the state directory if it was passed.
    pub(super) fn program(&self) -> String {
        match &self.state_dir {
            Some(dir) => {
                format!("planrun --state-dir {}", quote::readable(&dir.to_string_lossy()))
            }
            None => "planrun".to_owned(),
        }
    }

    /// Asks the operator to confirm, and prints a message if they do not. Returns an error if there is no
    /// terminal: without confirmation nothing is done.
    pub(super) fn confirm(&self, question: &str) -> Result<bool, Fault> {
        self.confirm_or(question, "add `--yes` to start without asking, as in a script")
    }

    /// The same, with another way if there is no terminal.
    pub(super) fn confirm_or(&self, question: &str, help: &str) -> Result<bool, Fault> {
        let Some(terminal) = Terminal::open() else {
            let message = "no terminal to ask for confirmation; nothing was changed";
            return Err(Fault::new(Exit::INVALID, message).help(help));
        };
        let is_confirmed = terminal.confirm(question);
        if !is_confirmed {
            self.say("nothing was changed");
        }
        Ok(is_confirmed)
    }

    /// Whether a live view is possible.
    pub(super) fn can_move(&self) -> bool {
        std::io::stdout().is_terminal() && !is_dumb() && !self.is_logging()
    }

    pub(super) fn colour(&self, stream: Stream) -> bool {
        let is_terminal = match stream {
            Stream::Out => std::io::stdout().is_terminal(),
            Stream::Err => std::io::stderr().is_terminal(),
        };
        match self.color().map(|set| set.value) {
            Some(ColorChoice::Always) => true,
            Some(ColorChoice::Never) => false,
            Some(ColorChoice::Auto) | None => is_terminal && !is_dumb(),
        }
    }

    pub(super) fn style(&self, stream: Stream) -> Style {
        let term = match stream {
            Stream::Out => Term::stdout(),
            Stream::Err => Term::stderr(),
        };
        let columns = term.size_checked().map(|(_, columns)| usize::from(columns));
        Style {
            colour: self.colour(stream),
            width: columns.filter(|columns| *columns > 0).unwrap_or(WIDTH),
            zone: TimeZone::system(),
            outputs: self.verbose > 0,
        }
    }

    /// Writes a line to standard error and ignores a closed pipe.
    #[expect(clippy::unused_self, reason = "callers have a context")]
    pub(super) fn say(&self, line: &str) {
        out::write_line(line);
    }

    pub(super) fn tell(&self, fault: &Fault) {
        for (number, line) in fault.lines().iter().enumerate() {
            let line = printable(line);
            if number == 0 {
                self.say(&format!("{} {line}", self.bad("error:")));
            } else {
                self.say(&format!("  caused by: {line}"));
            }
        }
        for help in fault.helps() {
            self.say(&format!("{} {}", self.strong("help:"), printable(help)));
        }
    }

    /// Writes a line to one of both.
    pub(super) fn write(&self, stream: Stream, line: &str) {
        match stream {
            Stream::Out => self.print(&format!("{line}\n")),
            Stream::Err => self.say(line),
        }
    }

    /// Writes data to standard output; see [`out`] for failures.
    #[expect(clippy::unused_self, reason = "callers have a context")]
    pub(super) fn print(&self, text: &str) {
        out::print(text);
    }

    /// Colours the word for a problem.
    pub(super) fn bad(&self, text: &str) -> String {
        self.paint(text, &console::Style::new().red().bold())
    }

    /// Colours the first word of a line.
    pub(super) fn strong(&self, text: &str) -> String {
        self.paint(text, &console::Style::new().bold())
    }

    fn paint(&self, text: &str, style: &console::Style) -> String {
        if self.colour(Stream::Err) {
            style.clone().force_styling(true).apply_to(text).to_string()
        } else {
            text.to_owned()
        }
    }
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
