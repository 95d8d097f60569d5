//! Commands that outlive their controller, on this machine: nothing is sent next to them, nothing is
//! undone before they have ended, and an answer of the operator about one settles only that one. Also runs
//! that are paused while nothing is sent: nothing fails because of that.

use std::fs;
use std::time::Duration;

use planrun::event::HostStatus;
use rustix::process::Signal;

use crate::harness::{Ended, Planrun, eventually};
use crate::ssh::server::Server;

const INVENTORY: &str = "all: {hosts: {here: {planrun_connection: local}}}\n";

/// A plan whose steps leave lines in a file, and what a person does with it.
struct Bench {
    planrun: Planrun,
    plan: String,
    inventory: String,
    set: String,
    file: String,
}

impl Bench {
    fn new(steps: &str, timeout: &str) -> Self {
        let planrun = Planrun::new();
        let file = planrun.file("lines", "");
        let plan = format!(
            "version: 1\nname: in-doubt\nhosts: all\ninputs: {{file: {{type: path}}}}\n\
             defaults: {{timeout: {timeout}, within: 1s}}\n\
             probes:\n  lines: {{run: \"cat {{{{ file }}}}\", parse: lines}}\n  \
             later: {{shell: \"sleep 3; cat {{{{ file }}}}\", parse: lines}}\n\
             steps:\n{steps}"
        );
        Self {
            plan: planrun.file("plan.yaml", plan),
            inventory: planrun.file("inventory.yaml", INVENTORY),
            set: format!("file={file}"),
            planrun,
            file,
        }
    }

    /// What the steps have left, in one line.
    fn lines(&self) -> String {
        fs::read_to_string(&self.file).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Kills the runners, which keep the time of commands and see their ends. The commands go on.
    fn kill_runners(&self) {
        let entries = fs::read_dir(self.planrun.path("planrun/attempts")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        // No name of a record has a dot.
        for record in
            paths.filter(|path| !path.file_name().unwrap().as_encoded_bytes().contains(&b'.'))
        {
            let text = fs::read_to_string(record).unwrap_or_default();
            // The user, the runner, and when that started: its number may be another process's by now.
            let words: Vec<&str> = text.split_whitespace().collect();
            let [_, runner, start, ..] = words[..] else { continue };
            let stat = fs::read_to_string(format!("/proc/{runner}/stat")).unwrap_or_default();
            let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
            if fields.split(' ').nth(19) == Some(start) {
                let group = rustix::process::Pid::from_raw(runner.parse().unwrap()).unwrap();
                let _gone = rustix::process::kill_process_group(group, Signal::KILL);
            }
        }
    }

    /// Kills the commands, by the marks of their attempts.
    fn kill_commands(&self) {
        let attempts = fs::read_dir(self.planrun.path("planrun/attempts")).unwrap();
        let names: Vec<_> = attempts.map(|entry| entry.unwrap().file_name()).collect();
        for entry in fs::read_dir("/proc").unwrap() {
            let path = entry.unwrap().path();
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            let mark = |variable: &[u8]| {
                variable
                    .strip_prefix(b"PLANRUN_MARK=")
                    .is_some_and(|mark| names.iter().any(|name| name.as_encoded_bytes() == mark))
            };
            let pid = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            if environment.split(|&byte| byte == 0).any(mark)
                && let Some(pid) = pid.and_then(rustix::process::Pid::from_raw)
            {
                let _gone = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }

    fn apply(&self) -> Ended {
        self.planrun.run(&["apply", &self.plan, "-i", &self.inventory, "--set", &self.set])
    }

    /// Begins the run and kills it once the file has these lines.
    fn killed_at(&self, lines: &str) {
        let words = ["apply", &self.plan, "-i", &self.inventory, "--set", &self.set];
        let going = self.planrun.begin(&words);
        eventually(&format!("it is at {lines:?}"), || self.lines() == lines);
        going.kill();
        self.kill_runners();
    }

    fn answer(&self, answer: &str) {
        self.planrun.run(&["resolve", "last", "--as", answer, "--reason", "seen"]).exits(0);
    }
}

const FIRST: &str = r#"
  - id: first
    shell: echo first >> {{ file }}
    on_unknown: ask
    rollback: {shell: "echo undo-first >> {{ file }}", done_when: '"undo-first" in lines'}
"#;

/// A step that takes a while.
fn slow(seconds: u32, on_unknown: &str) -> String {
    format!(
        "{FIRST}
  - id: slow
    shell: |
      echo begun >> {{{{ file }}}}
      sleep {seconds}
      echo ended >> {{{{ file }}}}
    on_unknown: {on_unknown}
    rollback: {{shell: \"echo undo-slow >> {{{{ file }}}}\", done_when: '\"undo-slow\" in lines'}}
"
    )
}

#[test]
fn a_rollback_waits_for_the_command_that_a_killed_controller_left_running() {
    let bench = Bench::new(&slow(4, "ask"), "30s");
    bench.killed_at("first begun");
    bench.planrun.run(&["rollback", "last"]);
    assert_eq!(bench.lines(), "first begun ended undo-slow undo-first");
}

#[test]
fn a_step_that_fails_where_its_end_is_unknown_is_undone_after_it() {
    let bench = Bench::new(&slow(6, "fail"), "2s");
    bench.killed_at("first begun");
    // It is over before the host was asked for twice its timeout.
    let resumed = bench.planrun.run(&["resume", "last"]);
    let lines = bench.lines();
    if resumed.status == Some(6) {
        assert_eq!(lines, "first begun");
    } else {
        assert_eq!(lines, "first begun ended undo-slow undo-first");
    }
}

#[test]
fn what_may_still_run_is_undone_only_if_the_operator_says_so() {
    let bench = Bench::new(&slow(12, "fail"), "1s");
    bench.killed_at("first begun");
    let asked = bench.planrun.run(&["resume", "last"]);
    asked.exits(6).says("may still be running on here. Roll back anyway?");
    assert_eq!(bench.lines(), "first begun");
    let run = bench.planrun.newest();
    assert_eq!(bench.planrun.kept(&run).host("here"), None);
    bench.answer("continue");
    bench.planrun.run(&["resume", "last"]).exits(1);
    assert_eq!(bench.lines(), "first begun undo-slow undo-first");
    assert_eq!(bench.planrun.kept(&run).host("here"), Some(HostStatus::RolledBack));
}

#[test]
fn no_answer_sends_a_step_beside_an_attempt_that_still_runs() {
    for answer in ["retry", "not-done"] {
        let bench = Bench::new(&slow(40, "ask"), "2s");
        bench.killed_at("first begun");
        bench.planrun.run(&["resume", "last"]).exits(6).says("did it take effect?");
        bench.answer(answer);
        bench.planrun.run(&["resume", "last"]).exits(6);
        assert_eq!(bench.lines(), "first begun", "{answer}");
        bench.kill_runners();
        bench.kill_commands();
    }
}

/// The host of a killed runner whose records are gone: it cannot report whether the command runs.
fn forgotten(steps: &str) -> Bench {
    let bench = Bench::new(steps, "60s");
    bench.killed_at("first begun");
    // What keeps the output of the command may still make a file there.
    let records = bench.planrun.path("planrun/attempts");
    eventually("the records are gone", || fs::remove_dir_all(&records).is_ok());
    bench
}

/// A step that is checked, and may be tried again.
fn checked() -> String {
    slow(40, "ask")
        .replace("on_unknown: ask\n    rollback: {shell: \"echo undo-slow", "done_when: '\"ended\" in lines'\n    retry: {attempts: 3, delay: 1s}\n    rollback: {shell: \"echo undo-slow")
}

#[test]
fn a_step_is_not_retried_if_the_host_cannot_report_whether_it_still_runs() {
    let bench = forgotten(&checked());
    for _ in 0..2 {
        bench.planrun.run(&["resume", "last"]).exits(6).says("did it take effect?");
        assert_eq!(bench.lines(), "first begun");
    }
    // The operator decides, and nothing is asked a second time.
    bench.answer("retry");
    let words = ["resume", "last"];
    let going = bench.planrun.begin(&words);
    eventually("it is sent again", || bench.lines() == "first begun begun");
    going.kill();
    bench.kill_runners();
    bench.kill_commands();
}

#[test]
fn a_host_is_not_rolled_back_if_it_cannot_report_whether_a_command_still_runs() {
    let bench = forgotten(&checked());
    let asked = bench.planrun.run(&["rollback", "last"]);
    asked.exits(6).says("may still be running on here. Roll back anyway?");
    assert_eq!(bench.lines(), "first begun");
    bench.answer("continue");
    bench.planrun.run(&["rollback", "last"]).exits(0);
    assert_eq!(bench.lines(), "first begun undo-slow undo-first");
}

#[test]
fn an_answer_settles_an_attempt_and_not_what_is_sent_after_it() {
    let steps = format!(
        "{FIRST}
  - id: slow
    shell: |
      echo begun >> {{{{ file }}}}
      test ! -e {{{{ file }}}}.once || exit 0
      touch {{{{ file }}}}.once
      kill -9 0
    on_unknown: ask
    rollback: {{shell: \"echo undo-slow >> {{{{ file }}}}\", done_when: '\"undo-slow\" in lines'}}
  - {{id: bad, fail: now back}}
"
    );
    let bench = Bench::new(&steps.replace("kill -9 0", "sleep 60"), "3s");
    bench.killed_at("first begun");
    // The command dies with nobody watching.
    bench.kill_commands();
    bench.planrun.run(&["resume", "last"]).exits(6).says("did it take effect?");
    bench.answer("not-done");
    bench.planrun.run(&["resume", "last"]).exits(1);
    assert_eq!(bench.lines(), "first begun begun undo-slow undo-first");
}

#[test]
fn an_answer_about_an_attempt_leaves_the_one_before_it_to_be_undone() {
    let steps = format!(
        "{FIRST}
  - id: slow
    shell: |
      echo begun >> {{{{ file }}}}
      test -e {{{{ file }}}}.once || {{ touch {{{{ file }}}}.once; exit 1; }}
      sleep 60
    done_when: '\"ended\" in lines'
    retry: {{attempts: 2, delay: 100ms}}
    rollback: {{shell: \"echo undo-slow >> {{{{ file }}}}\", done_when: '\"undo-slow\" in lines'}}
"
    );
    let bench = Bench::new(&steps, "3s");
    // The first attempt fails after its effect. How the second one ended is not known, and its condition
    // cannot be checked.
    bench.killed_at("first begun begun");
    bench.kill_commands();
    let away = format!("{}.away", bench.file);
    fs::rename(&bench.file, &away).unwrap();
    bench.planrun.run(&["resume", "last"]).exits(6).says("did it take effect?");
    fs::rename(&away, &bench.file).unwrap();
    bench.answer("not-done");
    bench.planrun.run(&["rollback", "last"]).exits(0);
    assert_eq!(bench.lines(), "first begun begun undo-slow undo-first");
}

#[test]
fn a_rollback_that_is_stuck_can_be_taken_up_again() {
    let steps = "
  - id: first
    shell: echo first >> {{ file }}
    done_when: '\"first\" in lines'
    rollback:
      shell: test -e {{ file }}.mended && echo undo-first >> {{ file }}
      done_when: '\"undo-first\" in lines'
  - fail: now back
";
    let bench = Bench::new(steps, "10s");
    bench.apply().exits(5);
    // Still in the way: stuck again, and again.
    for _ in 0..2 {
        bench.planrun.run(&["rollback", "last"]).exits(5);
    }
    bench.planrun.file("lines.mended", "");
    let back = bench.planrun.run(&["rollback", "last"]);
    assert_eq!(bench.lines(), "first undo-first", "{}", back.stderr);
    let story = bench.planrun.kept(&bench.planrun.newest());
    assert_eq!(story.host("here"), Some(HostStatus::RolledBack));
}

#[test]
fn a_stop_while_a_condition_is_looked_at_sends_nothing_and_fails_nothing() {
    let steps = "
  - id: first
    shell: echo first >> {{ file }}
    done_when: '\"first\" in later'
    rollback: {none: lines in a file harm nobody}
";
    let bench = Bench::new(steps, "20s");
    let words = ["apply", &bench.plan, "-i", &bench.inventory, "--set", &bench.set];
    let mut going = bench.planrun.begin_json(&words);
    going.until_long_in("here/first", Duration::from_secs(1));
    going.interrupt();
    going.end().exits(6);
    assert_eq!(bench.lines(), "");
    bench.planrun.run(&["resume", "last"]).exits(0);
    assert_eq!(bench.lines(), "first");
}

#[test]
fn a_stop_while_a_claim_is_looked_at_fails_nothing() {
    let steps = "
  - id: claim
    assert: {there is a line: '\"line\" in lines'}
    within: 30s
";
    let bench = Bench::new(steps, "20s");
    let words = ["apply", &bench.plan, "-i", &bench.inventory, "--set", &bench.set];
    let mut going = bench.planrun.begin_json(&words);
    going.until_long_in("here/claim", Duration::from_secs(1));
    going.interrupt();
    going.end().exits(6);
    bench.planrun.file("lines", "line\n");
    bench.planrun.run(&["resume", "last"]).exits(0);
}

#[test]
fn a_stop_while_a_host_is_away_fails_nothing() {
    let Some(mut server) = Server::start("a_stop_while_a_host_is_away_fails_nothing") else {
        return;
    };
    let steps = format!(
        "{FIRST}
  - id: pause
    wait: 2s
  - id: second
    shell: echo second >> {{{{ file }}}}
    on_unknown: ask
    rollback: {{none: lines in a file harm nobody}}
"
    );
    let bench = Bench::new(&steps, "30s");
    bench.planrun.file("inventory.yaml", server.inventory_with_key());
    let words = ["apply", &bench.plan, "-i", &bench.inventory, "--set", &bench.set];
    let mut going = bench.planrun.begin_json(&words);
    going.until_ended("web1/first");
    server.cut();
    going.until_sends("web1/second");
    std::thread::sleep(Duration::from_secs(2));
    going.interrupt();
    going.end().exits(6);
    assert_eq!(bench.lines(), "first");
    server.shows("one");
    bench.planrun.run(&["resume", "last"]).exits(0);
    assert_eq!(bench.lines(), "first second");
}
