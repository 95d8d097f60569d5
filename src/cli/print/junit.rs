//! `JUnit` XML, which every CI shows: one suite with a test case for each file.
//!
//! A file that fails has one `failure` with all its problems as text: readers of this format use only the
//! first of several. Warnings that are not denied are the output of a test case that passes.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::cli::print::{Count, Findings};
use crate::diagnostic::{Severity, render};
use crate::load::validate::Checked;
use crate::source::Sources;

pub(super) fn document(findings: &Findings) -> String {
    let mut suite = TestSuite::new("planrun validate");
    for file in &findings.files {
        suite.add_test_case(case(file, findings.deny_warnings, &findings.sources));
    }
    let mut report = Report::new("planrun");
    report.add_test_suite(suite);
    // Writing to a string cannot fail.
    report.to_string().unwrap_or_default()
}

fn case(file: &Checked, deny_warnings: bool, sources: &Sources) -> TestCase {
    let count = Count::of(&file.found);
    let faults = || file.found.iter().filter(|one| one.severity != Severity::Note);
    let messages: Vec<String> =
        faults().map(|one| render::human_one(one, sources, false)).collect();
    let messages = xml(&messages.join("\n\n"));
    let fails = count.errors > 0 || deny_warnings && count.warnings > 0;
    let mut status = TestCaseStatus::success();
    if fails {
        let first = faults().min_by_key(|one| one.severity);
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(count.words());
        status.set_type(first.map_or("", |one| one.code.name()));
        status.set_description(messages.as_str());
    }
    // Readers take a line end in a name for a space.
    let name = xml(&file.file).replace('\n', "\u{fffd}");
    let mut case = TestCase::new(name.as_str(), status);
    case.set_classname("planrun.validate");
    case.extra.insert("file".into(), name.as_str().into());
    if !fails && !messages.is_empty() {
        case.set_system_out(messages);
    }
    case
}

/// Replaces control characters and what XML 1.0 does not allow.
pub(in crate::cli) fn xml(text: &str) -> String {
    let is_xml = |c: &char| *c == '\n' || !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    let is_xml = |c: char| if is_xml(&c) { c } else { char::REPLACEMENT_CHARACTER };
    text.chars().map(is_xml).collect()
}
