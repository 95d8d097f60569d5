//! The commands that planrun suggests: the examples of `--help`, the commands in messages and docs.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use regex::Regex;

use crate::harness::Planrun;
use crate::support::{files, root, shown, text};

/// Makes a folder with the shipped plans, an inventory `prod` of model hosts, and a `jq` that only
/// copies; returns how a line begins that is typed there.
fn desk(planrun: &Planrun) -> String {
    let marker = planrun.file("marker", "");
    let folder = Path::new(&marker).parent().unwrap().join("desk");
    for path in files("plans", "") {
        let target = folder.join(shown(&path));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
    let demo = text("plans/inventories/demo.yaml");
    for place in ["plans/inventories", "inventories"] {
        fs::create_dir_all(folder.join(place)).unwrap();
        fs::write(folder.join(place).join("prod.yaml"), &demo).unwrap();
    }
    fs::create_dir_all(folder.join("models")).unwrap();
    fs::copy(root().join("plans/models/dovecot.yaml"), folder.join("models/dovecot.yaml")).unwrap();
    fs::write(
        folder.join("plans/a.yaml"),
        "version: 1\nname: a\nhosts: all\nsteps: [{wait: 1s}]\n",
    )
    .unwrap();
    fs::create_dir(folder.join("bin")).unwrap();
    fs::write(folder.join("bin/jq"), "#!/bin/sh\ncat\n").unwrap();
    fs::set_permissions(folder.join("bin/jq"), fs::Permissions::from_mode(0o755)).unwrap();
    format!("cd {0} && PATH={0}/bin:$PATH && ", folder.display())
}

/// Returns the examples of a help text.
fn examples(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let typed =
        lines.filter_map(|line| line.strip_prefix("  ")).filter(|l| l.starts_with("planrun "));
    typed.map(|line| line.split("   ").next().unwrap().trim().to_owned()).collect()
}

#[test]
fn every_example_of_the_help_can_be_typed() {
    let planrun = Planrun::new();
    let here = desk(&planrun);
    let scratch = tempfile::tempdir().unwrap();
    let empty = format!("cd {} && ", scratch.path().display());
    let help = planrun.run(&["--help"]).stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let names = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<&str> = names.map(|line| line.split_whitespace().next().unwrap()).collect();
    assert!(names.len() > 9, "{names:?}");
    let mut typed = BTreeSet::new();
    let mut wrong = Vec::new();
    let helps = names.iter().map(|name| planrun.run(&[name, "--help"]).stdout);
    for help in std::iter::once(help.clone()).chain(helps) {
        for line in examples(&help) {
            if !typed.insert(line.clone()) {
                continue;
            }
            // New files are made where there are none yet.
            let folder = if line.starts_with("planrun new ") { &empty } else { &here };
            let ended = planrun.type_line(&format!("{folder}{line}"));
            // A question that nobody asked, a run that has ended, a host that is not locked, no one to notify: for other moments.
            let other_moment =
                ["resolve ", "resume ", "rollback ", "abort ", "unlock ", "--test-notify"];
            let may_refuse = other_moment.iter().any(|word| line.contains(word));
            let refused = ended.status == Some(2) && !may_refuse;
            let said = &ended.stderr;
            if refused || said.contains("error[") || said.contains("Usage: ") {
                wrong.push(format!("{line}: {:?}\n{said}", ended.status));
            }
        }
    }
    assert!(typed.len() > 15, "{typed:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the commands that a text shows in backquotes.
fn commands(text: &str) -> BTreeSet<String> {
    let shown = Regex::new(r"`(planrun [a-z][^`]*)`").unwrap();
    shown
        .captures_iter(text)
        .map(|found| found[1].split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn every_command_in_messages_and_pages_is_one() {
    let comment = Regex::new(r"^\s*//").unwrap();
    let mut all = BTreeSet::new();
    for path in files("src", ".rs").into_iter().chain(files("src", ".tsv")) {
        let code = text(&shown(&path));
        let code = code.split("#[cfg(test)]\nmod tests").next().unwrap();
        let lines = code.lines().filter(|line| !comment.is_match(line));
        all.extend(commands(&lines.collect::<Vec<_>>().join("\n")));
    }
    let pages = files("docs", ".md").into_iter().chain(files("plans", ".yaml"));
    for path in pages.chain([root().join("README.md")]) {
        all.extend(commands(&text(&shown(&path))));
    }
    assert!(all.len() > 20, "{all:?}");
    let planrun = Planrun::new();
    let here = desk(&planrun);
    let placeholder = Regex::new(r"\{[a-z_.]+\}|\[[^\]]*\]|\.\.\.").unwrap();
    let mut wrong = Vec::new();
    // What pages say is not there.
    let missing = ["planrun fmt", "planrun help"];
    let own = [(r"\bINV\b", "prod"), (r"\bRUN\b", "last"), (r"\bHOST\b", "web1")];
    let own = own.map(|(word, value)| (Regex::new(word).unwrap(), value));
    for line in all.iter().filter(|line| !missing.contains(&line.as_str())) {
        // A bare name of a command stands for the command.
        let mut line = placeholder.replace_all(line, "x").into_owned();
        for (word, value) in &own {
            line = word.replace_all(&line, *value).into_owned();
        }
        let words = if line.split(' ').count() == 2 { format!("{line} --help") } else { line };
        let ended = planrun.type_line(&format!("{here}{words}"));
        let usage = ["Usage: ", "unrecognized subcommand", "unexpected argument"];
        let said = &ended.stderr;
        if usage.iter().any(|word| said.contains(word)) {
            wrong.push(format!("{words}\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
