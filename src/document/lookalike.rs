//! Characters that look like those of YAML and of shells, and mean nothing there.
//!
//! Text that is copied from a web page or a word processor has no-break spaces, typographic quotes
//! and dashes in it. On a screen they look right. Here they have their names, and the characters that
//! were meant.

use std::sync::LazyLock;

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{SourceId, Span};
use crate::table;

/// A character that looks like another one, its name, and what was meant.
pub struct Lookalike {
    pub character: char,
    /// Its name in Unicode.
    pub name: &'static str,
    /// What was meant: a space, a quote, a hyphen, or nothing at all.
    pub meant: &'static str,
}

static ALL: LazyLock<Vec<Lookalike>> = LazyLock::new(|| {
    let one = |[number, name, meant]: [&'static str; 3]| {
        let character = char::from_u32(u32::from_str_radix(number, 16).ok()?)?;
        Some(Lookalike { character, name, meant: if meant == "space" { " " } else { meant } })
    };
    table::rows(include_str!("lookalike.tsv")).filter_map(one).collect()
});

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

/// Returns the lookalike in a plain scalar that was meant as syntax: a space at its edges or after a
/// `:`, an invisible character in a word, a dash before a key.
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
