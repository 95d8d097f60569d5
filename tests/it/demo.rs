//! The shipped plans on the demo inventory: no host, virtual time.

use planrun::event::HostStatus;

use crate::harness::{Ended, Planrun};

const BACKENDS: [&str; 3] = ["backend1", "backend2", "backend3"];

const APPLY: [&str; 4] = ["apply", "plans/obox-restart.yaml", "--inventory", "demo"];

#[test]
fn the_demo_restarts_every_backend_and_gives_each_its_own_share_back() {
    let planrun = Planrun::new();

    let ended = planrun.run_json(&APPLY);

    ended.exits(0);
    let story = ended.story();
    for backend in BACKENDS {
        assert_eq!(story.host(backend), Some(HostStatus::Succeeded), "{backend}");
    }
    assert_eq!(story.sent_for("backend3/refill"), ["doveadm director update 198.51.100.3 50"]);
    assert_eq!(story.sent_for("backend1/refill"), ["doveadm director update 198.51.100.1 100"]);
}

#[test]
fn the_demo_shows_its_waits_passing() {
    let planrun = Planrun::new();

    let ended = planrun.run(&[&APPLY[..], &["--output", "plain"]].concat());

    ended.exits(0);
    let all = format!("{}{}", ended.stdout, ended.stderr);
    let waits: Vec<&str> =
        all.lines().filter(|line| line.contains("expire") && line.contains("waiting")).collect();
    assert!(waits.iter().any(|line| line.contains("backend.users on director1 = ")), "{all}");
    assert!(waits.iter().any(|line| line.contains(" left")), "{all}");
}

#[test]
fn a_question_without_a_terminal_pauses_and_the_printed_commands_go_on() {
    let planrun = Planrun::new();

    let mut ended = ask(&planrun);
    let mut asked = Vec::new();
    for backend in BACKENDS {
        ended.exits(6);
        let answer = ended.command("planrun resolve", "--as continue");
        assert!(answer.contains(&format!(" {backend}/expire ")), "{answer}");
        let resume = ended.command("planrun resume", "");
        asked.push(backend);
        planrun.type_line(&answer).exits(0);
        ended = planrun.type_line(&resume);
    }

    ended.exits(0);
    let story = planrun.kept(&planrun.newest());
    assert_eq!(story.questions(), asked.map_each("/expire"));
    for backend in BACKENDS {
        assert_eq!(story.host(backend), Some(HostStatus::Succeeded), "{backend}");
    }
    assert_eq!(planrun.runs()[0]["state"], "succeeded");
}

#[test]
fn an_answer_that_fails_the_step_puts_things_back() {
    let planrun = Planrun::new();

    let paused = ask(&planrun);
    let answer = paused.command("planrun resolve", "--as fail");
    planrun.type_line(&answer).exits(0);
    let ended = planrun.type_line(&paused.command("planrun resume", ""));

    ended.exits(1);
    let run = planrun.newest();
    let story = planrun.kept(&run);
    assert_eq!(story.host("backend1"), Some(HostStatus::RolledBack));
    let sent = story.sent();
    let updates: Vec<&str> =
        sent.iter().filter_map(|sent| sent.split_once(": ").map(|(_, command)| command)).collect();
    let there_and_back =
        ["doveadm director update 198.51.100.1 0", "doveadm director update 198.51.100.1 100"];
    assert_eq!(updates, there_and_back);
    assert_eq!(planrun.runs()[0]["state"], "rolled_back");
}

#[test]
fn a_paused_run_is_rolled_back_on_demand() {
    let planrun = Planrun::new();

    let paused = ask(&planrun);
    let ended = planrun.type_line(&paused.command("planrun rollback", ""));

    ended.exits(0);
    let story = planrun.kept(&planrun.newest());
    assert_eq!(story.host("backend1"), Some(HostStatus::RolledBack));
    assert_eq!(
        story.sent_for("backend1/drain.rollback"),
        ["doveadm director update 198.51.100.1 100"]
    );
}

#[test]
fn the_second_plan_runs_on_the_demo_too() {
    let planrun = Planrun::new();
    let file = planrun.file("new.conf", "mail_max_userip_connections = 30\n");
    let source = format!("source={file}");

    let words = ["apply", "plans/dovecot-reload.yaml", "--inventory", "demo", "--set", &source];
    let ended = planrun.run_json(&words);

    ended.exits(0);
    for backend in BACKENDS {
        assert_eq!(ended.story().host(backend), Some(HostStatus::Succeeded), "{backend}");
    }
    assert_eq!(ended.story().sent_for("backend3/reload"), ["doveadm reload"]);
}

#[track_caller]
fn ask(planrun: &Planrun) -> Ended {
    let words = ["--set", "remaining_users=ask", "--output", "plain"];
    planrun.run(&[&APPLY[..], &words].concat())
}

/// Names of tasks from names of hosts.
trait MapEach {
    fn map_each(&self, ending: &str) -> Vec<String>;
}

impl MapEach for Vec<&str> {
    fn map_each(&self, ending: &str) -> Vec<String> {
        self.iter().map(|name| format!("{name}{ending}")).collect()
    }
}
