//! The commands of a step or a probe, as words.

use crate::plan::Work;
use crate::source::{Sources, Span};
use crate::template::{Template, posix};

/// A simple command: a program and its arguments.
pub(super) struct Words<'a> {
    pub(super) words: Vec<&'a str>,
    place: Place<'a>,
}

enum Place<'a> {
    /// Each word has a location.
    Words(&'a [Template]),
    /// It is this part of a script.
    Part(&'a Template, &'a str),
}

/// Returns the commands of a command line or a script.
pub(super) fn commands(work: &Work) -> Vec<Words<'_>> {
    match work {
        Work::Run(words) => {
            let place = Place::Words(words);
            vec![Words { words: words.iter().map(|word| word.text.as_str()).collect(), place }]
        }
        Work::Shell(script) => {
            let text = script.text.as_str();
            let all = posix::commands(text).into_iter().map(|words| {
                let whole = words.first().map_or(0, |word| word.start)
                    ..words.last().map_or(0, |word| word.end);
                let words = words.into_iter().map(|word| text[word].trim_start_matches('('));
                Words { words: words.collect(), place: Place::Part(script, &text[whole]) }
            });
            all.collect()
        }
        Work::Upload(_) => Vec::new(),
    }
}

impl Words<'_> {
    /// Returns the location of the command, or of its script if it is escaped or folded.
    pub(super) fn span(&self, sources: &Sources) -> Option<Span> {
        Some(match self.place {
            Place::Words(words) => words.first()?.span.to(words.last()?.span),
            Place::Part(script, text) => {
                let whole = script.span;
                let start = sources.slice(whole).find(text).map(|at| whole.range().start + at);
                start.map_or(whole, |start| Span::new(whole.source, start, start + text.len()))
            }
        })
    }

    /// Returns the location of the program, or else of the command.
    pub(super) fn start(&self, sources: &Sources) -> Option<Span> {
        match self.place {
            Place::Words(words) => Some(words.first()?.span),
            Place::Part(..) => self.span(sources),
        }
    }

    /// Returns the locations of the words; none if one of them is escaped.
    pub(super) fn places(&self, sources: &Sources) -> Vec<Span> {
        if let Place::Words(words) = self.place {
            return words.iter().map(|word| word.span).collect();
        }
        let Some(command) = self.span(sources) else { return Vec::new() };
        let written = sources.slice(command);
        let mut at = 0;
        let place = |word: &&str| {
            let start = at + written.get(at..)?.find(word)?;
            at = start + word.len();
            let start = command.range().start + start;
            Some(Span::new(command.source, start, start + word.len()))
        };
        self.words.iter().map(place).collect::<Option<_>>().unwrap_or_default()
    }
}
