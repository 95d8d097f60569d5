//! Secrets are used where they are needed, and are found nowhere else.
//!
//! On this machine, with the binary. Commands print what they read in every encoding; then all output and
//! all files are searched.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use planrun::event::TaskStatus;

use crate::harness::{Ended, Planrun};

/// It has signs that every writing writes in its own way.
const TOKEN: &str = "S3cr3t'/+é\"x &y";

const PLAN: &str = r#"version: 1
name: tokens
hosts: all
inputs:
  token: {type: string, sensitive: true}
  keys: {type: list, sensitive: true, default_: no}
probes:
  echoed: {run: cat, stdin: "{{ token }}", parse: text}
  hexed: {shell: "od -An -v -tx1", stdin: "{{ token }}", parse: lines}
steps:
  - id: worst
    shell: |
      cat > in
      cat in
      base64 < in
      (printf x; cat in) | base64
      (printf xx; cat in) | base64
      base64 < in | tr '+/' '-_'
      od -An -v -tx1 < in
      od -An -v -tx1 < in | tr -d ' \n' | tr a-f A-F; echo
      od -An -v -tx1 < in | tr -d '\n' | tr ' ' '%'; echo
      sed 's/["\\]/\\&/g' in; echo
      sed "s/'/'\\\\''/g" in >&2
      (head -c 4090 /dev/zero | tr '\0' '.'; cat in)
      rm in
      test ! -e fail
    dir: "{{ host.vars.out }}"
    stdin: "{{ token }}"
    idempotent: true
    rollback: {none: it prints}
  - id: file
    upload: {content: "token={{ token }}\n{% for key in keys %}{{ key }}\n{% endfor %}", to: "{{ host.vars.out }}/token"}
    rollback: {none: it is a test}
  - id: rendered
    upload: {template: token.conf, to: "{{ host.vars.out }}/token.conf", mode: "0640"}
    rollback: {none: it is a test}
  - id: noted
    set: {echoed: echoed}
  - id: no_argument
    shell: 'echo {{ noted.echoed }}; env'
    idempotent: true
    rollback: {none: it prints}
  - id: ask
    approve: "{{ noted.echoed }} is fine?"
  - id: claim
    assert: {nothing is echoed: 'echoed == "other" or hexed | length == 0'}
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
        scene.write("plan.yaml", &PLAN.replace(", default_: no", ""));
        scene.write("token.conf", "[auth]\ntoken = {{ token | tojson }}\n");
        scene.write("inputs.yaml", "keys: [first-key-1, second-key-2]\n");
        let vars = format!("out: {}, planrun_connection: local", out.display());
        scene.write("hosts.yaml", &format!("all: {{hosts: {{here: {{{vars}}}}}}}\n"));
        scene
    }

    fn with_token() -> Self {
        let mut scene = Self::new();
        scene.planrun.environment("PLANRUN_INPUT_TOKEN", Some(TOKEN));
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    #[track_caller]
    fn apply(&self, more: &[&str]) -> Ended {
        let (plan, hosts) = (self.name("plan.yaml"), self.name("hosts.yaml"));
        let words = ["apply", &plan, "--inventory", &hosts, "--yes"];
        self.planrun.run(&[&words[..], more].concat())
    }

    #[track_caller]
    fn apply_with_keys(&self, more: &[&str]) -> Ended {
        let inputs = self.name("inputs.yaml");
        self.apply(&[&["--inputs", &inputs], more].concat())
    }

    /// Holds that no writing of the token, and none of the keys, is anywhere.
    #[track_caller]
    fn hides(&self, ended: &[&Ended]) {
        let mut all: Vec<(String, Vec<u8>)> = Vec::new();
        for (path, bytes) in self.planrun.disk() {
            all.push((path.display().to_string(), bytes));
        }
        for one in ended {
            all.push(("stdout".into(), one.stdout.clone().into_bytes()));
            all.push(("stderr".into(), one.all().clone().into_bytes()));
        }
        for (place, bytes) in &all {
            let text = String::from_utf8_lossy(bytes);
            let squeezed: String = text.split_whitespace().collect();
            for writing in writings() {
                let packed: String = writing.split_whitespace().collect();
                for (text, part) in [(text.as_ref(), &writing), (&squeezed, &packed)] {
                    if let Some(at) = text.find(part.as_str()) {
                        let before = text[..at].chars().rev().take(80).collect::<Vec<_>>();
                        let before: String = before.into_iter().rev().collect();
                        panic!("{part:?} in {place}, behind {before:?}");
                    }
                }
            }
        }
    }
}

/// What must not be found: parts are enough where a writing depends on what stands around it.
fn writings() -> Vec<String> {
    let hex: Vec<String> = TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![
        TOKEN.to_owned(),
        // Any part of a writing that is cut at the wrong place would hold one of these.
        "S3cr3t".to_owned(),
        "first-key-1".to_owned(),
        "second-key-2".to_owned(),
        hex.concat(),
        hex.concat().to_uppercase(),
        format!("%{}", hex.join("%")),
        TOKEN.replace('"', "\\\""),
        TOKEN.replace('\'', r"'\''"),
    ];
    // `base64` of the token alone, and behind one and two bytes.
    all.extend(["UzNjcjN0Jy8r", "MzY3IzdCcvK8Op", "UzNjcjN0Jy8rw6"].map(str::to_owned));
    all.extend(["NTM2MzcyMzM3NDI3", "eFMzY3IzdCcv", "eHhTM2NyM3QnLy"].map(str::to_owned));
    all
}

#[test]
fn a_secret_is_nowhere_but_where_it_was_sent() {
    let scene = Scene::with_token();
    let applied = scene.apply_with_keys(&["--output", "json"]);
    applied.exits(6);
    applied.says("«secret token»");
    assert_eq!(
        fs::read_to_string(scene.path("out/token")).unwrap(),
        format!("token={TOKEN}\nfirst-key-1\nsecond-key-2\n")
    );
    let mode = |name: &str| {
        let file = fs::metadata(scene.path(name)).unwrap();
        file.permissions().mode() & 0o777
    };
    assert_eq!(mode("out/token"), 0o600);
    assert_eq!(mode("out/token.conf"), 0o640);
    let conf = fs::read_to_string(scene.path("out/token.conf")).unwrap();
    assert!(conf.contains("S3cr3t"), "{conf}");

    let run = scene.planrun.newest();
    let shown = scene.planrun.run(&["show", &run, "--format", "json"]);
    let plain = scene.planrun.run(&["show", &run]);
    let resolved = scene.planrun.run(&["resolve", &run, "--as", "approve"]);
    resolved.exits(0);
    // The claim does not hold, and shows what was seen; verbose, to look into the log, too.
    let resumed = scene.planrun.run(&["-vvv", "resume", &run]);
    resumed.exits(1);
    resumed.says("«secret token»");
    let disk = scene.planrun.disk();
    let kept =
        disk.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains("«secret token»"));
    assert!(kept, "the store was not looked at: {disk:?}");
    scene.hides(&[&applied, &shown, &plain, &resolved, &resumed]);
}

#[test]
fn what_a_failed_command_says_is_searched_too() {
    let scene = Scene::with_token();
    scene.write("out/fail", "");
    for output in ["human", "json"] {
        let applied = scene.apply_with_keys(&["--output", output]);
        applied.exits(1);
        scene.hides(&[&applied]);
    }
}

#[test]
fn an_upload_of_a_secret_that_is_there_already_is_not_sent() {
    let scene = Scene::with_token();
    scene.apply_with_keys(&[]).exits(6);
    scene.planrun.run(&["abort", "last", "--acknowledge"]);
    let again = scene.apply_with_keys(&["--output", "json"]);
    let story = again.exits(6).story();
    for step in ["here/file", "here/rendered"] {
        assert_eq!(story.status(step), Some(TaskStatus::Unchanged), "{step}");
    }
    scene.planrun.run(&["abort", "last", "--acknowledge"]);
    scene.write("out/token", "token=other\n");
    let again = scene.apply_with_keys(&["--output", "json"]);
    let story = again.exits(6).story();
    assert_eq!(story.status("here/file"), Some(TaskStatus::Changed));
}

#[test]
fn a_run_that_goes_on_is_given_its_secrets_again() {
    let mut scene = Scene::with_token();
    scene.apply_with_keys(&[]).exits(6);
    let run = scene.planrun.newest();
    scene.planrun.run(&["resolve", &run, "--as", "approve"]).exits(0);

    scene.planrun.environment("PLANRUN_INPUT_TOKEN", None);
    let refused = scene.planrun.run(&["resume", &run]);
    refused.exits(2);
    refused.says("input `token` has no value for `here`");
    refused.says("PLANRUN_INPUT_TOKEN").says("cannot continue without its secrets");
    let refused = scene.planrun.run(&["rollback", &run]);
    refused.exits(2).says("PLANRUN_INPUT_TOKEN");

    // The file that was named when the run began is gone, another one is named.
    fs::remove_file(scene.path("inputs.yaml")).unwrap();
    scene.planrun.environment("PLANRUN_INPUT_TOKEN", Some(TOKEN));
    scene.planrun.run(&["resume", &run]).exits(2).says("`keys` has no value");
    scene.write("other.yaml", &format!("keys: [first-key-1]\ntoken: {TOKEN:?}\n"));
    scene.planrun.environment("PLANRUN_INPUT_TOKEN", None);
    let resumed = scene.planrun.run(&["resume", &run, "--inputs", &scene.name("other.yaml")]);
    resumed.exits(1);
    scene.hides(&[&refused, &resumed]);
}

#[test]
fn a_secret_of_the_inventory_is_read_from_there_again() {
    let scene = Scene::new();
    let hosts = fs::read_to_string(scene.path("hosts.yaml")).unwrap();
    let own = format!("{{keys: [first-key-1], token: {}, out:", serde_json::json!(TOKEN));
    scene.write("hosts.yaml", &hosts.replace("{out:", &own));
    let applied = scene.apply(&[]);
    applied.exits(6);
    let run = scene.planrun.newest();
    scene.planrun.run(&["resolve", &run, "--as", "approve"]).exits(0);
    let resumed = scene.planrun.run(&["resume", &run]);
    resumed.exits(1);
    scene.hides(&[&applied, &resumed]);
}

#[test]
fn what_is_wrong_with_a_secret_is_told_without_it() {
    let mut scene = Scene::new();
    scene.planrun.environment("PLANRUN_INPUT_TOKEN", Some(""));
    let ended = scene.apply_with_keys(&[]);
    ended.exits(2).says("empty value for secret `token`");
    scene.write("inputs.yaml", "{keys: [first-key-1, [second-key-2]], nokey: 1}\n");
    let ended = scene.apply_with_keys(&[]);
    ended.exits(2).says("invalid value for secret `keys`").says("unknown-input");
    // Its lines are not shown at all.
    scene.hides(&[&ended]);
}

#[test]
fn a_secret_that_is_seen_already_is_told() {
    let scene = Scene::new();
    let ended = scene.apply_with_keys(&["--set", "token=abc12"]);
    ended.exits(6);
    ended.says("secret-on-command-line").says("short-secret");
    let summary = ended.stdout.lines().find(|line| line.contains("--set"));
    assert!(summary.is_none_or(|line| !line.contains("abc12")), "{summary:?}");

    let hosts = fs::read_to_string(scene.path("hosts.yaml")).unwrap();
    let dsn = "{dsn: 'imap://x:first-key-1@db', out:";
    scene.write("hosts.yaml", &hosts.replace("{out:", dsn));
    let ended = scene.apply_with_keys(&["--set", "token=something"]);
    ended.exits(2).says("secret-in-other-value").says("`dsn` of here");
}

#[test]
fn a_secret_that_the_plan_or_a_host_name_shows_is_refused_and_not_shown() {
    let scene = Scene::new();
    // The title of a step, and the name of the host.
    for (shown, part) in [("repeats", "the text of plan"), ("here-and-now", "the name of a host")] {
        let hosts = fs::read_to_string(scene.path("hosts.yaml")).unwrap();
        scene.write("hosts.yaml", &hosts.replace("{here:", "{here-and-now:"));
        let plan = PLAN.replace(", default_: no", "");
        scene.write("plan.yaml", &plan.replace("steps:", "description: it repeats\nsteps:"));
        scene.write("inputs.yaml", &format!("token: {shown}\nkeys: []\n"));
        let ended = scene.apply_with_keys(&[]);
        ended.exits(2).says("secret-in-other-value").says(part);
        assert!(!ended.all().contains(shown), "{}", ended.all());
    }
}

#[test]
fn a_plan_is_checked_without_its_secrets() {
    let scene = Scene::new();
    let (plan, hosts) = (scene.name("plan.yaml"), scene.name("hosts.yaml"));
    let ended = scene.planrun.run(&["validate", &plan, "--inventory", &hosts]);
    ended.exits(0);
    scene.apply(&[]).exits(2).says("PLANRUN_INPUT_KEYS");
}

/// A plan that uses a secret in the environment of a command, as this user and as another one.
const ENVIRONMENT: &str = r#"version: 1
name: environment
hosts: all
inputs:
  token: {type: string, sensitive: true}
  extra: {type: string, sensitive: true, optional: true}
probes:
  length: {shell: 'printf %s "$TOKEN" | wc -c', env: {TOKEN: "{{ token }}"}, parse: int}
steps:
  - id: use
    shell: |
      printf %s "$TOKEN" | cksum > sum
      cat /proc/[0-9]*/cmdline /proc/self/fd/0 > seen 2>/dev/null || true
      find "$XDG_STATE_HOME" . -type f ! -name sum -exec cat {} + >> seen 2>/dev/null || true
      echo "$TOKEN"
    dir: "{{ host.vars.out }}"
    env: {TOKEN: "{{ token }}"}
    idempotent: true
    rollback: {none: it is a test}
  - {id: given, when: extra is defined, run: cat, stdin: "{{ extra }}", read_only: true}
  - {id: missing, when: extra is undefined, run: "true", read_only: true}
  - {run: cat, stdin: "{{ extra | default('none') }}", read_only: true}
  - assert: {the probe has it: 'length > 10 and (extra is defined or true)'}
"#;

fn environment_scene() -> Scene {
    let scene = Scene::with_token();
    scene.write("plan.yaml", ENVIRONMENT);
    scene
}

#[test]
fn a_secret_in_the_environment_is_in_no_argument_and_no_file() {
    let scene = environment_scene();
    let ended = scene.apply(&["--output", "json"]);
    ended.exits(0).says("«secret token»");
    let seen = fs::read(scene.path("out/seen")).unwrap();
    assert!(seen.len() > 1_000, "{}", seen.len());
    assert!(!String::from_utf8_lossy(&seen).contains(TOKEN));
    assert!(fs::metadata(scene.path("out/sum")).unwrap().len() > 5);
    scene.hides(&[&ended]);
}

#[test]
fn an_optional_secret_may_be_missing_and_conditions_see_only_that() {
    let mut scene = environment_scene();
    scene.apply(&[]).exits(0);
    let status = |scene: &Scene, step: &str| scene.planrun.kept("last").status(step);
    assert_eq!(status(&scene, "here/given"), Some(TaskStatus::Skipped));
    assert_eq!(status(&scene, "here/missing"), Some(TaskStatus::Unchanged));
    scene.planrun.environment("PLANRUN_INPUT_EXTRA", Some("3xtra'/+é\"x &y"));
    let ended = scene.apply(&[]);
    ended.exits(0);
    assert_eq!(status(&scene, "here/given"), Some(TaskStatus::Unchanged));
    for (path, bytes) in scene.planrun.disk() {
        assert!(!String::from_utf8_lossy(&bytes).contains("3xtra'/+"), "{}", path.display());
    }
}

/// Writes a configuration that names a command for the token.
fn configure(scene: &Scene, command: &str) -> PathBuf {
    scene.planrun.configure(&format!("secrets:\n  token: {command}\n"))
}

#[test]
fn a_secret_comes_from_a_command_of_the_user_if_it_has_no_other_source() {
    let mut scene = Scene::new();
    scene.write("plan.yaml", ENVIRONMENT);
    scene.write("token", &format!("{TOKEN}\n"));
    let command = format!("[cat, {}]", scene.name("token"));
    configure(&scene, &command);
    let sum = |scene: &Scene| fs::read_to_string(scene.path("out/sum")).unwrap();
    let ended = scene.apply(&[]);
    ended.exits(0);
    let from_command = sum(&scene);
    fs::remove_file(scene.path("token")).unwrap();
    scene.hides(&[&ended]);

    // The environment comes first, and nothing is run.
    scene.planrun.environment("PLANRUN_INPUT_TOKEN", Some("another-secret-value"));
    scene.apply(&[]).exits(0);
    assert_ne!(sum(&scene), from_command);

    scene.planrun.environment("PLANRUN_INPUT_TOKEN", None);
    let failed = scene.apply(&[]);
    failed.exits(2).says("error[secret-command]: no value for secret `token`").says("No such file");
    configure(&scene, "[no-such-program-here]");
    scene.apply(&[]).exits(2).says("secret-command");
    configure(&scene, "cat");
    scene.apply(&[]).exits(2).says("config.yaml:2");
}

#[test]
fn a_configuration_that_others_can_write_runs_nothing() {
    let scene = Scene::new();
    scene.write("plan.yaml", ENVIRONMENT);
    let touched = scene.name("touched");
    let file = configure(&scene, &format!("[touch, {touched}]"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    scene
        .apply(&[])
        .exits(2)
        .says("error[user-configuration]")
        .says("can be written by other users");
    assert!(!scene.path("touched").exists());
    // The same if they can replace the file.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let folder = file.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    scene.apply(&[]).exits(2).says("error[user-configuration]").says("chmod go-w");
    assert!(!scene.path("touched").exists());
    // A program that is not in PATH is not searched in the working directory.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    let program = scene.path("a-program");
    fs::write(&program, format!("#!/bin/sh\ntouch {touched}\necho value\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    configure(&scene, "[a-program]");
    let here = scene.folder.path().display();
    let line = format!("cd {here} && planrun apply plan.yaml -i hosts.yaml --yes");
    scene.planrun.type_line(&line).exits(2).says("error[secret-command]");
    assert!(!scene.path("touched").exists());
    // Neither the folder of the plan nor the working directory counts.
    fs::remove_file(&file).unwrap();
    scene.write("config.yaml", &format!("secrets: {{token: [touch, {touched}]}}\n"));
    scene.apply(&[]).exits(2).says("missing-input");
    assert!(!scene.path("touched").exists());
}
