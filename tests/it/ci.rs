//! The page about CI: its commands are run, its examples are compared.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::program;
use crate::support::{fenced, files, shown, text};

const PAGE: &str = "docs/ci.md";
const FAULTY: &str = "version: 1\nname: faulty\nhosts: web\nsteps: [{wait: 1s, register: a}]\n";

/// Returns the one block of the page that is fenced so.
#[track_caller]
fn block(info: &str) -> String {
    let mut blocks = fenced(&text(PAGE), info);
    assert_eq!(blocks.len(), 1, "{info}");
    blocks.remove(0).1
}

fn yaml(info: &str) -> serde_yaml::Value {
    serde_yaml::from_str(&block(info)).unwrap()
}

/// Makes a tree with the shipped plans.
fn tree() -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    for path in files("plans", "") {
        let file = tree.path().join(shown(&path));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::copy(path, file).unwrap();
    }
    // What others have in such a folder, too.
    for (name, content) in [
        ("inventories/group_vars/all.yaml", "ansible_user: ops\n"),
        ("files/app.yaml", "port: 80\n"),
        ("README.md", "# Plans\n"),
    ] {
        let file = tree.path().join("plans").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    tree
}

/// Runs a line of the page as a shell of CI does, with planrun on its path.
fn sh(tree: &Path, line: &str) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_planrun"));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = program("bash");
    command.args(["-e", "-c", line]).current_dir(tree);
    command.env("PATH", format!("{}:{path}", binary.parent().unwrap().display()));
    command.env("HOME", tree).env_remove("XDG_CONFIG_HOME");
    command.output().unwrap()
}

#[track_caller]
fn ends(tree: &Path, line: &str, status: i32) -> String {
    let output = sh(tree, line);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{line}\n{talk}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_job_for_github_passes_sound_plans_and_reports_faulty_ones() {
    let job = yaml("yaml github");
    let steps = job["jobs"]["validate"]["steps"].as_sequence().unwrap();
    let lines: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    let [install, remarks, test, scan] = lines[..] else {
        panic!("{lines:?}");
    };
    // Nothing of this repository is in theirs: planrun comes from an address.
    assert!(install.ends_with("install --locked --git \"$PLANRUN_GIT\" planrun"), "{install}");
    assert!(job["env"]["PLANRUN_GIT"].as_str().is_some_and(|url| url.starts_with("https://")));
    let used = steps.iter().filter_map(|step| step["uses"].as_str());
    let used: Vec<&str> = used.collect();
    assert_eq!(used, ["actions/checkout@v4", "github/codeql-action/upload-sarif@v3"]);
    let tree = tree();
    let tree = tree.path();
    assert_eq!(ends(tree, remarks, 0), "");
    ends(tree, test, 0);
    ends(tree, scan, 0);
    let file = tree.join("plans/tests/kernel-update.test.yaml");
    let scenarios = fs::read_to_string(&file).unwrap();
    fs::write(&file, scenarios.replacen("run: succeeded", "run: stuck", 1)).unwrap();
    ends(tree, test, 1);
    fs::write(&file, scenarios).unwrap();

    fs::write(tree.join("plans/faulty.yaml"), FAULTY).unwrap();
    let told = ends(tree, remarks, 2);
    assert!(told.starts_with("::error file=plans/faulty.yaml,line=4,"), "{told}");
    ends(tree, scan, 0);
    let uploads = steps.iter().filter_map(|step| step["with"]["sarif_file"].as_str());
    for file in uploads {
        let log = fs::read_to_string(tree.join(file)).unwrap();
        let log: Value = serde_json::from_str(&log).unwrap();
        assert_eq!(log["runs"][0]["results"][0]["ruleId"], "unknown-key");
    }
    // A planrun that is not there is no success.
    ends(tree, &scan.replace("planrun validate", "no-planrun"), 1);
}

#[test]
fn the_job_for_gitlab_writes_the_report_it_names() {
    let job = yaml("yaml gitlab");
    let job = &job["validate-plans"];
    let [line, test] = [0, 1].map(|line| job["script"][line].as_str().unwrap());
    let install = job["before_script"][0].as_str().unwrap();
    assert_eq!(install, "cargo install --locked --git \"$PLANRUN_GIT\" planrun");
    let image = job["image"].as_str().unwrap();
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert_eq!(image, format!("rust:{version}"));
    let reports = &job["artifacts"]["reports"]["junit"];
    let [report, report_of_tests] = [0, 1].map(|report| reports[report].as_str().unwrap());
    let tree = tree();
    let tree = tree.path();
    let failures = |report: &str| {
        let xml = fs::read_to_string(tree.join(report)).unwrap();
        let parsed = roxmltree::Document::parse(&xml).unwrap();
        let root = parsed.root_element();
        root.attribute("failures").unwrap().to_owned()
    };
    ends(tree, line, 0);
    assert_eq!(failures(report), "0");
    ends(tree, test, 0);
    assert_eq!(failures(report_of_tests), "0");
    fs::write(tree.join("plans/faulty.yaml"), FAULTY).unwrap();
    ends(tree, line, 2);
    assert_eq!(failures(report), "1");
}

#[test]
fn the_hook_refuses_a_commit_with_a_faulty_plan() {
    let tree = tree();
    let tree = tree.path();
    ends(tree, "git init -q . && git config user.name a && git config user.email a@b", 0);
    let hook = tree.join(".git/hooks/pre-commit");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, block("sh hook")).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    ends(tree, "git add -A && git commit -qm plans", 0);
    fs::write(tree.join("plans/two words.yaml"), FAULTY).unwrap();
    ends(tree, "git add -A && git commit -qm faulty", 1);
    // A commit without plans has nothing to be looked at.
    ends(
        tree,
        "git rm -q --cached 'plans/two words.yaml' && touch a && git add a && git commit -qm a",
        0,
    );
}

#[test]
fn the_entry_for_pre_commit_checks_the_folder() {
    let config = yaml("yaml pre-commit");
    let hook = &config["repos"][0]["hooks"][0];
    assert_eq!(hook["pass_filenames"], false);
    let pattern = regex::Regex::new(hook["files"].as_str().unwrap()).unwrap();
    assert!(pattern.is_match("plans/web.yaml") && !pattern.is_match("src/plans/a.yaml"));
    let line = hook["entry"].as_str().unwrap();
    let tree = tree();
    ends(tree.path(), line, 0);
    fs::write(tree.path().join("plans/faulty.yaml"), FAULTY).unwrap();
    ends(tree.path(), line, 2);
}

#[test]
fn the_object_of_a_fault_is_as_the_page_shows_it() {
    let tree = tempfile::tempdir().unwrap();
    let tree = tree.path();
    fs::write(tree.join("upgrade.yaml"), block("yaml faulty")).unwrap();
    let told = ends(tree, "planrun validate --format json upgrade.yaml", 2);
    let told: Value = serde_json::from_str(&told).unwrap();
    let wanted: Value = serde_json::from_str(&block("json faulty")).unwrap();
    assert_eq!(told, wanted, "{told:#}");
}

#[test]
fn every_format_is_on_the_page() {
    let tree = tempfile::tempdir().unwrap();
    let help = ends(tree.path(), "planrun validate --help", 0);
    let (_, formats) = help.split_once("--format <FORMAT>").unwrap();
    let (formats, _) = formats.split_once("[default").unwrap();
    let page = text(PAGE);
    let mut found = 0;
    for line in formats.lines().filter_map(|line| line.trim().strip_prefix("- ")) {
        let (name, _) = line.split_once(':').unwrap();
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
        found += 1;
    }
    assert_eq!(found, 6);
}
