//! An expression is read to its end: what is accepted is in its tree, every token of it.
//!
//! Used by the fuzz target `expression` and by `tests/it/expressions.rs`.

use minijinja::Value;
use minijinja::machinery::Token;
use minijinja::machinery::tokenize;
use minijinja::syntax::SyntaxConfig;
use planrun::template::error::TextErrorKind;
use planrun::template::expression::Argument;
use planrun::template::expression::Comparison;
use planrun::template::expression::Expr;
use planrun::template::expression::ExprKind;
use planrun::template::expression::Expression;
use planrun::template::parser;

/// Takes a text as an expression, and as one in a template; returns whether it is accepted.
///
/// Accepted text, printed from its tree, is parsed to the same tree and has the same tokens. What
/// is refused is refused at a place within the text.
pub(crate) fn expression(text: &str) -> bool {
    let in_template = format!("é {{{{ {text} }}}} é");
    match parser::template(&in_template) {
        Ok(all) => {
            let shown = all.iter().filter(|used| used.shown);
            let printed: Vec<String> = shown.map(|used| print(&used.expr)).collect();
            let tokens: Vec<String> = printed.iter().flat_map(|text| tokens(text)).collect();
            same(&in_template_tokens(&in_template), &tokens, text);
        }
        Err(fault) => assert!(in_template.get(fault.range).is_some(), "a place outside: {text:?}"),
    }
    let parsed = match Expression::parse_text(text) {
        Ok(parsed) => parsed,
        Err(fault) => {
            assert!(text.get(fault.range).is_some(), "a place outside: {text:?}");
            return false;
        }
    };
    let printed = print(&parsed.root);
    same(&tokens(text), &tokens(&printed), text);
    match Expression::parse_text(&printed) {
        Ok(again) => assert_eq!(print(&again.root), printed, "{text:?} has two trees"),
        // The parentheses of the printed form count, too.
        Err(fault) => {
            let deep = fault.kind == TextErrorKind::Excess || fault.text.contains("recursion");
            assert!(deep, "{text:?} is printed as {printed:?}: {}", fault.text);
        }
    }
    true
}

fn same(written: &[String], printed: &[String], text: &str) {
    let sorted = |tokens: &[String]| {
        let mut tokens = tokens.to_vec();
        tokens.sort();
        tokens
    };
    assert_eq!(sorted(written), sorted(printed), "{text:?} is not read to its end");
}

/// Returns the tokens that mean something: parentheses, brackets and commas only join the others.
fn tokens(text: &str) -> Vec<String> {
    let mut end = 0;
    let mut all = Vec::new();
    for token in tokenize(text, true, SyntaxConfig::default()) {
        let (token, span) = token.unwrap_or_else(|error| panic!("{text:?} is accepted: {error}"));
        let between = &text[end..span.start_offset as usize];
        assert!(between.chars().all(|c| c.is_ascii_whitespace()), "{text:?} is passed over");
        end = span.end_offset as usize;
        all.extend(meaning(&token));
    }
    assert!(text[end..].chars().all(|c| c.is_ascii_whitespace()), "{text:?} is passed over");
    all
}

/// Returns those of the expressions in a template.
fn in_template_tokens(text: &str) -> Vec<String> {
    let tokens = tokenize(text, false, SyntaxConfig::default());
    let tokens = tokens.map(|token| token.unwrap_or_else(|error| panic!("{text:?}: {error}")).0);
    tokens.filter_map(|token| meaning(&token)).collect()
}

fn meaning(token: &Token<'_>) -> Option<String> {
    Some(match token {
        Token::Ident(name) => match *name {
            "True" => "true".to_owned(),
            "False" => "false".to_owned(),
            "None" => "none".to_owned(),
            name => name.to_owned(),
        },
        Token::Str(text) => format!("{text:?}"),
        Token::String(text) => format!("{text:?}"),
        Token::Int(number) => number.to_string(),
        Token::Int128(number) => number.to_string(),
        Token::Float(number) => Value::from(*number).to_string(),
        Token::Dot
        | Token::Comma
        | Token::BracketOpen
        | Token::BracketClose
        | Token::ParenOpen
        | Token::ParenClose
        | Token::TemplateData(_)
        | Token::VariableStart
        | Token::VariableEnd => return None,
        sign => sign.to_string(),
    })
}

/// Prints an expression, every part that is made of others in parentheses.
fn print(expr: &Expr) -> String {
    let one = |expr: &Expr| match &expr.kind {
        ExprKind::Const(_)
        | ExprKind::Var(_)
        | ExprKind::List(_)
        | ExprKind::Map(_)
        | ExprKind::Attr(..)
        | ExprKind::Item(..) => print(expr),
        _ => format!("({})", print(expr)),
    };
    let all = |items: &[Expr]| items.iter().map(one).collect::<Vec<_>>().join(", ");
    let arguments = |all: &[Argument]| {
        let all = all.iter().map(|argument| match &argument.name {
            Some(name) => format!("{name}={}", one(&argument.value)),
            None => one(&argument.value),
        });
        let all = all.collect::<Vec<_>>().join(", ");
        if all.is_empty() { all } else { format!("({all})") }
    };
    match &expr.kind {
        ExprKind::Poisoned | ExprKind::OfModel(_) => {
            unreachable!("a text that can be read has none")
        }
        ExprKind::Const(value) => match value.as_str() {
            Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            None => value.to_string(),
        },
        ExprKind::Var(name) => name.clone(),
        ExprKind::Not(a) => format!("not {}", one(a)),
        ExprKind::Negative(a) => format!("-{}", one(a)),
        ExprKind::And(a, b) => format!("{} and {}", one(a), one(b)),
        ExprKind::Or(a, b) => format!("{} or {}", one(a), one(b)),
        ExprKind::Compare(first, rest) => {
            let rest = rest.iter().map(|(how, expr)| format!(" {} {}", sign(*how), one(expr)));
            one(first) + &rest.collect::<String>()
        }
        ExprKind::Arithmetic(sign, a, b) => format!("{} {sign} {}", one(a), one(b)),
        ExprKind::If(test, yes, no) => {
            let no = no.as_ref().map_or_else(String::new, |no| format!(" else {}", one(no)));
            format!("{} if {}{no}", one(yes), one(test))
        }
        ExprKind::Filter(name, a, args) => format!("{} | {name}{}", one(a), arguments(args)),
        ExprKind::Test(name, a, args) => format!("{} is {name}{}", one(a), arguments(args)),
        ExprKind::Attr(a, _) if expr.is_short() => one(a),
        ExprKind::Attr(a, name) => format!("{}.{name}", one(a)),
        ExprKind::Item(a, key) => format!("{}[{}]", one(a), one(key)),
        ExprKind::List(items) => format!("[{}]", all(items)),
        ExprKind::Map(entries) => {
            let entries =
                entries.iter().map(|(key, value)| format!("{}: {}", one(key), one(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn sign(how: Comparison) -> &'static str {
    match how {
        Comparison::Eq => "==",
        Comparison::Ne => "!=",
        Comparison::Lt => "<",
        Comparison::Le => "<=",
        Comparison::Gt => ">",
        Comparison::Ge => ">=",
        Comparison::In => "in",
        Comparison::NotIn => "not in",
    }
}
