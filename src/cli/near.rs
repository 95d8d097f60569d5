//! Near misses: the commands and options of other tools, answered with those of planrun.

use clap::error::{ContextKind, ContextValue};

use crate::table::rows;

const WORDS: &str = include_str!("near.tsv");

/// Adds to the error of an unknown command or option what to use instead.
pub(super) fn with_tip(mut error: clap::Error) -> clap::Error {
    let unknown = [ContextKind::InvalidSubcommand, ContextKind::InvalidArg];
    let word = unknown.into_iter().find_map(|kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.clone()),
        _ => None,
    });
    let is_unknown = matches!(
        error.kind(),
        clap::error::ErrorKind::InvalidSubcommand | clap::error::ErrorKind::UnknownArgument
    );
    if let Some(tip) = word.filter(|_| is_unknown).and_then(|word| tip(&word)) {
        // What is spelled alike would be a second, worse tip.
        for similar in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg] {
            error.remove(similar);
        }
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

fn tip(word: &str) -> Option<&'static str> {
    let word = word.split('=').next().unwrap_or(word);
    rows::<2>(WORDS).find_map(|[other, tip]| (other == word).then_some(tip))
}
