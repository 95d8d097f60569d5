//! Characters that look like those of YAML and of shells, and mean nothing there.
//!
//! Text that is copied from a web page or a word processor has no-break spaces, typographic quotes
//! and dashes in it. On a screen they look right. Here they have their names, and the characters that
//! were meant.

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{SourceId, Span};

/// A character that looks like another one, its name, and what was meant.
pub struct Lookalike {
    pub character: char,
    /// Its name in Unicode.
    pub name: &'static str,
    /// What was meant: a space, a quote, a hyphen, or nothing at all.
    pub meant: &'static str,
}

const fn like(character: char, name: &'static str, meant: &'static str) -> Lookalike {
    Lookalike { character, name, meant }
}

static ALL: &[Lookalike] = &[
    like('\u{a0}', "no-break space", " "),
    like('\u{1680}', "ogham space mark", " "),
    like('\u{2000}', "en quad", " "),
    like('\u{2001}', "em quad", " "),
    like('\u{2002}', "en space", " "),
    like('\u{2003}', "em space", " "),
    like('\u{2004}', "three-per-em space", " "),
    like('\u{2005}', "four-per-em space", " "),
    like('\u{2006}', "six-per-em space", " "),
    like('\u{2007}', "figure space", " "),
    like('\u{2008}', "punctuation space", " "),
    like('\u{2009}', "thin space", " "),
    like('\u{200a}', "hair space", " "),
    like('\u{202f}', "narrow no-break space", " "),
    like('\u{205f}', "medium mathematical space", " "),
    like('\u{3000}', "ideographic space", " "),
    like('\u{ad}', "soft hyphen", ""),
    like('\u{200b}', "zero-width space", ""),
    like('\u{200c}', "zero-width non-joiner", ""),
    like('\u{200d}', "zero-width joiner", ""),
    like('\u{2060}', "word joiner", ""),
    like('\u{feff}', "zero-width no-break space", ""),
    like('“', "left double quotation mark", "\""),
    like('”', "right double quotation mark", "\""),
    like('„', "double low quotation mark", "\""),
    like('‟', "double high-reversed quotation mark", "\""),
    like('«', "left-pointing double angle quotation mark", "\""),
    like('»', "right-pointing double angle quotation mark", "\""),
    like('‘', "left single quotation mark", "'"),
    like('’', "right single quotation mark", "'"),
    like('‚', "single low quotation mark", "'"),
    like('‛', "single high-reversed quotation mark", "'"),
    like('‐', "hyphen", "-"),
    like('‑', "no-break hyphen", "-"),
    like('‒', "figure dash", "--"),
    like('–', "en dash", "--"),
    like('—', "em dash", "--"),
    like('―', "horizontal bar", "--"),
    like('−', "minus sign", "-"),
];

impl Lookalike {
    pub fn of(character: char) -> Option<&'static Self> {
        // Few characters are.
        let may_be = character >= '\u{a0}';
        may_be.then(|| ALL.iter().find(|one| one.character == character)).flatten()
    }

    /// Finds a character that looks like a space, or like nothing.
    pub fn space(character: char) -> Option<&'static Self> {
        Self::of(character).filter(|one| one.meant.trim().is_empty())
    }

    /// Whether it cannot be seen at all.
    pub fn is_invisible(&self) -> bool {
        self.meant.is_empty()
    }

    /// Returns its name and its number: `no-break space (U+00A0)`.
    pub fn title(&self) -> String {
        format!("{} (U+{:04X})", self.name, u32::from(self.character))
    }

    /// Returns its name with its article.
    pub fn a_title(&self) -> String {
        let vowel = self.name.starts_with(['a', 'e', 'i', 'o', 'u']);
        format!("{} {}", if vowel { "an" } else { "a" }, self.title())
    }
}

/// The code of what is reported of them in YAML.
pub(super) const CODE: Code = Code::OddCharacter;

/// Reports a character instead of the one that it looks like.
pub(super) fn odd(one: &Lookalike, id: SourceId, at: usize) -> Diagnostic {
    let span = Span::new(id, at, at + one.character.len_utf8());
    let fault = Diagnostic::error(Code::OddCharacter, format!("{} in YAML syntax", one.a_title()));
    // `--` is for options of commands.
    let (label, order, fixed) = match one.meant {
        " " => (
            "YAML does not accept this as a space",
            format!("replace the {} with a space", one.name),
            " ",
        ),
        "" => ("invisible, and not a space in YAML", format!("remove the {}", one.name), ""),
        _ => (
            "YAML does not accept this as a hyphen",
            format!("replace the {} with `-`", one.name),
            "-",
        ),
    };
    fault.at(span, label).fix(order, span, fixed)
}

/// Returns where a plain scalar has a character that belongs to the syntax around it: a space that is
/// none at its edges or after a `:`, one that cannot be seen in a word, a dash before a key.
pub(super) fn in_plain(text: &str, is_key: bool) -> Option<(usize, &'static Lookalike)> {
    let odd = |(at, character)| Some((at, Lookalike::space(character)?));
    let first = text.char_indices().next().and_then(odd);
    let last = || text.char_indices().next_back().and_then(odd);
    let behind_key = || {
        let colon = text.find(':')?;
        let word = text[..colon].chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let next = text[colon + 1..].chars().next().filter(|_| word)?;
        odd((colon + 1, next))
    };
    let invisible = || {
        let one_word = !text.contains(' ');
        let hidden = |one: &(usize, &Lookalike)| one.1.is_invisible();
        text.char_indices().filter_map(odd).find(hidden).filter(|_| one_word)
    };
    let dash = || {
        let one = Lookalike::of(text.chars().next()?).filter(|one| one.meant.starts_with('-'))?;
        let item = text[one.character.len_utf8()..].starts_with(' ');
        (is_key && item).then_some((0, one))
    };
    first.or_else(last).or_else(behind_key).or_else(invisible).or_else(dash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_plain_character_is_a_lookalike() {
        assert!((0_u8..0xa0).all(|byte| Lookalike::of(char::from(byte)).is_none()));
        assert!(Lookalike::of('é').is_none());
        let title = Lookalike::space('\u{a0}').map(Lookalike::a_title);
        assert_eq!(title.as_deref(), Some("a no-break space (U+00A0)"));
        assert!(Lookalike::space('“').is_none());
    }
}
