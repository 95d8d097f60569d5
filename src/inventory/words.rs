//! Shell words of a host line, as Ansible splits them (Python's `shlex`, POSIX rules, comments on).

use std::ops::Range;

#[derive(Debug, PartialEq)]
pub(super) struct Token {
    pub(super) text: String,
    /// Its range in the line, with quotes.
    pub(super) range: Range<usize>,
}

/// Splits a line. `#` ends it, also in the middle of a word; `Err` has the reason and the offset of the
/// error.
pub(super) fn split(line: &str) -> Result<Vec<Token>, (&'static str, usize)> {
    split_at(line, true)
}

/// Splits options for a program; `#` is not special.
pub(super) fn split_all(line: &str) -> Result<Vec<String>, (&'static str, usize)> {
    let words = split_at(line, false)?;
    Ok(words.into_iter().map(|word| word.text).collect())
}

fn split_at(line: &str, comments: bool) -> Result<Vec<Token>, (&'static str, usize)> {
    let mut words = Vec::new();
    let mut word: Option<Token> = None;
    let mut characters = line.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '#' if comments => break,
            _ if character.is_ascii_whitespace() => {
                words.extend(word.take());
                continue;
            }
            _ => {}
        }
        let current = word.get_or_insert_with(|| Token { text: String::new(), range: at..at });
        match character {
            '\\' => match characters.next() {
                Some((_, escaped)) => current.text.push(escaped),
                None => return Err(("nothing follows the backslash", at)),
            },
            '\'' | '"' => quoted(character, &mut characters, &mut current.text)
                .ok_or(("this quote is not closed", at))?,
            _ => current.text.push(character),
        }
        current.range.end = characters.offset();
    }
    words.extend(word);
    Ok(words)
}

/// Reads up to the closing quote; `None` if there is none.
fn quoted(
    quote: char,
    characters: &mut std::str::CharIndices<'_>,
    text: &mut String,
) -> Option<()> {
    loop {
        match characters.next()?.1 {
            character if character == quote => return Some(()),
            '\\' if quote == '"' => {
                let escaped = characters.next()?.1;
                if !matches!(escaped, '"' | '\\') {
                    text.push('\\');
                }
                text.push(escaped);
            }
            character => text.push(character),
        }
    }
}
