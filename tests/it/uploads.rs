//! Uploads: unchanged files, rendered files and strings, and their reports.
//!
//! On this machine, with the binary: the result is read from the disk.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use planrun::event::TaskStatus;

use crate::harness::{Planrun, program};

const PLAN: &str = r#"version: 1
name: site
hosts: all
inputs:
  units: {type: list, default: [imap, lmtp]}
  port: {type: int}
steps:
  - id: asked
    run: echo from-a-step
    parse: text
    read_only: true
  - id: plain
    name: A file as it is
    upload: {from: plain.bin, to: "{{ host.vars.out }}/plain.bin"}
    rollback: {none: it is a test}
  - id: rendered
    name: A file that is rendered
    upload: {template: site.conf, to: "{{ host.vars.out }}/site.conf", mode: "0640"}
    rollback: {none: it is a test}
  - id: inline
    name: A text that stands here
    upload:
      content: |
        # {{ host }}
        port = {{ port }}
      to: "{{ host.vars.out }}/inline.conf"
    rollback: {none: it is a test}
"#;

const SITE: &str = "\
# written for {{ host }}; {{ asked }}
{%- for unit in units %}
unit {{ unit }} {{ port }}
{%- endfor %}
";

/// The plan, its files and an inventory of this machine, in a folder of their own.
struct Site {
    planrun: Planrun,
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self { planrun: Planrun::new(), folder };
        let out = site.path("out");
        fs::create_dir(&out).unwrap();
        site.write("plan.yaml", PLAN);
        site.write("site.conf", SITE);
        site.write("plain.bin", "{{ no template }}\n");
        let vars = format!("out: {}, planrun_connection: local, port: 143", out.display());
        site.write("hosts.yaml", &format!("all: {{hosts: {{here: {{{vars}}}}}}}\n"));
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn words(&self, command: &str) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        let (plan, hosts) = (path("plan.yaml"), path("hosts.yaml"));
        let mut words = vec![command.to_owned(), plan, "--inventory".into(), hosts];
        if command == "apply" {
            words.push("--yes".into());
        }
        words
    }

    #[track_caller]
    fn apply(&self) -> crate::harness::Ended {
        self.apply_with(&[])
    }

    #[track_caller]
    fn apply_with(&self, more: &[&str]) -> crate::harness::Ended {
        let words = self.words("apply");
        let words: Vec<&str> =
            words.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.planrun.run_json(&words)
    }

    /// Returns what `validate` tells, without an inventory, of a plan with faults.
    #[track_caller]
    fn faults(&self) -> crate::harness::Ended {
        let plan = self.path("plan.yaml").display().to_string();
        let ended = self.planrun.run(&["validate", &plan]);
        ended.exits(2);
        ended
    }
}

#[test]
fn what_is_uploaded_is_rendered_for_the_host() {
    let site = Site::new();
    let plan = site.path("plan.yaml").display().to_string();
    site.planrun.run(&["validate", &plan, "--deny", "warnings"]).exits(0);
    let ended = site.apply();
    ended.exits(0);
    assert_eq!(site.read("out/plain.bin"), "{{ no template }}\n");
    assert_eq!(
        site.read("out/site.conf"),
        "# written for here; from-a-step\nunit imap 143\nunit lmtp 143\n"
    );
    assert_eq!(site.read("out/inline.conf"), "# here\nport = 143\n");
    let mode = fs::metadata(site.path("out/site.conf")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o640);
}

#[test]
fn a_file_that_is_already_so_is_not_sent_again() {
    let site = Site::new();
    site.apply().exits(0);
    let ended = site.apply();
    ended.exits(0);
    let story = ended.story();
    for step in ["here/plain", "here/rendered", "here/inline"] {
        assert_eq!(story.status(step), Some(TaskStatus::Unchanged), "{step}");
        assert!(story.sent_for(step).is_empty(), "{step}");
    }
    // What differs is sent: a content, and a mode alone.
    site.write("plain.bin", "other\n");
    let path = site.path("out/site.conf");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let ended = site.apply();
    let story = ended.exits(0).story();
    assert_eq!(story.status("here/plain"), Some(TaskStatus::Changed));
    assert_eq!(story.status("here/rendered"), Some(TaskStatus::Changed));
    assert_eq!(story.status("here/inline"), Some(TaskStatus::Unchanged));
    assert_eq!(site.read("out/plain.bin"), "other\n");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn a_resume_renders_the_file_as_it_was_when_the_run_began() {
    let site = Site::new();
    let question = "steps:\n  - {id: ask, approve: go on}\n";
    site.write("plan.yaml", &PLAN.replace("steps:\n", question));
    site.apply().exits(6);
    site.write("site.conf", "edited since\n");
    fs::remove_file(site.path("plain.bin")).unwrap();
    let run = site.planrun.newest();
    site.planrun.run(&["resolve", &run, "--as", "approve"]).exits(0);
    site.planrun.run(&["resume", &run]).exits(0);
    assert!(site.read("out/site.conf").starts_with("# written for here"));
    assert_eq!(site.read("out/plain.bin"), "{{ no template }}\n");
}

#[test]
fn faults_in_a_file_that_is_rendered_are_told_in_that_file() {
    let site = Site::new();
    site.write("site.conf", "fine\n{{ por }} {{ units }}\n{{ later }}\n");
    let late = "  - {id: later, run: date, parse: text, read_only: true}\n";
    site.write("plan.yaml", &format!("{PLAN}{late}"));
    let ended = site.faults();
    ended.says("site.conf:2:4").says("did you mean `port`?");
    ended.says("site.conf:2:14").says("`units` is a list");
    ended.says("site.conf:3:4").says("`later` is not known yet");

    site.write("site.conf", "a\n{% if port %}\n");
    site.faults().says("site.conf:").says("template-syntax");
    site.write("site.conf", "{{ host.vars.port }}\n");
    site.write("plan.yaml", PLAN);
    let plan = site.path("plan.yaml").display().to_string();
    let ended = site.planrun.run(&["validate", &plan]);
    ended.exits(0).says("unused input `units`");
}

#[test]
fn a_file_to_be_rendered_must_be_there_and_be_text() {
    let site = Site::new();
    fs::remove_file(site.path("site.conf")).unwrap();
    site.faults().says("no such file").says("plan.yaml:18:24");
    fs::create_dir(site.path("site.conf")).unwrap();
    site.faults().says("it is a directory");
    fs::remove_dir(site.path("site.conf")).unwrap();
    fs::write(site.path("site.conf"), b"caf\xe9\n").unwrap();
    site.faults().says("cannot read `site.conf`: line");
    fs::write(site.path("site.conf"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
    site.faults().says("it is larger than 1 MiB");
}

#[test]
fn what_a_host_lacks_for_a_file_is_told_before_anything_is_sent() {
    let site = Site::new();
    site.write("site.conf", "fine\nzone {{ host.vars.zone }}\n");
    let ended = site.apply();
    ended.exits(2).says("site.conf:2:9").says("template-fails").says("for here");
    site.planrun.has_sent_nothing();
}

#[test]
fn a_file_whose_path_is_a_template_is_checked_with_the_hosts() {
    let site = Site::new();
    site.write("plan.yaml", &PLAN.replace("template: site.conf", "template: \"{{ host }}.conf\""));
    let plan = site.path("plan.yaml").display().to_string();
    site.planrun.run(&["validate", &plan, "--deny", "warnings"]).exits(0);
    site.apply().exits(2).says("cannot read `here.conf`");
    site.write("here.conf", "{{ units | join(' ') }} {{ prt }}\n");
    site.apply().exits(2).says("here.conf:1:28").says("did you mean `port`?");
    site.write("here.conf", "{{ units | join(' ') }} {{ asked }}\n");
    site.apply().exits(0);
    assert_eq!(site.read("out/site.conf"), "imap lmtp from-a-step\n");
}

/// As whom, with what mode and for whom: all by inputs.
const BY_INPUTS: &str = r#"version: 1
name: site
hosts: all
inputs:
  user: {type: string}
  mode: {type: string, default: "0604"}
steps:
  - id: who
    run: id -un
    become: "{{ user }}"
    parse: text
    read_only: true
  - id: inline
    upload:
      content: "for {{ who }}\n"
      to: "{{ host.vars.out }}/inline.conf"
      owner: "{{ user }}"
      mode: "{{ mode }}"
    rollback: {none: it is a test}
"#;

#[test]
fn the_user_the_owner_and_the_mode_may_be_templates() {
    let me = program("id").arg("-un").output().unwrap();
    let me = String::from_utf8(me.stdout).unwrap();
    let me = me.trim();
    let site = Site::new();
    site.write("plan.yaml", BY_INPUTS);
    site.apply_with(&["--set", &format!("user={me}")]).exits(0);
    let file = site.path("out/inline.conf");
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("for {me}\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o604);
    // What a template gives is held to the same form as what is written out.
    for (set, told) in [
        ("user=-rf", "`-rf` is not a valid value of `become`"),
        ("mode=rw", "`rw` is not a valid value of `mode`"),
    ] {
        let set = ["--set", &format!("user={me}"), "--set", set];
        let ended = site.apply_with(&set);
        ended.exits(1);
        ended.says(told);
    }
}

/// An owner that cannot be set is named, and not how the host tried.
#[test]
fn an_owner_that_does_not_exist_is_named() {
    let site = Site::new();
    let plan = site.path("plan.yaml");
    let out = site.path("out").display().to_string();
    let upload = format!("{{content: x, to: {out}/x, owner: no-such-user}}");
    let text = format!(
        "version: 1\nname: owner\nhosts: all\nsteps:\n  - upload: {upload}\n    rollback: {{none: x}}\n"
    );
    fs::write(plan, text).unwrap();
    let ended = site.apply();
    ended.exits(1).says("there is no user no-such-user");
    assert!(!ended.stderr.contains("/proc/self"), "{}", ended.stderr);
    assert!(fs::read_dir(site.path("out")).unwrap().next().is_none());
}
