//! The tables of filters and tests agree with the engine.

use std::collections::BTreeSet;

use minijinja::ErrorKind;

use minijinja::Value;
use planrun::template::helpers::{ANY, FILTERS, Helper, SIGNS, TESTS};
use planrun::template::{Mode, environment};

/// Returns the names in a list of the engine's debug form: `filters: {"a", "b"}`.
fn listed(what: &str) -> BTreeSet<String> {
    let debug = format!("{:?}", environment(Mode::Text));
    let (_, rest) = debug.split_once(&format!(" {what}: ")).unwrap();
    let end = rest.find(['}', ']']).unwrap();
    rest[..end].split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_tables_have_what_the_engine_has() {
    for (what, table) in [("filters", &*FILTERS), ("tests", &*TESTS)] {
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
    let kinds = |filters: bool, name: &str, count: usize| -> Vec<Option<ErrorKind>> {
        let mut kinds = Vec::new();
        for value in &values {
            for argument in &values {
                let mut all = vec![value.clone()];
                all.extend(vec![argument.clone(); count]);
                let mut state = environment(Mode::Text).empty_state();
                kinds.push(if filters {
                    state.apply_filter(name, &all).err().map(|e| e.kind())
                } else {
                    state.perform_test(name, &all).err().map(|e| e.kind())
                });
            }
        }
        kinds
    };
    for (sort, all) in [(true, &*FILTERS), (false, &*TESTS)] {
        for one in all.iter().filter(|one| one.name != "unknown") {
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
