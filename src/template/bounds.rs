//! How much a text may ask of the template engine and of the evaluation of conditions.
//!
//! The engine bounds its own work while it renders (fuel, recursion of its parser). It does not
//! bound how long an expression is, and a chain of operators (`a + a + ...`) becomes a tree as deep
//! as it is long, through which parsing, evaluation and even dropping recurse. So the words and
//! signs of an expression are counted before the engine's parser sees it.

use std::ops::Range;

use minijinja::machinery;
use minijinja::machinery::Token;
use minijinja::syntax::SyntaxConfig;

use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::template::expression::Fault;

/// Most bytes of a text with templates in it.
pub const MAX_TEXT: usize = 1024 * 1024;
/// Most words and signs of one expression, or of one `{{ }}` or `{% %}`.
pub const MAX_TOKENS: usize = 1_000;
/// Most `{{ }}` and `{% %}` of one text.
pub const MAX_TAGS: usize = 10_000;
/// Deepest nesting of an expression, a chain of operators counted as nested.
pub const MAX_LEVELS: usize = 64;
/// Most levels of a word of `let` with all words it is made of, each with those of its expression.
pub const MAX_WORD_LEVELS: usize = 128;
/// Work a template may do, in instructions of the engine; one is worth 64 bytes of text, so that
/// none renders to more than 3 MiB.
pub const FUEL: u64 = 50_000;
/// Most parts of expressions that are looked at for one value of a condition: a filter of ten parts
/// over the greatest table.
pub const MAX_PARTS: u64 = 2_000_000;

/// Counts the words and signs of an expression.
pub(super) fn expression(text: &str) -> Result<(), Fault> {
    if text.len() > MAX_TEXT {
        return Err(too_long(text));
    }
    within(machinery::tokenize(text, true, SyntaxConfig::default()))
}

/// Counts the tags of a template, and the words and signs of each.
pub(super) fn template(text: &str) -> Result<(), Fault> {
    if text.len() > MAX_TEXT {
        return Err(too_long(text));
    }
    within(machinery::tokenize(text, false, SyntaxConfig::default()))
}

fn too_long(text: &str) -> Fault {
    Fault {
        text: format!("it has {} bytes, more than {MAX_TEXT}", text.len()),
        range: 0..0,
        excess: true,
    }
}

fn within<'a>(
    tokens: impl Iterator<Item = Result<(Token<'a>, machinery::Span), minijinja::Error>>,
) -> Result<(), Fault> {
    let (mut tags, mut inside) = (0, 0);
    // What is no token at all is the parser's to tell.
    for (token, span) in tokens.map_while(Result::ok) {
        let range = span.start_offset as usize..span.end_offset as usize;
        match token {
            Token::VariableStart | Token::BlockStart => {
                (tags, inside) = (tags + 1, 0);
            }
            _ => inside += 1,
        }
        if tags > MAX_TAGS {
            return Err(excess(format!("more than {MAX_TAGS} templates"), range));
        }
        if inside > MAX_TOKENS {
            return Err(excess(format!("more than {MAX_TOKENS} words and signs"), range));
        }
    }
    Ok(())
}

fn excess(text: String, range: Range<usize>) -> Fault {
    Fault { text, range, excess: true }
}

/// Refuses a part of an expression that is nested in so many others.
pub(super) fn level(above: usize, range: &Range<usize>) -> Result<(), Fault> {
    if above < MAX_LEVELS {
        return Ok(());
    }
    let why = format!("nested more than {MAX_LEVELS} levels deep");
    Err(excess(why, range.clone()))
}

/// Tells of a text that asks too much.
pub fn too_large(fault: Fault, place: Span) -> Diagnostic {
    Diagnostic::error("template-too-large", "this asks more than a template may")
        .at(place, fault.text)
        .help("give parts of it names under `let` or `set`, or make it shorter")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::expression::Expression;
    use crate::template::expression::names_of_template;

    fn why(text: &str) -> String {
        match Expression::parse_text(text) {
            Ok(_) => "fits".to_owned(),
            Err(fault) => fault.text,
        }
    }

    #[test]
    fn a_long_chain_is_refused_and_a_long_list_is_not() {
        let chain = |count: usize| vec!["a"; count].join(" and ");
        assert_eq!(why(&chain(MAX_LEVELS)), "fits");
        assert_eq!(why(&chain(MAX_LEVELS + 2)), "nested more than 64 levels deep");
        assert_eq!(why(&chain(1_000_000)), "it has 5999995 bytes, more than 1048576");
        let list = |count: usize| format!("a in [{}]", vec!["1"; count].join(", "));
        assert_eq!(why(&list(MAX_TOKENS / 2 - 2)), "fits");
        assert_eq!(why(&list(MAX_TOKENS)), "more than 1000 words and signs");
    }

    #[test]
    fn what_nests_by_signs_before_a_value_is_refused_too() {
        for sign in ["not ", "-", "(", "[", "{1:", "a if ", "a[", "a|b("] {
            assert_ne!(why(&sign.repeat(900)), "fits", "{sign}");
            let text = format!("{{{{ {}", sign.repeat(900));
            assert!(names_of_template(&text).is_err(), "{sign}");
        }
        for sign in [".b", "|trim", " ~ a", "[0]", " is a"] {
            let text = format!("a{}", sign.repeat(300));
            assert_ne!(why(&text), "fits", "{sign}");
        }
    }

    #[test]
    fn a_text_has_a_bounded_number_of_templates() {
        let text = |count: usize| "{{ a }}".repeat(count);
        assert_eq!(names_of_template(&text(MAX_TAGS)).unwrap().len(), MAX_TAGS);
        let fault = names_of_template(&text(MAX_TAGS + 1)).unwrap_err();
        assert_eq!(fault.text, "more than 10000 templates");
    }
}
