//! What `docs/diagnostics.md` says of each code: the page itself, read into sections.
//!
//! The page is the one source: people read it in `docs/`, `planrun explain --code` prints the same
//! text, tests run its examples. Its form is simple: a heading of the second level for a subject,
//! one of the third level for a code, below it paragraphs and fenced examples.

use crate::diagnostic::nearest;

const PAGE: &str = include_str!("../../docs/diagnostics.md");

/// What the page says of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// The code.
    pub code: &'static str,
    /// The heading of its group: `Rollback`.
    pub subject: &'static str,
    /// The text below the code, in Markdown, without blank lines around it.
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

/// Returns what the page says of a code.
pub fn section(code: &str) -> Option<Section> {
    sections().find(|section| section.code == code)
}

/// Returns the codes that may have been meant by a word: one that is near, then those of which a
/// part begins with it.
pub fn like(word: &str) -> Vec<&'static str> {
    let near = nearest(word, sections().map(|section| section.code));
    let holding = sections().map(|section| section.code).filter(|code| {
        let part = code.split('-').any(|part| part.starts_with(word));
        word.len() > 1 && part && Some(*code) != near
    });
    near.into_iter().chain(holding).collect()
}

impl Section {
    /// Returns the first sentence of the text.
    pub fn first_sentence(&self) -> &'static str {
        let paragraph = self.text.split("\n\n").next().unwrap_or_default();
        // A full stop in a word, as in `group_vars/all.yaml`, ends no sentence.
        match paragraph.find(". ") {
            Some(end) => &paragraph[..=end],
            None => paragraph,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_what_stands_below_its_code() {
        let section = section("no-way-back").unwrap();
        assert_eq!(section.subject, "Rollback");
        assert!(section.text.starts_with("A step makes a change"), "{section:?}");
        assert!(!section.text.contains("\n#"), "{section:?}");
        assert!(section.first_sentence().ends_with('.'), "{section:?}");
    }

    #[test]
    fn a_word_finds_codes_that_are_near_or_have_it_for_a_part() {
        assert_eq!(like("no-way-bcak")[0], "no-way-back");
        assert_eq!(like("rm"), ["dangerous-rm"]);
        assert_eq!(like("zzzzzz"), Vec::<&str>::new());
        assert_eq!(like(""), Vec::<&str>::new());
    }
}
