//! Which hosts start when: `order` by what is observed, `serial` by group; and tables of what all members say.

use planrun::event::{Event, HostEvent, HostStatus, Record, RunEvent, RunStatus, StepPath};
use planrun::history::{Reporter as _, RunState};
use planrun::inventory::HostName;
use planrun::report::Style;
use planrun::report::plain::Plain;
use planrun::transport::model::FaultKind;
use serde_json::json;

use crate::harness::Planrun;
use crate::scene::{Memory, Scene, at, fault, sent, start, status, trace};
use planrun::scenario::faults::{FaultSpec, Trigger};

/// The members of a cluster, the leader last, wherever it is by then: c2 makes c3 the leader, too.
const LEADER_LAST: &str = r#"
version: 1
name: leader-last
hosts: members
order: {last: role == "leader"}
probes:
  state: {run: member state, parse: kv}
  count: {run: member count, parse: int}
let: {role: state.role}
steps:
  - id: hand_over
    when: host.name == "c2"
    run: member lead 192.0.2.3
    idempotent: true
    rollback: {none: it leads as well}
  - id: restart
    run: member restart
    done_when: count == 1
    rollback: {none: it is restarted}
"#;

#[track_caller]
fn scene(plan: &str) -> Scene {
    Scene::of(plan, "tests/cases/engine/members-inventory.yaml", &[], None)
}

/// Every command of a host has this fault.
fn gone(host: &str, words: &str) -> FaultSpec {
    FaultSpec {
        host: Some(HostName::new(host)),
        on: Trigger::Command(words.split(' ').map(str::to_owned).collect()),
        fault: FaultKind::HostGone,
        times: Some(1),
    }
}

/// The hosts as they started, batch by batch: a comma within a batch.
fn batches(records: &[Record]) -> String {
    let mut text = String::new();
    let mut is_new = true;
    for record in records {
        match &record.event {
            Event::Host { host, event: HostEvent::Started } => {
                let sign = if text.is_empty() {
                    ""
                } else if is_new {
                    " "
                } else {
                    ","
                };
                text.extend([sign, host.as_str()]);
                is_new = false;
            }
            Event::Task { .. } => is_new = true,
            _ => {}
        }
    }
    text
}

fn restarts(journal: &Memory) -> Vec<String> {
    let all = sent(journal).into_iter().filter(|one| one.ends_with("member restart"));
    all.map(|one| one.split(':').next().unwrap().to_owned()).collect()
}

/// What `order` observed before each batch: the hosts that come last or first.
fn ordered(records: &[Record]) -> Vec<String> {
    let events = records.iter().filter_map(|record| match &record.event {
        Event::Run(RunEvent::Ordered { hosts, .. }) => {
            Some(hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(","))
        }
        _ => None,
    });
    events.collect()
}

/// The run as lines.
fn shown(records: &[Record]) -> String {
    let mut plain = Plain::new(Vec::new(), Style::plain(200));
    let mut state = RunState::default();
    for record in records {
        state.apply(record).unwrap();
        plain.event(record, &state);
    }
    String::from_utf8(plain.written().clone()).unwrap()
}

#[track_caller]
fn run(plan: &str, faults: Vec<FaultSpec>) -> (Memory, RunState) {
    let scene = scene(plan);
    let clock = start();
    let world = scene.world(&clock, faults);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    (journal, state)
}

#[test]
fn the_leader_comes_last_wherever_it_is_when_a_batch_is_chosen() {
    let (journal, state) = run(LEADER_LAST, vec![]);
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(restarts(&journal), ["c2", "c4", "c1", "c3"]);
    // It is observed before each batch; a host that is left alone needs no order.
    assert_eq!(ordered(&journal.records.borrow()), ["c1", "c1,c3", "c1,c3"]);
}

#[test]
fn first_is_the_reverse_of_last() {
    let plan = LEADER_LAST.replace("last: role", "first: role");
    let (journal, state) = run(&plan, vec![]);
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(restarts(&journal), ["c1", "c2", "c3", "c4"]);
}

#[test]
fn a_batch_has_hosts_of_one_kind_only() {
    let plan = LEADER_LAST.replace("order:", "serial: 2\norder:");
    let (journal, state) = run(&plan, vec![]);
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    // c3 leads too by the time of the second batch, so c4 is alone in its own.
    assert_eq!(batches(&journal.records.borrow()), "c2,c3 c4 c1");
    let plan = LEADER_LAST.replace("order:", "serial: [1, 3]\norder:");
    let (journal, _) = run(&plan, vec![]);
    assert_eq!(batches(&journal.records.borrow()), "c2 c4 c1,c3");
}

#[test]
fn a_host_of_which_it_is_unknown_starts_late_and_never_early() {
    let unknown = "lag > 0";
    let plan = LEADER_LAST.replace(r#"role == "leader""#, unknown).replace(
        "let: {role: state.role}",
        "  lag: {run: member lag, parse: int}\n  unused: {run: member state, parse: kv}",
    );
    let plan = plan.replace("  unused: {run: member state, parse: kv}\n", "");
    let broken = |host: &str| FaultSpec {
        host: Some(HostName::new(host)),
        on: Trigger::Command(vec!["member".into(), "lag".into()]),
        fault: FaultKind::Refused,
        times: None,
    };
    let (journal, state) = run(&plan, vec![broken("c2")]);
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(restarts(&journal), ["c4", "c1", "c2", "c3"]);
    let shown = shown(&journal.records.borrow());
    assert!(shown.contains("unknown for c2: lag > 0: "), "{shown}");
    let plan = plan.replace("last:", "first:");
    let (journal, _) = run(&plan, vec![broken("c1")]);
    assert_eq!(restarts(&journal), ["c3", "c1", "c2", "c4"]);
}

#[test]
fn a_crash_at_any_event_keeps_the_order_and_restarts_each_once() {
    let events = scene(LEADER_LAST).dies_after_each(
        &[],
        |_| {},
        |it| {
            let story = it.story();
            assert_eq!(it.state.status, RunStatus::Succeeded, "{story}");
            assert_eq!(restarts(&it.journal), ["c2", "c4", "c1", "c3"], "{story}");
        },
    );
    assert!(events > 30, "{events}");
}

#[test]
fn a_failover_between_the_choice_and_a_resume_is_observed_again() {
    let scene = scene(LEADER_LAST);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    // The controller dies when the first order is recorded, and before any host starts.
    let journal = (1..100)
        .find_map(|dies_after| {
            let journal = Memory { dies_after: Some(dies_after), ..Memory::default() };
            assert!(scene.drive(&clock, &world, &journal, None).is_none());
            let is_there = !ordered(&journal.records.borrow()).is_empty();
            is_there.then(|| Memory { records: journal.records, ..Memory::default() })
        })
        .unwrap();
    world.set(&HostName::new("c2"), "role", json!("leader")).unwrap();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(restarts(&journal), ["c3", "c4", "c1", "c2"]);
}

/// One group after the other, each with its own number of hosts at a time.
const BY_GROUP: &str = r"
version: 1
name: by-group
hosts: all
serial: {workers: [1, 2], members: 2}
max_failures: 0
probes:
  count: {run: member count, parse: int}
steps:
  - id: restart
    run: member restart
    done_when: count == 1
    rollback: {none: it is restarted}
  - id: settle
    wait: 1s
";

#[test]
fn groups_follow_each_other_and_a_batch_has_hosts_of_one_group() {
    let (journal, state) = run(BY_GROUP, vec![]);
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(batches(&journal.records.borrow()), "w1 w2,w3 c1,c2 c3,c4");
    // The other way round, and with the leader last in its group.
    let plan = BY_GROUP.replace("{workers: [1, 2], members: 2}", "{members: 3, workers: 1}");
    let plan = plan
        .replace("max_failures", "order: {last: 'host.name in [\"c1\", \"w1\"]'}\nmax_failures");
    let (journal, state) = run(&plan, vec![]);
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(batches(&journal.records.borrow()), "c2,c3,c4 c1 w2 w3 w1");
}

#[test]
fn a_failure_in_one_group_starts_no_host_of_the_next() {
    let (journal, state) = run(BY_GROUP, vec![fault("w3", "restart", "refused", None)]);
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(status(&state, "c1"), HostStatus::NotStarted);
    assert_eq!(status(&state, "w2"), HostStatus::Succeeded);
}

#[test]
fn a_crash_at_any_event_keeps_the_batches_of_the_groups() {
    scene(BY_GROUP).dies_after_each(
        &[],
        |_| {},
        |it| {
            let story = it.story();
            assert_eq!(it.state.status, RunStatus::Succeeded, "{story}");
            let all = restarts(&it.journal);
            let turns = [&all[..1], &all[1..3], &all[3..5], &all[5..]];
            let turns = turns.map(|turn| {
                let mut turn = turn.to_vec();
                turn.sort();
                turn.join(",")
            });
            assert_eq!(turns, ["w1", "w2,w3", "c1,c2", "c3,c4"], "{story}");
        },
    );
}

/// What all members say, as a table.
const ROWS: &str = r#"
version: 1
name: rows
hosts: c2
probes:
  all_states: {run: member state, parse: {format: kv, types: {lag: int}}, delegate_to: {rows_of: members}}
  lags: {run: member lag, parse: int, delegate_to: {rows_of: members}}
let:
  leaders: {from: all_states, where: row.role == "leader"}
  others: {from: lags, where: row.key != host.name}
preflight:
  at least three answer: all_states | length >= 3
steps:
  - id: seen
    set:
      leader: leaders | map(attribute="key") | join(",")
      worst: others | map(attribute="value") | max
      names: groups.members
      mine: lags["c2"].value
  - id: remember
    run: member remember {{ seen.names | each }}
    when: seen.names | length == 3
    on_unknown: ask
    rollback: {none: it is an example}
  - id: alone
    assert: {c4 answers: 'all_states["c4"].lag == 0'}
"#;

#[test]
fn what_all_members_say_is_a_table_by_name() {
    let plan = ROWS;
    let (journal, state) = run(plan, vec![]);
    let story = trace(&journal);
    assert_eq!(state.status, RunStatus::Succeeded, "{story}");
    let seen =
        state.hosts[&HostName::new("c2")].tasks[&StepPath::from("seen")].value().unwrap().clone();
    let names = json!(["c1", "c2", "c3", "c4"]);
    assert_eq!(seen, json!({"leader": "c1", "worst": 7, "names": names, "mine": 0}), "{story}");
}

#[test]
fn a_member_that_does_not_answer_has_no_row_and_its_value_is_unknown() {
    let plan = ROWS;
    let (journal, state) = run(plan, vec![gone("c4", "member lag")]);
    let story = trace(&journal);
    // Three answer, so the preflight passes; c4 itself is unknown, and what is unknown is not passed.
    assert_eq!(state.status, RunStatus::RolledBack, "{story}");
    let seen = &state.hosts[&HostName::new("c2")].tasks[&StepPath::from("seen")];
    assert_eq!(seen.value().unwrap()["worst"], 7, "{story}");
    assert!(story.contains("c4"), "{story}");
    let (journal, state) = run(plan, vec![gone("c4", "member state"), gone("c3", "member state")]);
    assert_eq!(state.status, RunStatus::Refused, "{}", trace(&journal));
}

#[test]
fn each_item_of_a_list_is_an_argument_of_its_own() {
    let plan = r#"
version: 1
name: arguments
hosts: c2
inputs:
  words: {type: list, default: ["a b", "$(id)", "'"]}
steps:
  - id: remember
    run: member remember {{ words | each }}
    on_unknown: ask
    rollback: {none: it is an example}
"#;
    for plan in [
        plan.to_owned(),
        plan.replace(
            "run: member remember {{ words | each }}",
            "run: [member, remember, '{{ words | each }}']",
        ),
    ] {
        let scene = scene(&plan);
        let clock = start();
        let world = scene.world(&clock, vec![]);
        let journal = Memory::default();
        let state = scene.drive(&clock, &world, &journal, None).unwrap();
        assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
        assert_eq!(at(&world, "c2", "seen"), json!("a b|$(id)|'"));
    }
    // An empty list is an empty value.
    let plan = plan.replace(r#"["a b", "$(id)", "'"]"#, "[]");
    let (journal, state) = run(&plan, vec![]);
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert!(sent(&journal).is_empty());
}

#[test]
fn fewer_hosts_at_a_time_than_the_plan_allows_also_when_the_run_resumes() {
    let planrun = Planrun::new();
    let plan = planrun.file(
        "plan.yaml",
        "version: 1\nname: four\nhosts: all\nserial: [1, 3]\nsteps:\n  \
         - {id: ask, when: 'host.name == \"h2\"', approve: Go on?}\n  - {run: 'true', read_only: true}\n",
    );
    let local = "vars: {planrun_connection: local}";
    let hosts = planrun.file(
        "hosts.yaml",
        format!("all: {{{local}, hosts: {{h1: {{}}, h2: {{}}, h3: {{}}, h4: {{}}}}}}\n"),
    );
    let apply = ["apply", &plan, "-i", &hosts, "--serial"];
    let refused = planrun.run(&[&apply[..], &["4"]].concat());
    refused.exits(2).says("serial-raised").says("`serial` of the plan, 3");
    planrun.run(&[&apply[..], &["0"]].concat()).exits(2);

    let paused = planrun.run_json(&[&apply[..], &["1"]].concat());
    paused.exits(6);
    assert_eq!(paused.story().turns(), ["+h1", "-h1", "+h2"]);
    planrun.run(&["resolve", "last", "--as", "approve"]).exits(0);
    let ended = planrun.run_json(&["resume", "last"]);
    ended.exits(0);
    assert_eq!(ended.story().turns(), ["-h2", "+h3", "-h3", "+h4", "-h4"]);
}
