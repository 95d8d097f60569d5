//! The result that the `id` of a step refers to, and what is stored of long outputs.

use planrun::event::{Event, HostStatus, Outcome, TaskEvent, TaskStatus};

use crate::harness::{Ended, Planrun};

const HOST: &str = "all: {hosts: {here: {planrun_connection: local}}}\n";

fn apply(planrun: &Planrun, steps: &str) -> Ended {
    let plan = planrun
        .file("plan.yaml", format!("version: 1\nname: results\nhosts: all\nsteps:\n{steps}"));
    let hosts = planrun.file("hosts.yaml", HOST);
    planrun.run_json(&["apply", &plan, "-i", &hosts])
}

/// A step that fails with status 4, after it has printed something.
const FAILS: &str = "
  - id: check
    shell: echo out; echo err >&2; exit 4
    idempotent: true
    rollback: {none: it changes nothing}
    on_failure: {continue: the next step decides}
";

#[test]
fn a_step_that_failed_has_a_result() {
    let planrun = Planrun::new();
    let used = "
  - id: used
    when: check.exit == 4 and check.stdout == 'out\n'
    run: echo {{ check.exit }} {{ check.stderr }}
    read_only: true
";
    let used = used.replace("'out\n'", "\"out\\n\"");
    let ended = apply(&planrun, &format!("{FAILS}{used}"));
    ended.exits(0);
    assert_eq!(ended.story().status("here/check"), Some(TaskStatus::Failed));
    assert_eq!(ended.story().sent_for("here/used"), ["echo 4 'err\n'"]);
}

#[test]
fn a_rescue_and_a_way_back_use_the_result_of_what_failed() {
    let planrun = Planrun::new();
    let steps = "
  - id: outer
    block:
      - id: part
        shell: exit 3
        idempotent: true
        rollback: {run: 'echo undone {{ part.exit }}', idempotent: true, requires: {it is 3: part.exit == 3}}
    rescue:
      - {id: says, run: 'echo {{ part.exit }}', read_only: true}
      - {fail: it does not help}
";
    let ended = apply(&planrun, steps);
    ended.exits(1);
    assert_eq!(ended.story().sent_for("here/says"), ["echo 3"]);
    assert_eq!(ended.story().sent_for("here/part.rollback"), ["echo undone 3"]);
    assert_eq!(ended.story().host("here"), Some(HostStatus::RolledBack));
}

#[test]
fn a_step_that_had_no_exit_status_has_no_result() {
    let planrun = Planrun::new();
    let killed = FAILS.replace("exit 4", "kill -9 $$");
    let step = "
  - id: used
    when: check is not unknown and check.exit == 4
    run: echo
    read_only: true
";
    let ended = apply(&planrun, &format!("{killed}{step}"));
    ended.exits(0);
    assert_eq!(ended.story().status("here/used"), Some(TaskStatus::Skipped));
}

#[test]
fn a_status_that_is_a_success_is_read_like_any_other() {
    let planrun = Planrun::new();
    let steps = "
  - {id: found, shell: 'echo a; echo b; exit 1', exit_codes: [0, 1], parse: lines, read_only: true}
  - {id: quiet, shell: exit 5, exit_codes: any, output: discard, read_only: true}
  - {id: used, run: 'echo {{ found | join(\",\") }} {{ quiet.exit }}', read_only: true}
";
    let ended = apply(&planrun, steps);
    ended.exits(0);
    assert_eq!(ended.story().sent_for("here/used"), ["echo a,b 5"]);
}

/// No part of a stream is taken for the whole: a step that needs it fails.
#[test]
fn a_stream_that_is_too_long_for_a_result_has_no_value() {
    let planrun = Planrun::new();
    let steps = "
  - {id: fits, shell: 'head -c 65536 /dev/zero | tr \"\\\\0\" x', read_only: true}
  - {id: long, shell: 'head -c 65537 /dev/zero | tr \"\\\\0\" x; exit 0', read_only: true}
  - {id: whole, when: fits.stdout | length == 65536 and long.exit == 0, run: echo, read_only: true}
  - {id: part, when: long.stdout | length > 0, run: echo, read_only: true}
";
    let ended = apply(&planrun, steps);
    ended.exits(1);
    assert_eq!(ended.story().status("here/whole"), Some(TaskStatus::Unchanged));
    assert_eq!(ended.story().status("here/part"), Some(TaskStatus::Failed));
}

/// A program says last what went wrong.
#[test]
fn the_end_of_a_long_output_is_kept_and_shown() {
    let planrun = Planrun::new();
    let steps = "
  - id: talks
    shell: seq 1 100000 >&2; echo the disk is full >&2; exit 1
    idempotent: true
    rollback: {none: it changes nothing}
";
    let ended = apply(&planrun, steps);
    ended.exits(1);
    let story = ended.story();
    let kept =
        story.0.iter().find_map(|record| match &record.event {
            Event::Task {
                event:
                    TaskEvent::AttemptEnded {
                        outcome: Outcome::Ended { stderr, cut: true, .. }, ..
                    },
                ..
            } => Some(stderr),
            _ => None,
        });
    let kept = kept.expect("the outcome is kept and says that it was cut");
    assert!(kept.starts_with("1\n2\n") && kept.ends_with("100000\nthe disk is full\n"), "{kept}");
    assert!(kept.contains(" bytes left out]\n") && kept.len() < 5_000, "{kept}");
    let shown = planrun.run(&["show", "last"]);
    shown.says("here| 1\n").says("here| … more lines\n").says("here| the disk is full\n");
    assert!(!shown.stdout.contains("1 more line"), "{}", shown.stdout);
}
