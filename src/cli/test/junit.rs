//! `JUnit` XML: a suite for each file, with a test case for each scenario.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::cli::print::junit::xml;
use crate::cli::test::Tested;
use crate::diagnostic::render;
use crate::source::Sources;

pub(super) fn document(tested: &[Tested<'_>], sources: &Sources) -> String {
    let mut report = Report::new("planrun");
    for chunk in tested.chunk_by(|one, other| one.case.file == other.case.file) {
        let Some(first) = chunk.first() else { continue };
        let mut suite = TestSuite::new(name(&first.case.file));
        suite.add_test_cases(chunk.iter().map(|one| case(one, sources)));
        report.add_test_suite(suite);
    }
    // Writing to a string cannot fail.
    report.to_string().unwrap_or_default()
}

fn case(one: &Tested<'_>, sources: &Sources) -> TestCase {
    let file = name(&one.case.file);
    let mut case = TestCase::new(name(&one.case.scenario.name), status(one, sources));
    case.set_classname(file.as_str()).set_time(one.took);
    case.extra.insert("file".into(), file.as_str().into());
    case.extra.insert("line".into(), one.case.line.to_string().into());
    if let Ok(ended) = &one.ended
        && !one.has_passed()
    {
        case.set_system_out(xml(&ended.log));
    }
    case
}

fn status(one: &Tested<'_>, sources: &Sources) -> TestCaseStatus {
    let ended = match &one.ended {
        Ok(ended) if ended.unmet.is_empty() => return TestCaseStatus::success(),
        Ok(ended) => ended,
        Err(error) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(xml(error));
            return status;
        }
    };
    let unmet = ended.unmet.iter().map(|one| &one.diagnostic);
    let texts: Vec<String> =
        unmet.clone().map(|one| render::human_one(one, sources, false)).collect();
    let messages: Vec<&str> = unmet.clone().map(|one| one.message.as_str()).collect();
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(xml(&messages.join("; ")));
    status.set_type(unmet.clone().next().map_or("", |one| one.code.name()));
    status.set_description(xml(&texts.join("\n\n")));
    status
}

/// Returns a text for an attribute: readers take a line end in it for a space.
fn name(text: &str) -> String {
    xml(text).replace('\n', "\u{fffd}")
}
