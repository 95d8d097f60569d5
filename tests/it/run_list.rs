//! `planrun runs`: which runs are listed, and what is shown of them.

use serde_json::{Value, json};

use crate::harness::Planrun;

const HOSTS: &str =
    "all: {vars: {planrun_connection: local}, hosts: {web1: {}, db1: {}, db2: {}}}\n";

/// A run that waits for an answer on `db1` and `db2`, and an older one that has succeeded on `web1`.
fn two_runs() -> Planrun {
    let planrun = Planrun::new();
    let hosts = planrun.file("hosts.yaml", HOSTS);
    let plan = |name: &str, pattern: &str, step: &str| {
        let text =
            format!("version: 1\nname: {name}\nhosts: {pattern}\nserial: 2\nsteps: [{step}]\n");
        planrun.file(&format!("{name}.yaml"), text)
    };
    let asking = plan("asking", "'db*'", "{id: go, approve: Go on?}");
    let quick = plan("quick", "web1", "{run: 'true', read_only: true}");
    let about = ["--reason", "a new kernel", "--label", "ticket=CHG-1", "--label", "team=mail"];
    planrun.run(&[&["apply", quick.as_str(), "-i", &hosts], &about[..]].concat()).exits(0);
    planrun.run(&["apply", &asking, "-i", &hosts]).exits(6);
    planrun
}

/// Returns the plans of the listed runs.
fn listed(planrun: &Planrun, words: &[&str]) -> Vec<String> {
    let ended = planrun.run(&[&["runs", "--format", "json"], words].concat());
    let runs: Vec<Value> = serde_json::from_str(&ended.exits(0).stdout).unwrap();
    runs.iter().map(|run| run["plan"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn only_runs_that_match_all_filters_are_listed() {
    let planrun = two_runs();
    let both = ["asking", "quick"];
    for (words, plans) in [
        (&[][..], &both[..]),
        (&["--plan", "asking"], &["asking"]),
        (&["--plan", "asking", "--plan", "quick"], &both),
        (&["--host", "web1"], &["quick"]),
        (&["--host", "db2", "--host", "web1"], &both),
        (&["--host", "db1", "--plan", "quick"], &[]),
        (&["--host", "none"], &[]),
        (&["--plan", "ask"], &[]),
        (&["--state", "open"], &["asking"]),
        (&["--state", "paused,succeeded"], &both),
        (&["--state", "failed", "--state", "succeeded"], &["quick"]),
        (&["--state", "rolled_back,interrupted,damaged"], &[]),
        (&["--questions"], &["asking"]),
        (&["--questions", "--state", "succeeded"], &[]),
        (&["--since", "1h"], &both),
        (&["--until", "1h"], &[]),
        (&["--since", "2020-01-01", "--until", "2020-01-02T03:04"], &[]),
        (&["--since", "2020-01-01T00:00:00Z"], &both),
        (&["--limit", "1"], &["asking"]),
        (&["--limit", "1", "--host", "web1"], &["quick"]),
    ] {
        assert_eq!(listed(&planrun, words), plans, "{words:?}");
    }
    let one = planrun.run(&["runs", "--limit", "1"]);
    one.exits(0).says("listed the newest 1 of 2 runs");
    let none = planrun.run(&["runs", "--plan", "nothing"]);
    assert_eq!(none.exits(0).stdout, "no run matches\n");
    // What to type next is still shown, for the runs that are listed.
    planrun.run(&["runs", "--state", "open"]).exits(0).says("--as approve").says("db2/go");
    planrun.run(&["runs", "--verify", "--plan", "quick"]).exits(0).says("1 run verified");
}

#[test]
fn a_filter_that_means_nothing_is_refused() {
    let planrun = Planrun::new();
    for (words, why) in [
        (["--since", "yesterday"], "a duration before now"),
        (["--until", "2026-13-01"], "a date"),
        (["--state", "asleep"], "interrupted"),
        (["--limit", "0"], "at least 1"),
    ] {
        planrun.run(&["runs", words[0], words[1]]).exits(2).says(why);
    }
    let range = ["runs", "--since", "1h", "--until", "2h"];
    planrun.run(&range).exits(2).says("`--since` is not before `--until`");
    assert_eq!(planrun.run(&["runs", "--plan", "any"]).exits(0).stdout, "no runs yet\n");
}

#[test]
fn reason_and_labels_of_a_run_are_listed() {
    let planrun = two_runs();
    let runs = planrun.runs();
    assert_eq!(runs[1]["reason"], "a new kernel");
    assert_eq!(runs[1]["labels"], json!({"ticket": "CHG-1", "team": "mail"}));
    assert_eq!((&runs[0]["reason"], &runs[0]["labels"]), (&Value::Null, &json!({})));
    assert_eq!((&runs[1]["questions"], &runs[0]["questions"]), (&json!(0), &json!(2)));
    let text = planrun.run(&["runs"]).exits(0).stdout.clone();
    assert!(text.lines().next().unwrap().contains("REASON"), "{text}");
    assert!(text.contains("a new kernel"), "{text}");
    // A column without a value takes no room.
    let text = planrun.run(&["runs", "--plan", "asking"]).exits(0).stdout.clone();
    assert!(!text.contains("REASON") && !text.contains("LABELS"), "{text}");
}

#[test]
fn damaged_runs_are_found_by_their_state() {
    let planrun = two_runs();
    let open = planrun.runs()[0]["id"].as_str().unwrap().to_owned();
    let database = rusqlite::Connection::open(planrun.path("state/runs.db")).unwrap();
    database.execute_batch("DROP TRIGGER events_are_not_changed").unwrap();
    let change = "UPDATE events SET payload = '{}' WHERE run = ?1 AND seq = 1";
    database.execute(change, [&open]).unwrap();
    assert_eq!(listed(&planrun, &["--state", "damaged"]), ["asking"]);
    assert_eq!(listed(&planrun, &["--state", "open"]), ["asking"]);
    assert!(listed(&planrun, &["--state", "paused"]).is_empty());
    // Its hosts are not known.
    assert!(listed(&planrun, &["--host", "db1"]).is_empty());
}
