//! The kinds of values, as far as they can be told without a look.
//!
//! Inputs have types, columns of probes have them, counts are numbers. A comparison of two kinds
//! that never are equal is a slip (`vhosts == "0"`), so is a condition that is no bool, or a part
//! that a value does not have. What cannot be told is no fault.

mod kinds;
mod list;

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;

use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::nearest;
use crate::output::Reading;
use crate::plan::Action;
use crate::plan::InputKind;
use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::Word;
use crate::plan::check::expressions;
use crate::schema::one_of;
use crate::source::Span;
use crate::template::expression::Comparison;
use crate::template::expression::Expr;
use crate::template::expression::Expression;
use crate::template::expression::Kind;

use kinds::compared;
use kinds::constant;
use kinds::of_column;
use kinds::of_reading;

/// Deepest chain of words and parts that is followed.
const MAX_DEPTH: usize = 64;

/// A kind of value.
#[derive(Clone, Debug)]
enum Type<'a> {
    /// Not to be told.
    Any,
    Bool,
    Number,
    Text,
    /// Text, one of these.
    Words(&'a [String]),
    List,
    /// The results of a step with a `for_each`, one for each item.
    Results,
    /// `{exit, stdout, stderr}`, or `{exit}` alone.
    Output {
        kept: bool,
    },
    /// The rows of a probe, by their key where there is one.
    Rows(&'a Reading),
    /// A row of it.
    Row(&'a Reading),
    /// The values of a `set`.
    Set(&'a [(String, std::rc::Rc<Expression>)]),
}

impl Type<'_> {
    fn about(&self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text | Self::Words(_) => "text",
            Self::List | Self::Results => "a list",
            Self::Output { .. } | Self::Rows(_) | Self::Row(_) | Self::Set(_) => "a mapping",
        }
    }

    /// Whether a value of this and one of the other kind can be equal at all.
    fn meets(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Any, _) | (_, Self::Any)) || self.about() == other.about()
    }
}

/// Tells of slips in all expressions of a plan.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let mut steps = IndexMap::new();
    let mut within = IndexMap::new();
    for step in &plan.steps {
        step.visit(&mut |step| {
            if step.for_each.is_some() {
                step.visit(&mut |part| {
                    within.insert(&part.path, step);
                });
            }
            if let Some(id) = &step.id {
                steps.insert(id.as_str(), step);
            }
        });
    }
    let types = Types { plan, steps, words: RefCell::default(), inside: Cell::new(None) };
    let mut check = Check { types: &types, found, expression: None };
    for word in plan.words.values() {
        match word {
            Word::Expression(expression, _) => check.value(expression, None),
            Word::Rows { from, filter, .. } => {
                let row = plan.probes.get(from).map(|probe| &probe.reading);
                check.condition(filter, row);
            }
        }
    }
    let invariants = &plan.invariants;
    let claims = [&invariants.always, &invariants.at_rest, &invariants.at_end];
    for claim in claims.into_iter().flatten().chain(&plan.preflight) {
        check.condition(&claim.condition, None);
    }
    for step in &plan.steps {
        step.visit(&mut |step| {
            check.list(step);
            types.inside.set(within.get(&step.path).copied());
            check.step(step);
            types.inside.set(None);
        });
    }
}

struct Types<'a> {
    plan: &'a Plan,
    steps: IndexMap<&'a str, &'a Step>,
    /// The kinds of words and values of `set` that were asked for: one may be used many times.
    words: RefCell<HashMap<(*const Expression, Option<*const Step>), Type<'a>>>,
    /// The step with a `for_each` that is checked: inside, its name is the result of one item.
    inside: Cell<Option<&'a Step>>,
}

impl<'a> Types<'a> {
    fn of(&self, expr: &Expr, row: Option<&'a Reading>, depth: usize) -> Type<'a> {
        if depth > MAX_DEPTH {
            return Type::Any;
        }
        let inner = |expr: &Expr| self.of(expr, row, depth + 1);
        match &expr.kind {
            Kind::Const(value) => constant(value),
            Kind::Var(name) => self.of_name(name, row, depth),
            Kind::Not(_) | Kind::And(..) | Kind::Or(..) | Kind::Compare(..) | Kind::Test(..) => {
                Type::Bool
            }
            Kind::Arithmetic("~", ..) => Type::Text,
            Kind::Arithmetic(_, a, b) => match (inner(a), inner(b)) {
                (Type::Number, Type::Number) => Type::Number,
                _ => Type::Any,
            },
            Kind::Negative(_) => Type::Number,
            Kind::If(_, yes, Some(no)) => match (inner(yes), inner(no)) {
                (Type::Bool, Type::Bool) => Type::Bool,
                (Type::Number, Type::Number) => Type::Number,
                (Type::Text | Type::Words(_), Type::Text | Type::Words(_)) => Type::Text,
                _ => Type::Any,
            },
            Kind::Filter(name, ..) => match name.as_str() {
                "length" | "count" | "int" | "float" | "abs" | "round" | "sum" => Type::Number,
                "string" | "lower" | "upper" | "trim" | "join" | "replace" => Type::Text,
                "bool" => Type::Bool,
                "list" | "sort" | "unique" | "lines" | "split" => Type::List,
                _ => Type::Any,
            },
            Kind::Attr(base, name) => self.part(&inner(base), name, depth).unwrap_or(Type::Any),
            Kind::Item(base, key) => match (inner(base), &key.kind) {
                (Type::Rows(reading), _) => Type::Row(reading),
                (base, Kind::Const(name)) => name
                    .as_str()
                    .and_then(|name| self.part(&base, name, depth))
                    .unwrap_or(Type::Any),
                _ => Type::Any,
            },
            Kind::List(_) => Type::List,
            Kind::If(_, _, None) | Kind::Map(_) => Type::Any,
        }
    }

    fn of_name(&self, name: &str, row: Option<&'a Reading>, depth: usize) -> Type<'a> {
        if name == "row" {
            return row.map_or(Type::Any, Type::Row);
        }
        if let Some(input) = self.plan.inputs.get(name) {
            return match &input.kind {
                InputKind::Int { .. } => Type::Number,
                InputKind::Bool => Type::Bool,
                InputKind::Enum(words) => Type::Words(words),
                InputKind::List { .. } => Type::List,
                _ => Type::Text,
            };
        }
        if let Some(probe) = self.plan.probes.get(name) {
            return of_reading(&probe.reading);
        }
        match self.plan.words.get(name) {
            Some(Word::Expression(expression, _)) => return self.of_word(expression, depth),
            Some(Word::Rows { .. }) => return Type::List,
            None => {}
        }
        let step = self.steps.get(name);
        let is_inside = |step: &Step| self.inside.get().is_some_and(|of| of.path == step.path);
        if step.is_some_and(|step| step.for_each.is_some() && !is_inside(step)) {
            return Type::Results;
        }
        match step.map(|step| &step.action) {
            Some(Action::Effect(effect)) => of_reading(&effect.reading),
            Some(Action::Set(values)) => Type::Set(values),
            _ => Type::Any,
        }
    }

    /// Returns the kind of an expression that has a name.
    fn of_word(&self, expression: &'a Expression, depth: usize) -> Type<'a> {
        let inside = self.inside.get().map(std::ptr::from_ref);
        let key = (std::ptr::from_ref(expression), inside);
        if let Some(kind) = self.words.borrow().get(&key) {
            return kind.clone();
        }
        let kind = self.of(&expression.root, None, depth + 1);
        self.words.borrow_mut().insert(key, kind.clone());
        kind
    }

    /// Returns the kind of a part; `None` where there is no such part.
    fn part(&self, base: &Type<'a>, name: &str, depth: usize) -> Option<Type<'a>> {
        match base {
            Type::Output { kept } => match name {
                "exit" => Some(Type::Number),
                "stdout" | "stderr" if *kept => Some(Type::Text),
                _ => None,
            },
            Type::Set(values) => {
                let (_, expression) = values.iter().find(|(key, _)| key == name)?;
                Some(self.of_word(expression, depth))
            }
            Type::Results => None,
            Type::Rows(reading) => Some(Type::Row(reading)),
            Type::Row(Reading::Tsv { types, .. } | Reading::Regex { types, .. }) => {
                Some(of_column(types, name, Type::Text))
            }
            Type::Row(Reading::Json { types, .. } | Reading::Yaml { types, .. }) => {
                Some(of_column(types, name, Type::Any))
            }
            _ => Some(Type::Any),
        }
    }

    /// Returns the parts of a value that has only these.
    fn parts(base: &Type<'a>) -> Vec<&'a str> {
        match base {
            Type::Output { kept: true } => vec!["exit", "stdout", "stderr"],
            Type::Output { kept: false } => vec!["exit"],
            Type::Set(values) => values.iter().map(|(name, _)| name.as_str()).collect(),
            _ => Vec::new(),
        }
    }
}

struct Check<'a, 'b> {
    types: &'b Types<'a>,
    found: &'b mut Diagnostics,
    expression: Option<&'b Expression>,
}

impl<'a, 'b> Check<'a, 'b>
where
    'a: 'b,
{
    fn step(&mut self, step: &'a Step) {
        let values: Vec<&Expression> = match &step.action {
            Action::Set(values) => values.iter().map(|(_, value)| value.as_ref()).collect(),
            _ => Vec::new(),
        };
        for expression in expressions(step) {
            if values.iter().any(|value| std::ptr::eq(*value, expression)) {
                self.value(expression, None);
            } else {
                self.condition(expression, None);
            }
        }
    }

    fn condition(&mut self, expression: &'b Expression, row: Option<&'a Reading>) {
        self.value(expression, row);
        let kind = self.types.of(&expression.root, row, 0);
        if !kind.meets(&Type::Bool) {
            let message = format!("`{}` is {}, not true or false", expression.text, kind.about());
            let mut fault = Diagnostic::error("not-a-condition", message);
            if let Some(span) = expression.span {
                fault = fault.at(span, "must be true or false");
            }
            let cure = compared(&expression.text, &kind);
            self.found.push(fault.help(format!("compare it: {cure}")));
        }
    }

    fn value(&mut self, expression: &'b Expression, row: Option<&'a Reading>) {
        self.expression = Some(expression);
        self.walk(&expression.root, row, 0);
    }

    fn walk(&mut self, expr: &Expr, row: Option<&'a Reading>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        match &expr.kind {
            Kind::Compare(first, rest) => {
                let mut left = first.as_ref();
                for (how, right) in rest {
                    self.compare(*how, left, right, row);
                    left = right;
                }
            }
            Kind::Attr(base, name) => self.attribute(expr, base, name, row),
            Kind::And(a, b) | Kind::Or(a, b) => {
                self.operand(a, row);
                self.operand(b, row);
            }
            Kind::Not(a) => self.operand(a, row),
            _ => {}
        }
        for inner in expr.parts() {
            self.walk(inner, row, depth + 1);
        }
    }

    /// Tells of a part that is joined by `and`, `or`, `not` and is no bool.
    fn operand(&mut self, part: &Expr, row: Option<&'a Reading>) {
        let kind = self.types.of(part, row, 0);
        if !kind.meets(&Type::Bool) {
            let text = self.text(part);
            let message = format!("`{text}` is {}, not true or false", kind.about());
            self.found.push(
                Diagnostic::error("not-a-condition", message)
                    .at(self.place(part), "must be true or false")
                    .help(format!("compare it: {}", compared(&text, &kind))),
            );
        }
    }

    fn compare(&mut self, how: Comparison, left: &Expr, right: &Expr, row: Option<&'a Reading>) {
        let kind = self.types.of(left, row, 0);
        let others: Vec<&Expr> = match (how, &right.kind) {
            (Comparison::In | Comparison::NotIn, Kind::List(items)) => items.iter().collect(),
            (Comparison::In | Comparison::NotIn, _) => return,
            _ => vec![right],
        };
        for other in others {
            let against = self.types.of(other, row, 0);
            if kind.meets(&against) {
                self.among(&kind, left, other);
                self.among(&against, other, left);
                continue;
            }
            let (a, b) = (self.text(left), self.text(other));
            let end = match how {
                Comparison::Eq | Comparison::Ne | Comparison::In | Comparison::NotIn => {
                    "they are never equal"
                }
                _ => "neither is less than the other",
            };
            let message =
                format!("`{a}` is {} and `{b}` is {}: {end}", kind.about(), against.about());
            let fault = Diagnostic::error("never-equal", message)
                .at(self.place(left), format!("this is {}", kind.about()));
            let constant = match &other.kind {
                Kind::Const(value) => Some(value),
                _ => None,
            };
            let fault = match (&kind, &against, constant) {
                (Type::Number, Type::Text, Some(value))
                    if value.as_str().is_some_and(|text| text.parse::<i64>().is_ok()) =>
                {
                    let number = value.as_str().unwrap_or_default();
                    let order = format!("write {number} without quotes");
                    self.replaced(fault, order, other, number)
                }
                (Type::Bool, Type::Text, Some(_)) => {
                    fault.help(format!("write `{a}`, or `not {a}`"))
                }
                (Type::Text, Type::Number, Some(value)) => fault.help(format!(
                    "write `\"{value}\"`, or give `{a}` a type: `types: {{...: int}}`"
                )),
                (Type::List, Type::Number, _) => {
                    fault.help(format!("how many there are is `{a} | length`"))
                }
                (Type::Number, Type::List, _) => {
                    fault.help(format!("how many there are is `{b} | length`"))
                }
                _ => fault.help("compare values of one kind"),
            };
            self.found.push(fault);
        }
    }

    /// Tells of a word that an enum does not have.
    fn among(&mut self, kind: &Type<'_>, expr: &Expr, other: &Expr) {
        let (Type::Words(words), Kind::Const(value)) = (kind, &other.kind) else {
            return;
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some(text) = value.as_str().filter(|text| !words.contains(text)) else {
            return;
        };
        let name = self.text(expr);
        let fault = Diagnostic::error("never-equal", format!("`{name}` is never `{text}`"))
            .at(self.place(expr), format!("is {}", one_of(&words)));
        let fault = match nearest(text, words.iter().copied()) {
            Some(near) => {
                let order = format!("did you mean `{near}`?");
                self.replaced(fault, order, other, &format!("\"{near}\""))
            }
            None => fault.help(format!("write {}", one_of(&words))),
        };
        self.found.push(fault);
    }

    fn attribute(&mut self, whole: &Expr, base: &Expr, name: &str, row: Option<&'a Reading>) {
        let kind = self.types.of(base, row, 0);
        if self.types.part(&kind, name, 0).is_some() {
            return;
        }
        let base = self.text(base);
        let parts = Types::parts(&kind);
        let fault = Diagnostic::error("unknown-part", format!("`{base}` has no `{name}`"))
            .at(self.place(whole), "no such value");
        let fault = match nearest(name, parts.iter().copied()) {
            _ if matches!(kind, Type::Results) => fault.help(format!(
                "`{base}` is the list of the results, one for each item: write `{base}[0].{name}`, \
                 or `{base} | map(attribute=\"{name}\") | list`"
            )),
            Some(near) => {
                let order = format!("did you mean `{base}.{near}`?");
                self.replaced(fault, order, whole, &format!("{base}.{near}"))
            }
            None => fault.help(format!("`{base}` has {}", one_of(&parts).replace(" or ", " and "))),
        };
        self.found.push(fault);
    }

    fn text(&self, expr: &Expr) -> String {
        self.expression.map_or_else(String::new, |expression| expression.part(expr).to_owned())
    }

    /// Offers other words for a part of the expression; in words alone where they cannot be put
    /// there.
    fn replaced(&self, fault: Diagnostic, order: String, part: &Expr, with: &str) -> Diagnostic {
        let edit = self.expression.and_then(|one| one.edit(part, with));
        fault.fix_all(order, edit.into_iter().collect())
    }

    /// Returns where a part of the expression stands.
    fn place(&self, part: &Expr) -> Span {
        let expression = self.expression.expect("set before a walk begins");
        let place = expression.place(part).or(expression.span);
        place.expect("an expression of a plan was read from a file")
    }
}
