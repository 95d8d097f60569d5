//! The configuration of the user, and `planrun config`: which value is in force, where it comes from, and
//! what happens if the file is wrong.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Ended, Planrun};
use crate::support::{fenced, files, shown, text};

const PLAN: &str = "version: 1\nname: one\nhosts: all\nsteps: [{run: 'true', read_only: true}]\n";
const HOSTS: &str = "h1 planrun_connection=local\n";

/// A binary with nothing in its environment that sets what the configuration sets.
fn bare() -> Planrun {
    let mut planrun = Planrun::new();
    planrun.environment("PLANRUN_STATE_DIR", Some(""));
    planrun
}

/// Returns the value of a setting, and where it comes from.
#[track_caller]
fn setting(planrun: &Planrun, options: &[&str], name: &str) -> (Value, Value) {
    let ended = planrun.run(&[&["config", "--format", "json"], options].concat());
    let shown: Value = serde_json::from_str(&ended.exits(0).stdout).unwrap();
    let settings = shown["settings"].as_array().unwrap();
    let one = settings.iter().find(|one| one["name"] == name).unwrap();
    (one["value"].clone(), one["from"].clone())
}

#[test]
fn an_option_comes_before_the_environment_before_the_file_before_the_default() {
    let mut planrun = bare();
    let default = json!({"kind": "default"});
    let home = planrun.path("planrun").display().to_string();
    assert_eq!(setting(&planrun, &[], "state_dir"), (json!(home), default.clone()));
    assert_eq!(setting(&planrun, &[], "color"), (json!("auto"), default.clone()));
    assert_eq!(setting(&planrun, &[], "output"), (json!("human"), default.clone()));
    assert_eq!(setting(&planrun, &[], "pace"), (json!("100"), default.clone()));
    assert_eq!(setting(&planrun, &[], "inventory"), (json!([]), default));

    let file = planrun.configure(
        "# mine\nstate_dir: runs\ncolor: always\noutput: plain\ninventory: [prod, ./more.ini]\n\
         pace: max\n",
    );
    let line =
        |line: u32| json!({"kind": "file", "path": file.display().to_string(), "line": line});
    let next_to = |name: &str| file.parent().unwrap().join(name).display().to_string();
    assert_eq!(setting(&planrun, &[], "state_dir"), (json!(next_to("runs")), line(2)));
    assert_eq!(setting(&planrun, &[], "color"), (json!("always"), line(3)));
    assert_eq!(setting(&planrun, &[], "output"), (json!("plain"), line(4)));
    assert_eq!(setting(&planrun, &[], "pace"), (json!("max"), line(6)));
    assert_eq!(
        setting(&planrun, &[], "inventory"),
        (json!(["prod", next_to("./more.ini")]), line(5))
    );

    for (name, setting_name, value, shown) in [
        ("PLANRUN_STATE_DIR", "state_dir", "/var/runs", json!("/var/runs")),
        ("NO_COLOR", "color", "1", json!("never")),
        ("PLANRUN_INVENTORY", "inventory", "staging", json!(["staging"])),
    ] {
        planrun.environment(name, Some(value));
        let from = json!({"kind": "environment", "name": name});
        assert_eq!(setting(&planrun, &[], setting_name), (shown, from));
    }
    let option = |name: &str| json!({"kind": "option", "name": name});
    let options = ["--state-dir", "/srv/runs", "--color", "always"];
    assert_eq!(
        setting(&planrun, &options, "state_dir"),
        (json!("/srv/runs"), option("--state-dir"))
    );
    assert_eq!(setting(&planrun, &options, "color"), (json!("always"), option("--color")));
}

#[test]
fn people_see_the_same_and_of_secrets_only_names() {
    let planrun = bare();
    let ended = planrun.run(&["config"]);
    ended.exits(0).says("config.yaml (does not exist)");
    let file = planrun.configure(
        "color: never\nsecrets: {db_password: [pass, show, a-secret-path], token: [cat, token]}\n",
    );
    let ended = planrun.run(&["config"]);
    ended.exits(0).says("db_password, token").says(&format!("{}:2", file.display()));
    assert!(!ended.all().contains("a-secret-path"), "{}", ended.all());
    let color = ended.stdout.lines().find(|line| line.starts_with("color")).unwrap();
    assert!(color.contains("never") && color.ends_with("config.yaml:1"), "{color}");
}

#[test]
fn the_inventory_of_the_file_is_used_if_nothing_else_names_one() {
    let mut planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", PLAN);
    let file = planrun.configure("inventory: ./mine.ini\n");
    fs::write(file.parent().unwrap().join("mine.ini"), HOSTS).unwrap();
    // Where it comes from is said, also when nothing is asked.
    let ended = planrun.run(&["apply", &plan]);
    ended.exits(0).says("h1").says(&format!("as set by {}:1", file.display()));
    planrun.run(&["preview", &plan]).exits(0).says("h1");
    planrun.run(&["ping"]).exits(0).says("h1");
    let other = planrun.file("other.ini", "h2 planrun_connection=local\n");
    planrun.environment("PLANRUN_INVENTORY", Some(&other));
    planrun.run(&["apply", &plan]).exits(0).says("h2").says("as set by PLANRUN_INVENTORY");
    planrun.run(&["ping"]).exits(0).says("h2");
    let third = planrun.file("third.ini", "h3 planrun_connection=local\n");
    let ended = planrun.run(&["apply", &plan, "-i", &third]);
    assert!(!ended.exits(0).says("h3").all().contains("as set by"), "{}", ended.all());
    planrun.environment("PLANRUN_INVENTORY", None);
    fs::remove_file(file).unwrap();
    planrun.run(&["ping"]).exits(2).says("missing `--inventory`").says("in your configuration");
}

#[test]
fn runs_are_in_the_state_directory_of_the_file() {
    let planrun = bare();
    let (plan, hosts) = (planrun.file("plan.yaml", PLAN), planrun.file("hosts.ini", HOSTS));
    planrun.configure("state_dir: ./runs\n");
    planrun.run(&["apply", &plan, "-i", &hosts]).exits(0);
    assert!(planrun.path("config/planrun/runs/runs.db").exists());
    assert_eq!(planrun.runs().len(), 1);
}

#[test]
fn colour_and_output_are_as_the_file_says_unless_the_command_line_says_otherwise() {
    let mut planrun = Planrun::new();
    let (plan, hosts) = (planrun.file("plan.yaml", PLAN), planrun.file("hosts.ini", HOSTS));
    let bad = planrun.file("bad.yaml", "version: 1\n");
    planrun.configure("color: always\noutput: json\n");
    let is_coloured = |ended: &Ended| ended.stderr.contains('\x1b');
    assert!(is_coloured(&planrun.run(&["validate", &bad])));
    assert!(!is_coloured(&planrun.run(&["validate", &bad, "--color", "never"])));
    planrun.environment("NO_COLOR", Some("1"));
    assert!(!is_coloured(&planrun.run(&["validate", &bad])));
    assert!(!is_coloured(&planrun.run(&["validate", &bad, "--color", "auto"])));

    let ended = planrun.run(&["apply", &plan, "-i", &hosts]);
    assert!(ended.exits(0).story().0.len() > 3, "{}", ended.all());
    let ended = planrun.run(&["apply", &plan, "-i", &hosts, "--output", "plain"]);
    assert!(ended.exits(0).stdout.contains("succeeded: 1 host"), "{}", ended.all());
    let ended = planrun.run(&["watch", "last"]);
    assert!(ended.exits(0).story().0.len() > 3, "{}", ended.all());
}

#[test]
fn a_wrong_file_fails_each_command_that_needs_it_and_no_other() {
    let planrun = bare();
    let (plan, hosts) = (planrun.file("plan.yaml", PLAN), planrun.file("hosts.ini", HOSTS));
    let marked = planrun.path("marked");
    let marking = planrun.file(
        "marking.yaml",
        format!(
            "version: 1\nname: mark\nhosts: all\nsteps: [{{run: touch {}, idempotent: true, rollback: {{none: a test}}}}]\n",
            marked.display()
        ),
    );
    planrun.configure("color: never\nstate-dir: /srv/runs\noutput: loud\n");
    // The file, the line, and a lasting code; everything at once.
    let refusal = |ended: &Ended| {
        ended.exits(2).says("config.yaml:2:1").says("error[unknown-key]").says("`state_dir`");
        ended.says("config.yaml:3:9").says("error[unknown-word]");
    };
    for words in [
        &["config"][..],
        &["config", "--format", "json"],
        &["show", "last"],
        &["runs"],
        &["resume", "last"],
        &["rollback", "last"],
        &["abort", "last", "--acknowledge"],
        &["ping"],
        &["apply", &marking, "-i", &hosts],
        &["preview", &marking, "-i", &hosts],
        &["apply", &marking, "-i", &hosts, "--state-dir", "/nowhere", "--output", "json"],
    ] {
        refusal(&planrun.run(words));
    }
    assert!(!marked.exists());
    let json = planrun.run(&["config", "--format", "json"]).stdout;
    let shown: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(shown["file"]["valid"], false);
    assert_eq!(shown["diagnostics"][0]["code"], "unknown-key");
    assert!(shown["settings"].as_array().unwrap().iter().all(|one| one["value"].is_null()));

    // What needs no setting works; it may say that it did not use the file.
    planrun.run(&["--help"]).exits(0);
    planrun.run(&["apply", "--help"]).exits(0);
    planrun.run(&["validate", &plan]).exits(0).says("run `planrun config`");
    planrun.run(&["explain", "no-way-back"]).exits(0);
    let state = planrun.path("state").display().to_string();
    planrun.run(&["runs", "--state-dir", &state]).exits(0).says("run `planrun config`");
}

#[test]
fn a_file_that_cannot_be_read_is_not_a_missing_one() {
    let planrun = bare();
    let file = planrun.configure("");
    planrun.run(&["config"]).exits(0);
    planrun.configure("# nothing is set\n");
    planrun.run(&["config"]).exits(0);
    fs::write(&file, "color: [\n").unwrap();
    planrun.run(&["config"]).exits(2).says("config.yaml:");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("nowhere", &file).unwrap();
    planrun.run(&["config"]).exits(2).says("cannot read");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    planrun.run(&["runs"]).exits(2).says("error[unreadable-file]");
}

#[test]
fn the_examples_of_the_pages_are_valid() {
    let planrun = bare();
    let pages = files("docs", ".md");
    let examples = pages.iter().flat_map(|page| {
        let page = shown(page);
        fenced(&text(&page), "yaml configuration").into_iter().map(move |one| (page.clone(), one))
    });
    let mut number = 0;
    for (page, (line, example)) in examples {
        planrun.configure(&example);
        let ended = planrun.run(&["config"]);
        assert_eq!(ended.status, Some(0), "{page}:{line}\n{}", ended.all());
        number += 1;
    }
    assert!(number > 1, "{number}");
}
