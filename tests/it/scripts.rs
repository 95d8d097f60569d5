//! A value in a script never becomes code: accepted scripts are run by real shells.
//!
//! Scripts are combined from parts of the shell's language, with a value among them. If a script is
//! accepted, hostile values are rendered, and each shell here runs it as `sh` would. Each value would create
//! a file if any part of it were code.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use planrun::template::script::misplaced;
use planrun::template::{Mode, Names, Template};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::desk::Desk;
use crate::harness::program;

/// How many scripts are made unless `PROPTEST_CASES` says so; most are refused, or have no value.
const CASES: u32 = 1_500;

const PIECES: &[&str] = &[
    "{{ v }}",
    "{{ v }}",
    "{{ v }}",
    "{{ v }}",
    "echo ",
    " ",
    "\n",
    "; ",
    "\"",
    "\"",
    "'",
    "'",
    "`",
    "`",
    "$(",
    ")",
    "${x:-",
    "${x#",
    "}",
    "$((",
    "((",
    "))",
    "$[",
    "]",
    "[[ ",
    " ]]",
    " -eq 1",
    "[ ",
    " = a ]",
    "cat <<E\n",
    "cat <<'E'\n",
    "<<-E ",
    "\nE\n",
    " # c",
    "case a in a) ",
    ";; esac",
    "if true; then ",
    "; fi",
    "\\",
    "\\\\",
    "$",
    "$'",
    "$\"",
    "| cat",
    "( ",
    "{ ",
    "; }",
    "&& ",
    "<<<",
    "{% if true %}",
    "{% else %}",
    "{% endif %}",
    "'it'",
    "\"a\"",
];

const VALUES: &[&str] = &[
    "`:>made`",
    "$(:>made)",
    "';:>made;'",
    "\";:>made;\"",
    "\n:>made\n",
    "E\n:>made\n",
    "\\';:>made #",
    "a[$(:>made)]",
    ");:>made;(",
    "};:>made;{ :",
    "' `:>made` '",
];

/// The shells of this machine that are `sh` somewhere, each with what makes it one.
fn shells() -> Vec<(&'static str, &'static [&'static str])> {
    let all: [(&str, &[&str]); 5] = [
        ("/bin/sh", &[]),
        ("/bin/bash", &["--posix"]),
        ("/bin/busybox", &["sh"]),
        ("/bin/ksh", &[]),
        ("/bin/bash", &[]),
    ];
    all.into_iter().filter(|(path, _)| Path::new(path).exists()).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "how many were tried is a figure to be seen")]
fn a_value_is_never_run() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    let config = ProptestConfig {
        cases: cases.unwrap_or(CASES),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(9),
        ..ProptestConfig::default()
    };
    let desk = Desk::new();
    let made = desk.path("made");
    let ran = std::cell::RefCell::new(BTreeSet::new());
    let pieces = prop::collection::vec(select(PIECES), 1..9);
    let outcome = TestRunner::new(config).run(&pieces, |pieces| {
        let script = pieces.concat();
        if !script.contains("{{ v }}") || !misplaced(&script).is_empty() {
            return Ok(());
        }
        let mut sources = planrun::source::Sources::default();
        let id = sources.add("script", script.clone());
        let mut found = planrun::diagnostic::Diagnostics::default();
        let template = Template::of_source(id, &sources, &mut found);
        if found.has_errors() {
            return Ok(());
        }
        for value in VALUES {
            let names = Names::from([("v".to_owned(), (*value).into())]);
            let Ok(text) = template.render(Mode::Script, &names) else {
                continue;
            };
            for (shell, arguments) in shells() {
                let status = program(shell)
                    .args(arguments)
                    .args(["-c", &text])
                    .current_dir(desk.path("."))
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status();
                prop_assert!(status.is_ok());
                prop_assert!(!made.exists(), "{shell} runs {value:?} in\n{script}\nas\n{text}");
            }
        }
        ran.borrow_mut().insert(script);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let ran = ran.into_inner().len();
    println!("{ran} scripts were run");
    assert!(ran > 30, "only {ran} scripts were run");
}
