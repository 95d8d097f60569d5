//! Every expression is parsed completely, or rejected with a location.
//!
//! Expressions are generated, most of them valid, and damaged: a token or a character is inserted or
//! removed. `PROPTEST_CASES` sets how many (1,000,000 take some minutes).

use planrun::diagnostic::Diagnostics;
use planrun::source::Sources;
use planrun::template::expression::Expression;
use planrun::template::parser;
use planrun::{document, plan};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;

use crate::properties::expression;

/// How many expressions are made unless `PROPTEST_CASES` says so.
const CASES: u32 = 20_000;

const VALUES: &[&str] = &[
    "a",
    "ring[ip].users",
    "host",
    "host.vars.x",
    "run",
    "row",
    "true",
    "None",
    "0",
    "42",
    "1.5",
    "1e3",
    "99999999999999999999",
    "\"a\"",
    "'b c'",
    "\"it's \\\" \\n é\"",
    "'\\u00e9'",
    "[]",
    "()",
    "(1,)",
    "{}",
    "{'k': a}",
    "x.0",
    "-a.b",
];
const BETWEEN: &[&str] = &[
    " and ", " or ", " == ", "!=", " < ", "<=", " > ", ">=", " in ", " not in ", " + ", "-", "*",
    " / ", "//", " % ", "**", " ~ ", " if ",
];
const BEHIND: &[&str] = &[
    " | length",
    "|default(1, true)",
    " | join(', ')",
    " | map(attribute='x')",
    " | map('upper')",
    "|sort(reverse=true)",
    " is defined",
    " is not none",
    " is divisibleby 3",
    " is eq(1)",
    ".part",
    "[0]",
    "['k']",
];
/// What is put in: tokens, and characters that are none.
const PUT: &[&str] = &[
    " ", "\"a\"", "'b'", "\"", "'", "&", "&&", ";", "#", "@", "?", "$", "!", "`", "^", "\\", "||",
    "|", "=", "}", "}}", "{{", "{", "%}", "(", ")", "[", "]", ",", ":", ".", "é", "\u{a0}",
    "\u{200b}", "\n", "\t", "\0", "and ", " not ", " in ", " is ", " if ", " else ", "1", " x ",
    "-",
];

fn made() -> impl Strategy<Value = String> {
    let leaf = select(VALUES).prop_map(str::to_owned);
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            4 => (inner.clone(), select(BETWEEN), inner.clone())
                .prop_map(|(a, between, b)| format!("{a}{between}{b}")),
            2 => (inner.clone(), select(BEHIND)).prop_map(|(a, behind)| format!("{a}{behind}")),
            1 => inner.clone().prop_map(|a| format!("({a})")),
            1 => inner.clone().prop_map(|a| format!("not {a}")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            1 => (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("{a} if {b} else {c}")),
        ]
    })
}

/// Where something is put in, what, and whether it takes the place of a character.
type Change = (Index, &'static str, bool);

fn changed(text: &str, changes: &[Change]) -> String {
    let mut text = text.to_owned();
    for (index, put, replaces) in changes {
        let places: Vec<usize> =
            text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let at = places[index.index(places.len())];
        if *replaces && at < text.len() {
            text.remove(at);
        }
        text.insert_str(at, put);
    }
    text
}

#[test]
#[expect(clippy::print_stdout, reason = "how many were tried is a figure to be seen")]
fn accepted_text_printed_from_its_tree_has_the_same_tree_and_every_token() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    let config = ProptestConfig {
        cases: cases.unwrap_or(CASES),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(8),
        ..ProptestConfig::default()
    };
    let changes = prop::collection::vec((any::<Index>(), select(PUT), any::<bool>()), 0..3);
    let accepted = std::cell::Cell::new(0_u32);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let ran = runner.run(&(made(), changes), |(text, changes)| {
        if expression(&changed(&text, &changes)) {
            accepted.set(accepted.get() + 1);
        }
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
    let (accepted, cases) = (accepted.get(), cases.unwrap_or(CASES));
    println!("{cases} texts, {accepted} accepted");
    assert!(accepted > cases / 5 && accepted < cases * 9 / 10, "{accepted} of {cases} accepted");
}

/// Texts that the parser of the engine reads only in part, with what is behind the part.
const PART: &[(&str, &str)] = &[
    ("state == \"a\" && state == \"b\"", "&"),
    ("state == \"a\"; state", ";"),
    ("state == \"a\" & state", "&"),
    ("state == \"a\" # comment", "#"),
    ("state == \"a\" @", "@"),
    ("state == \"a\" ?", "?"),
    ("state == 'a' $x", "$"),
    ("state == 'a' \u{a0}and state", "\u{a0}"),
    ("state == \"a\" \"b\"", "\"b\""),
    ("state in [\"a\" \"b\"]", "\"b\""),
    ("[\"a\", 'b\\n' 'c']", "'c'"),
    ("state == \"a\" \"", "\""),
    ("1e999 > 2", "1e999"),
    ("state == and", "and"),
    ("state + not .0", "not"),
    ("state == \"a\" state", "state"),
    ("state is defined if", "if"),
];

#[test]
fn what_is_behind_a_string_is_read_too() {
    for (text, at) in PART {
        let fault = Expression::parse_text(text).map(|_| ()).expect_err(text);
        assert_eq!(text.get(fault.range), Some(*at), "{text}: {}", fault.text);
        let template = format!("{{{{ {text} }}}}");
        let fault = parser::template(&template).map(|_| ()).expect_err(text);
        assert_eq!(template.get(fault.range), Some(*at), "{template}: {}", fault.text);
    }
}

#[test]
fn statements_of_templates_are_read_to_their_end() {
    for text in [
        "{% if a == \"x\" && b %}{% endif %}",
        "{% if a b %}{% endif %}",
        "{% if a %}{% else b %}{% endif %}",
        "{% if a %}{% endif b %}",
        "{% if a %}{% elif \"x\" ; %}{% endif %}",
        "{% for x in \"a\" ? %}{% endfor %}",
        "{% for x in a b %}{% endfor %}",
        "{% for x in a if x | nosuch %}{% endfor %}",
        "{% for x in a %}{% endfor a %}",
        "{% for x in a %}{% else a %}{% endfor %}",
        "{% set x = a %}",
        "{# open",
    ] {
        let fault = parser::template(text).map(|_| ()).expect_err(text);
        assert!(!fault.range.is_empty() && text.get(fault.range).is_some(), "{text}");
    }
}

/// Where an expression or a template can be in a plan, as text around it.
const PLACES: &[&str] = &[
    "let: {x: 'E'}\nsteps: [{assert: {y: x}}]",
    "probes: {p: {run: 'id \"T\"', parse: text}}\nsteps: [{assert: {y: p == ''}}]",
    "probes: {p: {run: id, parse: {format: tsv, key: k}}}\nlet: {x: {from: p, where: 'E'}}\nsteps: [{assert: {y: x | length == 0}}]",
    "preflight: {y: 'E'}\nsteps: [{wait: 1s}]",
    "invariants: {always: {y: 'E'}}\nsteps: [{wait: 1s}]",
    "steps: [{wait: 1s, when: 'E'}]",
    "steps: [{assert: {y: 'E'}}]",
    "steps: [{wait: {until: 'E', timeout: 1m}}]",
    "steps: [{id: s, set: {y: 'E'}}]",
    "steps: [{for_each: 'E', approve: go}]",
    "steps: [{run: id, requires: {y: 'E'}, rollback: {none: x}, idempotent: true}]",
    "steps: [{run: id, done_when: 'E', rollback: {none: x}}]",
    "steps: [{run: id, done_when: true, rollback: {run: id, done_when: 'E'}}]",
    "steps: [{approve: 'T'}]",
    "steps: [{fail: 'T'}]",
    "steps: [{shell: 'id T', read_only: true}]",
    "steps: [{run: [id, 'T'], read_only: true}]",
    "steps: [{run: id, env: {A: 'T'}, read_only: true}]",
    "steps: [{run: id, stdin: 'T', read_only: true}]",
    "steps: [{run: id, dir: 'T', read_only: true}]",
    "steps: [{run: id, timeout: 'T', read_only: true}]",
    "steps: [{upload: {content: 'T', to: /x}, rollback: {none: x}}]",
    "steps: [{upload: {content: x, to: 'T'}, rollback: {none: x}}]",
    "steps: [{for_each: ['T'], approve: '{{ item }}'}]",
    "inputs: {i: {type: string, default: 'T'}}\nsteps: [{approve: '{{ i }}'}]",
];

/// Returns the codes that are reported for a plan.
fn codes(text: &str) -> Vec<&'static str> {
    let mut sources = Sources::default();
    let id = sources.add("plan.yaml", text);
    let mut found = Diagnostics::default();
    plan::read(&sources, id, &mut found);
    found.sorted().into_iter().map(|one| one.code.name()).collect()
}

#[test]
fn an_expression_is_checked_wherever_it_can_be_in_a_plan() {
    for (expression, in_condition, in_template) in [
        ("host.name == \"a\" && true", "expression-syntax", "template-syntax"),
        ("host.name | uper", "unknown-filter", "unknown-filter"),
        ("host.name is evn", "unknown-test", "unknown-test"),
        ("host.name | replace(1)", "wrong-arguments", "wrong-arguments"),
    ] {
        for place in PLACES {
            let (in_place, code) = if place.contains('E') && !place.contains("'T") {
                (place.replace("'E'", &format!("'{expression}'")), in_condition)
            } else {
                (place.replace('T', &format!("{{{{ {expression} }}}}")), in_template)
            };
            let text = format!("version: 1\nname: p\nhosts: all\n{in_place}\n");
            assert!(codes(&text).contains(&code), "{:?} for\n{text}", codes(&text));
        }
    }
}

/// The document module reads what is between the places, so that a test fails for its own reason.
#[test]
fn the_places_are_sound_yaml() {
    for place in PLACES {
        let mut sources = Sources::default();
        let id = sources.add("plan.yaml", *place);
        let mut found = Diagnostics::default();
        assert!(document::parse(&sources, id, &mut found).is_some(), "{place}");
    }
}
