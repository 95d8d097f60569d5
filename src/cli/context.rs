//! What all commands know of the process: its terminal, its words, where runs are kept.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::ColorChoice;
use console::Term;
use jiff::tz::TimeZone;
use tracing_subscriber::EnvFilter;

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::log::Writer;
use crate::cli::out;
use crate::cli::terminal::Terminal;
use crate::event::RunId;
use crate::quote;
use crate::report::Style;
use crate::report::summary::Invocation;
use crate::report::text::printable;
use crate::store;
use crate::store::{Reader, Store};

/// Columns where there is no terminal to ask.
const WIDTH: usize = 100;

/// See the module.
#[derive(Debug)]
pub(super) struct Context {
    color: ColorChoice,
    verbose: u8,
    state_dir: Option<PathBuf>,
}

/// One of the two streams that people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output: data.
    Out,
    /// Standard error: talk.
    Err,
}

impl Context {
    /// Notes what was asked for.
    pub(super) fn new(global: &Global) -> Self {
        Self { color: global.color, verbose: global.verbose, state_dir: global.state_dir.clone() }
    }

    /// Begins to log, where that was asked for.
    pub(super) fn begin_log(&self) {
        if !self.is_logging() {
            return;
        }
        let level = match self.verbose {
            0 => "off",
            1 => "planrun=info",
            2 => "planrun=debug",
            _ => "planrun=trace,russh=debug",
        };
        let filter = EnvFilter::try_from_env("PLANRUN_LOG");
        let filter = filter.unwrap_or_else(|_| EnvFilter::new(level));
        let _already_logging = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(self.colour(Stream::Err))
            .with_writer(Writer::default)
            .try_init();
    }

    /// Whether log lines are written, which a moving picture cannot stand.
    pub(super) fn is_logging(&self) -> bool {
        self.verbose > 0 || std::env::var_os("PLANRUN_LOG").is_some()
    }

    /// Opens the runs to work on them.
    pub(super) fn store(&self) -> Result<Store, Fault> {
        Ok(Store::open(&self.dir())?)
    }

    /// Opens the runs to look at them.
    pub(super) fn runs(&self) -> Result<Reader, Fault> {
        Ok(Reader::open(&self.dir())?)
    }

    fn dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(store::default_dir)
    }

    /// Returns what reports must know of this command to name others.
    pub(super) fn invocation(&self, run: RunId, stream: Stream) -> Invocation {
        Invocation { program: self.program(), run, style: self.style(stream) }
    }

    /// Returns how planrun is called: with the folder of its runs where that was said.
    pub(super) fn program(&self) -> String {
        match &self.state_dir {
            Some(dir) => {
                format!("planrun --state-dir {}", quote::readable(&dir.to_string_lossy()))
            }
            None => "planrun".to_owned(),
        }
    }

    /// Asks the operator whether to go on, and says if they do not want to. Refuses if nobody can be
    /// asked: what is not confirmed is not done.
    pub(super) fn confirm(&self, question: &str) -> Result<bool, Fault> {
        let Some(terminal) = Terminal::open() else {
            let message = "there is no terminal to ask for confirmation; nothing was done";
            return Err(Fault::new(Exit::INVALID, message)
                .help("add `--yes` to start without asking, as in a script"));
        };
        let is_confirmed = terminal.confirm(question);
        if !is_confirmed {
            self.say("nothing was done");
        }
        Ok(is_confirmed)
    }

    /// Whether a picture can move on a stream.
    pub(super) fn can_move(&self) -> bool {
        std::io::stderr().is_terminal() && !is_dumb() && !self.is_logging()
    }

    /// Whether a stream may have colour.
    pub(super) fn colour(&self, stream: Stream) -> bool {
        let is_terminal = match stream {
            Stream::Out => std::io::stdout().is_terminal(),
            Stream::Err => std::io::stderr().is_terminal(),
        };
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        decide_colour(self.color, is_terminal, refused || is_dumb())
    }

    /// Returns how reports are to look on a stream.
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
        }
    }

    /// Writes a line of talk; a reader that is gone harms nothing.
    #[expect(clippy::unused_self, reason = "who talks has a context")]
    pub(super) fn say(&self, line: &str) {
        out::write_line(line);
    }

    /// Writes why a command ended early.
    pub(super) fn tell(&self, fault: &Fault) {
        for (number, line) in fault.lines().iter().enumerate() {
            let line = printable(line);
            if number == 0 {
                self.say(&format!("{} {line}", self.bad("error:")));
            } else {
                self.say(&format!("  because: {line}"));
            }
        }
        for help in fault.helps() {
            self.say(&format!("{} {}", self.strong("help:"), printable(help)));
        }
    }

    /// Writes data; see [`out`] for what becomes of a failure.
    #[expect(clippy::unused_self, reason = "who prints has a context")]
    pub(super) fn print(&self, text: &str) {
        out::print(text);
    }

    /// Colours a word that something is wrong.
    pub(super) fn bad(&self, text: &str) -> String {
        self.paint(text, &console::Style::new().red().bold())
    }

    /// Colours a word that heads a line.
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

fn decide_colour(choice: ColorChoice, is_terminal: bool, is_refused: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => is_terminal && !is_refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_unless_it_is_forced() {
        assert!(decide_colour(ColorChoice::Auto, true, false));
        assert!(!decide_colour(ColorChoice::Auto, true, true));
        assert!(!decide_colour(ColorChoice::Auto, false, false));
        assert!(decide_colour(ColorChoice::Always, false, true));
        assert!(!decide_colour(ColorChoice::Never, true, false));
    }
}
