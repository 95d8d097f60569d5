//! The tests of the whole program: one binary, one module per subject.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends where it stands")]

mod aborts;
mod ansible;
mod anything;
mod approvals;
mod around;
mod asked_secrets;
mod bad_input;
mod blocks;
mod bombs;
mod bounds;
mod browser;
mod canaries;
mod ci;
mod cluster;
mod coming_from;
mod command_line;
mod configuration;
mod confirm;
mod controller;
mod crash;
mod database;
mod demo;
mod desk;
mod docs;
mod earlier_plans;
mod earlier_stores;
mod editor;
mod engine;
#[path = "../../fuzz/entries.rs"]
mod entries;
mod examples;
mod expressions;
mod failures;
mod floods;
mod generated;
mod guarantees;
mod harness;
mod help;
mod host_locks;
mod hosts_of;
mod in_doubt;
mod inventories;
mod items;
mod kills;
mod language;
mod linear;
mod links;
mod load;
mod locks;
mod log_file;
mod losses;
#[path = "../../benches/bombs.rs"]
mod made_bombs;
mod man;
mod manual;
mod model_hosts;
mod new;
mod next_move;
mod notifications;
mod order;
mod pace;
mod pages;
mod planned;
mod plans;
mod preview;
#[path = "../../fuzz/expressions.rs"]
mod properties;
mod reaching;
mod records;
mod redactor;
mod refused;
mod rejected;
mod reports;
mod results;
mod rollbacks;
mod rounds;
mod run_list;
mod saved_previews;
mod scenarios;
mod scene;
mod schemas;
mod screens;
mod scripts;
mod second_terminal;
mod secret_files;
mod secrets;
mod services;
mod setup_again;
mod shells;
mod snippets;
mod ssh;
mod stages;
mod store;
mod support;
mod terminals;
mod test_command;
mod texts;
mod tidy;
mod transport;
mod uploads;
mod validate;
mod verdicts;
mod watching;
mod way_back;
mod way_back_in_order;
mod written;
mod yaml;

use std::path::{Path, PathBuf};

/// Returns the files of a folder that have an ending, in the order of their names.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no {ending} files there");
    files
}
