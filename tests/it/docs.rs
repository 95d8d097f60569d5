//! The key tables of the manual, generated from the shapes that check a plan: they cannot differ.
//!
//! `UPDATE_DOCS=1 cargo test --test it docs` writes them. The text around them is written by
//! hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use planrun::schema::foreign::WORDS;
use planrun::schema::{Field, Record, Shape, record};
use planrun::template::expression::Expression;
use planrun::template::helpers::{FILTERS, TESTS};
use planrun::template::operators::operators;

use crate::harness::Planrun;
use crate::support::{root, text};

/// The pages, and the records of the files whose keys each of them describes.
const PAGES: [(&str, &[&str]); 3] = [
    ("docs/language.md", &["plan"]),
    ("docs/models.md", &["model", "file_of_scenarios"]),
    ("docs/configuration.md", &["configuration"]),
];
const BEGIN: &str = "<!-- table: ";
const END: &str = "<!-- end -->";

/// Returns all records that some lead to, by their word.
fn records(of: &[&str]) -> BTreeMap<String, &'static Record> {
    let mut found = BTreeMap::new();
    let mut open: Vec<&'static Record> = of.iter().map(|name| record(name)).collect();
    while let Some(record) = open.pop() {
        if found.insert(record.word(), record).is_none() {
            for field in &record.fields {
                below(&field.shape, &mut open);
            }
            if let Some(rest) = &record.rest {
                below(rest, &mut open);
            }
        }
    }
    found
}

fn below(shape: &'static Shape, open: &mut Vec<&'static Record>) {
    open.extend(shape.record());
    match shape {
        Shape::Late(inner) | Shape::List(inner, _) | Shape::Map(_, inner, _) => below(inner, open),
        Shape::OneOf(all) => all.iter().for_each(|inner| below(inner, open)),
        _ => {}
    }
}

/// Says in a cell what a value may be.
fn value(shape: &Shape) -> String {
    match shape {
        Shape::Map(_, inner, _) => format!("a mapping: a name to {}", value(inner)),
        Shape::List(inner, _) => format!("a list, each {}", value(inner)),
        Shape::Late(inner) => format!("{}, or a template", value(inner)),
        Shape::OneOf(all) => {
            let all: Vec<String> = all.iter().map(value).collect();
            all.join("; or ")
        }
        _ => shape.expected(),
    }
}

fn row(out: &mut String, field: &Field) {
    let must = if field.required { " (required)" } else { "" };
    let value = value(&field.shape).replace('|', "\\|");
    let about = field.about.replace('|', "\\|");
    writeln!(out, "| `{}`{must} | {value} | {about} |", field.name).unwrap();
}

fn table(record: &Record) -> String {
    let mut out = String::from("\n| key | value | meaning |\n|---|---|---|\n");
    for field in &record.fields {
        row(&mut out, field);
    }
    if !record.one_of.is_empty() {
        let words: Vec<String> = record.one_of.iter().map(|one| format!("`{one}`")).collect();
        writeln!(out, "\nExactly one of {}.", words.join(", ")).unwrap();
    }
    out.push('\n');
    out
}

/// Returns the table of the operators, filters or tests of expressions.
fn expressions(word: &str) -> Option<String> {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut out = String::from("\n");
    let helpers = match word {
        "operators" => {
            out.push_str("| written | value |\n|---|---|\n");
            for (written, about) in operators() {
                let written: Vec<String> =
                    written.iter().map(|one| format!("`{}`", cell(one))).collect();
                writeln!(out, "| {} | {about} |", written.join(", ")).unwrap();
            }
            return Some(out + "\n");
        }
        "filters" => &FILTERS,
        "tests" => &TESTS,
        _ => return None,
    };
    writeln!(out, "| {} | arguments | value |\n|---|---|---|", &word[..word.len() - 1]).unwrap();
    for one in helpers.iter() {
        let arguments = match one.arguments {
            "" => String::new(),
            all => format!("`{}`", cell(all)),
        };
        writeln!(out, "| `{}` | {arguments} | {} |", one.name, cell(one.about)).unwrap();
    }
    Some(out + "\n")
}

#[test]
fn every_operator_of_the_manual_is_one_of_the_language() {
    let written = operators().flat_map(|(written, _)| written);
    for text in written.filter(|text| !["a | filter", "a is test"].contains(text)) {
        assert!(Expression::parse_text(text).is_ok(), "{text}");
    }
}

/// Returns the page with new tables, and the words they are for.
fn with_tables(page: &str, of: &[&str]) -> (String, Vec<String>) {
    let records = records(of);
    let mut out = String::new();
    let mut words = Vec::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (word, after) = after.split_once(" -->").expect("a marker is closed");
        let (_, after) = after.split_once(END).expect("a table has an end");
        let table = expressions(word).unwrap_or_else(|| {
            words.push(word.to_owned());
            let record = records.get(word);
            table(record.unwrap_or_else(|| panic!("there is no record `{word}`")))
        });
        write!(out, "{before}{BEGIN}{word} -->\n{table}{END}").unwrap();
        rest = after;
    }
    out.push_str(rest);
    (out, words)
}

#[test]
fn the_tables_of_the_manual_are_those_of_the_shapes() {
    for (name, of) in PAGES {
        let page = text(name);
        let (wanted, _) = with_tables(&page, of);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(root().join(name), &wanted).unwrap();
            continue;
        }
        let differing = page.lines().zip(wanted.lines()).find(|(is, should)| is != should);
        assert!(
            page == wanted,
            "{name} is stale, run `UPDATE_DOCS=1 cargo test --test it docs`; first difference: {differing:?}"
        );
    }
}

/// Returns the table of exit statuses that `--help` prints, as the pages have it.
fn exit_statuses() -> String {
    let help = Planrun::new().run(&["--help"]);
    let (_, lines) = help.stdout.split_once("Exit codes:\n").expect("the help lists them");
    let mut rows: Vec<String> = Vec::new();
    for line in lines.lines().map(str::trim).take_while(|line| !line.is_empty()) {
        let row = line.split_once("  ").filter(|(status, _)| status.parse::<u8>().is_ok());
        match row {
            Some((status, meaning)) => rows.push(format!("| {status} | {meaning}")),
            None => {
                rows.last_mut().expect("a row begins with its status").extend([" ", line]);
            }
        }
    }
    format!("| status | meaning |\n|---|---|\n{} |\n", rows.join(" |\n"))
}

#[test]
fn the_tables_of_exit_statuses_are_those_of_the_help() {
    let table = exit_statuses();
    assert!(table.lines().count() > 10, "{table}");
    for name in ["README.md", "docs/language.md"] {
        let page = text(name);
        let (before, rest) = page.split_once("<!-- exit statuses -->\n").expect(name);
        let (found, after) = rest.split_once("<!-- end exit statuses -->").expect(name);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let marks = ("<!-- exit statuses -->\n", "<!-- end exit statuses -->");
            let page = format!("{before}{}{table}{}{after}", marks.0, marks.1);
            fs::write(root().join(name), page).unwrap();
            continue;
        }
        assert_eq!(found, table, "{name} is stale, run `UPDATE_DOCS=1 cargo test --test it docs`");
    }
}

#[test]
fn every_word_of_the_language_is_in_a_table() {
    for (name, of) in PAGES {
        let (_, words) = with_tables(&text(name), of);
        for (word, record) in records(of) {
            // Records with a single key are described where they are used.
            assert!(
                words.contains(&word) || record.fields.len() == 1,
                "{name} has no table for `{word}`"
            );
        }
    }
}

#[test]
fn every_foreign_word_leads_to_a_key_of_planrun() {
    let all = records(&["plan"]);
    let places: BTreeSet<&str> = all.values().flat_map(|record| &record.foreign).copied().collect();
    let fields = all.values().flat_map(|record| &record.fields);
    let known: BTreeSet<&str> = fields.map(|field| field.name).collect();
    let mut with_words = BTreeSet::new();
    for word in WORDS.iter().filter(|word| places.contains(word.place)) {
        with_words.insert(word.place);
        if let Some(own) = word.carry.key() {
            assert!(known.contains(own), "`{}` leads to `{own}`, which is not a key", word.word);
        }
    }
    assert_eq!(with_words, places, "a place has no words");
}
