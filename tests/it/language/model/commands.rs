//! The errors of invalid models.

use super::read;

/// Lowers a model with a group `b` that has this body, and returns what is told.
#[track_caller]
fn faults(body: &str) -> Vec<String> {
    let (model, faults) = read(&format!("version: 1\nmodel: m\na:\n  state: {{x: 1}}\nb:\n{body}"));
    assert_eq!(model.is_none(), !faults.is_empty(), "{faults:#?}");
    faults
}

#[track_caller]
fn one(body: &str) -> String {
    let faults = faults(body);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults[0].clone()
}

#[test]
fn a_small_model_is_read() {
    assert!(faults("  commands: [{run: 'true'}]\n").is_empty());
    assert!(faults("  state: {x: {a: [1]}}\n  derived: {y: x.a, z: y}\n").is_empty());
}

#[test]
fn faulty_expressions_and_templates_are_told_at_their_place() {
    assert_eq!(
        one("  state: {x: 1}\n  derived: {y: x +}\n"),
        "expression-syntax at `+`: invalid expression `x +`"
    );
    assert!(
        one("  commands: [{run: a, stdout: 'x {{ y'}]\n").starts_with("template-syntax at `{{`")
    );
    assert!(
        one("  commands: [{run: a, stdout: '{% if %}'}]\n").starts_with("template-syntax at `{%`")
    );
    assert_eq!(
        one("  commands: [{run: a, stdout: 'x {{ 1 | uper }}'}]\n"),
        "unknown-filter at `uper`: unknown filter `uper`"
    );
    for (text, at) in [("'a' && x", "&"), ("x == 'a' ; x", ";"), ("['a' 'b']", "'b'")] {
        assert_eq!(
            one(&format!("  state: {{x: a}}\n  derived: {{y: \"{text}\"}}\n")),
            format!("expression-syntax at `{at}`: invalid expression `{text}`")
        );
        let answer = format!("  commands: [{{run: a, stdout: \"{{{{ {text} }}}}\"}}]\n");
        let state = "  state: {x: a}\n";
        assert_eq!(
            one(&format!("{state}{answer}")),
            format!("expression-syntax at `{at}`: invalid expression `{text}`")
        );
    }
    assert_eq!(
        one("  commands: [{run: a, stdout: '{{ 1 | raw }}'}]\n"),
        "unknown-filter at `raw`: unknown filter `raw`"
    );
}

#[test]
fn unknown_names_are_told_wherever_they_stand() {
    let told = "unknown-name at `usres`: undefined name `usres`";
    let state = "  state: {users: 1}\n";
    assert_eq!(one(&format!("{state}  derived: {{y: usres > 1}}\n")), told);
    for answer in [
        "stdout: 'n {{ usres }}'",
        "becomes: {users: '{{ usres }}'}",
        "becomes: {users: [{n: '{{ usres }}'}]}",
        "later: {in: 1s, becomes: {users: '{{ usres }}'}}",
        "cases: [{when: usres > 1}, {exit: 1}]",
        "faults: {f: {stderr: '{{ usres }}'}}",
        "table: {for: b, columns: {u: usres}}",
        "table: {header: [u], rows: [['{{ usres }}']]}",
    ] {
        assert_eq!(one(&format!("{state}  commands: [{{run: a, {answer}}}]\n")), told, "{answer}");
    }
    let rule = "  time: [{every: 1m, when: usres > 0, becomes: {users: 0}}]\n";
    assert_eq!(one(&format!("{state}{rule}")), told);
    let rule = "  time: [{every: 1m, when: now > 0, becomes: {users: 0}}]\n";
    assert!(one(&format!("{state}{rule}")).starts_with("unknown-name at `now`"));
}

#[test]
fn unknown_groups_state_and_placeholders_are_told() {
    assert!(
        one("  commands: [{run: a, table: {for: c, columns: {x: name}}}]\n")
            .starts_with("unknown-group at `c`")
    );
    assert!(
        one("  commands: [{run: a <ip>, of: {group: c, address: ip}}]\n")
            .starts_with("unknown-group at `c`")
    );
    assert!(
        one("  commands: [{run: a <ip>, of: {group: a, address: pi}}]\n")
            .starts_with("unknown-name at `pi`")
    );
    assert!(one("  commands: [{run: a, becomes: {x: 2}}]\n").starts_with("unknown-state at `x`"));
    assert!(
        one("  state: {x: 1}\n  derived: {y: x}\n  commands: [{run: a, becomes: {y: 2}}]\n")
            .starts_with("unknown-state at `y`")
    );
    assert!(
        faults("  commands: [{run: a <ip>, of: {group: a, address: ip}, becomes: {x: 2}}]\n")
            .is_empty()
    );
}

#[test]
fn names_with_two_meanings_are_told() {
    assert!(one("  state: {here: 1}\n").starts_with("name-taken at `here`"));
    assert!(one("  state: {x: 1}\n  derived: {x: '1'}\n").starts_with("name-taken at `x`"));
    assert!(
        one("  state: {x: 1}\n  commands: [{run: a <x>}]\n").starts_with("name-taken at `a <x>`")
    );
    assert!(one("  commands: [{run: a <y> <y>}]\n").starts_with("name-taken at `a <y> <y>`"));
    assert!(
        one("  commands: [{run: a, faults: {refused: {exit: 1}}}]\n")
            .starts_with("name-taken at `refused`")
    );
}

#[test]
fn derived_values_that_rest_on_themselves_are_told() {
    assert!(one("  derived: {y: y + 1}\n").starts_with("derived-cycle"));
    assert_eq!(faults("  derived: {y: z, z: y, w: '1'}\n").len(), 2);
    let chain: Vec<String> = (1..100).map(|n| format!("d{n}: d{}", n - 1)).collect();
    assert!(!faults(&format!("  derived: {{d0: '1', {}}}\n", chain.join(", "))).is_empty());
}

#[test]
fn commands_that_cannot_be_reached_or_answered_are_told() {
    assert!(
        one("  commands: [{run: a <x>}, {run: a b}]\n").starts_with("duplicate-command at `a b`")
    );
    assert!(one("  commands: [{step: p/s}, {step: p/s}]\n").starts_with("duplicate-command"));
    assert!(
        one("  commands: [{run: a, cases: [{when: true}]}]\n")
            .starts_with("last-case-conditional at `when`")
    );
    assert!(
        one("  commands: [{run: a, cases: [{exit: 1}, {exit: 2}]}]\n")
            .starts_with("case-unreachable")
    );
    assert!(
        one("  commands: [{run: a, exit: 1, cases: [{exit: 2}]}]\n")
            .starts_with("cases-beside-answer at `exit`")
    );
    assert!(one("  commands: [{run: a, nobody: {exit: 1}}]\n").starts_with("nobody-without-of"));
    assert!(one("  commands: [{run: 'a <*> b'}]\n").starts_with("bad-pattern"));
    assert!(one("  commands: [{run: 'a \"b'}]\n").starts_with("bad-pattern"));
}

#[test]
fn odd_answers_and_times_are_told() {
    assert!(one("  commands: [{run: a, exit: 256}]\n").starts_with("out-of-range at `256`"));
    assert!(one("  commands: [{run: a, takes: 9999d}]\n").starts_with("bad-duration at `9999d`"));
    assert!(
        one("  commands: [{run: a, stdout: x, table: {header: [x], rows: []}}]\n")
            .starts_with("several-outputs")
    );
    assert!(
        one("  commands: [{run: a, table: {header: [x], rows: [[1, 2]]}}]\n")
            .starts_with("row-length")
    );
    assert!(
        one("  state: {x: 1}\n  time: [{every: 10ms, becomes: {x: 2}}]\n")
            .starts_with("rule-too-often at `10ms`")
    );
    assert!(one("  state: {x: '{{ y }}'}\n").starts_with("template-in-state"));
}

#[test]
fn odd_templates_are_faults_and_no_harm() {
    for odd in ["{{ }}", "{{", "x {{ 'a }}", "{{ é }}", "{{ é", "{{-}}", "{{ a.b.c( }}"] {
        let told = faults(&format!("  commands: [{{run: a, stdout: \"{odd}\"}}]\n"));
        assert!(!told.is_empty(), "{odd}");
    }
    for plain in ["}}", "{ {", "a { b } c", "{"] {
        let told = faults(&format!("  commands: [{{run: a, stdout: \"{plain}\"}}]\n"));
        assert!(told.is_empty(), "{plain}: {told:?}");
    }
}

#[test]
fn an_entry_behind_one_that_takes_all_its_commands_is_told() {
    for (first, second, is_covered) in [
        ("a <x>", "a <y>", true),
        ("a <x>", "a b", true),
        ("a <*>", "a <y> c", true),
        ("a b", "a <x>", false),
        ("a <n:int>", "a <x>", false),
        ("a <x>", "a <*>", false),
        ("a <x>", "a b-<n:int>", true),
        ("a b-<x>", "a b-1", true),
        ("a b-<x>", "a b-<n:int>", true),
        ("a b-<n:int>", "a b-c", false),
        ("a b-<n:int>", "a b-<x>", false),
    ] {
        let told = faults(&format!("  commands: [{{run: {first}}}, {{run: {second}}}]\n"));
        let codes: Vec<&str> = told.iter().filter_map(|one| one.split(' ').next()).collect();
        let expected = if is_covered { &["duplicate-command"][..] } else { &[] };
        assert_eq!(codes, expected, "{first}, {second}: {told:?}");
    }
    for pattern in ["/dev/<Disk>", "a<b><c>", "b/<*>", "<Ip>", "<n:float>", "'a b", "a <*> b"] {
        let told = one(&format!("  commands: [{{run: \"{pattern}\"}}]\n"));
        assert!(told.starts_with("bad-pattern"), "{pattern}: {told}");
    }
}
