//! `planrun validate` as CI and editors run it: many files, every format, its exit codes.

mod formats;

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Ended, program};
use crate::support::text;

/// A plan without a fault.
const SOUND: &str = "version: 1\nname: sound\nhosts: web\nsteps:\n  - wait: 1s\n";
/// A plan with an error, in its last line.
const FAULTY: &str = "version: 1\nname: faulty\nhosts: web\nsteps:\n  - {wait: 1s, register: é}\n";
/// A plan with a warning.
const ODD: &str = "version: 1\nname: odd\nhosts: web\ninputs: {idle: {type: int, default: 1}}\n\
                   steps:\n  - wait: 1s\n";

/// A folder in which planrun is run.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn validate(&self, words: &[&str]) -> Ended {
        self.validate_text(words, "")
    }

    /// Validates with a text on standard input.
    fn validate_text(&self, words: &[&str], text: &str) -> Ended {
        let input = self.path().join(".stdin");
        fs::write(&input, text).unwrap();
        let mut command = program(env!("CARGO_BIN_EXE_planrun"));
        command.arg("validate").args(words).current_dir(self.path());
        command.stdin(fs::File::open(input).unwrap());
        command.env_remove("XDG_CONFIG_HOME").env("HOME", self.path());
        Ended::of(&mut command)
    }
}

#[test]
fn exit_statuses_tell_sound_odd_and_faulty_files_apart() {
    let folder = Folder::new(&[("sound.yaml", SOUND), ("odd.yaml", ODD), ("faulty.yaml", FAULTY)]);
    for format in ["human", "short", "json", "sarif", "github", "junit"] {
        let validate = |words: &[&str]| folder.validate(&[words, &["--format", format]].concat());
        validate(&["sound.yaml", "--deny", "warnings"]).exits(0).says("the file is valid");
        validate(&["odd.yaml"]).exits(0);
        validate(&["odd.yaml", "--deny", "warnings"]).exits(1);
        let ended = validate(&["odd.yaml", "faulty.yaml", "sound.yaml", "--deny", "warnings"]);
        ended.exits(2).says("1 error, 1 warning in 2 of 3 files");
    }
}

#[test]
fn data_goes_to_standard_output_and_talk_to_standard_error() {
    let folder = Folder::new(&[("faulty.yaml", FAULTY)]);
    let human = folder.validate(&["faulty.yaml"]);
    assert_eq!(human.stdout, "");
    assert!(human.stderr.contains("error[unknown-key]"), "{human:?}");
    assert!(!human.stderr.contains('\u{1b}'), "{human:?}");
    for format in ["short", "json", "sarif", "github", "junit"] {
        let ended = folder.validate(&["faulty.yaml", "--format", format]);
        assert!(ended.stdout.contains("unknown-key"), "{ended:?}");
        assert_eq!(ended.stderr, "1 error in the file\n", "{format}");
    }
}

#[test]
fn files_are_told_in_the_order_they_were_given_and_once() {
    let folder = Folder::new(&[("a.yaml", FAULTY), ("b.yaml", FAULTY), ("c.yaml", SOUND)]);
    let words = ["--format", "short", "b.yaml", "c.yaml", "a.yaml", "./b.yaml"];
    let ended = folder.validate(&words);
    ended.exits(2).says("2 errors in 2 of 3 files");
    let places: Vec<&str> = ended.stdout.lines().map(|line| &line[..11]).collect();
    assert_eq!(places, ["b.yaml:5:16", "a.yaml:5:16"]);
}

#[test]
fn a_folder_gives_what_is_planruns_and_passes_over_the_rest() {
    let folder = Folder::new(&[
        ("plans/b.yaml", FAULTY),
        ("plans/a.yml", SOUND),
        ("plans/compose.yaml", "services: {web: {image: nginx}}\n"),
        ("plans/tests/a.test.yaml", "version: 1\nplan: none.yaml\ntests: []\n"),
        ("plans/inventories/group_vars/all.yaml", "steps: 1\nversion: 2\n"),
        ("plans/.hidden/a.yaml", FAULTY),
        ("plans/notes.txt", "steps"),
    ]);
    let ended = folder.validate(&["--format", "json", "plans"]);
    ended.exits(2).says("skipped 1 file in `plans`");
    let told: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: Vec<&str> = told.iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert_eq!(files[0], "plans/b.yaml");
    assert!(files[1..].iter().all(|file| *file == "plans/tests/a.test.yaml"), "{files:?}");
    let codes: Vec<&str> = told.iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"no-such-file") && codes.contains(&"too-few"), "{codes:?}");
}

#[test]
fn a_folder_without_anything_to_check_is_an_error_in_every_format() {
    let folder = Folder::new(&[("compose.yaml", "services: {web: {image: nginx}}\n")]);
    for format in ["human", "short", "json", "sarif", "github", "junit"] {
        let ended = folder.validate(&[".", "--format", format]);
        ended.exits(2).says("nothing-to-check");
    }
}

#[test]
fn a_file_that_shows_no_kind_has_one_fault_unless_its_kind_is_said() {
    let folder = Folder::new(&[("compose.yaml", "services: {web: {image: nginx}}\n")]);
    let ended = folder.validate(&["--format", "short", "compose.yaml"]);
    ended.exits(2);
    assert!(ended.stdout.starts_with("compose.yaml:1:1: error[unknown-kind]"), "{ended:?}");
    let ended = folder.validate(&["--format", "short", "--kind", "plan", "compose.yaml"]);
    ended.exits(2).says("error[missing-key]").says("`services`");
}

#[test]
fn standard_input_has_the_name_it_is_given() {
    let folder = Folder::new(&[]);
    let words = ["--format", "short", "--stdin-filename", "plans/new.yaml", "-"];
    let ended = folder.validate_text(&words, FAULTY);
    ended.exits(2);
    assert!(ended.stdout.starts_with("plans/new.yaml:5:16: error["), "{ended:?}");
    folder.validate_text(&["-"], SOUND).exits(0);
    folder.validate_text(&["-"], "all: {hosts: {a: }}\n").exits(0);
}

#[test]
fn faults_of_the_inventory_are_told_beside_those_of_the_plan() {
    let folder = Folder::new(&[("plan.yaml", FAULTY), ("hosts.yaml", "web: {hosts: [web1]}\n")]);
    let ended = folder.validate(&["plan.yaml", "-i", "hosts.yaml", "--format", "short"]);
    ended.exits(2);
    for (file, code) in [("plan.yaml", "unknown-key"), ("hosts.yaml", "inventory-shape")] {
        let is_told = |line: &str| line.contains(file) && line.contains(code);
        assert!(ended.stdout.lines().any(is_told), "{}", ended.stdout);
    }
}

#[test]
fn faults_of_a_shared_inventory_are_told_once() {
    let folder = Folder::new(&[
        ("plans/a.yaml", SOUND),
        ("plans/b.yaml", SOUND),
        ("plans/inventories/prod.yaml", "all:\n  hosts:\n    web1: {ansible_port: many}\n"),
    ]);
    let words = ["--format", "short", "-i", "prod", "plans/a.yaml", "plans/b.yaml"];
    let ended = folder.validate(&words);
    ended.exits(2).says("1 error in 1 of 3 files");
    assert!(ended.stdout.starts_with("plans/inventories/prod.yaml:3:"), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");

    let ended =
        folder.validate(&["--format", "short", "-i", "none", "plans/a.yaml", "plans/b.yaml"]);
    ended.exits(2);
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
}

#[test]
fn the_shipped_files_are_sound_in_every_format() {
    for format in ["human", "short", "json", "sarif", "github", "junit"] {
        let mut command = program(env!("CARGO_BIN_EXE_planrun"));
        command.args(["validate", "plans", "--deny", "warnings", "--format", format]);
        let output = command.current_dir(crate::support::root()).output().unwrap();
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{talk}");
        assert!(talk.ends_with("files are valid\n"), "{talk}");
    }
}

#[test]
fn variables_that_some_hosts_lack_are_told_where_every_host_needs_them() {
    const PLAN: &str = r#"version: 1
name: racks
hosts: web
probes:
  free: {run: "df {{ host.vars.disk }}", parse: text}
let:
  roomy: free == "yes"
preflight:
  there is room: roomy
steps:
  - run: echo {{ host.vars.rack }} {{ host.vars.row | default("a") }}
    idempotent: true
    rollback: {run: "echo {{ host.vars['undo'] }}", done_when: roomy}
  - when: host.vars.special is defined
    run: echo {{ host.vars.special }}
    idempotent: true
    rollback: {none: it only speaks}
  - assert: {it has a size: host.vars.size is defined and host.vars.size > 1}
"#;
    const HOSTS: &str = "web:\n  vars: {undo: b}\n  hosts:\n    web1: {rack: r1, disk: sda}\n\
                         \x20   web2: {rakc: r2, disk: sdb}\n    web3: {rack: r3}\n";
    let folder = Folder::new(&[("racks.yaml", PLAN), ("hosts.yaml", HOSTS)]);
    let words = ["--format", "json", "-i", "hosts.yaml", "racks.yaml"];
    let ended = folder.validate(&words);
    ended.exits(2);
    let told: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&str, u64, u64)> = told
        .iter()
        .map(|one| {
            let place = &one["place"];
            assert_eq!(one["code"], "missing-variable");
            let message = one["message"].as_str().unwrap();
            (message, place["line"].as_u64().unwrap(), place["column"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("`host.vars.disk` is not defined for `web3`", 5, 22),
            ("`host.vars.rack` is not defined for `web2`", 11, 18),
        ]
    );
    assert!(ended.stdout.contains("`web2` defines `rakc`: did you mean `rack`?"), "{ended:?}");
    // Without an inventory nothing is known of hosts.
    folder.validate(&["racks.yaml"]).exits(0);
}

#[test]
fn an_input_that_does_not_fit_is_told_where_its_host_has_it() {
    let plan = "version: 1\nname: sizes\nhosts: web\ninputs: {size: {type: int, max: 9}}\n\
                steps:\n  - when: size > 1\n    wait: 1s\n";
    let hosts =
        "web:\n  hosts:\n    web1: {size: 3}\n    web2: {size: 12}\n    web3: {size: many}\n";
    let folder = Folder::new(&[("sizes.yaml", plan), ("hosts.yaml", hosts)]);
    let ended = folder.validate(&["--format", "short", "-i", "hosts.yaml", "sizes.yaml"]);
    ended.exits(2);
    let places: Vec<&str> = ended.stdout.lines().map(|line| &line[..15]).collect();
    assert_eq!(places, ["hosts.yaml:4:18", "hosts.yaml:5:18"], "{ended:?}");
}

#[test]
fn the_files_that_a_plan_renders_are_checked_with_it() {
    let plan = "version: 1\nname: files\nhosts: web\nsteps:\n  - upload: {template: site.conf, to: /etc/site.conf}\n\
                \x20   rollback: {none: it is new}\n";
    let folder = Folder::new(&[("files.yaml", plan), ("site.conf", "listen {{ nowhere }};\n")]);
    let ended = folder.validate(&["--format", "short", "files.yaml"]);
    ended.exits(2).says("site.conf:1:11: error[unknown-name]");
}

/// A block that is gone through three times, and its rescue.
const CUT_OVER: &str = r#"version: 1
name: cut-over
hosts: web
probes: {state: {run: systemctl is-active mail, exit_codes: any, parse: text}}
steps:
  - name: Cut over
    uninterruptible: users cannot log in until they are moved
    retry: {attempts: 3, delay: 10s}
    block:
      - run: systemctl stop mail
        done_when: state == "inactive"
        timeout: 30s
        within: 10s
        rollback: {none: the rescue starts it}
    rescue:
      - for_each: [mail, proxy]
        run: systemctl start {{ item }}
        done_when: state == "active"
        timeout: 15s
        within: 5s
        rollback: {none: it is started again}
"#;

#[test]
fn the_longest_time_of_an_uninterruptible_block_is_noted() {
    let each = CUT_OVER.replace("    retry:", "    for_each: [a, b, c]\n    retry:");
    let each = each.replace("for_each: [mail, proxy]\n        ", "");
    let folder = Folder::new(&[("plan.yaml", CUT_OVER), ("each.yaml", &each)]);
    let told = folder.validate(&["--deny", "warnings", "plan.yaml"]);
    // Three times 40 s with 10 s between them, then twice 20 s.
    told.exits(0).says("`Cut over` cannot be interrupted for up to 3m");
    told.says("plan.yaml:6:5").says("2m 20s for its steps, then 40s for `rescue`");
    told.says("the file is valid");
    let told = folder.validate(&["each.yaml"]);
    told.exits(0).says("cannot be interrupted for up to 2m 40s for each item");

    let told = folder.validate(&["--format", "json", "plan.yaml"]);
    let one: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(one["severity"], "note");
    assert_eq!(one["code"], "uninterruptible-time");
    assert_eq!(one["place"]["line"], 6);
    for format in ["sarif", "github", "junit"] {
        let told = folder.validate(&["--format", format, "plan.yaml"]);
        assert!(!told.stdout.contains("uninterruptible-time"), "{format}: {}", told.stdout);
    }
}

#[test]
fn a_note_is_allowed_in_place() {
    let why = "    # planrun: allow(uninterruptible-time) known\n  - name: Cut over";
    let known = CUT_OVER.replace("  - name: Cut over", why);
    let locks = "version: 1\nname: p\nhosts: web\n\
                 locks: [lb] # planrun: allow(locks-not-enforced) agreed\nsteps: [{wait: 1s}]\n";
    let hosts =
        "all: {children: {web: {hosts: {web1: {}}}, lb: {hosts: {lb1: {planrun_locks: none}}}}}\n";
    let noted = locks.replace(" # planrun: allow(locks-not-enforced) agreed", "");
    let files = [
        ("noted.yaml", noted.as_str()),
        ("known.yaml", known.as_str()),
        ("locks.yaml", locks),
        ("hosts.yaml", hosts),
    ];
    let folder = Folder::new(&files);
    // No change of the plan can help against it, so nothing denies it.
    let told = folder.validate(&["--deny", "warnings", "noted.yaml", "-i", "./hosts.yaml"]);
    told.exits(0).says("note[locks-not-enforced]").says("2 files are valid");
    let without = ["known.yaml", "locks.yaml"].as_slice();
    for words in [without, &["locks.yaml", "-i", "./hosts.yaml"]] {
        let told = folder.validate(&[words, &["--deny", "warnings"]].concat());
        told.exits(0);
        assert!(!told.stderr.contains("note[") && !told.stderr.contains("allow"), "{told:?}");
    }
}
