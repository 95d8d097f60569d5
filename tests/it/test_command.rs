//! `planrun test`: what is found, run and printed.

use crate::desk::{Desk, codes};
use crate::harness::{Ended, program};

const PLAN: &str = "\
version: 1
name: restart
hosts: web
probes: {state: {run: unit state, parse: text}}
steps:
  - id: stop
    run: unit stop
    done_when: state == \"down\"
    rollback: {run: unit start, done_when: state == \"up\"}
  - id: ask
    approve: Start it?
  - id: start
    run: unit start
    done_when: state == \"up\"
    rollback: {none: stop has the rollback}
";

const MODEL: &str = "\
version: 1
model: units
web:
  state: {unit: up, starts: 0}
  commands:
    - {run: unit state, stdout: \"{{ unit }}\"}
    - {run: unit stop, takes: 2s, becomes: {unit: down}}
    - run: unit start
      becomes: {unit: up, starts: \"{{ starts + 1 }}\"}
      faults: {broken: {exit: 1}}
";

const INVENTORY: &str = "\
web:
  vars: {planrun_connection: model, planrun_model: models/units.yaml}
  hosts: {web1: {}, web2: {}}
";

const HEAD: &str = "version: 1\nplan: restart.yaml\ninventory: demo\ntests:\n";

const GOOD: &str = r"  - name: both are restarted
    answers: {ask@web1: approve, ask@web2: approve}
    expect: {run: succeeded, exit: 0, state: {web1.starts: 1}, sent: {unit start@web2: 1}, took: {at_least: 4s, at_most: 1m}}
";

const BAD: &str = r"  - name: all is different
    faults: {start@web1: {broken: 1, refused: 1}}
    answers: {ask@web1: retry}
    expect:
      run: succeeded
      exit: 0
      took: {at_least: 1h, at_most: 1s}
      hosts: {web1: succeeded}
      steps: {ask@web1: changed}
      state: {web1.unit: up}
      sent: {unit stap: 1, unit stop@web2: 1}
  - name: nothing is sent
    limit: web1
    faults: {start@web1: interrupt, stop@web1: {broken: always}}
    expect: {run: paused, sent: {}}
  - name: the controller dies
    limit: web1
    faults: {stop@web1: controller_dies}
    expect: {run: succeeded}
";

/// A folder with a plan, its model and its inventory, and these scenarios.
fn desk(scenarios: &str) -> Desk {
    let desk = Desk::new();
    desk.write("restart.yaml", PLAN);
    desk.write("models/units.yaml", MODEL);
    desk.write("inventories/demo.yaml", INVENTORY);
    desk.write("tests/restart.test.yaml", format!("{HEAD}{scenarios}"));
    desk
}

fn run(desk: &Desk, words: &[&str]) -> Ended {
    let mut command = program(env!("CARGO_BIN_EXE_planrun"));
    command.arg("test").args(words).current_dir(desk.path("."));
    Ended::of(&mut command)
}

#[test]
fn a_scenario_is_found_by_its_file_its_plan_and_its_folder() {
    let desk = desk(GOOD);
    for words in [
        &[][..],
        &["."],
        &["restart.yaml"],
        &["tests"],
        &["tests/restart.test.yaml", "restart.yaml"],
    ] {
        run(&desk, words).exits(0).says("1 scenario: 1 passed");
    }
    // From another folder, too: paths are relative to the file.
    assert_eq!(desk.types("cd models && planrun test ../restart.yaml").status, 0);
}

#[test]
fn a_model_whose_time_rule_cannot_be_evaluated_fails_its_scenario_and_its_run() {
    let desk = desk(GOOD);
    let rule = "web:\n  time:\n    - {when: unit == \"up\", every: 1h, becomes: {starts: \"{{ starts // 0 }}\"}}\n";
    desk.write("models/units.yaml", MODEL.replace("web:\n", rule));
    let end = "    expect: {run: succeeded, took: {at_least: 4s}}\n";
    let wait = "  - {wait: 2h}\n";
    desk.write("restart.yaml", format!("{PLAN}{wait}"));
    desk.write(
        "tests/restart.test.yaml",
        format!("{HEAD}  - name: time passes\n    answers: {{ask@web1: approve, ask@web2: approve}}\n{end}"),
    );
    let ended = run(&desk, &[]);
    ended.exits(1);
    ended.says("the model cannot evaluate `starts // 0`");
}

#[test]
fn no_scenario_is_an_error() {
    let desk = desk(GOOD);
    desk.write("other.yaml", PLAN.replace("name: restart", "name: other"));
    let cases = [
        (&["other.yaml"][..], "no test file names `other.yaml` as its plan"),
        (&["models"], "no test file in `models`"),
        (&["nowhere"], "there is no file or folder `nowhere`"),
        (&["models/units.yaml"], "`models/units.yaml` is a model"),
        (&["inventories/demo.yaml"], "`inventories/demo.yaml` is an inventory"),
        (&[".", "--filter", "moon"], "no scenario matches `--filter`; there are 1"),
    ];
    for (words, why) in cases {
        run(&desk, words).exits(2).says(why);
    }
}

#[test]
fn a_filter_chooses_scenarios() {
    let desk = desk(&format!("{GOOD}{BAD}"));
    let ended = run(&desk, &["--filter", "BOTH ARE", "-f", "no such"]);
    ended.exits(0).says("running 1 scenario of 1 file; 3 do not match `--filter`");
    let listed = run(&desk, &["--list"]);
    listed.exits(0);
    assert_eq!(listed.stdout.lines().next(), Some("tests/restart.test.yaml: both are restarted"));
    assert_eq!(listed.stdout.lines().count(), 4);
}

#[test]
fn a_file_with_errors_runs_no_scenario() {
    let desk = desk(GOOD);
    desk.write(
        "tests/wrong.test.yaml",
        format!("{HEAD}  - {{name: wrong, faults: {{strt@web1: hangs}}, limit: wbe1, expect: {{run: suceeded}}}}\n"),
    );
    let told = desk.types("planrun test tests");
    assert_eq!(told.status, 2, "{}", told.text);
    assert!(told.text.contains("no scenario was run"), "{}", told.text);
    assert!(!told.text.contains("PASS"), "{}", told.text);
}

#[test]
fn what_is_not_as_expected_is_shown_with_its_place_and_the_run() {
    let desk = desk(&format!("{GOOD}{BAD}"));
    let told = desk.types("planrun test --jobs 3 tests");
    assert_eq!(told.status, 1);
    insta::assert_snapshot!(told.text);
    let expected = ["not-exercised", "unmet-expectation"];
    assert_eq!(codes(&told.text).iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn results_are_read_by_programs() {
    let desk = desk(&format!("{GOOD}{BAD}"));
    let ended = run(&desk, &["--format", "json"]);
    ended.exits(1).says("4 scenarios: 1 passed, 3 failed");
    let lines: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["status"], "passed");
    assert_eq!(lines[0]["failures"], serde_json::json!([]));
    assert_eq!(lines[0].get("log"), None);
    assert_eq!(lines[1]["name"], "all is different");
    assert_eq!((&lines[1]["run"], &lines[1]["exit"]), (&"paused".into(), &6.into()));
    let first = &lines[1]["failures"][0];
    assert_eq!((&first["expected"], &first["observed"]), (&"succeeded".into(), &"paused".into()));
    assert_eq!(first["place"]["line"], 12);
    assert!(lines[1]["log"].as_array().unwrap().len() > 3);

    let ended = run(&desk, &["--format", "junit"]);
    ended.exits(1);
    let document = roxmltree::Document::parse(&ended.stdout).unwrap();
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    assert_eq!((suite.attribute("tests"), suite.attribute("failures")), (Some("4"), Some("3")));
    let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    assert_eq!(cases[0].attribute("name"), Some("both are restarted"));
    assert!(cases[0].children().all(|node| !node.has_tag_name("failure")));
    let failure = cases[1].children().find(|node| node.has_tag_name("failure")).unwrap();
    assert_eq!(failure.attribute("type"), Some("unmet-expectation"));
    assert!(failure.text().unwrap().contains("expected `succeeded`, observed `paused`"));
}

#[test]
fn a_trace_shows_runs_that_pass() {
    let desk = desk(GOOD);
    let told = desk.types("planrun test --trace");
    assert!(told.text.contains("web2  start          changed"), "{}", told.text);
}

#[test]
fn inputs_of_a_scenario_are_checked_where_they_are_written() {
    let desk = desk("");
    desk.write(
        "restart.yaml",
        format!("{PLAN}  - {{when: count > 0, upload: {{from: \"{{{{ page }}}}\", to: /srv/page}}, rollback: {{none: a test}}}}\ninputs: {{page: {{type: file}}, count: {{type: int, default: 1}}}}\n"),
    );
    desk.write("models/units.yaml", format!("{MODEL}    - {{upload: /srv/page}}\n"));
    desk.write("tests/page.html", "hello\n");
    let file = |inputs: &str| {
        format!(
            "{HEAD}  - name: it ends well\n    limit: web1\n    inputs: {{{inputs}}}\n    answers: {{ask@web1: approve}}\n    expect: {{run: succeeded}}\n"
        )
    };
    desk.write("tests/restart.test.yaml", file("page: page.html, count: 2"));
    run(&desk, &[]).exits(0);
    for command in ["planrun test", "planrun validate tests/restart.test.yaml"] {
        desk.write("tests/restart.test.yaml", file("page: no.html"));
        let told = desk.types(command);
        assert_eq!(
            codes(&told.text).into_iter().collect::<Vec<_>>(),
            ["no-such-file"],
            "{}",
            told.text
        );
        desk.write("tests/restart.test.yaml", file("page: page.html, count: many"));
        let told = desk.types(command);
        assert_eq!(told.status, 2);
        assert!(told.text.contains("tests/restart.test.yaml:7:"), "{}", told.text);
    }
}
