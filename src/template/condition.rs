//! The value of an expression: true, false, or *unknown*.
//!
//! Names are asked of a [`Scope`]. A name that needs a probe stops the evaluation with
//! [`Stop::Look`]: the caller runs the probe and evaluates again, so that probes run lazily from left
//! to right and an evaluation is a pure function of one snapshot. `and` and `or` are Kleene's: an
//! unknown side does not matter if the other side decides. Types are not coerced: a comparison of a
//! string with a number is unknown, with a reason.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use minijinja::Value;
use minijinja::value::{Kwargs, ValueKind};

use crate::template::bounds::MAX_PARTS;
use crate::template::expression::{Argument, Comparison, Expr, ExprKind, Expression};
use crate::template::{Mode, Written, engine};

/// Deepest nesting of named expressions.
const MAX_DEPTH: usize = 64;

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// This name needs a probe first.
    Look(String),
    CannotTell(String),
    /// A key or row does not exist. Unknown as well, except for `is defined`.
    Missing(String),
}

/// What a name refers to.
pub enum Meaning {
    Value(Value),
    Word(Rc<Expression>),
    /// The rows of a table for which a condition is true.
    Rows {
        /// The table.
        from: Rc<Expression>,
        /// The condition, over `row`.
        filter: Rc<Expression>,
    },
}

pub trait Scope {
    /// Returns what a name refers to, or why this is unknown now.
    fn meaning(&self, name: &str) -> Result<Meaning, Stop>;
}

/// A part of an expression and its value, as people read them.
pub type SeenValue = (String, String);

/// Evaluates expressions in a scope, and notes what they were decided on.
pub struct Evaluator<'a> {
    scope: &'a dyn Scope,
    seen: RefCell<Vec<SeenValue>>,
    /// The parts that keep the condition from being true, as far as it was evaluated.
    amiss: RefCell<Vec<String>>,
    /// How many parts were evaluated.
    parts: Cell<u64>,
}

/// A scope with `row` in it.
#[derive(Clone)]
struct Local<'a> {
    row: Option<Value>,
    depth: usize,
    expression: &'a Expression,
    /// Whether values are noted: not for the rows of a filter, there are too many.
    noting: bool,
    /// What this part must be for the condition to be true; `None` if that is unknown.
    wanted: Option<bool>,
}

impl<'a> Local<'a> {
    fn top(expression: &'a Expression, wanted: Option<bool>) -> Self {
        Self { row: None, depth: 0, expression, noting: true, wanted }
    }

    /// The same place with another wanted value.
    fn wanting(&self, wanted: Option<bool>) -> Self {
        Self { wanted, ..self.clone() }
    }
}

impl<'a> Evaluator<'a> {
    pub fn new(scope: &'a dyn Scope) -> Self {
        let (seen, amiss) = (RefCell::default(), RefCell::default());
        Self { scope, seen, amiss, parts: Cell::new(0) }
    }

    /// Returns the parts that were decided on, with their values: first those that keep the
    /// condition from being true.
    pub fn into_seen(self) -> Vec<SeenValue> {
        let amiss = self.amiss.into_inner();
        let mut seen = self.seen.into_inner();
        seen.sort_by_key(|(part, _)| !amiss.contains(part));
        seen
    }

    pub fn truth(&self, expression: &Expression) -> Result<bool, Stop> {
        let local = Local::top(expression, Some(true));
        self.truth_of(&expression.root, &local)
    }

    pub fn value(&self, expression: &Expression) -> Result<Value, Stop> {
        let local = Local::top(expression, None);
        let value = self.value_of(&expression.root, &local)?;
        self.note(&expression.root, &value, &local);
        Ok(value)
    }

    /// Counts the parts that are evaluated: nested named expressions can double the work at each level.
    fn count(&self) -> Result<(), Stop> {
        self.parts.set(self.parts.get() + 1);
        if self.parts.get() > MAX_PARTS {
            let why = format!("evaluation takes more than {MAX_PARTS} steps");
            return Err(Stop::CannotTell(why));
        }
        Ok(())
    }

    fn truth_of(&self, expr: &Expr, local: &Local<'_>) -> Result<bool, Stop> {
        let before = self.amiss.borrow().len();
        let truth = self.any_truth_of(expr, local);
        // Whatever is amiss in a part that is as it must be does not matter.
        if local.wanted.is_some() && truth.as_ref().ok() == local.wanted.as_ref() {
            self.amiss.borrow_mut().truncate(before);
        }
        truth
    }

    fn any_truth_of(&self, expr: &Expr, local: &Local<'_>) -> Result<bool, Stop> {
        self.count()?;
        match &expr.kind {
            ExprKind::Not(inner) => {
                let local = local.wanting(local.wanted.map(|wanted| !wanted));
                self.truth_of(inner, &local).map(|truth| !truth)
            }
            ExprKind::And(left, right) => self.joined(left, right, false, local),
            ExprKind::Or(left, right) => self.joined(left, right, true, local),
            ExprKind::Var(name) => match self.meaning(name, local)? {
                Meaning::Word(word) => self.truth_of(&word.root, &deeper(local, &word)?),
                _ => self.truth_of_value(expr, local),
            },
            ExprKind::If(test, yes, no) => match (self.truth_of(test, &local.wanting(None))?, no) {
                (true, _) => self.truth_of(yes, local),
                (false, Some(no)) => self.truth_of(no, local),
                (false, None) => Err(Stop::CannotTell("`if` without `else`".into())),
            },
            ExprKind::Compare(first, rest) => self.compare(first, rest, local),
            ExprKind::Test(name, inner, args) => self.test(name, inner, args, local),
            _ => self.truth_of_value(expr, local),
        }
    }

    /// Returns the truth of two parts of which one that has the decisive value decides alone.
    fn joined(
        &self,
        left: &Expr,
        right: &Expr,
        decisive: bool,
        local: &Local<'_>,
    ) -> Result<bool, Stop> {
        let left = self.truth_of(left, local);
        if left == Ok(decisive) || matches!(left, Err(Stop::Look(_))) {
            return left;
        }
        match (left, self.truth_of(right, local)) {
            (Err(stop), Ok(right)) if right != decisive => Err(stop),
            (Err(stop), Err(Stop::CannotTell(_) | Stop::Missing(_))) => Err(stop),
            (_, right) => right,
        }
    }

    fn truth_of_value(&self, expr: &Expr, local: &Local<'_>) -> Result<bool, Stop> {
        let value = self.value_of(expr, local)?;
        self.note(expr, &value, local);
        match value.kind() {
            ValueKind::Bool => Ok(value.is_true()),
            _ => Err(Stop::CannotTell(format!(
                "`{}` is {}, not a condition",
                local.expression.part(expr),
                kind_of(&value)
            ))),
        }
    }

    fn compare(
        &self,
        first: &Expr,
        rest: &[(Comparison, Expr)],
        local: &Local<'_>,
    ) -> Result<bool, Stop> {
        let mut left = self.value_of(first, local)?;
        self.note(first, &left, local);
        for (how, expr) in rest {
            let right = self.value_of(expr, local)?;
            self.note(expr, &right, local);
            if !compare_values(*how, &left, &right).map_err(Stop::CannotTell)? {
                return Ok(false);
            }
            left = right;
        }
        Ok(true)
    }

    fn test(
        &self,
        name: &str,
        inner: &Expr,
        args: &[Argument],
        local: &Local<'_>,
    ) -> Result<bool, Stop> {
        let value = self.value_of(inner, local);
        match name {
            "defined" | "undefined" => {
                let defined = match value {
                    Ok(_) => true,
                    Err(Stop::Missing(_)) => false,
                    Err(stop) => return Err(stop),
                };
                return Ok(defined == (name == "defined"));
            }
            "unknown" => {
                return match value {
                    Err(look @ Stop::Look(_)) => Err(look),
                    value => Ok(value.is_err()),
                };
            }
            _ => {}
        }
        let value = value?;
        self.note(inner, &value, local);
        let all = self.with_arguments(value, args, local)?;
        engine::environment(Mode::Text)
            .empty_state()
            .perform_test(name, &all)
            .map_err(|error| Stop::CannotTell(engine::describe(&error, name)))
    }

    fn meaning(&self, name: &str, local: &Local<'_>) -> Result<Meaning, Stop> {
        match &local.row {
            Some(row) if name == "row" => Ok(Meaning::Value(row.clone())),
            _ => self.scope.meaning(name),
        }
    }

    fn value_of(&self, expr: &Expr, local: &Local<'_>) -> Result<Value, Stop> {
        self.count()?;
        match &expr.kind {
            ExprKind::Poisoned | ExprKind::OfModel(_) => {
                Err(Stop::CannotTell("invalid expression".into()))
            }
            ExprKind::Const(value) => Ok(value.clone()),
            ExprKind::Var(name) => match self.meaning(name, local)? {
                Meaning::Value(value) => Ok(value),
                Meaning::Word(word) => self.value_of(&word.root, &deeper(local, &word)?),
                Meaning::Rows { from, filter } => self.rows(&from, &filter, local),
            },
            ExprKind::Not(_)
            | ExprKind::And(..)
            | ExprKind::Or(..)
            | ExprKind::Compare(..)
            | ExprKind::Test(..) => self.truth_of(expr, &local.wanting(None)).map(Value::from),
            ExprKind::Negative(inner) => {
                arithmetic("-", &Value::from(0), &self.value_of(inner, local)?)
            }
            ExprKind::Arithmetic(sign, left, right) => {
                arithmetic(sign, &self.value_of(left, local)?, &self.value_of(right, local)?)
            }
            ExprKind::If(test, yes, no) => match (self.truth_of(test, &local.wanting(None))?, no) {
                (true, _) => self.value_of(yes, local),
                (false, Some(no)) => self.value_of(no, local),
                (false, None) => Err(Stop::CannotTell("`if` without `else`".into())),
            },
            ExprKind::Filter(name, inner, args) => {
                let all = self.with_arguments(self.value_of(inner, local)?, args, local)?;
                engine::environment(Mode::Text)
                    .empty_state()
                    .apply_filter(name, &all)
                    .map_err(|error| Stop::CannotTell(engine::describe(&error, name)))
            }
            ExprKind::Attr(inner, name) => {
                self.part(expr, inner, &Value::from(name.as_str()), local)
            }
            ExprKind::Item(inner, key) => {
                let key = self.value_of(key, local)?;
                self.part(expr, inner, &key, local)
            }
            ExprKind::List(items) => items
                .iter()
                .map(|item| self.value_of(item, local))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::from),
            ExprKind::Map(entries) => {
                let mut map = std::collections::BTreeMap::new();
                for (key, value) in entries {
                    let key = self.value_of(key, local)?.to_string();
                    map.insert(key, self.value_of(value, local)?);
                }
                Ok(Value::from(map))
            }
        }
    }

    /// Returns a value and the arguments of its filter or test, as the engine takes them.
    fn with_arguments(
        &self,
        value: Value,
        args: &[Argument],
        local: &Local<'_>,
    ) -> Result<Vec<Value>, Stop> {
        let mut all = vec![value];
        let mut named = Vec::new();
        for argument in args {
            let value = self.value_of(&argument.value, local)?;
            match &argument.name {
                Some(name) => named.push((name.clone(), value)),
                None => all.push(value),
            }
        }
        if !named.is_empty() {
            all.push(Kwargs::from_iter(named).into());
        }
        Ok(all)
    }

    /// Returns a part of a value: an attribute, a row, an item.
    fn part(
        &self,
        whole: &Expr,
        inner: &Expr,
        key: &Value,
        local: &Local<'_>,
    ) -> Result<Value, Stop> {
        let value = self.value_of(inner, local)?;
        let found = value.get_item(key).unwrap_or(Value::UNDEFINED);
        if !found.is_undefined() {
            return Ok(found);
        }
        let name = local.expression.part(inner);
        Err(Stop::Missing(match value.kind() {
            ValueKind::Map | ValueKind::Plain => format!("`{name}` has no `{key}`"),
            ValueKind::Seq => format!("`{name}` has no item {key}"),
            _ => format!(
                "`{name}` is {}, so `{}` does not exist",
                kind_of(&value),
                local.expression.part(whole)
            ),
        }))
    }

    fn rows(
        &self,
        from: &Expression,
        filter: &Expression,
        local: &Local<'_>,
    ) -> Result<Value, Stop> {
        let table = self.value_of(&from.root, &deeper(local, from)?)?;
        let rows: Vec<Value> = match table.kind() {
            ValueKind::Map => table
                .try_iter()
                .map(|keys| keys.filter_map(|key| table.get_item(&key).ok()).collect())
                .unwrap_or_default(),
            ValueKind::Seq | ValueKind::Iterable => {
                table.try_iter().map(Iterator::collect).unwrap_or_default()
            }
            _ => {
                let kind = kind_of(&table);
                return Err(Stop::CannotTell(format!("`{}` is {kind}, not a table", from.text)));
            }
        };
        let mut kept = Vec::new();
        for row in rows {
            let mut inner = deeper(local, filter)?;
            inner.row = Some(row.clone());
            (inner.noting, inner.wanted) = (false, None);
            if self.truth_of(&filter.root, &inner)? {
                kept.push(row);
            }
        }
        Ok(Value::from(kept))
    }

    /// Notes a part that was decided on, unless it is a constant.
    fn note(&self, expr: &Expr, value: &Value, local: &Local<'_>) {
        if !local.noting
            || matches!(expr.kind, ExprKind::Const(_) | ExprKind::List(_) | ExprKind::Map(_))
        {
            return;
        }
        let part = local.expression.part(expr).to_owned();
        // Until its truth is known.
        self.amiss.borrow_mut().push(part.clone());
        let mut seen = self.seen.borrow_mut();
        if !seen.iter().any(|(name, _)| *name == part) {
            seen.push((part, show(value)));
        }
    }
}

fn deeper<'b>(local: &Local<'_>, expression: &'b Expression) -> Result<Local<'b>, Stop> {
    if local.depth >= MAX_DEPTH {
        return Err(Stop::CannotTell("named expressions are nested too deeply".into()));
    }
    let (row, depth) = (local.row.clone(), local.depth + 1);
    Ok(Local { row, depth, expression, noting: local.noting, wanted: local.wanted })
}

/// Names the kind of a value with its article.
pub fn kind_of(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => "nothing",
        ValueKind::Bool => "a bool",
        ValueKind::Number => "a number",
        ValueKind::String => "a string",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a mapping",
        _ => "a value of another type",
    }
}

/// Returns a value as people read it, in one short line.
pub fn show(value: &Value) -> String {
    let text = match value.kind() {
        ValueKind::String => format!("{:?}", value.as_str().unwrap_or_default()),
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::None | ValueKind::Undefined => "nothing".to_owned(),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            serde_json::to_string(value).unwrap_or_else(|_| value.to_string())
        }
        _ => value.to_string(),
    };
    if text.chars().count() <= 120 {
        return text;
    }
    format!("{}...", text.chars().take(117).collect::<String>())
}

/// Compares two values of one type; others cannot be compared.
fn compare_values(how: Comparison, left: &Value, right: &Value) -> Result<bool, String> {
    use Comparison::{Eq, Ge, Gt, In, Le, Lt, Ne, NotIn};
    if matches!(how, In | NotIn) {
        let inside = match right.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                right.try_iter().map_err(|e| e.to_string())?.any(|item| item == *left)
            }
            ValueKind::Map => right.get_item(left).is_ok_and(|found| !found.is_undefined()),
            ValueKind::String => match (left.as_str(), right.as_str()) {
                (Some(part), Some(whole)) => whole.contains(part),
                _ => return Err(format!("a string cannot contain {}", kind_of(left))),
            },
            _ => return Err(format!("{} cannot contain anything", kind_of(right))),
        };
        return Ok(inside == (how == In));
    }
    if left.kind() != right.kind() {
        return Err(format!(
            "cannot compare {} ({}) with {} ({})",
            show(left),
            kind_of(left),
            show(right),
            kind_of(right)
        ));
    }
    let ordered = matches!(left.kind(), ValueKind::Number | ValueKind::String);
    if !ordered && !matches!(how, Eq | Ne) {
        return Err(format!("{} cannot be ordered", kind_of(left)));
    }
    Ok(match how {
        Eq => left == right,
        Ne => left != right,
        Lt => left < right,
        Le => left <= right,
        Gt => left > right,
        Ge => left >= right,
        In | NotIn => unreachable!("handled above"),
    })
}

/// Does one operation, by the template engine's own rules.
fn arithmetic(sign: &str, left: &Value, right: &Value) -> Result<Value, Stop> {
    let names = minijinja::context! { left => left, right => right };
    engine::operation(sign)
        .ok_or_else(|| Stop::CannotTell(format!("unknown operator `{sign}`")))?
        .eval(names)
        .map_err(|error| {
            let what = engine::describe(&error, "");
            Stop::CannotTell(format!("{} {sign} {}: {what}", show(left), show(right)))
        })
}
