//! Texts with values only, as models have them: `{{ expression }}` with text around it.
//!
//! The pieces of such a text are found by the engine's own tokens; what renders a text in plans
//! (`{% if %}`, comments, `{{-`) is refused. An expression may have calls and slices, and is evaluated
//! by the engine of [`Mode::Text`]: models know all values, and no probe has to run.

use std::ops::Range;

use minijinja::machinery::Token;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Expression, machinery};

use crate::template::bounds::engine_fault;
use crate::template::engine::environment;
use crate::template::fault::Fault;
use crate::template::{Mode, parser};

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The bytes of a text outside of `{{ }}`.
    Literal(Range<usize>),
    /// The bytes between `{{` and `}}`.
    Value(Range<usize>),
}

/// Divides a text into its pieces.
pub fn pieces(text: &str) -> Result<Vec<Piece>, Fault> {
    const VALUES_ONLY: &str = "only `{{ }}` is allowed here";
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut open: Option<Range<usize>> = None;
    let literal = |range: Range<usize>, pieces: &mut Vec<Piece>| {
        if let Some(comment) = text[range.clone()].find("{#") {
            let at = range.start + comment;
            return Err(Fault::syntax(VALUES_ONLY, at..at + 2));
        }
        if !range.is_empty() {
            pieces.push(Piece::Literal(range));
        }
        Ok(())
    };
    for token in machinery::tokenize(text, false, SyntaxConfig::default()) {
        let (token, span) = match (token, &open) {
            (Ok(token), _) => token,
            (Err(_), Some(start)) => match text[start.end..].find("}}") {
                // Compiling the expression reports what is wrong with it.
                Some(length) => {
                    pieces.push(Piece::Value(start.end..start.end + length));
                    return Ok(pieces);
                }
                None => break,
            },
            (Err(error), None) => return Err(engine_fault(&error, text)),
        };
        let at = span.start_offset as usize..span.end_offset as usize;
        let trims = at.len() > 2;
        match token {
            Token::BlockStart => return Err(Fault::syntax(VALUES_ONLY, at)),
            Token::VariableStart | Token::VariableEnd if trims => {
                let what = "`{{-` and `-}}` are not allowed here: add a space before `-`";
                return Err(Fault::syntax(what, at));
            }
            Token::VariableStart => {
                literal(from..at.start, &mut pieces)?;
                open = Some(at);
            }
            Token::VariableEnd => {
                let start = open.take().map_or(from, |open| open.end);
                pieces.push(Piece::Value(start..at.start));
                from = at.end;
            }
            _ => {}
        }
    }
    match open {
        Some(open) => Err(Fault::syntax("this is not closed by `}}`", open)),
        None => literal(from..text.len(), &mut pieces).map(|()| pieces),
    }
}

/// An expression that is ready to be evaluated, and the names that it reads, each with the place of its
/// first use.
pub type Compiled = (Expression<'static, 'static>, Vec<(String, Range<usize>)>);

/// Compiles an expression.
pub fn compile(text: &str) -> Result<Compiled, Fault> {
    let names = parser::check(text)?;
    let engine = environment(Mode::Text);
    let is_global = |name: &str| engine.globals().any(|(global, _)| global == name);
    let names = names.into_iter().filter(|(name, _)| !is_global(name)).collect();
    let code = engine.compile_expression_owned(text.to_owned());
    Ok((code.map_err(|error| engine_fault(&error, text))?, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_at_its_own_braces() {
        let text = "a {b {{ {'k': '}}'}['k'] }} c }} {'";
        let found = pieces(text).unwrap();
        let shown = found.iter().map(|piece| match piece {
            Piece::Literal(range) | Piece::Value(range) => &text[range.clone()],
        });
        let shown: Vec<&str> = shown.collect();
        assert_eq!(shown, ["a {b ", " {'k': '}}'}['k'] ", " c }} {'"]);
    }

    #[test]
    fn other_signs_of_templates_are_faults() {
        for (text, at) in [
            ("x {{ y", 2..4),
            ("{% if x %}", 0..2),
            ("a {# b #} c", 2..4),
            ("{{- x }}", 0..3),
            ("{{ x -}}", 5..8),
            ("{{ 'x", 0..2),
        ] {
            assert_eq!(pieces(text).unwrap_err().range, at, "{text}");
        }
    }

    #[test]
    fn an_expression_that_cannot_be_read_is_still_a_piece() {
        assert_eq!(pieces("a {{ 'b' && c }} {% d %}").unwrap()[1], Piece::Value(4..14));
    }

    #[test]
    fn names_are_found_where_they_are_used_first() {
        let names = |text| compile(text).unwrap().1;
        assert_eq!(
            names("'b' ~ a.b + b[c] + range(3) + b"),
            [("a".to_owned(), 6..7), ("b".to_owned(), 12..13), ("c".to_owned(), 14..15)]
        );
    }

    #[test]
    fn unknown_filters_and_tests_are_found_without_being_run() {
        let range = |text| compile(text).unwrap_err().range;
        assert_eq!(range("a | uper"), 4..8);
        assert_eq!(range("a is not evn"), 9..12);
        assert_eq!(range("a +").end, 3);
        assert!(compile("a is defined and 'x | y' | upper").is_ok());
    }
}
