//! The type of each part of an expression, as far as it is known without running a probe.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use indexmap::IndexMap;

use crate::output::{Data, Format};
use crate::plan::check::types::MAX_DEPTH;
use crate::plan::check::types::kinds::{Type, constant, of_column, of_reading};
use crate::plan::{Action, InputKind, Plan, Step, Target};
use crate::template::expression::{Expr, ExprKind, Expression};

/// The parts of `host`.
const HOST: &[(&str, Type<'static>)] = &[
    ("name", Type::Text),
    ("address", Type::Text),
    ("groups", Type::List),
    ("vars", Type::Mapping),
];
/// The parts of `run`.
const RUN: &[(&str, Type<'static>)] = &[("id", Type::Text), ("status", Type::Text)];

/// The kinds of the values of a plan.
pub(super) struct Types<'a> {
    pub(super) plan: &'a Plan,
    pub(super) steps: IndexMap<&'a str, &'a Step>,
    /// The kinds of words and values of `set` that were asked for: one may be used many times.
    words: RefCell<HashMap<(*const Expression, Option<*const Step>), Type<'a>>>,
    /// The step with a `for_each` that is checked: inside, its name is the result of one item.
    pub(super) inside: Cell<Option<&'a Step>>,
    /// The names that a `{% for %}` gives here.
    pub(super) locals: RefCell<Vec<String>>,
}

impl<'a> Types<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            steps: plan.ids(),
            words: RefCell::default(),
            inside: Cell::new(None),
            locals: RefCell::default(),
        }
    }

    pub(super) fn of(&self, expr: &Expr, row: Option<&'a Data>, depth: usize) -> Type<'a> {
        if depth > MAX_DEPTH {
            return Type::Any;
        }
        let inner = |expr: &Expr| self.of(expr, row, depth + 1);
        match &expr.kind {
            ExprKind::Const(value) => constant(value),
            ExprKind::Var(name) => self.of_name(name, row, depth),
            ExprKind::Not(_)
            | ExprKind::And(..)
            | ExprKind::Or(..)
            | ExprKind::Compare(..)
            | ExprKind::Test(..) => Type::Bool,
            ExprKind::Arithmetic("~", ..) => Type::Text,
            ExprKind::Arithmetic(_, a, b) => match (inner(a), inner(b)) {
                (Type::Number, Type::Number) => Type::Number,
                _ => Type::Any,
            },
            ExprKind::Negative(_) => Type::Number,
            ExprKind::If(_, yes, Some(no)) => match (inner(yes), inner(no)) {
                (Type::Bool, Type::Bool) => Type::Bool,
                (Type::Number, Type::Number) => Type::Number,
                (Type::Text | Type::Words(_), Type::Text | Type::Words(_)) => Type::Text,
                _ => Type::Any,
            },
            ExprKind::Filter(name, ..) => match name.as_str() {
                "length" | "count" | "int" | "float" | "abs" | "round" | "sum" => Type::Number,
                "capitalize" | "format" | "indent" | "join" | "lower" | "pprint" | "replace"
                | "string" | "title" | "tojson" | "trim" | "upper" => Type::Text,
                "bool" => Type::Bool,
                "batch" | "chain" | "dictsort" | "groupby" | "items" | "lines" | "list" | "map"
                | "reject" | "rejectattr" | "select" | "selectattr" | "slice" | "sort"
                | "split" | "unique" | "zip" => Type::List,
                _ => Type::Any,
            },
            ExprKind::Attr(base, name) => self.part(&inner(base), name, depth).unwrap_or(Type::Any),
            ExprKind::Item(base, key) => match (inner(base), &key.kind) {
                (Type::Rows(data), _) => Type::Row(data),
                (base, ExprKind::Const(name)) => name
                    .as_str()
                    .and_then(|name| self.part(&base, name, depth))
                    .unwrap_or(Type::Any),
                _ => Type::Any,
            },
            ExprKind::List(_) => Type::List,
            ExprKind::Map(_) => Type::Mapping,
            ExprKind::Poisoned | ExprKind::OfModel(_) | ExprKind::If(_, _, None) => Type::Any,
        }
    }

    fn of_name(&self, name: &str, row: Option<&'a Data>, depth: usize) -> Type<'a> {
        if self.locals.borrow().iter().any(|local| local == name) {
            return Type::Any;
        }
        match name {
            "row" => return row.map_or(Type::Any, Type::Row),
            "host" | "there" => return Type::Parts(HOST),
            "run" => return Type::Parts(RUN),
            _ => {}
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
            return match probe.target {
                Target::RowsOf(..) => Type::Mapping,
                _ => of_reading(&probe.reading),
            };
        }
        if let Some(named) = self.plan.named.get(name) {
            return match named.from {
                Some(_) => Type::List,
                None => self.of_word(&named.expression, depth),
            };
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
        let locals = self.locals.take();
        let kind = self.of(&expression.root, None, depth + 1);
        self.locals.replace(locals);
        self.words.borrow_mut().insert(key, kind.clone());
        kind
    }

    /// Returns the kind of a part; `None` if there is no such part.
    pub(super) fn part(&self, base: &Type<'a>, name: &str, depth: usize) -> Option<Type<'a>> {
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
            Type::Parts(parts) => {
                parts.iter().find(|(part, _)| *part == name).map(|(_, kind)| kind.clone())
            }
            Type::Results
            | Type::Bool
            | Type::Number
            | Type::Text
            | Type::Words(_)
            | Type::List => None,
            Type::Rows(data) => Some(Type::Row(data)),
            Type::Row(data) => {
                let is_text = matches!(data.format, Format::Tsv | Format::Csv | Format::Regex(_));
                let otherwise = if is_text { Type::Text } else { Type::Any };
                Some(of_column(&data.types, name, otherwise))
            }
            _ => Some(Type::Any),
        }
    }

    /// Returns the parts of a value that has only these.
    pub(super) fn parts(base: &Type<'a>) -> Vec<&'a str> {
        match base {
            Type::Output { kept: true } => vec!["exit", "stdout", "stderr"],
            Type::Output { kept: false } => vec!["exit"],
            Type::Set(values) => values.iter().map(|(name, _)| name.as_str()).collect(),
            Type::Parts(parts) => parts.iter().map(|(name, _)| *name).collect(),
            _ => Vec::new(),
        }
    }
}
