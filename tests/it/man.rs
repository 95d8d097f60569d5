//! The manual pages that planrun writes.

use std::fs;
use std::path::PathBuf;

use regex::Regex;

use crate::harness::{Ended, Planrun, program};
use crate::support::{files, shown, text};

/// Writes the pages and returns their names, without `.1`, and their texts.
fn pages(planrun: &Planrun) -> Vec<(String, String)> {
    let folder = planrun.path("man");
    planrun.run(&["man", "--dir", folder.to_str().unwrap()]).exits(0).says("pages to");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// Returns the text of a page as it is read, without fonts.
fn plain(page: &str) -> String {
    let fonts = Regex::new(r"\\f[BIR]").unwrap();
    fonts.replace_all(page, "").replace("\\-", "-")
}

#[test]
fn each_option_of_each_command_is_in_its_page() {
    let planrun = Planrun::new();
    let pages = pages(&planrun);
    assert!(pages.len() > 20, "{}", pages.len());
    let option = Regex::new(r"(?m)^\s+(?:-\w, )?(--[a-z-]+)").unwrap();
    for (name, page) in &pages {
        let words: Vec<&str> = name.split('-').skip(1).chain(["--help"]).collect();
        let help = planrun.run(&words).exits(0).stdout.clone();
        let page = plain(page);
        let mut options = option.captures_iter(&help).map(|found| found[1].to_owned()).peekable();
        assert!(options.peek().is_some(), "{help}");
        for option in options {
            assert!(page.contains(&option), "{option} is not in {name}:\n{page}");
        }
        // Examples are copied, so they stay as they are.
        let examples = help.lines().filter_map(|line| line.strip_prefix("  planrun "));
        for example in examples {
            let example = example.replace('\'', "\\*(Aq").replace('`', "");
            assert!(page.contains(&example), "{example} is not in {name}:\n{page}");
        }
    }
    let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    let help = planrun.run(&["--help"]).stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    for line in commands.lines().take_while(|line| !line.is_empty()) {
        let command = line.split_whitespace().next().unwrap();
        let is_name = line.starts_with("  ") && !line.starts_with("   ") && command != "help";
        let page = format!("planrun-{command}");
        assert!(!is_name || names.contains(&page.as_str()), "{page}");
    }
}

#[test]
fn the_page_of_docs_has_exit_codes_and_every_variable() {
    let planrun = Planrun::new();
    let pages = pages(&planrun);
    let (_, page) = pages.iter().find(|(name, _)| name == "planrun").unwrap();
    let page = plain(page);
    for row in text("src/cli/exit.tsv").lines().filter(|line| !line.starts_with('#')) {
        let (code, meaning) = row.split_once('\t').unwrap();
        let meaning = meaning.replace('`', "");
        assert!(page.contains(&format!("\n{code}\n{meaning}\n")), "{row}\n{page}");
    }
    let variable = Regex::new(r#""(PLANRUN_[A-Z_]*[A-Z])_?""#).unwrap();
    for path in files("src", ".rs") {
        let code = text(&shown(&path));
        for found in variable.captures_iter(&code) {
            assert!(page.contains(&found[1]), "{} of {}", &found[1], shown(&path));
        }
    }
}

#[test]
fn pages_replace_older_ones_and_a_folder_that_is_not_one_is_refused() {
    let planrun = Planrun::new();
    let first = pages(&planrun);
    fs::write(planrun.path("man/planrun.1"), "old").unwrap();
    assert_eq!(pages(&planrun), first);
    let file = planrun.file("file", "");
    planrun.run(&["man", "--dir", &file]).exits(74).says("cannot write");
    planrun.run(&["man"]).exits(2).says("--dir");
}

/// Checks every page with a program that must have nothing to say.
pub(crate) fn are_checked_by(words: &[&str]) {
    let planrun = Planrun::new();
    for (name, _) in pages(&planrun) {
        let path = planrun.path(&format!("man/{name}.1"));
        let ended = Ended::of(program(words[0]).args(&words[1..]).arg(path));
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{name}");
        if words[0] == "mandoc" {
            assert_eq!(ended.stdout, "", "{name}");
        }
    }
}
