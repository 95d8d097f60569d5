//! `JUnit` XML, which every CI shows: one suite, a test case for each file.
//!
//! A file that fails has one `failure` with all its faults as people read them: readers of this
//! format take only the first of several. Warnings that are not denied are the output of a case
//! that passes.

use std::fmt::Write as _;

use crate::cli::tell::Checked;
use crate::cli::tell::Findings;
use crate::diagnostic::render;
use crate::source::Sources;

/// Returns the document.
pub(super) fn document(findings: &Findings) -> String {
    let fails = |file: &&Checked| fails(file, findings.deny_warnings);
    let tests = findings.files.len();
    let failures = findings.files.iter().filter(fails).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\"");
    line(&format!("<testsuites name=\"planrun\" {counts}>"));
    line(&format!("  <testsuite name=\"planrun validate\" {counts} skipped=\"0\">"));
    for file in &findings.files {
        line(&case(file, fails(&file), &findings.sources));
    }
    line("  </testsuite>");
    line("</testsuites>");
    out
}

fn fails(file: &Checked, deny_warnings: bool) -> bool {
    let count = file.count();
    count.errors > 0 || deny_warnings && count.warnings > 0
}

fn case(file: &Checked, fails: bool, sources: &Sources) -> String {
    let name = attribute(&file.file);
    let head =
        format!("    <testcase classname=\"planrun.validate\" name=\"{name}\" file=\"{name}\"");
    if file.found.is_empty() {
        return format!("{head}/>");
    }
    let told: Vec<String> =
        file.found.iter().map(|one| render::human_one(one, sources, false)).collect();
    let told = content(&told.join("\n\n"));
    let words = attribute(&file.count().words());
    if fails {
        let first = file.found.iter().min_by_key(|one| one.severity);
        let code = first.map_or("", |one| one.code.name());
        format!(
            "{head}>\n      <failure message=\"{words}\" type=\"{code}\">{told}</failure>\n    </testcase>"
        )
    } else {
        format!("{head}>\n      <system-out>{told}</system-out>\n    </testcase>")
    }
}

/// Escapes text between tags.
fn content(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            // `]]>` must not stand in text.
            '>' => out.push_str("&gt;"),
            // A reader would take a bare one for a line end.
            '\r' => out.push_str("&#13;"),
            c => out.push(if is_xml(c) { c } else { char::REPLACEMENT_CHARACTER }),
        }
    }
    out
}

/// Escapes the value of an attribute, in which a reader makes blanks of line ends and tabs.
fn attribute(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in content(text).chars() {
        match c {
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => {
                // Writing to a string cannot fail.
                let _written = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether XML 1.0 has a character, be it escaped or not.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;
    use roxmltree::Node;

    use super::*;
    use crate::cli::tell::sample;

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
        let name = sample::NASTY.replace('\u{7}', "\u{fffd}");
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
        let text = format!("<a b=\"{}\">{}</a>", attribute(&all), content(&all));
        let parsed = Document::parse(&text).unwrap();
        let wanted: String =
            all.chars().map(|c| if is_xml(c) { c } else { char::REPLACEMENT_CHARACTER }).collect();
        let root = parsed.root_element();
        assert_eq!(root.attribute("b"), Some(wanted.as_str()));
        assert_eq!(root.text(), Some(wanted.as_str()));
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
