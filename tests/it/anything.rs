//! No text makes planrun panic or hang, and every reported location is inside its text.
//!
//! Shipped texts are damaged, and others are generated. Each goes through the entries of the fuzz targets
//! (`fuzz/entries.rs`), and so do inputs that fuzzing has found. The seeds are fixed, so that runs are
//! reproducible; `fuzz/run` searches for more.

use std::fs;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

use crate::entries;
use crate::properties;
use crate::support::{files, root};

fn config(cases: u32, seed: u64) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        // The first input that fails is small enough, and a minimal one takes long to find.
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    }
}

/// Reads the texts below some folders.
fn texts(folders: &[&str]) -> Vec<String> {
    let endings = [".yaml", ".ini", ".json"];
    let all = folders.iter().flat_map(|folder| {
        let mut of_folder: Vec<_> =
            endings.iter().flat_map(|ending| files(folder, ending)).collect();
        of_folder.sort();
        of_folder
    });
    all.map(|path| fs::read_to_string(path).unwrap_or_default()).collect()
}

static PLANS: LazyLock<Vec<String>> = LazyLock::new(|| texts(&["plans", "tests/cases"]));
static MODELS: LazyLock<Vec<String>> = LazyLock::new(|| texts(&["plans/models", "plans/tests"]));
static INVENTORIES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut all = texts(&["plans/inventories"]);
    all.extend(
        [
            "# INI\nlone ansible_host=127.0.0.1\n[web]\nweb[01:20].example ansible_port=22 note='a b'\n\
             [mail:children]\nweb\n[mail:vars]\nkind=mail\nlist=[1, 'a', {'b': None}]\n",
            "{\"web\": {\"hosts\": [\"a\", \"b\"], \"vars\": {\"n\": 1}}, \"_meta\": {\"hostvars\": {\"a\": {\"x\": [1]}}}}",
            "all:\n  vars: &v {n: 1}\n  hosts: {\"[::1]:22\": {<<: *v}, \"db[a:c]\": {planrun_connection: local}}\n\
             \x20 children: {web: {children: {east: {hosts: {e1: {ansible_become: yes}}}}}}\n",
        ]
        .map(str::to_owned),
    );
    all
});

/// What is done to a text: which way, where, how much, and with which part of another text.
type Damage = (u8, Index, u8, Index);

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    prop::collection::vec(any::<Damage>(), 1..6)
}

/// Words and signs that mean something to some reader.
const SIGNS: [&str; 40] = [
    "\n",
    "\n  ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "&a ",
    "*a",
    "|\n",
    ">-\n",
    "#",
    "!",
    "%",
    "@",
    "`",
    "{{ host }}",
    "{{",
    "}}",
    "{% if a %}",
    "{% endfor %}",
    "\t",
    "\r\n",
    "\u{feff}",
    "\u{e9}",
    "\u{1f600}",
    "\u{0}",
    "\u{85}",
    "\u{2028}",
    "null",
    "1e999",
    "-0",
    "0644",
    "99999999999999999999",
    "run: ",
    "block: ",
    "<<: *a",
];

/// Damages one of the texts; what it gives is always text.
fn damage(which: Index, damages: &[Damage], all: &[String]) -> String {
    let mut bytes = which.get(all).as_bytes().to_vec();
    for (how, place, much, other) in damages {
        let at = place.index(bytes.len() + 1);
        let end = (at + usize::from(*much)).min(bytes.len());
        let lines: Vec<Vec<u8>> =
            bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        match how % 8 {
            0 if at < bytes.len() => bytes[at] ^= 1 << (much % 8),
            1 => {
                bytes.drain(at..end);
            }
            2 if !lines.is_empty() => {
                let line = place.index(lines.len());
                bytes = [&lines[..line], &lines[line + 1..]].concat().concat();
            }
            3 if !lines.is_empty() => {
                let line = place.index(lines.len());
                let again = vec![lines[line].clone(); usize::from(*much % 4)];
                bytes = [&lines[..line], again.as_slice(), &lines[line..]].concat().concat();
            }
            4 => {
                let sign = SIGNS[other.index(SIGNS.len())];
                bytes.splice(at..at, sign.bytes());
            }
            5 if lines.len() > 1 => {
                let (one, two) = (place.index(lines.len()), other.index(lines.len()));
                let mut lines = lines.clone();
                lines.swap(one, two);
                bytes = lines.concat();
            }
            6 => {
                let other = other.get(all).as_bytes();
                let from = place.index(other.len() + 1);
                let to = (from + usize::from(*much) * 8).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                // Two words change their places.
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let mut words: Vec<&str> = text.split_inclusive([' ', '\n', ',', ':']).collect();
                if words.len() > 1 {
                    let (one, two) = (place.index(words.len()), other.index(words.len()));
                    words.swap(one, two);
                }
                bytes = words.concat().into_bytes();
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// YAML of any form, a good part of it with the words of planrun.
fn yaml() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        4 => prop::sample::select(&SIGNS[..]).prop_map(str::to_owned),
        2 => "[a-z]{1,8}",
        1 => "\\PC{0,12}",
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| number.to_string()),
        1 => "[\"'|>&*!%@`#:,\\[\\]{}?\\- \n\t\u{e9}]{0,10}",
    ];
    let keys = prop::sample::select(
        &[
            "version", "name", "hosts", "steps", "run", "shell", "wait", "until", "block",
            "rescue", "rollback", "set", "probes", "let", "inputs", "parse", "format", "when",
            "assert", "all", "children", "vars", "k",
        ][..],
    );
    let leaf = (scalar, any::<bool>())
        .prop_map(|(text, quoted)| if quoted { format!("{text:?}") } else { text });
    leaf.prop_recursive(6, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((keys.clone(), inner.clone()), 0..5).prop_map(|entries| {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
            prop::collection::vec((keys.clone(), inner), 0..5).prop_map(|entries| {
                let lines = entries
                    .iter()
                    .map(|(key, value)| format!("{key}:\n  {}\n", value.replace('\n', "\n  ")));
                lines.collect()
            }),
        ]
    })
}

/// Values in expressions, some of them no values.
const VALUES: &[&str] = &[
    "text",
    "empty",
    "number",
    "real",
    "yes",
    "nothing",
    "list",
    "ring",
    "state",
    "host",
    "host.address",
    "serving",
    "doubled",
    "endless",
    "idle",
    "unseen",
    "unknown",
    "row",
    "1",
    "0",
    "-1",
    "1.5",
    "9223372036854775807",
    "10**9",
    "\"x\"",
    "''",
    "\"\\u00e9\\n\"",
    "true",
    "none",
    "[]",
    "{}",
    "range(9)",
    "(",
];

/// What joins two values.
const OPERATORS: &[&str] = &[
    " and ", " or ", " + ", " - ", " * ", " / ", " // ", " % ", " ** ", " ~ ", " == ", " != ",
    " < ", " >= ", " in ", " not in ", " if ", " is ", ".", "|",
];

/// Filters, with arguments where they need some.
const FILTERS: &[&str] = &[
    "length",
    "raw",
    "allow_empty",
    "int",
    "float",
    "round",
    "sort",
    "unique",
    "first",
    "last",
    "min",
    "max",
    "sum",
    "list",
    "join(', ')",
    "default(1)",
    "replace('e', 'text')",
    "indent(99)",
    "batch(3)",
    "slice(3)",
    "format(1)",
    "tojson",
    "items",
    "dictsort",
    "groupby('users')",
    "map(attribute='users')",
    "reverse",
    "select('odd')",
    "trim",
    "title",
    "split",
    "zip(list)",
    "chain(list)",
    "pprint",
    "string",
    "bool",
    "abs",
];

/// Expressions and templates, most of them well formed.
fn template() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(VALUES).prop_map(str::to_owned);
    let operators = prop::sample::select(OPERATORS);
    let filters = prop::sample::select(FILTERS);
    let expression = leaf.prop_recursive(5, 30, 3, move |inner| {
        prop_oneof![
            3 => (inner.clone(), operators.clone(), inner.clone())
                .prop_map(|(left, how, right)| format!("{left}{how}{right}")),
            3 => (inner.clone(), filters.clone()).prop_map(|(value, how)| format!("{value} | {how}")),
            1 => (inner.clone(), inner.clone()).prop_map(|(value, key)| format!("({value})[{key}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("[{one}, {two}]")),
            1 => inner.clone().prop_map(|value| format!("not ({value})")),
            1 => (inner.clone(), inner.clone(), inner)
                .prop_map(|(yes, test, no)| format!("{yes} if {test} else {no}")),
        ]
    });
    (expression, 0..6_u8, "\\PC{0,10}").prop_map(|(expression, how, around)| match how {
        0 | 1 => expression,
        2 => format!("{{{{ {expression} }}}}"),
        3 => format!("{around}{{{{ {expression} }}}}{around}"),
        4 => format!("{{% if {expression} %}}{around}{{% else %}}{{{{ text }}}}{{% endif %}}"),
        _ => format!("{{% for x in {expression} %}}{{{{ x }}}}{around}{{% endfor %}}"),
    })
}

/// Lines of an INI inventory.
fn ini() -> impl Strategy<Value = String> {
    let word = prop::sample::select(
        &[
            "web",
            "web1",
            "web[01:20]",
            "db[a:c].x",
            "[9:1]",
            "::1",
            "[::1]:22",
            "h:70000",
            "ansible_host=127.0.0.1",
            "x='a b'",
            "x=\"",
            "list=[1, {'a': None}, (2,)]",
            "ansible_port=no",
            "planrun_state={\"a\": 1}",
            "# c",
            "; c",
            "\u{e9}",
            "a=b=c",
            "=",
            "[web]",
            "[web:children]",
            "[web:vars]",
            "[all:vars]",
            "[",
            "[]",
            "[x:y]",
            "ansible_group_priority=1",
            "planrun_connection=local",
            "\\",
            "'",
        ][..],
    );
    prop::collection::vec(prop::collection::vec(word, 0..4), 0..14).prop_map(|lines| {
        let lines: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
        format!("#\n{}\n", lines.join("\n"))
    })
}

/// What commands print.
fn printed() -> impl Strategy<Value = String> {
    let cell = prop_oneof![
        prop::sample::select(
            &["n", "b", "f", "1", "-5", "yes", "no", "1.5", "inf", "word", "", " "][..]
        )
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ];
    let between = prop::sample::select(&["\t", "=", ": ", " ", ",", "\u{0}"][..]);
    (prop::collection::vec(prop::collection::vec(cell, 0..5), 0..10), between, any::<bool>())
        .prop_map(|(rows, between, json)| {
            if json {
                serde_json::to_string(&rows).unwrap_or_default()
            } else {
                let rows: Vec<String> = rows.iter().map(|cells| cells.join(between)).collect();
                rows.join("\n")
            }
        })
}

proptest! {
    #![proptest_config(config(150, 1))]

    #[test]
    fn damaged_plans(which in any::<Index>(), damages in damages()) {
        entries::plan(&damage(which, &damages, &PLANS));
    }

    #[test]
    fn damaged_models(which in any::<Index>(), damages in damages()) {
        entries::model(&damage(which, &damages, &MODELS));
    }
}

proptest! {
    #![proptest_config(config(400, 2))]

    #[test]
    fn damaged_inventories(which in any::<Index>(), damages in damages()) {
        entries::inventory(&damage(which, &damages, &INVENTORIES));
    }

    #[test]
    fn any_yaml(text in yaml()) {
        entries::plan(&text);
        entries::model(&text);
        entries::inventory(&format!("-{text}"));
        entries::inventory(&format!("all:\n  {}", text.replace('\n', "\n  ")));
    }

    #[test]
    fn any_inputs(text in yaml()) {
        let plan = "version: 1\nname: p\nhosts: web\ninputs:\n  k: {type: int, default: 1}\n  \
                    name: {type: string, default: a, pattern: '[a-z]+'}\n  wait: {type: duration, default: 1s}\n  \
                    let: {type: list, items: string, default: []}\n\
                    steps: [{run: \"echo {{ k }} {{ name }}\", idempotent: true, rollback: {none: a}}]";
        entries::plan(&format!("{plan}\n=====\n{text}"));
    }

    #[test]
    fn any_ini(text in ini()) {
        entries::inventory(&text);
    }

    #[test]
    fn any_template(text in template()) {
        entries::template(&text);
    }

    #[test]
    fn any_characters(text in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
        entries::template(&text);
        entries::plan(&text);
        entries::inventory(&text);
    }

    #[test]
    fn any_output(text in printed()) {
        entries::outputs(&text);
    }
}

#[test]
fn what_fuzzing_found_is_replayed() {
    let mut count = 0;
    for (target, entry) in [
        ("plan", entries::plan as fn(&str)),
        ("inventory", entries::inventory),
        ("template", entries::template),
        ("expression", |text| {
            properties::expression(text);
        }),
    ] {
        let folder = root().join("fuzz/corpus").join(target);
        for file in fs::read_dir(folder).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            // The targets take no other texts.
            if let Ok(text) = std::str::from_utf8(&bytes) {
                entry(text);
                count += 1;
            }
        }
    }
    assert!(count > 0, "the corpus is empty");
}
