//! A run that one process works on is followed, answered, paused and undone from a second terminal, on real hosts.

use std::fs;

use planrun::event::{Event, RunEvent, TaskEvent};

use crate::harness::{Going, Planrun};
use crate::ssh::server::Server;

/// Two hosts at a time: one asks while the other one works.
const PLAN: &str = r#"version: 1
name: slow
hosts: all
serial: 2
steps:
  - id: mark
    shell: touch "$HOME/mark"
    idempotent: true
    rollback: {shell: rm "$HOME/mark", idempotent: true}
  - {id: ask, when: 'host.name == "web1"', approve: Go on?}
  - {id: other, when: 'host.name == "web2"', shell: 'until test -e "$HOME/other"; do sleep 0.1; done', read_only: true}
  - {id: long, shell: 'until test -e "$HOME/long"; do sleep 0.1; done', read_only: true}
  - {id: last, shell: 'until test -e "$HOME/last"; do sleep 0.1; done', read_only: true}
  - {id: after, run: 'true', read_only: true}
"#;

fn records(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_run_is_watched_answered_stopped_and_rolled_back_from_a_second_terminal() {
    let (Some(one), Some(two)) = (Server::start("second_one"), Server::start("second_two")) else {
        return;
    };
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", PLAN);
    let first = planrun.file("one.yaml", one.inventory_with_key());
    let second = planrun.file("two.yaml", two.inventory_with_key().replace("web1", "web2"));
    // Ends a step, which waits for it.
    let end = |step: &str| [&one, &two].map(|server| fs::write(server.path(step), "").unwrap());
    let marks = || [&one, &two].map(|server| server.path("mark").exists());

    let mut applied = planrun.begin_json(&["apply", &plan, "-i", &first, "-i", &second]);
    applied.until("a question", |event| {
        matches!(event, Event::Task { event: TaskEvent::QuestionAsked { .. }, .. })
    });
    let watched = planrun.begin_json(&["watch"]);
    let answered = planrun.run(&["resolve", "last", "web1/ask", "--as", "approve"]);
    answered.exits(0).says("the run continues");
    end("other");
    applied.until_sends("web1/long");
    let stopped = planrun.begin(&["stop", "last"]);
    applied.until("a stop", is_stop);
    end("long");
    stopped.end().exits(0).says("asked to pause after its running steps").says("resume");

    let (applied, watched) = (applied.end(), watched.end());
    applied.exits(6);
    watched.exits(6).says("paused");
    assert_eq!(records(&watched.stdout), records(&applied.stdout));
    assert_eq!(applied.story().sent_for("web1/last"), [""; 0]);
    // A run that rests is watched from its first event, and there is nothing to stop.
    let replayed = planrun.run_json(&["watch", "last"]);
    assert_eq!(records(&replayed.stdout), records(&applied.stdout));
    planrun.run(&["stop", "last"]).exits(0).says("no process works on run");

    let mut resumed = planrun.begin_json(&["resume", "last"]);
    resumed.until_sends("web1/last");
    let undone = planrun.begin_json(&["rollback", "last"]);
    resumed.until("a stop", is_stop);
    end("last");
    let undone = undone.end();
    resumed.end().exits(6);
    undone.exits(0);
    assert_eq!(marks(), [false; 2]);
    let shown = planrun.run(&["stop", "last"]);
    shown.exits(0).says("has ended: rolled back");
}

/// Begins a run of one step on this machine.
fn apply(planrun: &Planrun, step: &str) -> Going {
    let plan = format!("version: 1\nname: slow\nhosts: all\nsteps: [{step}]\n");
    let plan = planrun.file("plan.yaml", plan);
    let hosts =
        planrun.file("hosts.yaml", "all: {vars: {planrun_connection: local}, hosts: {h1: {}}}\n");
    planrun.begin_json(&["apply", &plan, "-i", &hosts])
}

fn is_stop(event: &Event) -> bool {
    matches!(event, Event::Run(RunEvent::StopRequested { by }) if by.contains('@'))
}

#[test]
fn a_process_that_does_not_take_a_request_is_reported_and_nothing_happens_later() {
    let planrun = Planrun::new();
    let mut applied = apply(&planrun, "{id: long, run: sleep 8, read_only: true}");
    applied.until_sends("h1/long");
    applied.stop();
    planrun.run(&["stop", "last"]).exits(7).says("does not accept the request");
    let refused = planrun.run(&["abort", "last", "--acknowledge"]);
    refused.exits(7).says("planrun watch").says("planrun stop");
    applied.cont();
    applied.end().exits(0);
}

#[test]
fn a_stop_in_the_last_step_has_nothing_to_pause() {
    let planrun = Planrun::new();
    let mut applied = apply(&planrun, "{id: long, run: sleep 3, read_only: true}");
    applied.until_sends("h1/long");
    planrun.run(&["stop", "last"]).exits(0).says("has ended: succeeded");
    applied.end().exits(0);
}

#[test]
fn a_rollback_that_is_under_way_is_not_stopped_by_a_second_one() {
    let planrun = Planrun::new();
    let undone = "rollback: {run: sleep 4, idempotent: true}";
    apply(&planrun, &format!("{{id: made, run: 'true', idempotent: true, {undone}}}"))
        .end()
        .exits(0);
    let mut first = planrun.begin_json(&["rollback", "last"]);
    first.until_sends("h1/made.rollback");
    planrun.run(&["rollback", "last"]).exits(7).says("already rolls back").says("planrun watch");
    first.end().exits(0);
}
