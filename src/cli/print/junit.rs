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
    let told: Vec<String> = faults().map(|one| render::human_one(one, sources, false)).collect();
    let told = xml(&told.join("\n\n"));
    let fails = count.errors > 0 || deny_warnings && count.warnings > 0;
    let mut status = TestCaseStatus::success();
    if fails {
        let first = faults().min_by_key(|one| one.severity);
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(count.words());
        status.set_type(first.map_or("", |one| one.code.name()));
        status.set_description(told.as_str());
    }
    // Readers take a line end in a name for a space.
    let name = xml(&file.file).replace('\n', "\u{fffd}");
    let mut case = TestCase::new(name.as_str(), status);
    case.set_classname("planrun.validate");
    case.extra.insert("file".into(), name.as_str().into());
    if !fails && !told.is_empty() {
        case.set_system_out(told);
    }
    case
}

/// Replaces control characters and what XML 1.0 does not allow.
fn xml(text: &str) -> String {
    let is_xml = |c: &char| *c == '\n' || !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    let is_xml = |c: char| if is_xml(&c) { c } else { char::REPLACEMENT_CHARACTER };
    text.chars().map(is_xml).collect()
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;
    use crate::cli::print::sample;

    fn cases<'a>(document: &'a Document<'a>) -> Vec<Node<'a, 'a>> {
        let named = |name: &'static str| move |node: &Node<'_, '_>| node.has_tag_name(name);
        document.descendants().filter(named("testcase")).collect()
    }

    #[test]
    fn hostile_names_and_texts_are_read_back_by_an_xml_reader() {
        let text = document(&sample::findings());
        let parsed = Document::parse(&text).unwrap();
        let suite = parsed.root_element().first_element_child().unwrap();
        assert_eq!(suite.attribute("tests"), Some("3"));
        assert_eq!(suite.attribute("failures"), Some("2"));
        let cases = cases(&parsed);
        // What XML cannot hold is replaced, all else is what it was.
        let name = sample::NASTY.replace(['\u{7}', '\n'], "\u{fffd}");
        assert_eq!(cases[0].attribute("name"), Some(name.as_str()));
        let failure = cases[0].first_element_child().unwrap();
        assert_eq!(failure.attribute("message"), Some("1 error, 1 warning"));
        assert_eq!(failure.attribute("type"), Some("wrong-type"));
        let told = failure.text().unwrap();
        assert!(told.contains("no <name> & \"that\""), "{told}");
        assert!(told.contains("]]> ::error::"), "{told}");
        assert!(told.contains("help: or none"), "{told}");
        assert_eq!(cases[2].attribute("name"), Some("sound.yaml"));
        assert!(!cases[2].has_children());
    }

    #[test]
    fn every_character_there_is_can_be_read() {
        let all: String = ('\0'..=char::MAX).step_by(7).chain('\0'..'\u{100}').collect();
        let mut findings = sample::findings();
        findings.files[2].file = format!("{all}\u{fffe}\u{ffff}");
        let text = document(&findings);
        let parsed = Document::parse(&text).unwrap();
        let name = cases(&parsed)[2].attribute("name").unwrap();
        assert_eq!(name.chars().count(), all.chars().count() + 2);
        let visible = all.chars().filter(|c| !c.is_control() && *c < '\u{fffe}');
        assert!(visible.clone().count() > 1000 && name.contains("!\"#$%&'()*+,-./"));
        assert!(visible.into_iter().all(|c| name.contains(c)));
    }

    #[test]
    fn warnings_fail_a_case_only_where_they_are_denied() {
        let mut findings = sample::findings();
        findings.files[0].found.truncate(1);
        let failures = |findings: &Findings| {
            let text = document(findings);
            let parsed = Document::parse(&text).unwrap();
            let first = cases(&parsed)[0].first_element_child().unwrap();
            first.tag_name().name().to_owned()
        };
        assert_eq!(failures(&findings), "system-out");
        findings.deny_warnings = true;
        assert_eq!(failures(&findings), "failure");
    }
}
