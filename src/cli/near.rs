//! Command lines that clap refuses: near misses, which are the commands and options of other tools, are answered
//! with those of planrun, and the usage is that of the command.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};

use crate::table::rows;

const WORDS: &str = include_str!("near.tsv");

/// Adds to the error of an unknown command or option what to use instead, and shows the whole usage of the command.
///
/// The usage of clap lists the options that were given, and one that is spelled like an unknown one, as if each
/// were required.
pub(super) fn with_tip(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    let called = called(words);
    if error.get(ContextKind::Usage).is_some()
        && let Some(usage) = usage(&called)
    {
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    }
    let unknown = [ContextKind::InvalidSubcommand, ContextKind::InvalidArg];
    let word = unknown.into_iter().find_map(|kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.clone()),
        _ => None,
    });
    let is_unknown = matches!(
        error.kind(),
        clap::error::ErrorKind::InvalidSubcommand | clap::error::ErrorKind::UnknownArgument
    );
    if let Some(tip) = word.filter(|_| is_unknown).and_then(|word| tip(&called, &word)) {
        // What is spelled alike would be a second, worse tip.
        for similar in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg] {
            error.remove(similar);
        }
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Returns the names of the command that was called, from the outside: `hosts`, `trust`.
fn called(words: &[OsString]) -> Vec<String> {
    let matches = super::command().ignore_errors(true).try_get_matches_from(words);
    let mut names = Vec::new();
    let mut at = matches.as_ref().ok();
    while let Some((name, inner)) = at.and_then(clap::ArgMatches::subcommand) {
        names.push(name.to_owned());
        at = Some(inner);
    }
    names
}

fn usage(called: &[String]) -> Option<clap::builder::StyledStr> {
    let mut command = super::command();
    command.build();
    let mut at = &mut command;
    for name in called {
        at = at.find_subcommand_mut(name)?;
    }
    Some(at.render_usage())
}

/// Returns the tip for a word; one for the command that was called comes first.
fn tip(called: &[String], word: &str) -> Option<&'static str> {
    let word = word.split('=').next().unwrap_or(word);
    let find =
        |word: &str| rows::<2>(WORDS).find_map(|[other, tip]| (other == word).then_some(tip));
    find(&format!("{} {word}", called.join(" "))).or_else(|| find(word))
}
