//! The template engine, set up once for each [`Mode`].

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Expression, UndefinedBehavior, Value};

use crate::quote;
use crate::template::bounds::FUEL;
use crate::template::{Mode, Names, helpers, parser};

/// A text could not be rendered. It contains no values, only what the author wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderError {
    pub text: String,
    /// The bytes of the template that it is about, if the engine reports them.
    pub range: Option<Range<usize>>,
}

impl fmt::Display for RenderError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// A value with permission: not to be quoted, to be empty, or to be several arguments.
#[derive(Clone, Debug, Default)]
struct Permitted {
    texts: Vec<String>,
    raw: bool,
    empty: bool,
    several: bool,
}

impl Object for Permitted {
    fn render(self: &Arc<Self>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.texts.join(" "))
    }
}

fn permit(value: &Value, change: impl FnOnce(&mut Permitted)) -> Result<Value, Error> {
    let mut permitted = match value.downcast_object_ref::<Permitted>() {
        Some(earlier) => earlier.clone(),
        None => Permitted { texts: vec![plain(value)?], ..Permitted::default() },
    };
    change(&mut permitted);
    Ok(Value::from_object(permitted))
}

fn each(value: &Value) -> Result<Value, Error> {
    let items = match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter()?,
        _ => return Err(invalid("`each` requires a list")),
    };
    let texts = items.map(|item| plain(&item)).collect::<Result<_, _>>()?;
    Ok(Value::from_object(Permitted { texts, several: true, ..Permitted::default() }))
}

fn invalid(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, text)
}

/// Returns a value as a text of a mode. Several arguments of a command without a shell each end with a NUL.
fn written(value: &Value, mode: Mode) -> Result<String, Error> {
    let permitted = match value.downcast_object_ref::<Permitted>() {
        Some(permitted) => permitted.clone(),
        None => Permitted { texts: vec![plain(value)?], ..Permitted::default() },
    };
    let Permitted { texts, raw, empty, several } = permitted;
    if mode == Mode::Text {
        return if several {
            Err(invalid("`each` only works in commands"))
        } else {
            Ok(texts.concat())
        };
    }
    if !empty && (texts.is_empty() || texts.iter().any(String::is_empty)) {
        return Err(invalid("the value is empty; add `| allow_empty` if that is allowed"));
    }
    if (several || mode == Mode::Script) && texts.iter().any(|text| text.contains('\0')) {
        return Err(invalid("the value contains a NUL byte"));
    }
    Ok(match mode {
        Mode::Script if !raw => {
            let quoted: Result<Vec<String>, _> =
                texts.iter().map(|one| quote::shell(one)).collect();
            quoted.map_err(|_| invalid("the value contains a NUL byte"))?.join(" ")
        }
        Mode::Word if several => texts.iter().flat_map(|text| [text.as_str(), "\0"]).collect(),
        _ => texts.join(" "),
    })
}

/// Returns a value as text: `true`, `5`, `words`; collections and nothing have no text.
fn plain(value: &Value) -> Result<String, Error> {
    let refuse = |what: &str| {
        Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("cannot insert {what} into a string; use `| tojson` or one of its fields"),
        ))
    };
    match value.kind() {
        ValueKind::Undefined => refuse("an undefined value"),
        ValueKind::None => refuse("`none`"),
        ValueKind::Seq | ValueKind::Iterable => refuse("a list"),
        ValueKind::Bytes => refuse("bytes"),
        ValueKind::Map => refuse("a mapping"),
        ValueKind::Bool => Ok(if value.is_true() { "true".into() } else { "false".into() }),
        _ => Ok(value.to_string()),
    }
}

/// A value with these parts and no others: `host` and `run`. Alone it is never used: `host` is
/// short for `host.name` ([`crate::template::parser`]).
#[derive(Debug)]
pub(super) struct Parts(pub(super) Vec<(&'static str, Value)>);

impl Object for Parts {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }
}

fn build(mode: Mode) -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // What ends with a line break in the plan, or in a file, ends with it on the host.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    engine.set_syntax(syntax.unwrap_or_default());
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(50);
    engine.set_debug(false);
    // `debug()` would print every variable.
    engine.remove_global("debug");
    // What the language does not have.
    for name in helpers::LEFT_OUT_FILTERS {
        engine.remove_filter(name);
    }
    for name in helpers::LEFT_OUT_TESTS {
        engine.remove_test(name);
    }
    engine.add_filter("raw", |value: &Value| permit(value, |one| one.raw = true));
    engine.add_filter("allow_empty", |value: &Value| permit(value, |one| one.empty = true));
    engine.add_filter("each", each);
    engine.set_formatter(move |out, _, value| {
        out.write_str(&written(value, mode)?).map_err(Error::from)
    });
    engine
}

static ENGINES: LazyLock<[Environment<'static>; 3]> =
    LazyLock::new(|| [Mode::Text, Mode::Word, Mode::Script].map(build));

/// Returns the engine of a mode.
pub fn environment(mode: Mode) -> &'static Environment<'static> {
    &ENGINES[mode as usize]
}

/// The signs of arithmetic, each compiled once: the engine compiles far longer than it computes.
static OPERATIONS: LazyLock<Vec<(&'static str, Expression<'static, 'static>)>> =
    LazyLock::new(|| {
        ["+", "-", "*", "/", "//", "%", "**", "~"]
            .into_iter()
            .filter_map(|sign| {
                let text = format!("left {sign} right");
                Some((sign, environment(Mode::Text).compile_expression_owned(text).ok()?))
            })
            .collect()
    });

pub(super) fn operation(sign: &str) -> Option<&'static Expression<'static, 'static>> {
    let mut all = OPERATIONS.iter();
    all.find(|(known, _)| *known == sign).map(|(_, one)| one)
}

pub(super) fn render(text: &str, mode: Mode, names: &Names) -> Result<String, RenderError> {
    let (written, longer) = parser::written_out(text);
    environment(mode).render_str(&written, names.value()).map_err(|error| {
        // Back to the text of the author, from which it differs by what was written out.
        let back = |at: usize| {
            let before = longer.iter().map_while(|(place, by)| (*place < at).then_some(*by));
            at.saturating_sub(before.sum())
        };
        let range = error.range().map(|range| {
            let (start, end) = (back(range.start), back(range.end).min(text.len()));
            text.floor_char_boundary(start.min(end))..text.ceil_char_boundary(end)
        });
        let part = range.clone().and_then(|range| text.get(range));
        RenderError { text: describe(&error, part.unwrap_or_default()), range }
    })
}

/// Words an error of the engine; only its kind and detail are read, never its debug forms, which
/// print variables.
pub(super) fn describe(error: &Error, part: &str) -> String {
    let what = match error.kind() {
        ErrorKind::UndefinedError => "undefined".to_owned(),
        ErrorKind::OutOfFuel => "rendering takes too many steps".to_owned(),
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => {
            error.detail().unwrap_or("unknown name").to_owned()
        }
        _ => error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
    };
    if part.is_empty() { what } else { format!("`{}`: {what}", part.trim()) }
}
