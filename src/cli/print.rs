//! Prints diagnostics: for people, for editors, for CI.
//!
//! It takes the problems of each file as [`Findings`], and writes text in one of the [`ReportFormat`]s, each in
//! its own file below. Diagnostics for people go to standard error, as those of compilers, the others to
//! standard output. What is a problem is decided elsewhere.

mod github;
pub(super) mod json;
pub(super) mod junit;
mod place;
mod sarif;
mod short;

use clap::ValueEnum;
use indexmap::IndexSet;

use crate::cli::{Context, Stream};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity, allow, render};
use crate::load::validate::Checked;
use crate::report::text::count;

/// Maximum number of codes on a `more:` line.
const MOST_NAMED: usize = 6;
use crate::source::Sources;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// With source lines and help, on standard error
    Human,
    /// One line each: `FILE:LINE:COLUMN: error[CODE]: ...`
    Short,
    /// One JSON object per line
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions: annotations in a pull request
    Github,
    /// `JUnit` XML: a test case for each file
    Junit,
}

/// The problems of all files, in the order in which they were given.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) sources: Sources,
    pub(super) files: Vec<Checked>,
    pub(super) deny_warnings: bool,
}

impl Findings {
    pub(super) fn count(&self) -> Count {
        Count::of(self.each().map(|(_, one)| one))
    }

    /// Returns every problem with its file: what CI shows, without notes.
    pub(super) fn faults(&self) -> impl Iterator<Item = (&Checked, &Diagnostic)> {
        self.each().filter(|(_, one)| one.severity != Severity::Note)
    }

    fn each(&self) -> impl Iterator<Item = (&Checked, &Diagnostic)> {
        let files = self.files.iter();
        files.flat_map(|file| file.found.iter().map(move |one| (file, one)))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) errors: usize,
    pub(super) warnings: usize,
}

impl Count {
    pub(super) fn of<'a>(found: impl IntoIterator<Item = &'a Diagnostic>) -> Self {
        let mut count = Self::default();
        for one in found {
            match one.severity {
                Severity::Error => count.errors += 1,
                Severity::Warning => count.warnings += 1,
                Severity::Note => {}
            }
        }
        count
    }

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

pub(super) fn report(findings: &Findings, format: ReportFormat, context: &Context) {
    match format {
        ReportFormat::Human => {
            let each = findings.each().map(|(_, one)| one);
            human(each, &findings.sources, context);
        }
        ReportFormat::Short => context.print(&short::lines(findings)),
        ReportFormat::Json => context.print(&json::lines(findings)),
        ReportFormat::Sarif => context.print(&sarif::log(findings, &place::Root::here())),
        ReportFormat::Github => context.print(&github::commands(findings, &place::Root::here())),
        ReportFormat::Junit => context.print(&junit::document(findings)),
    }
}

/// Writes diagnostics for people, without those that are allowed in place.
pub(super) fn diagnostics(found: &Diagnostics, sources: &Sources, context: &Context) {
    human(not_allowed(found, sources), sources, context);
}

fn human<'a>(each: impl IntoIterator<Item = &'a Diagnostic>, sources: &Sources, context: &Context) {
    let colour = context.colour(Stream::Err);
    for one in each {
        context.say(&format!("{}\n", render::human_one(one, sources, colour)));
    }
}

fn not_allowed<'a>(found: &'a Diagnostics, sources: &Sources) -> Vec<&'a Diagnostic> {
    let mut found = found.sorted();
    found.retain(|one| allow::allowance(one, sources).is_none());
    found
}

/// Writes diagnostics for people and their number, before a command fails.
pub(super) fn refuse(found: &Diagnostics, sources: &Sources, what: &str, context: &Context) {
    diagnostics(found, sources, context);
    let kept = not_allowed(found, sources);
    let words = Count::of(kept.iter().copied()).words();
    context.say(&format!("{} {words}; {what}", context.bad("error:")));
    if let Some(more) = more(kept.iter().map(|one| one.code)) {
        context.say(&more);
    }
}

/// Returns the line that suggests this command for some diagnostics; `None` if there are none.
pub(super) fn more(codes: impl IntoIterator<Item = Code>) -> Option<String> {
    let codes: IndexSet<&str> = codes.into_iter().map(Code::name).collect();
    let named: Vec<&str> = codes.into_iter().take(MOST_NAMED).collect();
    (!named.is_empty()).then(|| format!("more: planrun explain --code {}", named.join(",")))
}
