//! Steps that run on each host of a group in turn, on two model hosts with three services.

use planrun::event::{RunStatus, TaskStatus};
use serde_json::json;

use crate::harness::Planrun;
use crate::items::status_of;
use crate::scene::{Memory, Scene, at, fault, sent, start, trace};

/// Stops a service on both machines; the run works on `m1`.
const STOP: &str = r#"
  - id: stop
    for_each: {hosts_of: machines}
    delegate_to: "{{ item }}"
    run: svc stop imap
    done_when: there_state == "down"
    rollback: {run: svc start imap, done_when: there_state == "up"}
"#;
const THEN_FAIL: &str = "  - fail: on purpose\n";

/// A plan of these steps, with the probe of an item's host.
#[track_caller]
fn scene(steps: &str) -> Scene {
    let plan = format!(
        "version: 1\nname: each-host\nhosts: m1\nprobes:\n  there_state: {{run: svc state imap, \
         delegate_to: \"{{{{ item }}}}\", parse: text}}\nsteps:\n{steps}"
    );
    Scene::of(&plan, "tests/cases/engine/inventory.yaml", &[], None)
}

#[test]
fn a_step_runs_on_each_host_of_a_group_and_is_undone_there_in_reverse() {
    let scene = scene(STOP);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(sent(&journal), ["m1: svc stop imap", "m2: svc stop imap"]);
    assert_eq!(at(&world, "m2", "stops"), json!(["imap"]));
    let items = state.hosts[0].tasks[0].items.clone();
    assert_eq!(items, Some(vec![json!("m1"), json!("m2")]));

    let undone = self::scene(&format!("{STOP}{THEN_FAIL}"));
    let journal = Memory::default();
    let world = undone.world(&clock, vec![]);
    let state = undone.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(sent(&journal)[2..], ["m2: svc start imap", "m1: svc start imap"]);
}

#[test]
fn a_crash_at_any_event_repeats_nothing_on_any_host_of_the_group() {
    let events = scene(&format!("{STOP}{THEN_FAIL}")).dies_after_each(
        &[],
        |_| {},
        |it| {
            let story = it.story();
            assert_eq!(it.state.status, RunStatus::RolledBack, "{story}");
            for host in ["m1", "m2"] {
                assert_eq!(at(&it.world, host, "stops"), json!(["imap"]), "{host}\n{story}");
                assert_eq!(at(&it.world, host, "starts"), json!(["imap"]), "{host}\n{story}");
            }
        },
    );
    assert!(events > 20, "{events}");
}

#[test]
fn a_member_that_fails_ends_the_step_and_the_earlier_ones_are_undone() {
    let scene = scene(STOP);
    let clock = start();
    let world = scene.world(&clock, vec![fault("m2", "stop.2", "refused", None)]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::RolledBack, "{}", trace(&journal));
    assert_eq!(status_of(&state, "stop.2"), Some(TaskStatus::Failed));
    assert_eq!(at(&world, "m1", "starts"), json!(["imap"]));
}

#[test]
fn the_host_worked_on_may_be_left_out_of_its_group() {
    let others = STOP.replace("    run: svc stop", "    when: item != host\n    run: svc stop");
    let scene = scene(&others);
    let clock = start();
    let world = scene.world(&clock, vec![]);
    let journal = Memory::default();
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    assert_eq!(sent(&journal), ["m2: svc stop imap"]);
    assert_eq!(status_of(&state, "stop.1"), Some(TaskStatus::Skipped));
}

#[test]
fn there_is_the_host_that_a_command_runs_on() {
    let text = r#"
  - id: each
    for_each: {hosts_of: machines}
    delegate_to: "{{ item }}"
    when: there.vars.planrun_model != "" and there in ["m1", "m2"]
    run: svc note {{ host }}-{{ there }}-{{ there.address }}
    idempotent: true
    rollback: {none: it notes}
  - run: svc note {{ there.name }}-{{ there.address }}
    delegate_to: {one_of: machines}
    idempotent: true
    rollback: {none: it notes}
  - for_each: {hosts_of: machines}
    block:
      - {run: "svc note {{ there.name }}-{{ item }}", idempotent: true, rollback: {none: it notes}}
      - upload: {content: "{{ there.name }}", to: /tmp/there}
        delegate_to: m2
        when: there == "m1"
        rollback: {none: skipped}
  - assert: {the probe runs there: there_state == "m2"}
probes:
  there_state: {run: "svc note {{ there }}", delegate_to: m2, parse: {format: regex, pattern: "noted (?P<value>.*)"}}
"#;
    let text = text.replace("there_state == \"m2\"", "there_state.value == \"m2\"");
    let plan = format!("version: 1\nname: there\nhosts: m1\nsteps:\n{text}");
    let scene = Scene::of(&plan, "tests/cases/engine/inventory.yaml", &[], None);
    let clock = start();
    let journal = Memory::default();
    let world = scene.world(&clock, vec![]);
    let state = scene.drive(&clock, &world, &journal, None).unwrap();
    assert_eq!(state.status, RunStatus::Succeeded, "{}", trace(&journal));
    let notes = [
        "m1: svc note m1-m1-192.0.2.1",
        "m2: svc note m1-m2-192.0.2.2",
        "m1: svc note m1-192.0.2.1",
        "m1: svc note m1-m1",
        "m1: svc note m1-m2",
    ];
    assert_eq!(sent(&journal), notes);
}

#[test]
fn a_member_that_cannot_be_reached_refuses_the_run_before_any_change() {
    let planrun = Planrun::new();
    let plan = "version: 1\nname: away\nhosts: here\nsteps:\n  - {run: touch FILE, idempotent: true, \
                rollback: {none: it is an example}}\n  - for_each: {hosts_of: gone}\n    delegate_to: \
                '{{ item }}'\n    run: touch FILE\n    idempotent: true\n    rollback: {none: the same}\n";
    let hosts = "all:\n  hosts:\n    here: {planrun_connection: local}\n  children:\n    gone:\n      hosts:\n        \
                 gone1: {ansible_host: 127.0.12.3, ansible_port: 9, ansible_user: nobody}\n";
    let inventory = planrun.file("hosts.yaml", hosts);
    let file = inventory.replace("hosts.yaml", "made");
    let plan = planrun.file("plan.yaml", plan.replace("FILE", &file));
    planrun.run(&["apply", &plan, "-i", &inventory]).exits(4).says("gone1");
    assert!(!std::path::Path::new(&file).exists());
    planrun.has_sent_nothing();
}
