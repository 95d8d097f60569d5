//! The filters and tests of the language: their names, their arguments, what they do.
//!
//! This table is the language: the engine of templates has these and no others (a test compares
//! both, by name and by number of arguments), expressions are checked against it before a run, and
//! the tables of the manual are made from it. What the engine has for HTML is left out: nothing
//! here becomes HTML, and `| escape` in a script would change a value.

use std::ops::Range;

use minijinja::Value;

use crate::diagnostic::nearest;
use crate::template::fault::{Advice, Fault, FaultKind};

/// A filter or a test.
#[derive(Clone, Copy, Debug)]
pub struct Helper {
    pub name: &'static str,
    /// Its arguments as the manual shows them; one in `[ ]` may be left out.
    pub arguments: &'static str,
    /// The fewest arguments, the value before it not counted.
    pub least: usize,
    /// The most arguments without a name.
    pub most: usize,
    /// The arguments that may be given by name.
    pub named: &'static [&'static str],
    pub about: &'static str,
}

/// Any number of arguments.
pub const ANY: usize = usize::MAX;

const fn helper(
    name: &'static str,
    arguments: &'static str,
    (least, most): (usize, usize),
    named: &'static [&'static str],
    about: &'static str,
) -> Helper {
    Helper { name, arguments, least, most, named, about }
}

const NONE: &[&str] = &[];
const ORDER: &[&str] = &["attribute", "case_sensitive"];

/// The filters, by name.
pub const FILTERS: &[Helper] = &[
    helper("abs", "", (0, 0), NONE, "a number without its sign"),
    helper("allow_empty", "", (0, 0), NONE, "the value; it may be empty in a command"),
    helper("attr", "KEY", (1, 1), NONE, "the part with this key"),
    helper("batch", "COUNT, [FILL]", (1, 2), NONE, "lists of so many items"),
    helper("bool", "", (0, 0), NONE, "true unless the value is empty, 0, false or none"),
    helper(
        "capitalize",
        "",
        (0, 0),
        NONE,
        "the first letter in upper case, the rest in lower case",
    ),
    helper("chain", "[LIST, ...]", (0, ANY), NONE, "several lists as one"),
    helper("count", "", (0, 0), NONE, "the same as `length`"),
    helper("d", "[OTHER], [true]", (0, 2), NONE, "the same as `default`"),
    helper(
        "default",
        "[OTHER], [true]",
        (0, 2),
        NONE,
        "the other value if this one is undefined; with `true` also if it is empty or false",
    ),
    helper(
        "dictsort",
        "[by], [case_sensitive], [reverse]",
        (0, 0),
        &["by", "case_sensitive", "reverse"],
        "the `[key, value]` pairs of a mapping, sorted by key, or with `by=\"value\"` by value",
    ),
    helper("first", "", (0, 0), NONE, "the first item"),
    helper("float", "[default]", (0, 1), &["default"], "a number with a fraction"),
    helper("format", "[VALUE, ...]", (0, ANY), &["*"], "the string with `%s`, `%d`, ... filled in"),
    helper(
        "groupby",
        "attribute, [default], [case_sensitive]",
        (1, 1),
        &["attribute", "case_sensitive", "default"],
        "lists of `[value, items]`, by an attribute of the items",
    ),
    helper(
        "indent",
        "[width], [first], [blank]",
        (0, 3),
        &["blank", "first", "width"],
        "the string with all lines but the first indented, by 4 spaces or `width`",
    ),
    helper("int", "[default], [base]", (0, 2), &["base", "default"], "an integer"),
    helper("items", "", (0, 0), NONE, "the `[key, value]` pairs of a mapping"),
    helper(
        "join",
        "[d], [attribute]",
        (0, 2),
        &["attribute", "d"],
        "the items as one string, with `d` between them",
    ),
    helper("last", "", (0, 0), NONE, "the last item"),
    helper("length", "", (0, 0), NONE, "the number of items or characters"),
    helper("lines", "", (0, 0), NONE, "the lines of a string as a list"),
    helper("list", "", (0, 0), NONE, "a list: the keys of a mapping, the characters of a string"),
    helper("lower", "", (0, 0), NONE, "the string in lower case"),
    helper(
        "map",
        "FILTER, [ARGUMENT, ...] or attribute, [default]",
        (1, ANY),
        &["attribute", "default"],
        "a filter or an attribute of every item: `map(\"upper\")`, `map(attribute=\"name\")`",
    ),
    helper("max", "[attribute], [case_sensitive]", (0, 0), ORDER, "the largest item"),
    helper("min", "[attribute], [case_sensitive]", (0, 0), ORDER, "the smallest item"),
    helper("pprint", "", (0, 0), NONE, "the value as a string for people"),
    helper("raw", "", (0, 0), NONE, "the value without quotes in a script: you quote it yourself"),
    helper(
        "reject",
        "[TEST], [ARGUMENT, ...]",
        (0, ANY),
        NONE,
        "the items that do not pass a test",
    ),
    helper(
        "rejectattr",
        "ATTRIBUTE, [TEST], [ARGUMENT, ...]",
        (1, ANY),
        NONE,
        "the items with an attribute that does not pass a test",
    ),
    helper(
        "replace",
        "FROM, TO, [count]",
        (2, 3),
        &["count"],
        "the string with one part replaced by another",
    ),
    helper("reverse", "", (0, 0), NONE, "the items or characters in reverse order"),
    helper(
        "round",
        "[precision], [method]",
        (0, 2),
        &["method", "precision"],
        "the rounded number; `method` is `common`, `ceil` or `floor`",
    ),
    helper("select", "[TEST], [ARGUMENT, ...]", (0, ANY), NONE, "the items that pass a test"),
    helper(
        "selectattr",
        "ATTRIBUTE, [TEST], [ARGUMENT, ...]",
        (1, ANY),
        NONE,
        "the items with an attribute that passes a test",
    ),
    helper("slice", "COUNT, [FILL]", (1, 2), NONE, "so many lists of about equal length"),
    helper(
        "sort",
        "[attribute], [case_sensitive], [reverse]",
        (0, 0),
        &["attribute", "case_sensitive", "reverse"],
        "the items, sorted",
    ),
    helper("split", "[SEPARATOR], [MOST]", (0, 2), NONE, "the parts of a string as a list"),
    helper("string", "", (0, 0), NONE, "the value as a string"),
    helper(
        "sum",
        "[attribute], [start]",
        (0, 2),
        &["attribute", "start"],
        "the sum of the items, or of an attribute of them",
    ),
    helper(
        "title",
        "",
        (0, 0),
        NONE,
        "the string with the first letter of each word in upper case",
    ),
    helper("tojson", "[indent]", (0, 1), &["indent"], "the value as JSON"),
    helper("trim", "[CHARACTERS]", (0, 1), NONE, "the string without spaces at its ends"),
    helper(
        "unique",
        "[attribute], [case_sensitive]",
        (0, 0),
        ORDER,
        "the items, equal ones only once",
    ),
    helper("upper", "", (0, 0), NONE, "the string in upper case"),
    helper("zip", "[LIST, ...]", (0, ANY), NONE, "lists of the first items, the second ones, ..."),
];

/// The tests, by name.
pub const TESTS: &[Helper] = &[
    helper("boolean", "", (0, 0), NONE, "is true or false"),
    helper("defined", "", (0, 0), NONE, "exists"),
    helper("divisibleby", "NUMBER", (1, 1), NONE, "is divisible by this number"),
    helper("endingwith", "STRING", (1, 1), NONE, "ends with this string"),
    helper("eq", "VALUE", (1, 1), NONE, "is equal"),
    helper("equalto", "VALUE", (1, 1), NONE, "is equal"),
    helper("even", "", (0, 0), NONE, "is an even number"),
    helper("false", "", (0, 0), NONE, "is false"),
    helper("float", "", (0, 0), NONE, "is a number with a fraction"),
    helper("ge", "VALUE", (1, 1), NONE, "is greater or equal"),
    helper("greaterthan", "VALUE", (1, 1), NONE, "is greater"),
    helper("gt", "VALUE", (1, 1), NONE, "is greater"),
    helper("in", "LIST", (1, 1), NONE, "is in this list, mapping or string"),
    helper("int", "", (0, 0), NONE, "is an integer"),
    helper("integer", "", (0, 0), NONE, "is an integer"),
    helper("iterable", "", (0, 0), NONE, "is a list, a mapping or a string"),
    helper("le", "VALUE", (1, 1), NONE, "is less or equal"),
    helper("lessthan", "VALUE", (1, 1), NONE, "is less"),
    helper("lower", "", (0, 0), NONE, "is a string in lower case"),
    helper("lt", "VALUE", (1, 1), NONE, "is less"),
    helper("mapping", "", (0, 0), NONE, "is a mapping"),
    helper("ne", "VALUE", (1, 1), NONE, "is not equal"),
    helper("none", "", (0, 0), NONE, "is `none`"),
    helper("number", "", (0, 0), NONE, "is a number"),
    helper("odd", "", (0, 0), NONE, "is an odd number"),
    helper("sameas", "VALUE", (1, 1), NONE, "is equal and of the same type"),
    helper("sequence", "", (0, 0), NONE, "is a list"),
    helper("startingwith", "STRING", (1, 1), NONE, "starts with this string"),
    helper("string", "", (0, 0), NONE, "is a string"),
    helper("true", "", (0, 0), NONE, "is true"),
    helper("undefined", "", (0, 0), NONE, "does not exist"),
    helper(
        "unknown",
        "",
        (0, 0),
        NONE,
        "is unknown, in conditions only: its probe failed, or its host did not answer",
    ),
    helper("upper", "", (0, 0), NONE, "is a string in upper case"),
];

/// Filters that the engine has and the language does not.
pub(super) const LEFT_OUT_FILTERS: [&str; 3] = ["e", "escape", "safe"];
/// Tests that the engine has and the language does not.
pub(super) const LEFT_OUT_TESTS: [&str; 4] = ["escaped", "filter", "safe", "test"];

/// Filters of other tools, and what is written here.
const FOREIGN_FILTERS: [(&str, &str); 16] = [
    ("b64encode", "encode it in a command, with `base64`"),
    ("basename", "write `x | split(\"/\") | last`"),
    ("combine", "write the fields of the mapping"),
    ("dict2items", "write `x | items`"),
    ("e", "values are not escaped: `run` and `shell` quote them already"),
    ("escape", "values are not escaped: `run` and `shell` quote them already"),
    ("from_json", "read the output of the command with `parse: json`"),
    ("mandatory", "remove it: a value that is undefined is an error already"),
    ("quote", "remove it: `run` and `shell` quote every value already"),
    ("regex_replace", "write `x | replace(\"from\", \"to\")`, or `parse: {format: regex, ...}`"),
    ("regex_search", "read the output of the command with `parse: {format: regex, ...}`"),
    ("safe", "remove it, or write `| raw` for a value that must not be quoted"),
    ("ternary", "write `a if condition else b`"),
    ("to_json", "write `x | tojson`"),
    ("to_nice_json", "write `x | tojson(indent=2)`"),
    ("to_yaml", "write `x | tojson`: JSON is YAML"),
];

/// Tests of other tools, and what is written here.
const FOREIGN_TESTS: [(&str, &str); 10] = [
    ("changed", "a step that did not change anything has no result: write `x is defined`"),
    ("contains", "write `\"part\" in x`"),
    ("empty", "write `x | length == 0`"),
    ("failed", "write `x.exit != 0`"),
    ("match", "write `x is startingwith(\"...\")`, or `parse: {format: regex, ...}`"),
    ("null", "write `x is none`"),
    ("search", "write `\"part\" in x`"),
    ("skipped", "write `x is undefined`"),
    ("succeeded", "write `x.exit == 0`"),
    ("success", "write `x.exit == 0`"),
];

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

/// Whether it is a filter or a test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Filter,
    Test,
}

impl Sort {
    fn all(self) -> &'static [Helper] {
        match self {
            Self::Filter => FILTERS,
            Self::Test => TESTS,
        }
    }

    fn foreign(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Filter => &FOREIGN_FILTERS,
            Self::Test => &FOREIGN_TESTS,
        }
    }

    fn unknown(self, name: &str, range: Range<usize>) -> Fault {
        let foreign = self.foreign().iter().find(|(other, _)| *other == name);
        let advice = match foreign {
            Some((_, words)) => Some(Advice::Words(words)),
            None => nearest(name, self.all().iter().map(|one| one.name)).map(Advice::Near),
        };
        let kind = match self {
            Self::Filter => FaultKind::UnknownFilter(advice),
            Self::Test => FaultKind::UnknownTest(advice),
        };
        Fault { text: name.to_owned(), range, kind }
    }
}

/// Checks that a filter or test exists and takes its arguments.
pub(super) fn check(sort: Sort, used: &Use<'_>) -> Result<(), Fault> {
    let known = sort.all().iter().find(|one| one.name == used.name);
    let Some(helper) = known else {
        return Err(sort.unknown(used.name, used.at.clone()));
    };
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
    Err(Fault { text: problem, range: used.whole.clone(), kind: FaultKind::Arguments(help) })
}

fn arguments(count: usize) -> String {
    format!("{count} argument{}", if count == 1 { "" } else { "s" })
}

/// Returns the fault of a filter that means something in the commands of a plan only, or of a test
/// that means something in its conditions only.
pub(super) fn elsewhere(name: &str, whole: &Range<usize>) -> Option<Fault> {
    let range = whole.start..whole.start + name.len();
    let kind = match name {
        "allow_empty" | "raw" => FaultKind::UnknownFilter(Some(Advice::Words(
            "remove it: it only works in the commands of a plan",
        ))),
        "unknown" => FaultKind::UnknownTest(Some(Advice::Words(
            "use it in a condition: `set: {known: x is not unknown}`",
        ))),
        _ => return None,
    };
    Some(Fault { text: name.to_owned(), range, kind })
}

/// Checks the filter or test that another filter gets by name: `map("upper")`.
fn by_name(sort: Sort, used: &Use<'_>) -> Result<(), Fault> {
    let (inner, at) = match (sort, used.name) {
        (Sort::Filter, "map") => (Sort::Filter, 0),
        (Sort::Filter, "select" | "reject") => (Sort::Test, 0),
        (Sort::Filter, "selectattr" | "rejectattr") => (Sort::Test, 1),
        _ => return Ok(()),
    };
    let Some(Some((value, place))) = used.positional.get(at) else {
        return Ok(());
    };
    let Some(name) = value.as_str().filter(|name| !SIGNS.contains(name)) else {
        return Ok(());
    };
    // Without its quotes, where it is written as it is.
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
const SIGNS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use minijinja::ErrorKind;

    use super::*;
    use crate::template::{Mode, engine};

    /// Returns the names in a list of the engine's debug form: `filters: {"a", "b"}`.
    fn listed(what: &str) -> BTreeSet<String> {
        let debug = format!("{:?}", engine::environment(Mode::Text));
        let (_, rest) = debug.split_once(&format!(" {what}: ")).unwrap();
        let end = rest.find(['}', ']']).unwrap();
        rest[..end].split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_tables_have_what_the_engine_has() {
        for (what, table) in [("filters", FILTERS), ("tests", TESTS)] {
            let signs: Vec<&str> = if what == "tests" { SIGNS.to_vec() } else { Vec::new() };
            let mut table: BTreeSet<String> =
                table.iter().map(|one| one.name).chain(signs).map(str::to_owned).collect();
            // Conditions are evaluated by planrun, and have one test more.
            table.remove("unknown");
            assert_eq!(listed(what), table, "{what}");
        }
    }

    #[test]
    fn the_engine_takes_as_many_arguments_as_the_tables_say() {
        let values = [Value::from("a"), Value::from(1), Value::from(vec!["a"]), Value::from(true)];
        let numbers = |one: &Helper| {
            let most = if one.most == ANY { one.least + 3 } else { one.most };
            (0..one.least, one.least..most + 1, (one.most != ANY).then(|| one.most + 1))
        };
        let kinds = |sort: Sort, name: &str, count: usize| -> Vec<Option<ErrorKind>> {
            let mut kinds = Vec::new();
            for value in &values {
                for argument in &values {
                    let mut all = vec![value.clone()];
                    all.extend(vec![argument.clone(); count]);
                    let mut state = engine::environment(Mode::Text).empty_state();
                    kinds.push(match sort {
                        Sort::Filter => state.apply_filter(name, &all).err().map(|e| e.kind()),
                        Sort::Test => state.perform_test(name, &all).err().map(|e| e.kind()),
                    });
                }
            }
            kinds
        };
        for sort in [Sort::Filter, Sort::Test] {
            for one in sort.all().iter().filter(|one| one.name != "unknown") {
                let (few, right, many) = numbers(one);
                let missing =
                    |kinds: &[Option<ErrorKind>]| kinds.contains(&Some(ErrorKind::MissingArgument));
                // `map` and `groupby` word a missing argument in their own way.
                for count in few.filter(|_| !["map", "groupby"].contains(&one.name)) {
                    assert!(missing(&kinds(sort, one.name, count)), "{} {count}", one.name);
                }
                for count in right {
                    let kinds = kinds(sort, one.name, count);
                    let fits =
                        !kinds.iter().any(|kind| matches!(kind, Some(ErrorKind::TooManyArguments)));
                    assert!(fits && (!missing(&kinds) || one.most == ANY), "{} {count}", one.name);
                }
                if let Some(count) = many {
                    let kinds = kinds(sort, one.name, count);
                    let too_many = Some(ErrorKind::TooManyArguments);
                    // Those of `round` have two types: no argument fits both.
                    let refused = kinds.contains(&too_many) || !kinds.contains(&None);
                    assert!(refused, "{} {count} {kinds:?}", one.name);
                }
            }
        }
    }
}
