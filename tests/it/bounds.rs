//! Limits: each is in the manual with its value, and a file that exceeds it is refused with a message.

use std::fmt::Write as _;
use std::fs;

use planrun::diagnostic::Diagnostics;
use planrun::output::Reading;
use planrun::source::Sources;
use planrun::{document, output, plan};
use regex::Regex;

use crate::support::{root, text};

const PAGE: &str = "docs/language.md";
const BEGIN: &str = "<!-- bounds -->\n";
const END: &str = "<!-- end bounds -->";

/// What is limited, the file and the constant of the limit, and what happens if it is exceeded.
const BOUNDS: &[(&str, &str, &str, &str)] = &[
    ("bytes of a file", "src/file.rs", "MAX_BYTES", "`file-too-large`"),
    ("items of a list", "src/document/parse.rs", "MAX_ENTRIES", "`too-many-entries`"),
    (
        "keys of a mapping; in an inventory the limit for items of a list applies",
        "src/document/parse.rs",
        "MAX_KEYS",
        "`too-many-entries`",
    ),
    ("nodes of a file", "src/document/parse.rs", "MAX_NODES", "`too-many-nodes`"),
    ("nesting of a file", "src/document/parse.rs", "MAX_DEPTH", "`nested-too-deep`"),
    (
        "nodes that aliases add",
        "src/document/parse/anchors.rs",
        "MAX_ALIASED_NODES",
        "`too-many-aliases`",
    ),
    (
        "bytes that aliases add",
        "src/document/parse/anchors.rs",
        "MAX_ALIASED_BYTES",
        "`too-many-aliases`",
    ),
    ("errors and warnings that are shown", "src/diagnostic.rs", "MAX_FAULTS", "`too-many-faults`"),
    ("bytes of a template", "src/template/bounds.rs", "MAX_TEXT", "`template-too-large`"),
    (
        "`{{ }}` and `{% %}` of a template",
        "src/template/bounds.rs",
        "MAX_TAGS",
        "`template-too-large`",
    ),
    ("tokens of an expression", "src/template/bounds.rs", "MAX_TOKENS", "`template-too-large`"),
    ("nesting of an expression", "src/template/bounds.rs", "MAX_LEVELS", "`template-too-large`"),
    (
        "nesting of named expressions, with their expressions",
        "src/template/bounds.rs",
        "MAX_NAMED_LEVELS",
        "`let-too-deep`",
    ),
    ("instructions of a template", "src/template/bounds.rs", "FUEL", "the step fails"),
    (
        "parts of expressions that one condition evaluates",
        "src/template/bounds.rs",
        "MAX_PARTS",
        "the condition is unknown",
    ),
    (
        "bytes of a command or a script",
        "src/plan/lower/command.rs",
        "MAX_COMMAND",
        "`command-too-long`",
    ),
    ("nesting of blocks", "src/plan/lower/action.rs", "MAX_BLOCKS", "`nested-too-deep`"),
    ("bytes of all patterns of a plan, compiled", "src/regexes.rs", "MAX_SUM", "`bad-pattern`"),
    ("bytes of a pattern, compiled", "src/regexes.rs", "MAX_REGEX", "`bad-pattern`"),
    ("bytes of a pattern, in the plan", "src/regexes.rs", "MAX_PATTERN", "`bad-pattern`"),
    (
        "bytes of an output that is read",
        "src/transport.rs",
        "MAX_OUTPUT",
        "the probe fails; a result has no value for the stream",
    ),
    (
        "bytes of `stdout` or `stderr` of a result",
        "src/run/perform/effect/judge.rs",
        "MOST_OF_A_STREAM",
        "it has no value",
    ),
    ("rows of a table, lines, pairs", "src/output.rs", "MAX_ROWS", "the probe fails"),
    ("columns of a table", "src/output.rs", "MAX_COLUMNS", "the probe fails"),
    ("values of a JSON document or of a table", "src/output.rs", "MAX_VALUES", "the probe fails"),
    ("bytes of a file that is uploaded", "src/resolve/files.rs", "MAX_BYTES", "`file-too-large`"),
    ("bytes of all files that are uploaded", "src/resolve/files.rs", "MAX_SUM", "`file-too-large`"),
    ("hosts of one range", "src/inventory/ranges.rs", "MAX_NAMES", "`host-entry`"),
    ("hosts of all ranges", "src/inventory/draft.rs", "MAX_RANGED", "`inventory-too-large`"),
    (
        "variables of the hosts of ranges",
        "src/inventory/draft.rs",
        "MAX_RANGED_VARS",
        "`inventory-too-large`",
    ),
    ("mentions of hosts", "src/inventory/draft.rs", "MAX_MENTIONS", "`inventory-too-large`"),
    (
        "bytes of the variables of all hosts",
        "src/inventory/build.rs",
        "MAX_BYTES",
        "`inventory-too-large`",
    ),
    (
        "memberships of hosts in groups, parent groups included",
        "src/inventory/build.rs",
        "MAX_MEMBERS",
        "`inventory-too-large`",
    ),
    (
        "bytes of a line of an INI inventory",
        "src/inventory/ini.rs",
        "MAX_LINE",
        "`inventory-too-large`",
    ),
    ("groups of an inventory", "src/inventory/draft.rs", "MAX_GROUPS", "`inventory-too-large`"),
    ("nesting of groups", "src/inventory/tree.rs", "MAX_DEPTH", "`nested-too-deep`"),
    ("files of an inventory", "src/inventory/files.rs", "MAX_FILES", "`unreadable-inventory`"),
];

/// Returns the value of a constant as it is written: a product of numbers.
#[track_caller]
fn value(path: &str, name: &str) -> u64 {
    let code = text(path);
    let constant = Regex::new(&format!(r"const {name}: \w+ = ([0-9_* ]+);")).unwrap();
    let found = constant.captures(&code).unwrap_or_else(|| panic!("{path} has no {name}"));
    let factors = found[1].split('*');
    factors.map(|factor| factor.trim().replace('_', "").parse::<u64>().unwrap()).product()
}

/// Returns a number as people read it: `20,000`, `32 MiB`.
fn shown(value: u64, what: &str) -> String {
    const MIB: u64 = 1024 * 1024;
    if what.starts_with("bytes") && value.is_multiple_of(MIB) {
        return format!("{} MiB", value / MIB);
    }
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[test]
fn the_manual_lists_every_bound_with_its_value() {
    let mut table = String::from("\n| limit | value | if exceeded |\n|---|---|---|\n");
    for (what, path, name, beyond) in BOUNDS {
        let value = shown(value(path, name), what);
        writeln!(table, "| {what} | {value} | {beyond} |").unwrap();
    }
    table.push('\n');
    let page = text(PAGE);
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (is, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join(PAGE), format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(is, table, "{PAGE} is stale, run `UPDATE_DOCS=1 cargo test --test it bounds`");
}

/// Returns the codes that a plan with this part is refused for.
fn codes(part: &str) -> Vec<String> {
    let plan = format!("version: 1\nname: bad\nhosts: all\nsteps: [{{wait: 1s}}]\n{part}");
    let mut sources = Sources::default();
    let id = sources.add("bad.yaml", plan);
    let mut found = Diagnostics::default();
    assert!(plan::read(&sources, id, &mut found).is_none());
    let codes = found.sorted().into_iter();
    codes.map(|one| one.code.name().to_owned()).collect()
}

/// Makes a text of so many pieces.
fn made(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect::<Vec<_>>().concat()
}

#[test]
fn aliases_of_texts_are_counted_in_bytes() {
    let text = "x".repeat(300_000);
    let part = format!("x: &x {text}\ny: [*x, *x, *x, *x]\n");
    assert_eq!(codes(&part), ["too-many-aliases"]);
}

#[test]
fn anchors_within_anchors_are_not_copied_without_end() {
    let items = "a, ".repeat(100_000);
    let open = made(40, |n| format!("&a{n} ["));
    let part = format!("x: {open}{items}{}\ny: *a39\n", "]".repeat(40));
    assert_eq!(codes(&part), ["too-many-aliases"]);
}

#[test]
fn laughs_are_refused() {
    let mut part = String::from("a0: &a0 [x, x]\n");
    for n in 1..30 {
        writeln!(part, "a{n}: &a{n} [*a{0}, *a{0}]", n - 1).unwrap();
    }
    assert_eq!(codes(&part), ["too-many-aliases"]);
}

#[test]
fn words_that_double_are_checked_in_no_time_and_a_long_chain_is_refused() {
    let chain = |count: usize| {
        let mut part = String::from("inputs: {a: {type: int, default: 1}}\nlet:\n  w0: a\n");
        for n in 1..count {
            writeln!(part, "  w{n}: w{0} + w{0}", n - 1).unwrap();
        }
        part
    };
    // The type of the last one is that of 2^40 sums.
    let plan = format!("version: 1\nname: good\nhosts: all\nsteps: [{{wait: 1s}}]\n{}", chain(40));
    let mut sources = Sources::default();
    let id = sources.add("good.yaml", plan);
    let mut found = Diagnostics::default();
    assert!(plan::read(&sources, id, &mut found).is_some());
    // Nothing uses the last word of it.
    assert_eq!(codes(&chain(50)), ["let-too-deep", "unused-name"]);
    assert_eq!(codes(&chain(9_000))[0], "let-too-deep");
    assert_eq!(codes(&chain(50_000)), ["too-many-entries"]);
}

#[test]
fn many_faults_are_told_in_part() {
    let part = made(1_000, |n| format!("key{n}: 1\n"));
    let codes = codes(&part);
    assert_eq!(codes.len(), planrun::diagnostic::MAX_FAULTS + 1);
    assert_eq!(codes.last().unwrap(), "too-many-faults");
}

#[test]
fn what_is_nested_too_deep_or_open_without_end_is_refused() {
    for part in ["[", "{a: ", "- ", "? ", "[{"] {
        let mut sources = Sources::default();
        let id = sources.add("deep.yaml", part.repeat(200_000));
        let mut found = Diagnostics::default();
        assert!(document::parse(&sources, id, &mut found).is_none(), "{part}");
        assert_eq!(found.sorted().len(), 1, "{part}");
    }
}

fn data(format: output::Format) -> Reading {
    Reading::Data(output::Data { format, at: None, key: None, types: [].into() })
}

#[test]
fn patterns_that_grow_are_refused() {
    let part = "inputs: {a: {type: string, pattern: '((a{1000}){1000}){1000}', default: a}}\n";
    assert!(codes(part).contains(&"bad-pattern".to_owned()));
    let reading = data(output::Format::Regex("((a{1000}){1000}){1000}".to_owned()));
    let why = output::read(&reading, 0, b"a", 1, b"").unwrap_err();
    assert!(why.contains("pattern"), "{why}");
}

#[test]
fn lists_and_mappings_are_read_up_to_a_bound() {
    let list = |count: usize| format!("x: [{}]\n", "a, ".repeat(count));
    assert_eq!(codes(&list(document::parse::MAX_ENTRIES)), ["unknown-key"]);
    let too_many = ["too-many-entries"];
    assert_eq!(codes(&list(document::parse::MAX_ENTRIES + 1)), too_many);
    let words = |count: usize| format!("let:\n{}", made(count, |n| format!("  w{n}: true\n")));
    assert!(!codes(&words(document::parse::MAX_KEYS + 1)).contains(&"unused-name".to_owned()));
    assert_eq!(codes(&words(document::parse::MAX_KEYS + 1)), too_many);
}

#[test]
fn a_command_that_no_host_takes_is_refused() {
    for work in [
        format!("run: '{}'", "a ".repeat(70_000)),
        format!("run: [{}]", "aa, ".repeat(70_000)),
        format!("shell: '{}'", "a ".repeat(70_000)),
    ] {
        let plan = format!(
            "version: 1\nname: bad\nhosts: all\n\
             steps: [{{{work}, idempotent: true, rollback: {{none: a}}}}]\n"
        );
        let mut sources = Sources::default();
        let id = sources.add("bad.yaml", plan);
        let mut found = Diagnostics::default();
        assert!(plan::read(&sources, id, &mut found).is_none());
        let told: Vec<_> = found.sorted().into_iter().map(|one| one.code.name()).collect();
        assert_eq!(told, ["command-too-long"], "{}", &work[..20]);
    }
}

#[test]
fn warnings_without_end_do_not_refuse_a_plan() {
    let words = made(planrun::diagnostic::MAX_FAULTS + 50, |n| format!("  w{n}: true\n"));
    let steps = "  - {name: 'a {{ b }}', wait: 1s}\n".repeat(planrun::diagnostic::MAX_FAULTS + 50);
    for part in [format!("let:\n{words}steps: [{{wait: 1s}}]\n"), format!("steps:\n{steps}")] {
        let plan = format!("version: 1\nname: good\nhosts: all\n{part}");
        let mut sources = Sources::default();
        let id = sources.add("good.yaml", plan);
        let mut found = Diagnostics::default();
        assert!(plan::read(&sources, id, &mut found).is_some());
        assert!(!found.has_errors());
    }
}

#[test]
fn tables_have_a_bounded_number_of_rows() {
    let most = output::MAX_ROWS;
    for (reading, rows) in [
        (Reading::Lines, "x\n".repeat(most + 1)),
        (data(output::Format::Pairs), made(most + 1, |n| format!("k{n}=1\n"))),
        (data(output::Format::Tsv), format!("h\n{}", "x\n".repeat(most + 1))),
    ] {
        let why = output::read(&reading, 0, rows.as_bytes(), rows.len() as u64, b"").unwrap_err();
        assert!(why.contains("more than 100000"), "{why}");
    }
}
