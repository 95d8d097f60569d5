//! What users type: wrong words are named with what is meant, `explain` and `inventory` print what
//! can be used again.

use std::collections::BTreeSet;

use planrun::diagnostic::manual;
use serde_json::{Value, json};

use crate::harness::{Ended, Planrun};

/// A plan with a question on two hosts, at one step.
const ASKING: &str = "version: 1
name: asking
hosts: all
serial: 2
steps: [{id: drain, approve: Go on?}]
";

const TWO_HOSTS: &str =
    "all: {hosts: {web1: {planrun_connection: local}, web2: {planrun_connection: local}}}\n";

const HOSTS: &str = "[web]
web1 ansible_host=192.0.2.1 ansible_user=ann ansible_port=2222 size=3
web2 ansible_become=true
[db]
db1 planrun_connection=local
";

#[track_caller]
fn typed(line: &str) -> Ended {
    let words: Vec<&str> = line.split(' ').collect();
    Planrun::new().begin_unconfirmed(&words).end()
}

/// The usage of clap shows options that were given, or that are only spelled alike, as if they were required.
#[test]
fn the_usage_of_a_wrong_command_line_is_that_of_its_command() {
    for (line, usage) in [
        ("watch last --follow", "Usage: planrun watch [OPTIONS] [RUN]\n"),
        ("runs --color never --nothing", "Usage: planrun runs [OPTIONS]\n"),
        ("apply -i prod --nothing p.yaml", "Usage: planrun apply [OPTIONS] <PLAN>\n"),
        ("apply -i prod", "Usage: planrun apply [OPTIONS] <PLAN>\n"),
        ("--state-dir watch runs --nothing", "Usage: planrun runs [OPTIONS]\n"),
        ("hosts trust --nothing", "Usage: planrun hosts trust [OPTIONS] [PATTERN]\n"),
        ("--nothing", "Usage: planrun [OPTIONS] <COMMAND>\n"),
    ] {
        typed(line).exits(2).says(usage);
    }
}

#[test]
fn watch_says_where_follow_belongs() {
    for option in ["--follow", "-f", "--tail"] {
        let refused = typed(&format!("watch last {option}"));
        refused.exits(2).says("`--follow` is an option of `apply`, `resume` and `rollback`");
        assert!(!refused.stderr.contains("use `planrun watch"), "{}", refused.stderr);
    }
    typed("show last --follow").exits(2).says("use `planrun watch RUN`");
}

#[test]
fn a_wrong_command_line_is_refused_with_what_is_meant() {
    for (line, said) in [
        ("apply p.yaml -i prod --set novalue", "NAME=VALUE"),
        ("apply p.yaml -i prod --set =1", "NAME=VALUE"),
        ("apply p.yaml", "cannot read `p.yaml`"),
        ("apply README.md", "missing `--inventory`"),
        ("apply p.yaml -i prod --serial 0", "at least 1"),
        ("apply p.yaml -i prod --limti web", "--limit"),
        ("aply p.yaml", "apply"),
        ("prove p.yaml", "this command is not implemented yet"),
        ("plan p.yaml", "planrun preview PLAN --inventory INV"),
        ("list", "to list the runs, use `planrun runs`"),
        ("status", "planrun show RUN"),
        ("apply p.yaml -i prod -e a=1", "`--set NAME=VALUE`"),
        ("apply p.yaml -i prod --extra-vars=a=1", "`--set NAME=VALUE`"),
        ("apply p.yaml -i prod --check", "planrun preview PLAN --inventory INV"),
        ("apply p.yaml -i prod --auto-approve", "`--yes`"),
        ("validate p.yaml --list-hosts", "planrun preview PLAN --inventory INV"),
        ("fmt p.yaml", "planrun does not change files"),
        ("completion bash", "planrun completions bash"),
        ("runs -o json", "`--format json`"),
        ("apply -f p.yaml", "planrun apply PLAN"),
        ("resume last -y", "only `apply` and `rollback` ask"),
        ("apply p.yaml -i prod --start-at-task x", "a plan runs all its steps"),
        ("apply p.yaml -i prod --log-file x", "`--log FILE`"),
        ("abort last", "--acknowledge"),
        ("explain p.yaml", "neither the path of a plan nor the code of a diagnostic"),
        ("explain no-way-bakc", "did you mean `no-way-back`?"),
        ("explain --format html", "PLAN|CODE"),
        ("explain --code no-way-bakc", "did you mean `no-way-back`?"),
        ("show nothing-like-it", "nothing-like-it"),
    ] {
        typed(line).exits(2).says(said);
    }
    assert!(!typed("nonsense").exits(2).stderr.contains("not implemented"));
    typed("--help").exits(0).says("143").says("planrun resume last");
}

#[test]
fn a_code_is_explained_however_it_was_copied() {
    let page = typed("explain --code no-way-back").exits(0).stdout.clone();
    assert_eq!(typed("explain error[no-way-back]").exits(0).stdout, page);
    for word in ["no-way-back", "error[no-way-back]:", "[no-way-back]"] {
        let page = typed(&format!("explain --code {word}")).exits(0).stdout.clone();
        assert!(page.starts_with("no-way-back\n\n"), "{page}");
        assert!(page.contains("\nFix: ") && page.contains("\n    - "), "{page}");
    }
    let list = typed("explain --code").exits(0).stdout.clone();
    assert!(list.lines().all(|line| line.len() <= 88), "{list}");
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    for section in manual::sections() {
        let times = list.lines().filter(|line| first(line).as_deref() == Some(section.code));
        assert_eq!(times.count(), 1, "{}", section.code);
    }
}

#[test]
fn an_inventory_is_shown_to_people_and_printed_as_an_inventory() {
    let planrun = Planrun::new();
    let hosts = planrun.file("hosts.ini", HOSTS);
    let show = |words: &[&str]| planrun.run(&[&["inventory"], words].concat());
    let text = show(&["-i", &hosts]).exits(0).stdout.clone();
    for line in ["ssh ann@192.0.2.1 port 2222\n", "ssh web2, becomes root\n", "on this machine\n"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.contains("= 3  (") && text.ends_with("3 hosts of 2 groups\n"), "{text}");

    let printed = |words: &[&str]| -> Value {
        serde_json::from_str(&show(&[words, &["--format", "json"]].concat()).exits(0).stdout)
            .unwrap()
    };
    let whole = printed(&["-i", &hosts]);
    let again = show(&["-i", &hosts, "--format", "yaml"]).exits(0).stdout.clone();
    let again = printed(&["-i", &planrun.file("again.yaml", again)]);
    let same = |value: &Value| (value["hosts"].clone(), value["groups"].clone());
    assert_eq!(same(&again), same(&whole));

    let one = printed(&["-i", &hosts, "-l", "web1"]);
    assert_eq!(one["hosts"].as_object().unwrap().len(), 1);
    assert_eq!(one["hosts"]["web1"]["variables"]["size"], 3);
    assert_eq!((&one["groups"]["web"], &one["groups"]["db"]), (&json!(["web1"]), &json!([])));
}

#[test]
fn of_several_questions_one_is_named() {
    let planrun = Planrun::new();
    let (plan, hosts) = (planrun.file("plan.yaml", ASKING), planrun.file("hosts.yaml", TWO_HOSTS));
    planrun.run(&["apply", &plan, "-i", &hosts]).exits(6);
    let resolve = |words: &[&str]| planrun.run(&[&["resolve", "last"], words].concat());
    resolve(&["--as", "approve"]).exits(2).says("2 open questions").says("web1/drain, web2/drain");
    resolve(&["web9/drain", "--as", "approve"]).exits(2).says("`web9/drain` has no open question");
    let wrong = resolve(&["web2/drain", "--as", "done"]);
    wrong
        .exits(2)
        .says("`done` is not an answer")
        .says("answer with `approve` (continue), `reject`");
    resolve(&["web2/drain", "--as", ""]).exits(2).says("answer with `approve`");
    resolve(&["web2/drain", "--as", "approve"]).exits(0);
    // The only one left needs no name, and an answer may be shortened.
    resolve(&["--as", "APP"]).exits(0).says("web1/drain: approve (continue)");
    planrun.run(&["resume", "last"]).exits(0);
    resolve(&["--as", "approve"]).exits(2).says("has ended: succeeded");
    planrun.run(&["resume", "last"]).exits(0).says("has already succeeded");
}

#[test]
fn an_answer_that_is_the_start_of_two_is_refused() {
    let planrun = Planrun::new();
    let plan = ASKING.replace("approve: Go on?", "fail: It failed, on_failure: hold");
    let (plan, hosts) = (planrun.file("plan.yaml", plan), planrun.file("hosts.yaml", TWO_HOSTS));
    planrun.run(&["apply", &plan, "-i", &hosts, "--limit", "web1"]).exits(6);
    let offered = planrun.run(&["show", "last"]).stdout;
    assert!(offered.contains("--as retry") && offered.contains("--as skip"), "{offered}");
    planrun.run(&["resolve", "last", "--as", "r"]).exits(0);
}

#[test]
fn every_exit_code_has_its_meaning_once_and_in_order() {
    let help = typed("--help").exits(0).stdout.clone();
    let (_, table) = help.split_once("Exit codes:\n").unwrap();
    let codes = table.lines().filter_map(|line| line.get(..5)?.trim().parse::<u8>().ok());
    let codes: Vec<u8> = codes.collect();
    // A shell gives two others their own meanings: 137 is KILL, 255 a failure of ssh.
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 70, 74, 77, 129, 130, 143]);
}

#[test]
fn the_state_directory_is_planruns_then_xdgs_then_in_the_home() {
    for (own, xdg, folder) in [
        ("own", "xdg", "own"),
        ("", "xdg", "xdg/planrun"),
        ("", "", "home/.local/state/planrun"),
        ("", "relative", "home/.local/state/planrun"),
    ] {
        let mut planrun = Planrun::new();
        let root = planrun.path("");
        let path = |name: &str| match name {
            "" | "relative" => name.to_owned(),
            name => root.join(name).display().to_string(),
        };
        planrun.environment("PLANRUN_STATE_DIR", Some(&path(own)));
        planrun.environment("XDG_STATE_HOME", Some(&path(xdg)));
        planrun.environment("HOME", Some(&path("home")));
        planrun.run(&["prune"]).exits(0);
        assert!(root.join(folder).join("runs.db").exists(), "{own} {xdg}");
    }
}

#[test]
fn every_kind_of_file_has_a_schema_of_its_own() {
    let kinds = ["plan", "model", "test", "inventory"];
    let ids = kinds.map(|kind| -> String {
        let schema = typed(&format!("schema {kind}")).exits(0).stdout.clone();
        let schema: Value = serde_json::from_str(&schema).unwrap();
        assert!(schema["properties"].is_object(), "{schema}");
        schema["$id"].as_str().unwrap().to_owned()
    });
    assert_eq!(BTreeSet::from(ids).len(), kinds.len());
}

#[test]
fn the_environment_names_the_inventory_if_the_command_line_does_not() {
    let mut planrun = Planrun::new();
    let hosts = planrun.file("hosts.ini", "h1 planrun_connection=local\n");
    let plan = planrun.file(
        "plan.yaml",
        "version: 1\nname: one\nhosts: all\nsteps: [{run: 'true', read_only: true}]\n",
    );
    planrun.run(&["apply", &plan]).exits(2).says("PLANRUN_INVENTORY");
    planrun.environment("PLANRUN_INVENTORY", Some(&hosts));
    planrun.run(&["apply", &plan]).exits(0).says("h1");
    planrun.run(&["preview", &plan]).exits(0).says("h1");
    planrun.run(&["apply", &plan, "-i", "other,"]).exits(4).says("other");
    // A saved preview has its own.
    let saved = planrun.file("saved", "");
    std::fs::remove_file(&saved).unwrap();
    planrun.run(&["preview", &plan, "-o", &saved]).exits(0);
    planrun.environment("PLANRUN_INVENTORY", Some("/nowhere"));
    planrun.run(&["apply", &saved]).exits(0).says("h1");
}
