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
use crate::template::error::TextError;
use crate::template::{Mode, parser};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The bytes of a text outside of `{{ }}`.
    Literal(Range<usize>),
    /// The bytes between `{{` and `}}`.
    Value(Range<usize>),
}

pub fn pieces(text: &str) -> Result<Vec<Piece>, TextError> {
    const VALUES_ONLY: &str = "only `{{ }}` is allowed here";
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut open: Option<Range<usize>> = None;
    let literal = |range: Range<usize>, pieces: &mut Vec<Piece>| {
        if let Some(comment) = text[range.clone()].find("{#") {
            let at = range.start + comment;
            return Err(TextError::syntax(VALUES_ONLY, at..at + 2));
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
            Token::BlockStart => return Err(TextError::syntax(VALUES_ONLY, at)),
            Token::VariableStart | Token::VariableEnd if trims => {
                let what = "`{{-` and `-}}` are not allowed here: add a space before `-`";
                return Err(TextError::syntax(what, at));
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
        Some(open) => Err(TextError::syntax("this is not closed by `}}`", open)),
        None => literal(from..text.len(), &mut pieces).map(|()| pieces),
    }
}

/// An expression that is ready to be evaluated, and the names that it reads, each with the place of its
/// first use.
pub type Compiled = (Expression<'static, 'static>, Vec<(String, Range<usize>)>);

pub fn compile(text: &str) -> Result<Compiled, TextError> {
    let names = parser::check(text)?;
    let engine = environment(Mode::Text);
    let is_global = |name: &str| engine.globals().any(|(global, _)| global == name);
    let names = names.into_iter().filter(|(name, _)| !is_global(name)).collect();
    let code = engine.compile_expression_owned(text.to_owned());
    Ok((code.map_err(|error| engine_fault(&error, text))?, names))
}
