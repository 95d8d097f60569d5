//! The command line that is being typed: its words as the program would get them, and their values.
//!
//! The shell has not removed quotes yet, and the last one may be open. Words are split as a POSIX shell does; fish
//! differs only in what a backslash means within single quotes.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, Command};

/// The words before the cursor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// The words before the one at the cursor.
    pub(super) before: Vec<String>,
    pub(super) word: Word,
}

/// The word at the cursor, up to the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Without quotes.
    pub(super) text: String,
    /// How much of the text readline leaves alone: up to the last character at which it breaks words.
    pub(super) kept: usize,
    /// The quote that is open.
    pub(super) quote: Option<char>,
}

impl Typed {
    /// Splits a line up to the cursor. `breaks` are the characters at which readline breaks words.
    pub(super) fn of(line: &str, breaks: &str) -> Self {
        let (mut typed, mut word) = (Self::default(), Word::default());
        let mut is_word = false;
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match (word.quote, letter) {
                (None, ' ' | '\t' | '\n') => {
                    if std::mem::take(&mut is_word) {
                        typed.before.push(std::mem::take(&mut word).text);
                    }
                    continue;
                }
                (None, '\'' | '"') => {
                    word.quote = Some(letter);
                    word.kept = word.text.len();
                }
                (Some(quote), _) if quote == letter => {
                    word.quote = None;
                    word.kept = word.text.len();
                }
                (None | Some('"'), '\\') => word.text.extend(letters.next()),
                _ => {
                    word.text.push(letter);
                    if word.quote.is_none() && breaks.contains(letter) {
                        word.kept = word.text.len();
                    }
                }
            }
            is_word = true;
        }
        typed.word = word;
        typed
    }
}

/// What the words before the cursor give to options and arguments.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// The command: `apply`.
    pub(super) command: String,
    values: Vec<Given>,
}

/// A value, with the identifier and the placeholder of its option or argument: `inventory`, `INV`.
#[derive(Clone, Debug)]
struct Given {
    id: String,
    placeholder: String,
    value: String,
}

impl Line {
    /// Reads words that may be incomplete or wrong.
    pub(super) fn of(words: &[OsString], command: &Command) -> Self {
        let mut line = Self::default();
        let parsed = command.clone().ignore_errors(true).try_get_matches_from(words);
        let Ok(matches) = parsed else { return line };
        line.take(&matches, command);
        line
    }

    fn take(&mut self, matches: &ArgMatches, command: &Command) {
        for arg in command.get_arguments() {
            let id = arg.get_id().as_str();
            let placeholder = placeholder(arg).unwrap_or_default();
            let values = matches.try_get_raw(id).ok().flatten().into_iter().flatten();
            self.values.extend(values.map(|value| Given {
                id: id.to_owned(),
                placeholder: placeholder.to_owned(),
                value: value.to_string_lossy().into_owned(),
            }));
        }
        if let Some((name, matches)) = matches.subcommand()
            && let Some(command) = command.find_subcommand(name)
        {
            if self.command.is_empty() {
                name.clone_into(&mut self.command);
            }
            self.take(matches, command);
        }
    }

    /// Returns the values of the arguments with a placeholder.
    pub(super) fn values(&self, placeholder: &str) -> impl Iterator<Item = &str> {
        let values = self.values.iter().filter(move |given| given.placeholder == placeholder);
        values.map(|given| given.value.as_str())
    }

    /// Returns the value of an option or argument.
    pub(super) fn value_of(&self, id: &str) -> Option<&str> {
        let given = self.values.iter().rfind(|given| given.id == id);
        given.map(|given| given.value.as_str())
    }

    /// Returns the path of the plan, if there is one.
    pub(super) fn plan(&self) -> Option<PathBuf> {
        let named = self.values("PLAN").chain(self.values("PLAN|CODE")).next();
        named.map(|path| PathBuf::from(at_home(path)))
    }
}

/// Returns the placeholder of the value of an option or argument.
pub(super) fn placeholder(arg: &clap::Arg) -> Option<&str> {
    arg.get_value_names()?.first().map(clap::builder::Str::as_str)
}

/// Returns a path as a shell would pass it: `~/` is the home of the user.
pub(super) fn at_home(path: &str) -> String {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest).to_string_lossy().into_owned(),
        _ => path.to_owned(),
    }
}
