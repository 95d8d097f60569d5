//! `planrun new`: its files are valid at once, and nothing is overwritten.

use std::fs;
use std::path::Path;

use planrun::schema::kind::{Kind, Sign};

use crate::harness::{Ended, program};

fn run(folder: &Path, words: &[&str]) -> Ended {
    let mut command = program(env!("CARGO_BIN_EXE_planrun"));
    command.args(words).current_dir(folder);
    Ended::of(&mut command)
}

/// Holds that a file has its kind, a modeline that leads to the schema of it, and no fault.
#[track_caller]
fn is_sound(folder: &Path, file: &str, kind: Kind) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(Kind::of(&text), Some((kind, Sign::Sure)), "{text}");
    let modeline = text.lines().next().unwrap();
    let (_, schema) = modeline.split_once("$schema=").unwrap();
    let schema = fs::read_to_string(path.parent().unwrap().join(schema)).unwrap();
    assert!(schema == kind.schema(), "{modeline}");
    run(folder, &["validate", "--deny", "warnings", file]).exits(0);
}

#[test]
fn a_new_plan_and_inventory_are_sound_together() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("plans")).unwrap();
    let ended = run(folder, &["new", "web-restart"]);
    ended.exits(0).says("wrote plans/web-restart.yaml");
    ended.says("next: planrun validate plans/web-restart.yaml");
    is_sound(folder, "plans/web-restart.yaml", Kind::Plan);

    run(folder, &["new", "--kind", "inventory", "prod"]).exits(0);
    is_sound(folder, "inventories/prod.yaml", Kind::Inventory);
    let words = ["validate", "plans", "-i", "prod", "--deny", "warnings"];
    run(folder, &words).exits(0);
    let ended = run(folder, &["inventory", "prod"]);
    ended.exits(0).says("ssh ops@192.0.2.2");
}

#[test]
fn a_new_test_passes_with_a_new_plan_and_a_new_model() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("plans")).unwrap();
    run(folder, &["new", "web-restart"]).exits(0).says("next: planrun new --kind test web-restart");
    let ended = run(folder, &["new", "--kind", "test", "web-restart"]);
    ended.exits(0).says("wrote plans/tests/web-restart.test.yaml");
    ended
        .says("wrote plans/models/web-restart.yaml")
        .says("next: planrun test plans/web-restart.yaml");
    is_sound(folder, "plans/tests/web-restart.test.yaml", Kind::Test);
    is_sound(folder, "plans/models/web-restart.yaml", Kind::Model);
    is_sound(folder, "plans/inventories/web-restart-demo.yaml", Kind::Inventory);
    run(folder, &["test", "plans/web-restart.yaml"]).exits(0).says("4 scenarios: 4 passed");
    run(folder, &["new", "--kind", "test", "web-restart"]).exits(2).says("already exists");

    // Without a plan, there is one afterwards.
    let ended = run(folder, &["new", "--kind", "test", "other/db-restart.yaml", "--hosts", "db"]);
    ended.exits(0).says("wrote other/db-restart.yaml");
    run(folder, &["test", "other"]).exits(0).says("4 scenarios: 4 passed");
}

#[test]
fn odd_words_stay_the_text_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let hosts = "!web3:&b: # c'\"";
    run(folder, &["new", "deep/er/true.yaml", "--hosts", hosts]).exits(0);
    is_sound(folder, "deep/er/true.yaml", Kind::Plan);
    let text = fs::read_to_string(folder.join("deep/er/true.yaml")).unwrap();
    let read: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(read["name"], "true");
    assert_eq!(read["hosts"], hosts);
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("mine.yaml"), "mine\n").unwrap();
    let ended = run(folder, &["new", "mine"]);
    ended.exits(2).says("`mine.yaml` already exists");
    assert_eq!(fs::read_to_string(folder.join("mine.yaml")).unwrap(), "mine\n");
    // A schema that is there is left as it is.
    fs::create_dir(folder.join("schemas")).unwrap();
    fs::write(folder.join("schemas/plan.schema.json"), "{}").unwrap();
    run(folder, &["new", "other"]).exits(0);
    let schema = fs::read_to_string(folder.join("schemas/plan.schema.json")).unwrap();
    assert_eq!(schema, "{}");
}

#[test]
fn names_that_no_plan_can_have_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["Web Restart", "1st", "", "plans/", "web_restart.yaml"] {
        run(folder, &["new", name]).exits(2).says("use a name such as");
    }
    let words = ["new", "web-restart", "--hosts", "{{ group }}"];
    run(folder, &words).exits(2).says("templates are not allowed here");
    let words = ["new", "--kind", "inventory", "prod", "--hosts", "a b"];
    run(folder, &words).exits(2).says("invalid group name");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}
