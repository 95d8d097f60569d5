//! Confirmation: the operator is asked at the terminal, whatever the streams are connected to.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use regex::Regex;

use crate::harness::{Ended, Planrun, program};

const HOSTS: &str = "all: {hosts: {here: {planrun_connection: local}}}\n";

/// A plan that leaves a mark, and takes it away on the way back.
fn plan(mark: &str) -> String {
    format!(
        "version: 1\nname: marks\nhosts: all\nprobes: {{mark: {{run: [test, -e, {mark}], \
         exit_codes: any, output: discard}}}}\nsteps:\n  - run: [touch, {mark}]\n    \
         done_when: mark.exit == 0\n    rollback: {{run: [rm, {mark}], done_when: mark.exit == 1}}\n"
    )
}

struct Marks {
    planrun: Planrun,
    plan: String,
    hosts: String,
}

impl Marks {
    fn new() -> Self {
        let planrun = Planrun::new();
        let mark = planrun.path("mark");
        let plan = planrun.file("marks.yaml", plan(mark.to_str().unwrap()));
        let hosts = planrun.file("hosts.yaml", HOSTS);
        Self { planrun, plan, hosts }
    }

    fn is_marked(&self) -> bool {
        self.planrun.path("mark").exists()
    }

    /// Runs planrun at a terminal with all its streams piped, and types an answer; returns what the
    /// pipe got and what the terminal showed.
    fn at_terminal(&self, words: &str, answer: &str) -> (String, String) {
        let log = self.planrun.path("log");
        let state = self.planrun.path("state");
        let planrun = env!("CARGO_BIN_EXE_planrun");
        let line = format!(
            "{planrun} --state-dir {} {words} 2>&1 </dev/null | cat >{}",
            state.display(),
            log.display()
        );
        let mut script = program("script")
            .args(["-qec", &line, "/dev/null"])
            .env("PLANRUN_LOCK_DIR", self.planrun.locks())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        script.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        let shown = script.wait_with_output().unwrap().stdout;
        (fs::read_to_string(log).unwrap(), String::from_utf8_lossy(&shown).into_owned())
    }
}

#[test]
fn where_nobody_can_be_asked_nothing_is_done_and_the_flag_is_named() {
    let marks = Marks::new();
    let apply = ["apply", &marks.plan, "--inventory", &marks.hosts];
    marks
        .planrun
        .begin_unconfirmed(&apply)
        .end()
        .exits(2)
        .says("--yes")
        .says("nothing was changed");
    assert!(!marks.is_marked());
    assert!(marks.planrun.runs().is_empty());

    marks.planrun.run(&apply).exits(0);
    assert!(marks.is_marked());
    let rollback = ["rollback", "last"];
    marks.planrun.begin_unconfirmed(&rollback).end().exits(2).says("--yes");
    assert!(marks.is_marked());
    marks.planrun.run(&rollback).exits(0);
    assert!(!marks.is_marked());
}

#[test]
fn the_operator_is_asked_at_the_terminal_though_all_streams_are_piped() {
    let marks = Marks::new();
    let apply = format!("apply {} -i {}", marks.plan, marks.hosts);
    let (piped, shown) = marks.at_terminal(&apply, "n\n");
    assert!(shown.contains("start marks on 1 host"), "{shown}");
    let both = format!("{piped}{shown}");
    assert!(both.contains("not counting retries and rollbacks"), "{both}");
    assert!(piped.contains("nothing was changed"), "{piped}");
    assert!(!marks.is_marked());

    let (piped, _) = marks.at_terminal(&apply, "y\n");
    assert!(piped.contains("succeeded: 1 host"), "{piped}");
    assert!(marks.is_marked());

    let (piped, shown) = marks.at_terminal("rollback last", "y\n");
    assert!(shown.contains("roll them back?"), "{shown}");
    assert!(piped.contains("here (succeeded)"), "{piped}");
    assert!(!marks.is_marked(), "{piped}");
}

#[test]
fn the_command_to_start_again_is_whole_and_names_the_hosts_that_are_left() {
    let planrun = Planrun::new();
    let plan = planrun.file(
        "two.yaml",
        "version: 1\nname: two\nhosts: all\ninputs: {bad: {type: string}}\nsteps:\n  \
         - assert: {it is another one: host.name != bad}\n",
    );
    let hosts = planrun.file(
        "two-hosts.yaml",
        "all: {hosts: {good: {planrun_connection: local}, ill: {planrun_connection: local}}}\n",
    );
    let apply = ["apply", &plan, "-i", &hosts, "--set", "bad=ill", "--limit", "all"];
    let failed = planrun.run(&apply);
    let again = failed.command("planrun apply", "two.yaml");
    assert_eq!(
        again,
        format!("planrun apply {plan} --inventory {hosts} --set bad=ill --limit ill")
    );
    let again = planrun.type_line(&format!("{again} --yes"));
    assert_eq!(again.status, failed.status);
    assert_eq!(planrun.runs().len(), 2);
}

/// Returns the commands of planrun that a text shows: in backquotes, or on lines of their own.
fn commands(text: &str) -> BTreeSet<String> {
    let quoted = Regex::new("`(planrun [^`]+)`").unwrap();
    let own = Regex::new("(?m)^ +(planrun .+?)(?: +# .*)?$").unwrap();
    let found = quoted.captures_iter(text).chain(own.captures_iter(text));
    found.map(|found| found[1].to_owned()).collect()
}

#[test]
fn every_command_that_a_run_prints_can_be_typed() {
    let planrun = Planrun::new();
    let hosts = planrun.file("hosts.yaml", HOSTS);
    let plan = |name: &str, steps: &str| {
        let text = format!("version: 1\nname: {name}\nhosts: all\nsteps:\n{steps}");
        planrun.file(&format!("{name}.yaml"), text)
    };
    let asks = plan("asks", "  - approve: Go on?\n");
    let fails = plan("fails", "  - fail: it is an example\n");
    let stuck = plan(
        "stuck",
        "  - {run: \"true\", idempotent: true, rollback: {run: \"false\", idempotent: true}}\n  - fail: now back\n",
    );
    let apply = |plan: &str| planrun.run(&["apply", plan, "-i", &hosts]);
    let keep = |from: &str, to: &str| {
        let [from, to] = [from, to].map(|name| planrun.path(name).display().to_string());
        planrun.type_line(&format!("rm -rf {to} && cp -a {from} {to}")).exits(0);
    };
    let mut verbs = BTreeSet::new();
    let mut typed_back = |ended: &Ended| {
        let commands = commands(&ended.all());
        assert!(!commands.is_empty(), "{}", ended.all());
        keep("state", "kept");
        for command in commands {
            let line = command.replacen("planrun apply ", "planrun apply --yes ", 1);
            let back = planrun.type_line(&line);
            let is_refused = back.status == Some(2) || back.all().contains("Usage: ");
            assert!(!is_refused, "{command}\n{}\nin\n{}", back.all(), ended.all());
            verbs.insert(command.split(' ').nth(1).unwrap().to_owned());
            keep("kept", "state");
        }
    };
    typed_back(apply(&fails).exits(1));
    typed_back(apply(&asks).exits(6));
    // The host is locked.
    typed_back(apply(&fails).exits(7));
    planrun.run(&["abort", "last", "--acknowledge"]).exits(0);
    typed_back(apply(&stuck).exits(5));
    typed_back(apply(&fails).exits(7));
    let all = ["abort", "apply", "resolve", "resume", "rollback", "show"];
    assert!(all.iter().all(|verb| verbs.contains(*verb)), "{verbs:?}");
}
