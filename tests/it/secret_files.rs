//! Secret files are sent to a host, and are found nowhere else.
//!
//! On this machine, with the binary, like [`crate::secrets`] for strings.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use planrun::event::TaskStatus;

use crate::harness::{Ended, Planrun};
use crate::support::hex;

/// The lines of a key, which is none.
const LINES: [&str; 3] = [
    "bm90LWEta2V5LWJ1dC1hLXRlc3Qtb2Yta2V5cw/+",
    "dGhlLXNlY29uZC1saW5lLW9mLW5vLWtleS9h",
    "c2hvcnQtbGFzdA==",
];

const PLAN: &str = r#"version: 1
name: keys
hosts: all
inputs:
  key: {type: file, sensitive: true}
steps:
  - id: bring
    upload: {from: "{{ key }}", to: "{{ host.vars.out }}/site.key"}
    rollback: {run: "rm -f -- {{ host.vars.out }}/site.key", idempotent: true}
  - id: print
    shell: "cat site.key; base64 site.key; sed -n 3p site.key >&2; test ! -e fail"
    dir: "{{ host.vars.out }}"
    idempotent: true
    rollback: {none: it prints}
  - id: ask
    approve: "is {{ key }} fine?"
  - id: again
    upload: {from: "{{ key }}", to: "{{ host.vars.out }}/again.key", mode: "0640"}
    rollback: {run: "rm -f -- {{ host.vars.out }}/again.key", idempotent: true}
"#;

struct Scene {
    planrun: Planrun,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { planrun: Planrun::new(), folder: tempfile::tempdir().unwrap() };
        let out = scene.path("out");
        fs::create_dir(&out).unwrap();
        scene.write("plan.yaml", PLAN);
        scene.write("site.key", key());
        let vars = format!("key: site.key, out: {}, planrun_connection: local", out.display());
        scene.write("hosts.yaml", format!("all: {{hosts: {{here: {{{vars}}}}}}}\n"));
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn mode(&self, name: &str) -> u32 {
        let file = fs::metadata(self.path(name)).unwrap();
        file.permissions().mode() & 0o777
    }

    #[track_caller]
    fn apply(&self, more: &[&str]) -> Ended {
        let (plan, hosts) = (self.name("plan.yaml"), self.name("hosts.yaml"));
        let words = ["apply", &plan, "--inventory", &hosts, "--yes"];
        self.planrun.run(&[&words[..], more].concat())
    }

    /// Holds that no line of the key is on disk or in what was said, as it is or in hex, which is
    /// how files are kept.
    #[track_caller]
    fn hides(&self, ended: &[&Ended]) {
        let mut all: Vec<(String, String)> = Vec::new();
        for (path, bytes) in self.planrun.disk() {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            all.push((path.display().to_string(), text));
        }
        assert!(!all.is_empty());
        for one in ended {
            all.push(("stdout".into(), one.stdout.clone()));
            all.push(("stderr".into(), one.stderr.clone()));
        }
        for line in LINES {
            let hex = hex(line.as_bytes());
            for (place, text) in &all {
                assert!(!text.contains(line), "{line} in {place}: {text}");
                assert!(!text.contains(&hex), "{line} in hex in {place}: {text}");
            }
        }
    }
}

fn key() -> String {
    let lines = LINES.join("\n");
    format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n")
}

#[test]
fn a_secret_file_is_nowhere_but_where_it_was_sent() {
    let scene = Scene::new();
    let applied = scene.apply(&["--output", "json"]);
    applied.exits(6).says("«secret key»");
    assert_eq!(fs::read_to_string(scene.path("out/site.key")).unwrap(), key());
    assert_eq!(scene.mode("out/site.key"), 0o600);

    let run = scene.planrun.newest();
    let shown = scene.planrun.run(&["show", &run, "--format", "json"]);
    scene.planrun.run(&["resolve", &run, "--as", "approve"]).exits(0);
    let resumed = scene.planrun.run(&["-vvv", "resume", &run]);
    resumed.exits(0);
    assert_eq!(fs::read_to_string(scene.path("out/again.key")).unwrap(), key());
    assert_eq!(scene.mode("out/again.key"), 0o640);
    scene.hides(&[&applied, &shown, &resumed]);

    let again = scene.apply(&["--output", "json"]);
    let story = again.exits(6).story();
    assert_eq!(story.status("here/bring"), Some(TaskStatus::Unchanged));

    scene.planrun.run(&["abort", "last", "--acknowledge"]);
    fs::remove_file(scene.path("out/site.key")).unwrap();
    scene.apply(&[]).exits(6);
    assert!(scene.path("out/site.key").exists());
    let back = scene.planrun.run(&["rollback", "last"]);
    back.exits(0);
    assert!(!scene.path("out/site.key").exists());
    scene.hides(&[&again, &back]);
}

#[test]
fn a_run_that_failed_and_was_rolled_back_kept_nothing_of_it() {
    let scene = Scene::new();
    scene.write("out/fail", "");
    for output in ["human", "json"] {
        let ended = scene.apply(&["--output", output]);
        ended.exits(1).says("«secret key»");
        assert!(!scene.path("out/site.key").exists());
        scene.hides(&[&ended]);
    }
}

#[test]
fn a_run_that_goes_on_reads_a_secret_file_again() {
    let scene = Scene::new();
    scene.apply(&[]).exits(6);
    let run = scene.planrun.newest();
    scene.planrun.run(&["resolve", &run, "--as", "approve"]).exits(0);

    fs::remove_file(scene.path("site.key")).unwrap();
    for word in ["resume", "rollback"] {
        let refused = scene.planrun.run(&[word, &run]);
        refused
            .exits(2)
            .says(&format!("cannot read `{}`: no such file", scene.name("site.key")))
            .says("restore the file")
            .says("cannot continue without its secrets");
        assert!(scene.path("out/site.key").exists(), "{word}");
        assert!(!scene.path("out/again.key").exists(), "{word}");
    }
    // What is there now is sent.
    let other = key().replace("bm90", "b3Ro");
    scene.write("site.key", &other);
    scene.planrun.run(&["resume", &run]).exits(0);
    assert_eq!(fs::read_to_string(scene.path("out/again.key")).unwrap(), other);
    scene.hides(&[]);
}

#[test]
fn the_path_of_a_secret_file_is_no_secret() {
    let scene = Scene::new();
    scene.write("other.key", key());
    let set = format!("key={}", scene.name("other.key"));
    let ended = scene.apply(&["--set", &set]);
    ended.exits(6).says(&format!("is {} fine?", scene.name("other.key")));
    assert!(!ended.stderr.contains("secret-on-command-line"));
    scene.hides(&[&ended]);
}

#[test]
fn a_secret_file_need_not_be_text() {
    let scene = Scene::new();
    let bytes = b"\x30\x82\xff\x00 this is no key \xfe\n";
    scene.write("site.key", bytes);
    let ended = scene.apply(&["--output", "json"]);
    ended.exits(6).says("«secret key»");
    assert_eq!(fs::read(scene.path("out/site.key")).unwrap(), bytes);
    let part = b"this is no key";
    let hex = hex(part);
    for (path, kept) in scene.planrun.disk() {
        assert!(!kept.windows(part.len()).any(|it| it == part), "{path:?}");
        assert!(!String::from_utf8_lossy(&kept).contains(&hex), "{}", path.display());
    }
}

#[test]
fn a_secret_file_that_is_not_there_or_empty_or_large_is_told_before_anything_is_done() {
    let scene = Scene::new();
    for (content, why) in [
        (Some(String::from(" \n")), "it is empty"),
        (Some("x".repeat(64 * 1024 + 1)), "it is larger than 64 KiB"),
        (None, "no such file"),
    ] {
        match content {
            Some(content) => scene.write("site.key", content),
            None => fs::remove_file(scene.path("site.key")).unwrap(),
        }
        let ended = scene.apply(&[]);
        ended.exits(2).says("cannot read").says(why);
        assert!(!scene.path("out/site.key").exists());
    }
    // Each is small enough, all of them are not.
    let mut hosts =
        String::from("all:\n  vars: {planrun_connection: local, out: /nowhere}\n  hosts:\n");
    for number in 0..3 {
        scene.write(&format!("{number}.key"), "x".repeat(60_000));
        writeln!(hosts, "    h{number}: {{key: {number}.key}}").unwrap();
    }
    let one = fs::read_to_string(scene.path("hosts.yaml")).unwrap();
    scene.write("hosts.yaml", hosts);
    let ended = scene.apply(&[]);
    ended.exits(2).says("secret files have more than 131072 bytes in total").says("--limit");
    scene.write("hosts.yaml", one);
    // To check a plan it need not be there, nor even be given.
    let (plan, hosts) = (scene.name("plan.yaml"), scene.name("hosts.yaml"));
    let words = ["validate", &plan, "--inventory", &hosts];
    scene.planrun.run(&words).exits(0);
    let text = fs::read_to_string(&hosts).unwrap();
    scene.write("hosts.yaml", text.replace("key: site.key, ", ""));
    scene.planrun.run(&words).exits(0);
    scene.apply(&[]).exits(2).says("input `key` has no value").says("--set key=FILE");
}
