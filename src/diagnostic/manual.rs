//! `docs/diagnostics.md`, read into sections.
//!
//! The page is the only source: it is read in `docs/`, `planrun explain --code` prints it, and tests
//! run its examples. A heading of the second level is a group, one of the third level is a code,
//! followed by paragraphs and fenced examples.

use crate::diagnostic::nearest;

const PAGE: &str = include_str!("../../docs/diagnostics.md");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    pub code: &'static str,
    /// The heading of its group: `Rollback`.
    pub subject: &'static str,
    /// The text below the heading, in Markdown, trimmed.
    pub text: &'static str,
}

/// Returns all sections, in the order of the page.
pub fn sections() -> impl Iterator<Item = Section> {
    PAGE.split("\n## ").skip(1).flat_map(|part| {
        let subject = part.lines().next().unwrap_or_default();
        part.split("\n### ").skip(1).map(move |section| {
            let (code, text) = section.split_once('\n').unwrap_or((section, ""));
            Section { code: code.trim(), subject, text: text.trim() }
        })
    })
}

pub fn section(code: &str) -> Option<Section> {
    sections().find(|section| section.code == code)
}

/// Returns the codes that a word may mean: a similar one, then those with a part that starts with it.
pub fn like(word: &str) -> Vec<&'static str> {
    let near = nearest(word, sections().map(|section| section.code));
    let holding = sections().map(|section| section.code).filter(|code| {
        let part = code.split('-').any(|part| part.starts_with(word));
        word.len() > 1 && part && Some(*code) != near
    });
    near.into_iter().chain(holding).collect()
}

impl Section {
    pub fn first_sentence(&self) -> String {
        let paragraph = self.text.split("\n\n").next().unwrap_or_default();
        let paragraph = without_links(&paragraph.lines().collect::<Vec<_>>().join(" "));
        // A full stop inside a word, as in `group_vars/all.yaml`, does not end a sentence.
        match paragraph.find(". ") {
            Some(end) => paragraph[..=end].to_owned(),
            None => paragraph,
        }
    }
}

/// Returns a text with its links as plain text: `[the page](page.md)` is `the page`.
pub fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(middle) = rest.find("](") {
        let (Some(open), Some(close)) = (rest[..middle].rfind('['), rest[middle..].find(')'))
        else {
            break;
        };
        out.push_str(&rest[..open]);
        out.push_str(&rest[open + 1..middle]);
        rest = &rest[middle + close + 1..];
    }
    out + rest
}
