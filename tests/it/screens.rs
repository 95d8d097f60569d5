//! A run on a real terminal (tmux): what the operator sees at 60, 80 and 120 columns, kept as text; keys, a
//! resize, `^C`.
//!
//! The pace of 0.01 lets the time of the model stand still, and Enter lets it jump to the next line: each picture
//! has the same times in each test.

use std::fs;
use std::time::Duration;

use regex::Regex;

use crate::harness::{Planrun, eventually};
use crate::ssh::server::Server;

const RUN: &str =
    "planrun apply tests/cases/screens/plan.yaml -i tests/cases/screens/inventory.yaml";

/// The prompt of the shell, as the only text of a line.
const PROMPT: &str = "ready>";

struct Tmux<'a> {
    planrun: &'a Planrun,
    /// The name of its server: one for each terminal.
    name: String,
}

impl<'a> Tmux<'a> {
    fn new(planrun: &'a Planrun, columns: u16, rows: u16) -> Self {
        let folder = planrun.path("state").parent().unwrap().to_owned();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let tmux = Self { planrun, name };
        let size = format!("-x {columns} -y {rows}");
        let shell = format!("PS1='{PROMPT} ' exec sh");
        tmux.command(&format!("-f /dev/null -u new-session -d {size} \"{shell}\""));
        eventually("the shell is ready", || tmux.screen().starts_with(PROMPT));
        tmux
    }

    fn command(&self, words: &str) -> String {
        self.planrun.type_line(&format!("tmux -L {} {words}", self.name)).exits(0).stdout.clone()
    }

    fn screen(&self) -> String {
        self.command("capture-pane -p")
    }

    /// Returns all lines that the terminal has had, as they were written.
    fn all(&self) -> String {
        self.command("capture-pane -p -J -S -")
    }

    fn line(&self, text: &str) {
        self.command(&format!("send-keys -l '{text}'"));
        self.command("send-keys Enter");
    }

    /// Waits until the screen has a text.
    fn until(&self, text: &str) -> String {
        let mut screen = String::new();
        eventually(text, || {
            screen = self.screen();
            screen.contains(text)
        });
        screen
    }

    /// Returns the screen once it does not change any more.
    fn settled(&self) -> String {
        let mut last = self.all();
        loop {
            std::thread::sleep(Duration::from_millis(300));
            let now = self.all();
            if alike(&now) == alike(&last) {
                return now;
            }
            last = now;
        }
    }

    /// Presses Enter until the screen has a text: each time, the time of the model jumps to the next line.
    fn skip_to(&self, text: &str) -> String {
        for _ in 0..40 {
            if self.settled().contains(text) {
                return self.screen();
            }
            self.command("send-keys Enter");
        }
        panic!("{text:?} does not come:\n{}", self.screen());
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        self.planrun.type_line(&format!("tmux -L {} kill-server", self.name));
    }
}

/// Replaces what is different in each run by something of the same width.
fn alike(screen: &str) -> String {
    let mut text = screen.trim_end().to_owned();
    for (pattern, with) in [
        (r"\d\d:\d\d:\d\d", "00:00:00"),
        (r"\d{8}-\d{4}-[a-z0-9]{4}", "20261201-0000-aaaa"),
        ("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", "⠋"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
    }
    text
}

fn keep(name: &str, columns: u16, screen: &str) {
    let widest = screen.lines().map(console::measure_text_width).max().unwrap_or_default();
    assert!(widest <= usize::from(columns), "{screen}");
    insta::assert_snapshot!(format!("{name}_{columns}"), alike(screen));
}

/// A state folder for planrun on a terminal.
fn on_a_terminal() -> Planrun {
    let mut planrun = Planrun::new();
    planrun.environment("TERM", Some("screen-256color"));
    planrun.environment("LC_ALL", Some("C.UTF-8"));
    planrun
}

fn screens(columns: u16) {
    let planrun = on_a_terminal();
    let tmux = Tmux::new(&planrun, columns, 30);
    tmux.line(&format!("clear; {RUN} --limit web1:web2 --pace 0.01"));
    tmux.until("Enter skips ahead");
    keep("running", columns, &tmux.skip_to("users = 30"));
    tmux.skip_to("a reason may follow");
    keep("question", columns, &tmux.until("a reason may follow"));
    tmux.line("approve");
    tmux.skip_to("web1/agree: approve");
    tmux.line("approve");
    tmux.skip_to("succeeded: 2 hosts");
    let done = tmux.until(PROMPT);
    keep("done", columns, &done[done.find("✓ succeeded").unwrap()..]);

    tmux.line(&format!("clear; {RUN} --limit web2:web3 --set asks=false --pace 0.01"));
    tmux.until("Enter skips ahead");
    keep("retrying", columns, &tmux.skip_to("attempt 2 of 3 in 56s"));
    keep("rolling_back", columns, &tmux.skip_to("undoing stop"));
    tmux.skip_to("rolled back: ");
    tmux.until(PROMPT);

    tmux.line(&format!("clear; {RUN} --limit web4 --pace max"));
    tmux.until("stuck: ");
    keep("stuck", columns, &tmux.until(PROMPT));
}

#[test]
#[ignore = "needs tmux"]
fn every_picture_of_a_run_at_60_columns() {
    screens(60);
}

#[test]
#[ignore = "needs tmux"]
fn every_picture_of_a_run_at_80_columns() {
    screens(80);
}

#[test]
#[ignore = "needs tmux"]
fn every_picture_of_a_run_at_120_columns() {
    screens(120);
}

#[test]
#[ignore = "needs tmux"]
fn a_resize_loses_no_line_and_an_interrupt_restores_the_terminal() {
    let planrun = on_a_terminal();
    let tmux = Tmux::new(&planrun, 120, 30);
    tmux.line(&format!("clear; {RUN} --limit web1:web2 --pace 0.01"));
    tmux.until("Enter skips ahead");
    // Nothing that is typed is shown.
    tmux.command("send-keys -l 'not an answer'");
    tmux.skip_to("a reason may follow");
    assert!(!tmux.all().contains("not an answer"), "{}", tmux.all());
    tmux.command("resize-window -x 60 -y 20");
    // What was typed before the question does not answer it; a wrong answer is explained.
    tmux.line("perhaps");
    tmux.until("answer with `approve`");
    tmux.command("resize-window -x 100 -y 30");
    tmux.line("approve it works");
    tmux.skip_to("web2 succeeded");
    tmux.command("resize-window -x 70 -y 12");
    tmux.command("send-keys C-c");
    tmux.until("To continue, run:");
    tmux.until(&format!("\n{PROMPT}"));
    let all = tmux.all();
    for line in [
        "planned: ",
        "started: preflight",
        "web1 started",
        "web2 started",
        "answered   approve (continue),",
    ] {
        assert_eq!(all.matches(line).count(), 1, "{line}\n{all}");
    }
    for step in ["expire", "stop", "install", "agree", "start"] {
        let line = Regex::new(&format!("✓ web2 +{step} ")).unwrap();
        assert_eq!(line.find_iter(&all).count(), 1, "{step}\n{all}");
    }
    assert!(!all.contains("Enter skips ahead"), "{all}");
    // The terminal shows again what is typed.
    tmux.line("clear; stty -a | grep -c -e \"-echo \"");
    tmux.until(&format!("0\n{PROMPT}"));
    tmux.line("clear; planrun resume last --pace max");
    tmux.until("web1/agree: approve");
    tmux.line("approve");
    tmux.until("succeeded: 2 hosts");
}

#[test]
#[ignore = "needs tmux"]
fn a_run_in_the_background_leaves_the_terminal_to_the_shell() {
    let planrun = on_a_terminal();
    let plan = "version: 1
name: long
hosts: all
inputs: {question: {type: bool, default: true}}
steps:
- id: work
  shell: until test -e GO; do sleep 0.1; done
  idempotent: true
  rollback: {none: it only waits}
- id: ask
  when: question
  approve: Continue?
";
    let go = planrun.path("go").display().to_string();
    let plan = planrun.file("plan.yaml", plan.replace("GO", &go));
    let here = planrun.file("here.yaml", "all: {hosts: {here: {planrun_connection: local}}}\n");
    let tmux = Tmux::new(&planrun, 80, 24);
    let is_moving = || Regex::new("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]").unwrap().is_match(&tmux.screen());
    let is_silent = || {
        let tty = tmux.command("display -p \"#{pane_tty}\"");
        planrun.type_line(&format!("stty -a -F {}", tty.trim())).stdout.contains(" -echo ")
    };

    let apply = format!("planrun apply {plan} -i {here} --yes");
    tmux.line(&format!("clear; {apply} --set question=false &"));
    tmux.until("here started");
    tmux.line("echo shell-$((1 + 1))");
    tmux.until("shell-2");
    let screen = tmux.settled();
    assert!(screen.contains("shell-2") && !is_moving() && !is_silent(), "{screen}");
    tmux.line("fg");
    eventually("the view moves", is_moving);
    eventually("the terminal is silent", is_silent);
    fs::write(planrun.path("go"), "").unwrap();
    tmux.until("succeeded: ");
    assert!(tmux.all().contains("shell-2"), "{}", tmux.all());

    fs::remove_file(planrun.path("go")).unwrap();
    tmux.line(&format!("clear; {apply}"));
    eventually("the view moves", is_moving);
    tmux.command("send-keys C-z");
    tmux.until("Stopped");
    tmux.line("clear; stty echo; bg");
    tmux.line("echo shell-$((2 + 2))");
    tmux.until("shell-4");
    fs::write(planrun.path("go"), "").unwrap();
    tmux.until("waiting for operator");
    let screen = tmux.settled();
    assert!(screen.contains("shell-4") && !is_moving() && !is_silent(), "{screen}");
    assert!(!screen.contains("a reason may follow"), "{screen}");
    tmux.line("fg");
    tmux.until("a reason may follow");
    tmux.line("approve");
    tmux.until("succeeded: ");
}

#[test]
#[ignore = "needs tmux"]
fn the_last_lines_of_a_running_command_are_shown_without_secrets() {
    let planrun = on_a_terminal();
    let plan = "version: 1
name: long
hosts: all
serial: 2
inputs: {token: {type: string, sensitive: true}}
steps:
- id: work
  shell: |
    echo first; echo \"key $TOKEN\"; printf \"half %.9s\" \"$TOKEN\"
    until test -e \"$HOME/go\"; do sleep 0.1; done
  env: {TOKEN: \"{{ token }}\"}
  idempotent: true
  rollback: {none: it only prints}
";
    let plan = planrun.file("plan.yaml", plan);
    let here = planrun.file("here.yaml", "all: {hosts: {here: {planrun_connection: local}}}\n");
    let mut words =
        format!("planrun apply {plan} -i {here} --yes --follow --set token=canary-of-4242");
    let server = Server::start("follow");
    if let Some(server) = &server {
        let there = planrun.file("there.yaml", server.inventory_with_key());
        words = format!("{words} -i {there}");
    }
    let hosts = 1 + usize::from(server.is_some());
    let tmux = Tmux::new(&planrun, 100, 30);
    tmux.line(&format!("clear; {words}"));
    let mut screen = String::new();
    eventually("what both commands have printed", || {
        screen = tmux.screen();
        screen.matches("| first").count() == hosts && screen.matches("| key ").count() == hosts
    });
    assert!(!tmux.all().replace(&words, "").contains("canary"), "{screen}");
    // Lines of the host session are not what a command printed.
    assert!(!screen.contains("| planrun:"), "{screen}");
    fs::write(planrun.path("go"), "").unwrap();
    if let Some(server) = &server {
        fs::write(server.path("go"), "").unwrap();
    }
    tmux.until("succeeded: ");
    // The command line that was typed has it.
    let all = tmux.all();
    assert!(!all.lines().any(|line| line.contains("canary") && !line.contains("--set")), "{all}");
}
