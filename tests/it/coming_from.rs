//! Keys of other tools: each has its diagnostic where people write it, and its row in
//! `docs/coming-from.md`.
//!
//! `UPDATE_DOCS=1 cargo test --test it coming_from` writes the tables of the page again. The text around
//! them is written by hand.

use std::fmt::Write as _;

use planrun::diagnostic::Diagnostics;
use planrun::inventory::read;
use planrun::plan;
use planrun::schema::foreign;
use planrun::schema::foreign::names::NAMES;
use planrun::schema::foreign::variables::VARIABLES;
use planrun::schema::foreign::{Keyword, Tool, WORDS, values};
use planrun::source::Sources;

use crate::support::{root, text};

const PAGE: &str = "docs/coming-from.md";
const BEGIN: &str = "<!-- words: ";
const END: &str = "<!-- end -->";

/// Returns a plan with a line at a place where such a word is written.
fn plan_with(place: &str, line: &str) -> String {
    let head = "version: 1\nname: foreign\nhosts: all\n";
    let steps = "steps:\n  - wait: 1s\n";
    let rest = match place {
        "plan" => format!("{line}\n{steps}"),
        "defaults" => format!("defaults:\n  {line}\n{steps}"),
        "input" => format!("inputs:\n  a:\n    type: string\n    {line}\n{steps}"),
        "probe" => format!("probes:\n  a:\n    run: date\n    {line}\n{steps}"),
        "step" => format!("steps:\n  - run: date\n    {line}\n"),
        "retry" => {
            format!("steps:\n  - run: date\n    retry:\n      attempts: 2\n      {line}\n")
        }
        "wait" => {
            format!("steps:\n  - wait:\n      until: true\n      timeout: 1m\n      {line}\n")
        }
        "upload" => {
            format!("steps:\n  - upload:\n      from: a\n      to: /b\n      {line}\n")
        }
        "parse" => format!(
            "probes:\n  a:\n    run: date\n    parse:\n      format: text\n      {line}\n{steps}"
        ),
        "delegate_to" => {
            format!("steps:\n  - run: date\n    delegate_to:\n      one_of: a\n      {line}\n")
        }
        _ => panic!("no such place: {place}"),
    };
    format!("{head}{rest}")
}

/// Returns the faults of a plan: code, label and helps of each.
fn faults(plan: &str) -> Vec<(&'static str, String, String)> {
    let mut sources = Sources::default();
    let id = sources.add("foreign.yaml", plan);
    let mut found = Diagnostics::default();
    let _refused = plan::read(&sources, id, &mut found);
    let faults = found.sorted().into_iter().map(|one| {
        let label = one.primary.as_ref().map(|label| label.text.clone());
        let orders: Vec<&str> = one.orders().collect();
        (one.code.name(), label.unwrap_or_default(), orders.join("\n"))
    });
    faults.collect()
}

/// Places in models and scenarios, which are no plans.
const NO_PLANS: [&str; 7] =
    ["model group", "model command", "model table", "model change", "tests", "scenario", "expect"];

/// Returns the words that people write in plans.
fn words() -> impl Iterator<Item = &'static Keyword> {
    WORDS.iter().filter(|word| !NO_PLANS.contains(&word.place))
}

#[test]
fn every_foreign_word_is_told_alone_and_as_what_it_is() {
    for word in words() {
        let plan = plan_with(word.place, &format!("{}: 1", word.word));
        let faults = faults(&plan);
        let [(code, label, help)] = faults.as_slice() else {
            panic!("`{}` in a {}: {faults:?}", word.word, word.place);
        };
        assert_eq!(*code, "unknown-key", "{plan}");
        assert_eq!(*label, word.label(), "{plan}");
        assert!(!help.is_empty(), "{plan}");
    }
}

#[test]
fn every_foreign_name_is_told_as_what_it_is() {
    for name in NAMES.iter() {
        let plan = plan_with("step", &format!("when: {}.part == 1", name.name));
        let plan = plan.replace("run: date", "assert: {it is so: true}");
        let faults = faults(&plan);
        let label = format!("a name from {}", name.tool.name());
        let told = |fault: &(&str, String, String)| fault.0 == "unknown-name" && fault.1 == label;
        assert!(faults.iter().any(told), "{}: {faults:?}", name.name);
    }
}

#[test]
fn every_variable_that_does_nothing_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hosts.yaml");
    for variable in VARIABLES.iter() {
        // An option that changes no way to a host.
        let inventory = format!("all: {{hosts: {{a: {{{}: -C}}}}}}\n", variable.name);
        std::fs::write(&path, inventory).unwrap();
        let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
        let inventory = read::read(&path, "hosts.yaml", &mut sources, &mut found).unwrap();
        let all = found.sorted();
        let told: Vec<&str> = all.iter().map(|one| one.code.name()).collect();
        let code = match variable.name {
            "ansible_ssh_executable" => "unsupported-route",
            _ => "variable-not-honoured",
        };
        assert_eq!(told, [code], "{}", variable.name);
        let host = inventory.hosts.values().next().unwrap();
        let kept = host.vars.contains_key(variable.name);
        assert_eq!(kept, !variable.secret, "{}", variable.name);
    }
}

#[test]
fn ansible_actions_and_planrun_are_known_word_by_word() {
    let count = |tool| words().filter(|word| word.tools.contains(&tool)).count();
    assert!(count(Tool::Ansible) >= 160);
    assert!(count(Tool::Actions) >= 24);
    assert!(count(Tool::Planrun) >= 70);
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Makes the table of the words of a tool.
fn table(tool: Tool) -> String {
    let words = words().filter(|word| word.tools.contains(&tool));
    let row =
        |word: &Keyword| format!("| `{}` | {} | {} |", word.word, word.place, cell(&word.advice()));
    let mut rows: Vec<String> = words.map(row).collect();
    let names = NAMES.iter().filter(|name| name.tool == tool);
    rows.extend(
        names
            .map(|name| format!("| `{{{{ {} }}}}` | expression | {} |", name.name, cell(name.say))),
    );
    let values = values::VALUES.iter().filter(|(_, of, _)| *of == tool);
    rows.extend(
        values.map(|(word, _, own)| format!("| `{word}` | value | write `{own}` instead |")),
    );
    if tool == Tool::Ansible {
        let row = |one: &foreign::variables::Variable| {
            format!("| `{}` | inventory | {} |", one.name, cell(one.say))
        };
        rows.extend(VARIABLES.iter().map(row));
    }
    let count = rows.len();
    let mut out = format!("\n{count} entries.\n\n| key | in | in planrun |\n|---|---|---|\n");
    for row in rows {
        writeln!(out, "{row}").unwrap();
    }
    out.push('\n');
    out
}

/// Returns the page with its tables made anew, and the tools it has a table for.
fn with_tables(page: &str) -> (String, Vec<Tool>) {
    let mut out = String::new();
    let mut tools = Vec::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(" -->").expect("a marker is closed");
        let (_, after) = after.split_once(END).expect("a table has an end");
        let tool = Tool::ALL.into_iter().find(|tool| tool.name() == name);
        let tool = tool.unwrap_or_else(|| panic!("there is no tool `{name}`"));
        write!(out, "{before}{BEGIN}{name} -->\n{}{END}", table(tool)).unwrap();
        tools.push(tool);
        rest = after;
    }
    out.push_str(rest);
    (out, tools)
}

#[test]
fn the_page_for_those_who_come_from_elsewhere_has_every_word() {
    let page = text(PAGE);
    let (wanted, tools) = with_tables(&page);
    assert_eq!(tools, Tool::ALL, "a tool has no table");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join(PAGE), &wanted).unwrap();
        return;
    }
    let mut lines = page.lines().zip(wanted.lines());
    let differing = lines.find(|(is, should)| is != should);
    assert!(
        page == wanted,
        "{PAGE} is stale, run `UPDATE_DOCS=1 cargo test --test it coming_from`; first difference: \
         {differing:?}"
    );
}
