//! Diagnostics on their way out: for people, for editors, for programs.

use clap::ValueEnum;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::context::Stream;
use crate::cli::explain;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Edit;
use crate::diagnostic::Label;
use crate::diagnostic::Severity;
use crate::diagnostic::render;
use crate::report::text::count;
use crate::report::text::printable;
use crate::report::text::printable_json;
use crate::source::Sources;

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// With the place in the text and what to do, on standard error
    Human,
    /// A line each, `FILE:LINE:COLUMN: ...`, on standard error
    Short,
    /// A JSON object a line, on standard output
    Json,
}

/// How many of each severity there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Errors.
    pub(super) errors: usize,
    /// Warnings.
    pub(super) warnings: usize,
}

impl Count {
    /// Counts.
    pub(super) fn of(found: &Diagnostics) -> Self {
        let all = found.sorted();
        let errors = all
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .count();
        Self {
            errors,
            warnings: all.len() - errors,
        }
    }

    /// Whether there are none.
    pub(super) fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// Returns `2 errors, 1 warning`.
    pub(super) fn words(self) -> String {
        let parts = [(self.errors, "error"), (self.warnings, "warning")];
        let parts = parts.into_iter().filter(|(number, _)| *number > 0);
        let parts: Vec<String> = parts.map(|(number, noun)| count(number, noun)).collect();
        parts.join(", ")
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.errors += other.errors;
        self.warnings += other.warnings;
    }
}

/// Writes diagnostics.
pub(super) fn tell(found: &Diagnostics, sources: &Sources, format: Format, context: &Context) {
    if found.is_empty() {
        return;
    }
    match format {
        Format::Human => {
            let colour = context.colour(Stream::Err);
            context.say(&render::human(found, sources, colour));
            context.say("");
        }
        Format::Short => {
            for one in found.sorted() {
                context.say(&short(one, sources));
            }
        }
        Format::Json => {
            for one in found.sorted() {
                context.print(&format!("{}\n", json_line(one, sources)));
            }
        }
    }
}

/// Writes diagnostics for people, and how many there are; before a command gives up.
pub(super) fn refuse(found: &Diagnostics, sources: &Sources, what: &str, context: &Context) {
    tell(found, sources, Format::Human, context);
    let words = Count::of(found).words();
    context.say(&format!("{} {words}; {what}", context.bad("error:")));
    if let Some(more) = explain::more(found.sorted().iter().map(|one| one.code)) {
        context.say(&more);
    }
}

fn short(one: &Diagnostic, sources: &Sources) -> String {
    let severity = word(one.severity);
    let message = printable(&one.message);
    let rest = format!("{severity}[{}]: {message}", one.code);
    let Some(label) = &one.primary else {
        return rest;
    };
    let source = sources.get(label.span.source);
    let (line, column) = source.line_column(label.span.range().start);
    format!("{}:{line}:{column}: {rest}", printable(source.path()))
}

fn json_line(one: &Diagnostic, sources: &Sources) -> String {
    let place = |label: &Label| {
        let source = sources.get(label.span.source);
        let (line, column) = source.line_column(label.span.range().start);
        let (end_line, end_column) = source.line_column(label.span.range().end);
        json!({
            "path": source.path(),
            "line": line,
            "column": column,
            "end_line": end_line,
            "end_column": end_column,
            "text": label.text,
        })
    };
    let edit = |edit: &Edit| {
        let source = sources.get(edit.span.source);
        let (line, column) = source.line_column(edit.span.range().start);
        let (end_line, end_column) = source.line_column(edit.span.range().end);
        json!({
            "path": source.path(),
            "line": line,
            "column": column,
            "end_line": end_line,
            "end_column": end_column,
            "replacement": edit.text,
        })
    };
    let whole = json!({
        "code": one.code,
        "severity": word(one.severity),
        "message": one.message,
        "place": one.primary.as_ref().map(place),
        "also": one.secondary.iter().map(place).collect::<Vec<_>>(),
        "help": one.orders().collect::<Vec<_>>(),
        "fixes": one.fixes.iter().map(|fix| json!({
            "text": fix.text,
            "edits": fix.edits.iter().map(edit).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    });
    printable_json(&whole.to_string())
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;

    #[test]
    fn a_short_line_and_a_json_line_name_the_same_place() {
        let mut sources = Sources::default();
        let id = sources.add("p.yaml", "a: 1\nb: two\n");
        let one = Diagnostic::error("wrong", "`two` is no number")
            .at(Span::new(id, 8, 11), "here")
            .help("write a number")
            .fix("write `2`", Span::new(id, 8, 11), "2");
        assert_eq!(
            short(&one, &sources),
            "p.yaml:2:4: error[wrong]: `two` is no number"
        );
        let line: serde_json::Value = serde_json::from_str(&json_line(&one, &sources)).unwrap();
        assert_eq!(line["place"]["line"], 2);
        assert_eq!(line["place"]["end_column"], 7);
        assert_eq!(line["help"], json!(["write `2`", "write a number"]));
        let edit = &line["fixes"][0]["edits"][0];
        assert_eq!((&edit["line"], &edit["column"]), (&json!(2), &json!(4)));
        assert_eq!(edit["replacement"], "2");
    }

    #[test]
    fn a_fault_without_a_place_is_a_line_too() {
        let one = Diagnostic::warning("odd", "there\u{1b}[2J is something odd");
        let line = short(&one, &Sources::default());
        assert!(line.starts_with("warning[odd]: there"), "{line}");
        assert!(!line.contains('\u{1b}'), "{line}");
    }

    #[test]
    fn counts_are_words() {
        let count = |errors, warnings| Count { errors, warnings }.words();
        assert_eq!(count(2, 1), "2 errors, 1 warning");
        assert_eq!(count(0, 3), "3 warnings");
    }
}
