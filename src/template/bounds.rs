//! How much a text may ask of the template engine and of the evaluation of conditions.
//!
//! The engine bounds its own work while it renders (fuel, recursion of its parser). It does not
//! bound how long an expression is, and a chain of operators (`a + a + ...`) becomes a tree as deep
//! as it is long, through which parsing, evaluation and even dropping recurse. So the words and
//! signs of an expression are counted before the engine's parser sees it.
//!
//! The same pass finds what the engine's parser overlooks: after a string it drops the tokenizer's
//! error and takes the rest for the end, and it joins strings that follow each other.

use std::ops::Range;

use minijinja::machinery;
use minijinja::machinery::Token;
use minijinja::syntax::SyntaxConfig;

use crate::template::error::{TextError, TextErrorKind};

/// Maximum size of a text with templates, in bytes.
pub const MAX_TEXT: usize = 1024 * 1024;
/// Maximum number of tokens of one expression, or of one `{{ }}` or `{% %}`.
pub const MAX_TOKENS: usize = 1_000;
/// Maximum number of `{{ }}` and `{% %}` in one text.
pub const MAX_TAGS: usize = 10_000;
/// Deepest nesting of an expression, a chain of operators counted as nested.
pub const MAX_LEVELS: usize = 64;
/// Maximum nesting of a named expression with all named expressions that it uses.
pub const MAX_NAMED_LEVELS: usize = 128;
/// Work a template may do, in instructions of the engine; one is worth 64 bytes of text, so that
/// none renders to more than 3 MiB.
pub const FUEL: u64 = 50_000;
/// Maximum parts of expressions that are evaluated for one value of a condition: a filter of ten
/// parts over the largest table.
pub const MAX_PARTS: u64 = 2_000_000;

/// Reads all tokens of an expression, and counts them.
pub(super) fn expression(text: &str) -> Result<(), TextError> {
    within(text, true)
}

/// Reads all tokens of a template; counts its tags, and the tokens of each.
pub(super) fn template(text: &str) -> Result<(), TextError> {
    within(text, false)
}

fn within(text: &str, in_expression: bool) -> Result<(), TextError> {
    if text.len() > MAX_TEXT {
        return Err(excess(format!("{} bytes, the maximum is {MAX_TEXT}", text.len()), 0..0));
    }
    let (mut tags, mut inside) = (0, 0);
    let (mut after_string, mut end) = (false, 0);
    for token in machinery::tokenize(text, in_expression, SyntaxConfig::default()) {
        let (token, span) = token.map_err(|error| unreadable(&error, text, end))?;
        let range = span.start_offset as usize..span.end_offset as usize;
        end = range.end;
        let string = matches!(token, Token::Str(_) | Token::String(_));
        if string && after_string {
            let why = "two strings in a row: write `,` between them, or `~` to join them";
            return Err(TextError::syntax(why, range));
        }
        after_string = string;
        match token {
            Token::Float(number) if !number.is_finite() => {
                return Err(TextError::syntax("number too large", range));
            }
            Token::VariableStart | Token::BlockStart => {
                (tags, inside) = (tags + 1, 0);
            }
            _ => inside += 1,
        }
        if tags > MAX_TAGS {
            return Err(excess(format!("more than {MAX_TAGS} templates"), range));
        }
        if inside > MAX_TOKENS {
            return Err(excess(format!("more than {MAX_TOKENS} tokens"), range));
        }
    }
    Ok(())
}

/// Returns the fault of a text that cannot be divided into tokens; the last one ends at a byte.
fn unreadable(error: &minijinja::Error, text: &str, end: usize) -> TextError {
    let mut fault = engine_fault(error, text);
    if fault.range.is_empty() {
        // An unclosed token is reported at the end of the text; its start is more helpful.
        let rest = &text[end..];
        let start = end + rest.len() - rest.trim_start().len();
        fault.range = start..text.ceil_char_boundary((start + 1).min(text.len()));
    }
    let mut characters = text[fault.range.clone()].chars();
    if let (Some(character), None) = (characters.next(), characters.next())
        && fault.text == "unexpected character"
    {
        fault.text = format!("unexpected character `{character}`");
    }
    fault
}

/// Returns the fault that the engine reports.
pub(super) fn engine_fault(error: &minijinja::Error, text: &str) -> TextError {
    // The engine's own words say `end of block` and the like; they are kept, they are precise.
    let detail = error.detail().unwrap_or("invalid syntax");
    let range = error.range().unwrap_or(0..text.len());
    // The engine counts bytes: an end may lie within a character.
    let range = text.floor_char_boundary(range.start)..text.ceil_char_boundary(range.end);
    TextError::syntax(detail, range)
}

fn excess(text: String, range: Range<usize>) -> TextError {
    let help = "split it into named expressions (`let`) or recorded values (`set`), or shorten it";
    TextError { kind: TextErrorKind::Excess, help: help.into(), ..TextError::syntax(text, range) }
}

/// Refuses a part of an expression that is nested in so many others.
pub(super) fn level(above: usize, range: &Range<usize>) -> Result<(), TextError> {
    if above < MAX_LEVELS {
        return Ok(());
    }
    let why = format!("nested more than {MAX_LEVELS} levels deep");
    Err(excess(why, range.clone()))
}
