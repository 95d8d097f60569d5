//! The filters and tests of the language: their names, their arguments, what they do.
//!
//! This table is the language: the engine of templates has these and no others (a test compares
//! both, by name and by number of arguments), expressions are checked against it before a run, and
//! the tables of the manual are made from it. What the engine has for HTML is left out: nothing
//! here becomes HTML, and `| escape` in a script would change a value.

use std::ops::Range;
use std::sync::LazyLock;

use minijinja::Value;

use crate::diagnostic::nearest;
use crate::table;
use crate::template::error::{TextError, TextErrorKind};

#[derive(Clone, Debug)]
pub struct Helper {
    pub name: &'static str,
    /// Its arguments as the manual shows them; one in `[ ]` may be left out.
    pub arguments: &'static str,
    /// The fewest arguments, the value before it not counted.
    pub least: usize,
    /// The most arguments without a name.
    pub most: usize,
    /// The arguments that may be given by name.
    pub named: Vec<&'static str>,
    pub about: &'static str,
}

/// Any number of arguments.
pub const ANY: usize = usize::MAX;

pub static FILTERS: LazyLock<Vec<Helper>> = LazyLock::new(|| helpers("filter"));
pub static TESTS: LazyLock<Vec<Helper>> = LazyLock::new(|| helpers("test"));

fn helpers(wanted: &str) -> Vec<Helper> {
    let all = table::rows::<7>(include_str!("helpers.tsv"));
    all.filter(|[sort, ..]| *sort == wanted)
        .map(|[_, name, least, most, named, arguments, about]| Helper {
            name,
            arguments,
            least: least.parse().unwrap_or(0),
            most: most.parse().unwrap_or(ANY),
            named: named.split_whitespace().collect(),
            about,
        })
        .collect()
}

/// Filters that the engine has and the language does not.
pub(super) const LEFT_OUT_FILTERS: [&str; 3] = ["e", "escape", "safe"];
/// Tests that the engine has and the language does not.
pub(super) const LEFT_OUT_TESTS: [&str; 4] = ["escaped", "filter", "safe", "test"];

/// A filter or a test as an expression uses it.
pub(super) struct Use<'a> {
    pub(super) name: &'a str,
    /// Where the name is.
    pub(super) at: Range<usize>,
    /// Where it is with its arguments.
    pub(super) whole: Range<usize>,
    /// The arguments without a name; the constant ones with their values and places.
    pub(super) positional: Vec<Option<(Value, Range<usize>)>>,
    /// The names of the others.
    pub(super) named: Vec<&'a str>,
}

/// What an expression is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Condition,
    Template,
    /// A model, whose expressions may have calls and slices, too.
    Model,
}

/// Whether it is a filter or a test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Filter,
    Test,
}

impl Sort {
    fn all(self) -> &'static [Helper] {
        match self {
            Self::Filter => &FILTERS,
            Self::Test => &TESTS,
        }
    }

    /// Returns the error of one that does not exist, with what to write instead.
    fn unknown(self, name: &str, range: Range<usize>, instead: Option<&str>) -> TextError {
        let (own, kind) = match self {
            Self::Filter => ("filter", TextErrorKind::UnknownFilter),
            Self::Test => ("test", TextErrorKind::UnknownTest),
        };
        let mut foreign = table::rows::<3>(include_str!("foreign.tsv"));
        let foreign = foreign.find(|[sort, other, _]| *sort == own && *other == name);
        let instead = instead.or(foreign.map(|[_, _, advice]| advice));
        let near = nearest(name, self.all().iter().map(|one| one.name));
        let help = instead.map_or_else(
            || format!("use one of the {own}s listed in docs/language.md"),
            str::to_owned,
        );
        let near = near.filter(|_| instead.is_none());
        TextError { kind, help, near, ..TextError::syntax(name, range) }
    }
}

/// Checks that a filter or test exists and takes its arguments.
pub(super) fn check(sort: Sort, used: &Use<'_>) -> Result<(), TextError> {
    let known = sort.all().iter().find(|one| one.name == used.name);
    let Some(helper) = known else { return Err(sort.unknown(used.name, used.at.clone(), None)) };
    let (count, named) = (used.positional.len(), used.named.len());
    let wrong_name = used
        .named
        .iter()
        .find(|name| !helper.named.contains(*name) && !helper.named.contains(&"*"));
    let problem = if let Some(name) = wrong_name {
        format!("`{}` has no argument `{name}`", helper.name)
    } else if count > helper.most {
        match helper.most {
            0 => format!("`{}` takes no arguments, found {count}", helper.name),
            most => format!("`{}` takes at most {}, found {count}", helper.name, arguments(most)),
        }
    } else if count + named < helper.least {
        let least = arguments(helper.least);
        format!("`{}` takes at least {least}, found {count}", helper.name)
    } else {
        return by_name(sort, used);
    };
    let help = match helper.arguments {
        "" => format!("write `{}` without arguments", helper.name),
        all if all.contains('[') => {
            format!("write `{}({all})`; those in `[ ]` are optional", helper.name)
        }
        all => format!("write `{}({all})`", helper.name),
    };
    let fault = TextError::syntax(problem, used.whole.clone());
    Err(TextError { kind: TextErrorKind::Arguments, help, ..fault })
}

fn arguments(count: usize) -> String {
    format!("{count} argument{}", if count == 1 { "" } else { "s" })
}

/// Returns the error of a filter or test that means something elsewhere only: in the commands of a
/// plan, or in its conditions.
pub(super) fn elsewhere(of: Language, name: &str, at: Range<usize>) -> Option<TextError> {
    let (sort, instead) = match name {
        "allow_empty" | "raw" if of == Language::Model => {
            (Sort::Filter, "remove it: it only works in the commands of a plan")
        }
        "each" if of != Language::Template => {
            (Sort::Filter, "remove it: it only works in the commands of a plan")
        }
        "unknown" if of != Language::Condition => {
            (Sort::Test, "use it in a condition: `set: {known: x is not unknown}`")
        }
        _ => return None,
    };
    Some(sort.unknown(name, at, Some(instead)))
}

/// Checks the filter or test that another filter gets by name: `map("upper")`.
fn by_name(sort: Sort, used: &Use<'_>) -> Result<(), TextError> {
    let (inner, at) = match (sort, used.name) {
        (Sort::Filter, "map") => (Sort::Filter, 0),
        (Sort::Filter, "select" | "reject") => (Sort::Test, 0),
        (Sort::Filter, "selectattr" | "rejectattr") => (Sort::Test, 1),
        _ => return Ok(()),
    };
    let Some(Some((value, place))) = used.positional.get(at) else { return Ok(()) };
    let Some(name) = value.as_str().filter(|name| !SIGNS.contains(name)) else { return Ok(()) };
    // Without its quotes, if it is written without escapes.
    let bare =
        if place.len() == name.len() + 2 { place.start + 1..place.end - 1 } else { place.clone() };
    check(
        inner,
        &Use {
            name,
            at: bare,
            whole: used.whole.clone(),
            positional: used.positional[at + 1..].to_vec(),
            named: used.named.clone(),
        },
    )
}

/// Tests that are known by a sign, too: `select(">", 5)`.
pub const SIGNS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
