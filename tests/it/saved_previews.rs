//! Saved previews: `apply` does exactly what was shown, or refuses with the difference before it sends anything.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Ended, Planrun};

/// Makes a file; `DIR` is where.
const PLAN: &str = "version: 1
name: files
hosts: web
inputs:
  token: {type: string, sensitive: true}
  word: {type: string, default: hello}
probes:
  ready: {run: [test, -e, DIR/ready], exit_codes: any, output: discard}
  made: {run: [test, -e, DIR/made], exit_codes: any, output: discard}
preflight: {it is ready: ready.exit == 0}
steps:
  - run: cat
    stdin: '{{ token }}'
    read_only: true
  # a comment
  - id: make
    shell: echo {{ word }} {{ host.vars.color }} >DIR/made
    done_when: made.exit == 0
    rollback: {none: a test}
";

const HOSTS: &str =
    "web: {hosts: {web1: {planrun_connection: local}}, vars: {color: red, size: 1}}\n";

struct Desk {
    planrun: Planrun,
    plan: String,
    hosts: String,
    saved: String,
}

impl Desk {
    /// Makes a plan and an inventory, and saves a preview of them.
    fn new() -> Self {
        let mut planrun = Planrun::new();
        planrun.environment("PLANRUN_INPUT_TOKEN", Some("a-secret-token"));
        let at = planrun.path("").to_str().unwrap().trim_end_matches('/').to_owned();
        planrun.file("ready", "");
        let plan = planrun.file("files.yaml", PLAN.replace("DIR", &at));
        let hosts = planrun.file("hosts.yaml", HOSTS);
        let saved = planrun.path("files.preview").to_str().unwrap().to_owned();
        let desk = Self { planrun, plan, hosts, saved };
        desk.save(&[]).exits(0).says("saved to ");
        desk
    }

    fn save(&self, more: &[&str]) -> Ended {
        let words = ["preview", &self.plan, "-i", &self.hosts, "-o", &self.saved];
        self.planrun.run(&[&words[..], more].concat())
    }

    fn apply(&self, more: &[&str]) -> Ended {
        self.planrun.run(&[&["apply", self.saved.as_str()], more].concat())
    }

    fn is_made(&self) -> bool {
        self.planrun.path("made").exists()
    }

    /// Holds that it is refused for this reason, with these lines, and that nothing was sent.
    #[track_caller]
    fn refuses(&self, lines: &[&str]) {
        let ended = self.apply(&[]);
        ended.exits(2).says("error[preview-changed]").says("nothing was changed");
        for line in lines {
            ended.says(line);
        }
        assert!(!self.is_made());
        assert!(!self.planrun.path("state").exists(), "no run is stored");
        assert_eq!(fs::read_dir(self.planrun.locks()).unwrap().count(), 0, "no lock");
        assert!(!ended.all().contains("a-secret-token"), "{}", ended.all());
    }
}

/// Edits a file.
#[track_caller]
fn edit(path: &str, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from:?} in {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_saved_preview_is_applied_as_it_was_shown_and_has_no_secret_in_it() {
    let desk = Desk::new();
    let text = fs::read_to_string(&desk.saved).unwrap();
    let content: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(content["planrun_preview"], 1);
    assert_eq!(content["content"]["inputs"]["token"]["web1"], "a secret is given");
    assert!(!text.contains("a-secret-token"), "{text}");
    let mode = fs::metadata(&desk.saved).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let left = fs::read_dir(desk.planrun.path("")).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(left.into_iter().all(|name| !name.contains(".new")), "a temporary file is left");

    let ended = desk.apply(&["--output", "json"]);
    ended.exits(0);
    assert!(desk.is_made());
    let sent = ended.story().sent_for("web1/make");
    assert_eq!(sent, [format!("echo 'hello' 'red' >{}", desk.planrun.path("made").display())]);

    // It is done now, so the preview is no longer true.
    let again = desk.apply(&[]);
    again.exits(2).says("step make (web1):").says("- would run").says("+ already done");
}

#[test]
fn one_byte_changed_in_plan_inventory_or_input_is_refused_with_the_difference() {
    let desk = Desk::new();
    edit(&desk.plan, "# a comment", "# a Comment");
    desk.refuses(&["plan, from line 15:", "  -   15   # a comment", "  +   15   # a Comment"]);
    edit(&desk.plan, "# a Comment", "# a comment");

    edit(&desk.hosts, "color: red", "color: rot");
    desk.refuses(&["inventory color (web1):", "  - \"red\"", "  + \"rot\""]);
    edit(&desk.hosts, "color: rot", "color: red");

    edit(&desk.hosts, "web1: {", "web2: {planrun_connection: local}, web1: {");
    desk.refuses(&["hosts of the run:", "inventory group web:", "(not there)"]);
    edit(&desk.hosts, "web2: {planrun_connection: local}, ", "");

    let inputs = desk.planrun.file("inputs.yaml", "word: hello\n");
    desk.save(&["--inputs", &inputs]).exits(0);
    edit(&inputs, "hello", "Hello");
    desk.refuses(&["input word (web1):", "  - \"hello\"", "  + \"Hello\""]);
    edit(&inputs, "Hello", "hello");

    // As it was, it is applied.
    desk.apply(&["--dry-run"]).exits(0).says("echo 'hello' 'red'");
    assert!(!desk.is_made());
    desk.apply(&[]).exits(0);
    assert!(desk.is_made());
}

#[test]
fn a_check_that_no_longer_passes_is_refused_with_what_was_observed() {
    let desk = Desk::new();
    fs::remove_file(desk.planrun.path("ready")).unwrap();
    desk.refuses(&[
        "preflight: it is ready (web1):",
        "  - passes",
        "  + does not pass, false now: ready.exit = 1",
    ]);
    // Such a preview is not saved in the first place.
    fs::remove_file(&desk.saved).unwrap();
    desk.save(&[]).exits(2).says("the preview was not saved");
    assert!(!std::path::Path::new(&desk.saved).exists());
}

#[test]
fn a_damaged_file_is_told_apart_from_a_plan() {
    let desk = Desk::new();
    let whole = fs::read_to_string(&desk.saved).unwrap();
    for (text, said) in [
        (whole[..whole.len() / 2].to_owned(), "its end is missing"),
        (whole[..40].to_owned(), "it has no content"),
        (whole.replace("hello", "Hello"), "its content does not match its digest"),
        (whole.replacen(": 1,", ": 7,", 1), "the preview has format 7, this planrun knows 1"),
        (whole.replacen(": 1,", ": x,", 1), "its first line cannot be read"),
    ] {
        fs::write(&desk.saved, text).unwrap();
        desk.apply(&[]).exits(2).says("error[preview-unreadable]").says(said);
    }
    fs::write(&desk.saved, whole).unwrap();
    desk.apply(&["-i", &desk.hosts]).exits(2).says("already has its inventory");
    desk.planrun.run(&["apply", &desk.plan]).exits(2).says("missing `--inventory`");
    assert!(!desk.is_made());
    desk.planrun.has_sent_nothing();
}

#[test]
fn a_preview_takes_the_place_of_another_preview_only() {
    let desk = Desk::new();
    desk.save(&[]).exits(0);
    desk.save(&[]).exits(0);
    let plan = fs::read_to_string(&desk.plan).unwrap();
    let link = format!("{}.link", desk.saved);
    std::os::unix::fs::symlink(&desk.saved, &link).unwrap();
    for target in [&desk.plan, &link, "/dev/null"] {
        let words = ["preview", &desk.plan, "-i", &desk.hosts, "-o", target];
        desk.planrun.run(&words).exits(2).says("exists and is not a saved preview");
    }
    assert_eq!(fs::read_to_string(&desk.plan).unwrap(), plan);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn a_preview_whose_plan_was_moved_says_that_it_names_it() {
    let desk = Desk::new();
    fs::rename(&desk.plan, format!("{}.old", desk.plan)).unwrap();
    let refused = desk.apply(&[]);
    refused.exits(2).says("nothing was changed").says("check the path");
    refused.says("names these files; if one was moved, make the preview again");
}
