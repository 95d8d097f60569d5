//! The surface of templates and expressions: pieces and words, before anything is compiled.
//!
//! The engine compiles; this finds where an expression ends, and at which place a word stands.

use std::ops::Range;

/// A piece of a template as it is written.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// Text outside of `{{ }}`.
    Literal(Range<usize>),
    /// The text between `{{` and `}}`.
    Expression(Range<usize>),
}

/// What is wrong with the text of an expression or a template.
#[derive(Debug)]
pub(super) struct Fault {
    /// The faulty bytes.
    pub(super) at: Range<usize>,
    /// What is there.
    pub(super) what: String,
}

/// Divides a template into pieces.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Fault> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        let rest = &text[open..];
        if rest.starts_with("{%") || rest.starts_with("{#") {
            return Err(Fault { at: open..open + 2, what: "models have `{{ }}` only".into() });
        }
        if !rest.starts_with("{{") {
            // A brace of its own: the text goes on behind it.
            let next = open + 1;
            extend_literal(&mut pieces, from, next);
            from = next;
            continue;
        }
        extend_literal(&mut pieces, from, open);
        let body = open + 2;
        let length = end_of_expression(&text[body..])
            .ok_or_else(|| Fault { at: open..body, what: "this is not closed by `}}`".into() })?;
        let end = body + length;
        for (trim, at) in [('-', body..body + 1), ('-', end.saturating_sub(1)..end)] {
            if length > 0 && text.as_bytes().get(at.start) == Some(&(trim as u8)) {
                let what = "models have no `{{-` and `-}}`: put a blank between".into();
                return Err(Fault { at, what });
            }
        }
        pieces.push(Piece::Expression(body..end));
        from = end + 2;
    }
    extend_literal(&mut pieces, from, text.len());
    Ok(pieces)
}

fn extend_literal(pieces: &mut Vec<Piece>, from: usize, to: usize) {
    if from == to {
        return;
    }
    match pieces.last_mut() {
        Some(Piece::Literal(range)) if range.end == from => range.end = to,
        _ => pieces.push(Piece::Literal(from..to)),
    }
}

/// Finds the `}}` that closes an expression: not one in a string or in a mapping.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for token in tokens(text) {
        match text.as_bytes().get(token.at.start) {
            Some(b'{') => depth += 1,
            Some(b'}') if depth > 0 => depth -= 1,
            Some(b'}') if text[token.at.start..].starts_with("}}") => {
                return Some(token.at.start);
            }
            _ => {}
        }
    }
    None
}

/// A word or a sign of an expression; strings are left out.
pub(super) struct Token {
    pub(super) at: Range<usize>,
    /// Whether it stands behind a dot.
    pub(super) attribute: bool,
}

/// Returns the tokens of an expression.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Token> + '_ {
    let mut at = 0;
    let mut after_dot = false;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..)?;
            let first = rest.chars().next()?;
            let start = at;
            if first.is_whitespace() {
                at += first.len_utf8();
                continue;
            }
            if first == '"' || first == '\'' {
                at += 1 + string_length(&rest[1..], first);
                after_dot = false;
                continue;
            }
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            at += word.max(if word == 0 { first.len_utf8() } else { 0 });
            let attribute = after_dot;
            after_dot = first == '.';
            return Some(Token { at: start..at, attribute });
        }
    })
}

/// Returns how long a string is, its closing quote included.
fn string_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if !escaped && character == quote {
            return at + character.len_utf8();
        }
        escaped = character == '\\' && !escaped;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_ends_at_its_own_braces() {
        let text = "a {b {{ {'k': '}}'}['k'] }} c";
        let Ok(found) = pieces(text) else {
            panic!("is a template");
        };
        let shown: Vec<&str> = found
            .iter()
            .map(|piece| match piece {
                Piece::Literal(range) | Piece::Expression(range) => &text[range.clone()],
            })
            .collect();
        assert_eq!(shown, ["a {b ", " {'k': '}}'}['k'] ", " c"]);
    }

    #[test]
    fn an_open_template_and_a_statement_are_faults() {
        assert_eq!(pieces("x {{ y").unwrap_err().at, 2..4);
        assert_eq!(pieces("{% if x %}").unwrap_err().at, 0..2);
        assert_eq!(pieces("{{- x }}").unwrap_err().at, 2..3);
    }
}
