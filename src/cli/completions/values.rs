//! The candidates for the value of an option or argument, by its placeholder: `PLAN`, `RUN`, `HOST/STEP`.
//!
//! Everything is only read. What cannot be read has no candidates: the command itself reports why. No program of
//! an inventory runs, no secret is read, no host is contacted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Arg;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::about;
use super::line::{Line, at_home, placeholder};
use super::paths::{Wanted, paths};
use crate::cli::runs::state_of;
use crate::cli::{Context, Global};
use crate::diagnostic::{Diagnostics, manual};
use crate::document;
use crate::document::{Entry, Node};
use crate::event::{Question, RunStatus, TaskId};
use crate::file::directory;
use crate::history::RunState;
use crate::inventory::Inventory;
use crate::inventory::find::{find, names};
use crate::inventory::program::NoPrograms;
use crate::load;
use crate::source::Sources;
use crate::store::{Reader, RunRow};

/// Gives an option or argument its candidates, if its values are known; `line` is what is typed before.
pub(super) fn with_candidates(arg: Arg, line: &Arc<Line>) -> Arg {
    let has_values = arg.get_possible_values().is_empty() && arg.get_action().takes_values();
    let Some(placeholder) = placeholder(&arg).filter(|_| has_values).map(str::to_owned) else {
        return arg;
    };
    let line = Arc::clone(line);
    arg.add(ArgValueCompleter::new(move |word: &std::ffi::OsStr| {
        word.to_str().map_or_else(Vec::new, |word| candidates(&placeholder, word, &line))
    }))
}

fn candidates(placeholder: &str, word: &str, line: &Line) -> Vec<CompletionCandidate> {
    match placeholder {
        "PLAN" => paths(word, Wanted::Plans),
        "PLAN|CODE" => {
            let plans = paths(word, Wanted::Plans).into_iter();
            plans.chain(starting(word, codes())).collect()
        }
        "CODE" => starting(word, codes()),
        "PLAN|FILE|FOLDER" | "FILE" => paths(word, Wanted::Files),
        "DIR" => paths(word, Wanted::Folders),
        "INV" => inventories(word, line),
        "RUN" => runs(word, line),
        "HOST/STEP" => starting(word, tasks(line)),
        "ANSWER" => starting(word, answers(line)),
        "PATTERN" => hosts(word, line),
        "NAME" if line.command == "runs" => starting(word, plans(line)),
        // Those of the runs that are stored are not known without reading all of them.
        "HOST" if line.command == "runs" => Vec::new(),
        "HOST" => starting(word, of_inventory(line).into_iter().map(|(name, _)| (name, None))),
        "PROBE" => starting(word, keys(line, "probes")),
        "NAME=VALUE" => inputs(word, line),
        _ => Vec::new(),
    }
}

fn starting(
    word: &str,
    all: impl IntoIterator<Item = (String, Option<String>)>,
) -> Vec<CompletionCandidate> {
    let all = all.into_iter().filter(|(value, _)| value.starts_with(word));
    all.map(|(value, help)| candidate(value, help)).collect()
}

fn candidate(value: String, help: Option<String>) -> CompletionCandidate {
    CompletionCandidate::new(value).help(help.map(|help| about(&help).into()))
}

fn codes() -> impl Iterator<Item = (String, Option<String>)> {
    manual::sections().map(|section| (section.code.to_owned(), Some(section.first_sentence())))
}

/// Inventories by name; by path, if the word has a slash or is the start of no name.
fn inventories(word: &str, line: &Line) -> Vec<CompletionCandidate> {
    let plan = line.plan();
    let plan_dir = plan.as_deref().map(directory);
    let sources = Sources::default();
    let disk = sources.files();
    let named = names(plan_dir, &*disk).into_iter().filter_map(|name| {
        let path = find(&name, plan_dir, &*disk).ok()?;
        Some((name, Some(path.display().to_string())))
    });
    match starting(word, named) {
        named if named.is_empty() => paths(word, Wanted::Files),
        named => named,
    }
}

/// Returns the options and settings that are in force.
fn context(line: &Line) -> Context {
    let state_dir = line.value_of("state_dir").map(|dir| PathBuf::from(at_home(dir)));
    Context::new(&Global { color: None, verbose: 0, log: None, state_dir })
}

fn reader(line: &Line) -> Option<Reader> {
    Reader::open(&context(line).state_dir()?.value).ok()
}

/// Runs that the command can work on, newest first; by their ends, if the word is the start of no name.
fn runs(word: &str, line: &Line) -> Vec<CompletionCandidate> {
    let rows = reader(line).and_then(|reader| reader.runs().ok()).unwrap_or_default();
    let fitting: Vec<RunRow> = rows.into_iter().filter(|row| fits(row, &line.command)).collect();
    let described = |value: &str, row: &RunRow| {
        let state = state_of(row).replace('_', " ");
        (value.to_owned(), Some(format!("{state}, {}", row.plan)))
    };
    let by_name = starting(word, fitting.iter().map(|row| described(&row.id.0, row)));
    if !by_name.is_empty() {
        return by_name;
    }
    let end = |row: &RunRow| row.id.0.rsplit('-').next().map(|end| described(end, row));
    let last = fitting.first().map(|row| described("last", row));
    starting(word, last.into_iter().chain(fitting.iter().filter_map(end)))
}

/// The names of the plans of all runs.
fn plans(line: &Line) -> Vec<(String, Option<String>)> {
    let rows = reader(line).and_then(|reader| reader.runs().ok()).unwrap_or_default();
    let names: BTreeSet<String> = rows.into_iter().map(|row| row.plan).collect();
    names.into_iter().map(|name| (name, None)).collect()
}

/// Whether a command can work on a run, as far as its row shows that.
fn fits(row: &RunRow, command: &str) -> bool {
    let is_open = row.state.is_none_or(|state| !state.has_ended());
    match command {
        "resume" => is_open && !row.alive,
        "stop" => row.alive,
        "resolve" | "abort" => is_open,
        "rollback" => !matches!(row.state, Some(RunStatus::Refused | RunStatus::RolledBack)),
        _ => true,
    }
}

fn run_state(line: &Line) -> Option<RunState> {
    let reader = reader(line)?;
    let run = reader.find(line.values("RUN").next()?).ok()?;
    Some(RunState::for_report(&reader.reading(&run, 0).ok()?.records))
}

fn questions(line: &Line) -> Vec<(TaskId, Question)> {
    run_state(line).map_or_else(Vec::new, |state| state.open_questions())
}

fn tasks(line: &Line) -> Vec<(String, Option<String>)> {
    let open = questions(line).into_iter();
    open.map(|(task, question)| (task.to_string(), Some(question.text))).collect()
}

/// The answers to the question of the task on the line, else to all questions.
fn answers(line: &Line) -> Vec<(String, Option<String>)> {
    let task = line.values("HOST/STEP").next();
    let mut answers = Vec::new();
    for (asks, question) in questions(line) {
        if task.is_none_or(|task| asks.to_string() == task) {
            for answer in question.answers {
                let answer = (answer.word().to_owned(), Some(answer.about().to_owned()));
                if !answers.contains(&answer) {
                    answers.push(answer);
                }
            }
        }
    }
    answers
}

/// Hosts and groups; the part of a pattern before its last separator is kept.
fn hosts(word: &str, line: &Line) -> Vec<CompletionCandidate> {
    let (kept, start) = word.split_at(word.rfind([':', ',', '!', '&']).map_or(0, |at| at + 1));
    let known = match line.values("RUN").next() {
        Some(_) => {
            let state = run_state(line);
            let hosts = state.iter().flat_map(RunState::real_hosts);
            hosts.map(|(name, _)| (name.to_string(), None)).collect()
        }
        None => of_inventory(line),
    };
    let fitting = known.into_iter().filter(|(name, _)| name.starts_with(start));
    fitting.map(|(name, help)| candidate(format!("{kept}{name}"), help)).collect()
}

/// Returns the hosts of the inventories on the line, and then their groups.
fn of_inventory(line: &Line) -> Vec<(String, Option<String>)> {
    let inventory = inventory(line).unwrap_or_default();
    let hosts = inventory.hosts.keys().map(|name| (name.to_string(), None));
    let groups = inventory.groups.iter().filter(|(_, hosts)| !hosts.is_empty());
    let group = |hosts: usize| format!("group of {}", crate::report::text::count(hosts, "host"));
    let groups = groups.map(|(name, hosts)| (name.clone(), Some(group(hosts.len()))));
    hosts.chain(groups).collect()
}

fn inventory(line: &Line) -> Option<Inventory> {
    let mut named: Vec<String> = line.values("INV").map(at_home).collect();
    if named.is_empty() {
        named = context(line).inventory()?.value;
    }
    if named.is_empty() {
        return None;
    }
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let plan = line.plan();
    let plan_dir = plan.as_deref().map(directory);
    let read = load::inventory(&named, plan_dir, &mut NoPrograms, &mut sources, &mut found);
    read.map(|(_, inventory)| inventory)
}

/// Returns a part of the plan on the line, which may be invalid.
fn part(line: &Line, name: &str) -> Vec<Entry> {
    let read = |path: &Path| {
        let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
        let id = sources.read(path, "the plan").ok()?;
        document::parse(&sources, id, &mut found)
    };
    let plan = line.plan().filter(|path| path.is_file());
    let plan: Option<Node> = plan.and_then(|path| read(&path));
    plan.map_or_else(Vec::new, |plan| plan.entries_of(name).to_vec())
}

fn keys(line: &Line, name: &str) -> Vec<(String, Option<String>)> {
    let entries = part(line, name).into_iter();
    let described = |entry: Entry| {
        let help =
            ["description", "run", "shell"].into_iter().find_map(|key| entry.value.text(key));
        (entry.key.clone(), help.map(str::to_owned))
    };
    entries.map(described).collect()
}

/// The names of inputs, and after one the values that the plan names for it.
fn inputs(word: &str, line: &Line) -> Vec<CompletionCandidate> {
    let Some((name, _)) = word.split_once('=') else {
        let named = keys(line, "inputs").into_iter();
        return starting(word, named.map(|(name, help)| (format!("{name}="), help)));
    };
    let inputs = part(line, "inputs");
    let input = inputs.iter().find(|entry| entry.key == name).map(|entry| &entry.value);
    let values: Vec<String> = match input {
        Some(input) if input.text("type") == Some("bool") => {
            ["true", "false"].map(str::to_owned).to_vec()
        }
        Some(input) => {
            let values = input.get("of").map(Node::items).unwrap_or_default().iter();
            values.filter_map(Node::as_text).map(str::to_owned).collect()
        }
        None => Vec::new(),
    };
    starting(word, values.into_iter().map(|value| (format!("{name}={value}"), None)))
}
