//! The result of scenarios for people: a line for each, then the failures with the end of their runs.

use crate::cli::test::{Case, Tested, verdict};
use crate::cli::{Context, Stream, print};
use crate::diagnostic::render;
use crate::quote;
use crate::report::Tone;
use crate::report::text::{count, duration, printable};
use crate::scenario::Ended;
use crate::source::Sources;

/// Lines of a run that are shown of a scenario that failed.
const LAST_LINES: usize = 25;

pub(super) struct Report<'a> {
    pub(super) context: &'a Context,
    pub(super) sources: &'a Sources,
    /// Whether runs are shown in full.
    pub(super) trace: bool,
}

impl Report<'_> {
    pub(super) fn start(&self, cases: usize, files: usize, found: usize) {
        let filtered = match found - cases {
            0 => String::new(),
            skipped => format!("; {skipped} do not match `--filter`"),
        };
        let (cases, files) = (count(cases, "scenario"), count(files, "file"));
        self.say(&format!("running {cases} of {files}{filtered}"));
    }

    pub(super) fn line(&self, one: &Tested<'_>) {
        let word = if one.has_passed() {
            self.paint(Tone::Good, "PASS")
        } else {
            self.paint(Tone::Bad, "FAIL")
        };
        self.say(&format!("{word}  {}", one.case.shown()));
        if self.trace
            && let Ok(ended) = &one.ended
            && one.has_passed()
        {
            self.log(ended);
        }
    }

    pub(super) fn end(&self, tested: &[Tested<'_>]) {
        let failed: Vec<&Tested<'_>> = tested.iter().filter(|one| !one.has_passed()).collect();
        for one in &failed {
            self.failure(one);
        }
        self.say("");
        self.say(&verdict(tested.len(), failed.len()));
        if let [first, ..] = failed[..] {
            let Case { file, scenario, .. } = first.case;
            let name = quote::readable(&scenario.name);
            let file = quote::readable(file);
            let which = if failed.len() == 1 { "it" } else { "the first of them" };
            self.say(&format!(
                "to run {which} again: planrun test {} --filter {}",
                printable(&file),
                printable(&name)
            ));
        }
        let unmet = failed.iter().filter_map(|one| one.ended.as_ref().ok());
        let codes = unmet.flat_map(|ended| ended.unmet.iter().map(|one| one.diagnostic.code));
        if let Some(more) = print::more(codes) {
            self.say(&more);
        }
    }

    fn failure(&self, one: &Tested<'_>) {
        let title = format!(
            "{}:{}: {}",
            printable(&one.case.file),
            one.case.line,
            printable(&one.case.scenario.name)
        );
        self.say(&format!("\n{} {}\n", self.paint(Tone::Bad, "FAIL"), self.context.strong(&title)));
        let ended = match &one.ended {
            Ok(ended) => ended,
            Err(error) => {
                let why = printable(error);
                self.say(&format!("{} {why}", self.context.bad("error:")));
                return;
            }
        };
        let colour = self.context.colour(Stream::Out);
        for unmet in &ended.unmet {
            let text = render::human_one(&unmet.diagnostic, self.sources, colour);
            self.say(&format!("{text}\n"));
        }
        self.log(ended);
    }

    /// Shows a run, in full or its end.
    fn log(&self, ended: &Ended) {
        let lines: Vec<&str> = ended.log.lines().collect();
        let took = duration(ended.took);
        let from = if self.trace { 0 } else { lines.len().saturating_sub(LAST_LINES) };
        self.say(&match from {
            0 => format!("the run, {took}:"),
            _ => format!("the end of the run, {took}; `--trace` shows all {} lines:", lines.len()),
        });
        for line in &lines[from..] {
            self.say(&format!("  {line}"));
        }
    }

    fn say(&self, line: &str) {
        self.context.write(Stream::Out, line);
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        self.context.style(Stream::Out).paint(tone, text)
    }
}
