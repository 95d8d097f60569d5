//! `planrun watch` in a second terminal: the condition, the values and the time of a wait, what a command prints, how
//! to answer a question; and what is left of these when the process that works on the run is gone.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::harness::{Going, Planrun, eventually};

const HOSTS: &str = "all: {vars: {planrun_connection: local}, hosts: {h1: {}}}\n";

/// Waits until the file `users` has a number below 5; the file `looks` has a line for each time it was read.
const PLAN: &str = "version: 1
name: users
hosts: all
probes:
  users: {shell: 'echo x >>DIR/looks; cat DIR/users', parse: int}
steps:
  - id: leave
    wait: {until: users < 5, every: 200ms, stable_for: 5s, timeout: 10m}
";

struct Scene {
    planrun: Planrun,
    plan: String,
    hosts: String,
}

impl Scene {
    fn new(plan: &str) -> Self {
        let planrun = Planrun::new();
        let folder = planrun.path("").display().to_string();
        let plan = planrun.file("plan.yaml", plan.replace("DIR/", &folder));
        let hosts = planrun.file("hosts.yaml", HOSTS);
        planrun.file("looks", "");
        let scene = Self { planrun, plan, hosts };
        scene.users(40);
        scene
    }

    fn begin(&self, more: &[&str]) -> Going {
        let words = ["apply", &self.plan, "-i", &self.hosts];
        let going = self.planrun.begin(&[&words, more].concat());
        eventually("the run", || !self.planrun.runs().is_empty());
        going
    }

    fn users(&self, number: u32) {
        // In one piece: it is read at any time.
        let new = self.planrun.file("users.new", format!("{number}\n"));
        fs::rename(new, self.planrun.path("users")).unwrap();
    }

    /// Returns how often the users were counted.
    fn looks(&self) -> usize {
        fs::read_to_string(self.planrun.path("looks")).unwrap().lines().count()
    }

    /// Waits until the users were counted some times more.
    fn looks_more(&self) {
        let before = self.looks();
        eventually("more looks", || self.looks() > before + 5);
    }

    /// Begins to watch, and writes what is shown to a file.
    fn watch(&self, file: &str) -> Watch<'_> {
        let path = self.planrun.path(file).display().to_string();
        let line = format!("exec planrun watch --output plain >{path}");
        Watch { scene: self, file: file.to_owned(), going: self.planrun.begin_line(&line) }
    }

    /// Begins to watch on a terminal, and writes what that is sent to a file.
    fn watch_on_a_terminal(&self, file: &str) -> Watch<'_> {
        let path = self.planrun.path(file).display().to_string();
        let watch = "stty columns 100 rows 30; exec planrun watch";
        let line = format!("exec script -qfec '{watch}' {path}");
        Watch { scene: self, file: file.to_owned(), going: self.planrun.begin_line(&line) }
    }

    /// Returns all files of the state folder with their times, but for the one that each reader changes.
    fn stored(&self) -> Vec<(String, SystemTime, u64)> {
        fn walk(folder: &Path, all: &mut Vec<(String, SystemTime, u64)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let (name, found) = (entry.path().display().to_string(), entry.metadata().unwrap());
                if found.is_dir() {
                    walk(&entry.path(), all);
                }
                if !name.ends_with("-shm") {
                    all.push((name, found.modified().unwrap(), found.len()));
                }
            }
        }
        let mut all = Vec::new();
        walk(&self.planrun.path("state"), &mut all);
        all.sort();
        all
    }
}

struct Watch<'a> {
    scene: &'a Scene,
    file: String,
    going: Going,
}

impl Watch<'_> {
    fn shown(&self) -> String {
        let bytes = fs::read(self.scene.planrun.path(&self.file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn until(&self, text: &str) {
        eventually(text, || self.shown().contains(text));
    }
}

#[test]
fn a_watcher_sees_the_condition_the_values_the_trend_and_the_time() {
    let scene = Scene::new(PLAN);
    let applied = scene.begin(&[]);
    let watch = scene.watch_on_a_terminal("watched");
    watch.until("until users < 5");
    watch.until("users = 40");
    watch.until("s left");
    scene.users(31);
    watch.until("users = 31");
    let mut number = 31;
    eventually("a trend", || {
        number -= 1;
        scene.users(number.max(6));
        watch.shown().contains("(falling)")
    });
    scene.users(3);
    watch.until("true for");
    watch.until("of 5s");
    applied.end().exits(0);
    let ended = watch.going.end();
    ended.exits(0).says("succeeded");
    assert!(!ended.stdout.contains("0 of 0 hosts"), "{}", ended.stdout);
}

#[test]
fn a_watcher_who_comes_late_sees_the_trend_from_before() {
    let scene = Scene::new(PLAN);
    let applied = scene.begin(&[]);
    for number in [40, 31] {
        scene.users(number);
        scene.looks_more();
    }
    let watch = scene.watch_on_a_terminal("watched");
    watch.until("users = 31");
    let shown = watch.shown();
    let first = shown.find("users = ").unwrap();
    assert!(shown[first..].starts_with("users = 31"), "{shown}");
    assert!(!applied.kill() || shown.contains("until users < 5"));
}

/// Progress is not stored, so nothing that is not so any more can be read from the store.
#[test]
fn progress_is_not_written_to_the_store_whether_someone_watches_or_not() {
    let scene = Scene::new(PLAN);
    let applied = scene.begin(&[]);
    scene.looks_more();
    let before = scene.stored();
    scene.looks_more();
    assert_eq!(scene.stored(), before);
    let watch = scene.watch("watched");
    watch.until("users = 40");
    scene.looks_more();
    assert_eq!(scene.stored(), before);
    scene.users(3);
    applied.end().exits(0);
    watch.going.end().exits(0);
    let left = scene.stored();
    assert!(!left.iter().any(|(name, ..)| name.ends_with(".socket")), "{left:?}");
}

#[test]
fn nothing_that_a_killed_process_reported_is_shown_as_it_is_now() {
    let scene = Scene::new(PLAN);
    let applied = scene.begin(&[]);
    let watch = scene.watch_on_a_terminal("watched");
    watch.until("users = 40");
    assert!(applied.kill());
    // The view ends, and what it had drawn is cleared.
    let ended = watch.going.end();
    let shown = fs::read_to_string(scene.planrun.path("watched")).unwrap();
    let (_, last) = shown.rsplit_once("users = ").unwrap();
    assert!(last.contains("planrun resume"), "{shown}\n{}", ended.stdout);
    assert!(last.contains("\u{1b}[J"), "{shown}");
    // A later one shows no value.
    let later = scene.watch_on_a_terminal("later");
    later.until("planrun resume");
    let later = later.shown();
    assert!(!later.contains("users = "), "{later}");
    // The next process works as the one before, where the killed one has left its socket.
    let resumed = scene.planrun.begin(&["resume", "last"]);
    let watch = scene.watch("again");
    watch.until("users = 40");
    scene.users(3);
    resumed.end().exits(0);
    watch.going.end().exits(0);
}

#[test]
fn what_a_suspended_process_reported_is_not_shown_for_long() {
    let scene = Scene::new(PLAN);
    let applied = scene.begin(&[]);
    let watch = scene.watch_on_a_terminal("watched");
    watch.until("users = 40");
    applied.stop();
    // Each picture is written as a whole.
    eventually("a picture without a value", || {
        let shown = watch.shown();
        shown.rsplit('\r').take(4).all(|line| !line.contains("users ="))
    });
    applied.cont();
    scene.users(31);
    watch.until("users = 31");
    // What came before is known again: the curve starts with it.
    watch.until("users = 31 █");
}

#[test]
fn a_watcher_that_reads_nothing_does_not_delay_the_run() {
    let scene = Scene::new(PLAN);
    let applied = scene.begin(&[]);
    let watch = scene.watch("watched");
    watch.until("users = 40");
    watch.going.stop();
    scene.looks_more();
    scene.users(3);
    applied.end().exits(0);
    watch.going.cont();
    watch.going.end().exits(0);
    assert!(
        fs::read_to_string(scene.planrun.path("watched")).unwrap().contains("succeeded: 1 host")
    );
}

/// The address of a socket has 108 bytes.
#[test]
fn the_path_of_the_state_directory_may_be_long() {
    let mut scene = Scene::new(PLAN);
    let state = scene.planrun.path(&"long".repeat(40)).join("state");
    scene.planrun.environment("PLANRUN_STATE_DIR", state.to_str());
    let applied = scene.begin(&[]);
    let watch = scene.watch("watched");
    watch.until("users = 40");
    scene.users(3);
    applied.end().exits(0);
    watch.going.end().exits(0);
}

const FOLLOWED: &str = "version: 1
name: followed
hosts: all
inputs: {token: {type: string, sensitive: true}}
steps:
- id: work
  shell: |
    echo \"key $TOKEN\"; printf 'bell \\a\\n'
    until test -e DIR/go; do sleep 0.1; done
  env: {TOKEN: \"{{ token }}\"}
  idempotent: true
  rollback: {none: it only prints}
- id: ask
  approve: Go on?
";

#[test]
fn a_watcher_sees_what_is_followed_without_secrets_and_how_to_answer() {
    let scene = Scene::new(FOLLOWED);
    let applied = scene.begin(&["--follow", "--set", "token=canary-of-4242"]);
    let watch = scene.watch_on_a_terminal("watched");
    watch.until("| key ");
    watch.until("| bell \\x07");
    scene.planrun.file("go", "");
    // Without a terminal it pauses: a question that no one answers here.
    applied.end().exits(6);
    watch.going.end().exits(6);
    let shown = fs::read_to_string(scene.planrun.path("watched")).unwrap();
    assert!(!shown.contains("canary"), "{shown}");
    assert!(!shown.contains("| planrun:"), "{shown}");
    assert!(shown.contains("resolve"), "{shown}");
}

const ASKING: &str = "version: 1
name: asking
hosts: all
serial: 2
steps:
- id: slow
  when: host.name == 'h2'
  shell: until test -e DIR/go; do sleep 0.1; done
  idempotent: true
  rollback: {none: it waits}
- id: ask
  approve: Go on?
";

#[test]
fn an_open_question_is_watched_with_the_commands_that_answer_it() {
    let scene = Scene::new(ASKING);
    scene.planrun.file("hosts.yaml", HOSTS.replace("h1: {}", "h1: {}, h2: {}"));
    let applied = scene.begin(&[]);
    let watch = scene.watch("watched");
    watch.until("To answer h1/ask, run one of:");
    let run = scene.planrun.newest();
    watch.until(&format!("  planrun resolve {run} h1/ask --as approve --reason TEXT\n"));
    scene.planrun.run(&["resolve", "last", "h1/ask", "--as", "approve"]).exits(0);
    scene.planrun.file("go", "");
    // It pauses at the question of the other host: without a terminal no one answers.
    applied.end().exits(6);
    watch.going.end().exits(6);
    let shown = fs::read_to_string(scene.planrun.path("watched")).unwrap();
    assert_eq!(shown.matches("To answer h1/ask, run one of:").count(), 1, "{shown}");
}

#[test]
fn the_times_of_a_model_are_those_of_its_clock() {
    let planrun = Planrun::new();
    let out = |file: &str| planrun.path(file).display().to_string();
    let applied = planrun.begin_line(&format!(
        "exec planrun apply plans/obox-restart.yaml -i demo --yes --pace 30 --output plain >{}",
        out("applied")
    ));
    eventually("the run", || !planrun.runs().is_empty());
    let watch =
        planrun.begin_line(&format!("exec planrun watch --output plain >{}", out("watched")));
    let waits = |file: &str| -> Vec<String> {
        let text = fs::read_to_string(planrun.path(file)).unwrap_or_default();
        let lines =
            text.lines().filter(|line| line.contains(" waiting ") && line.contains(" left"));
        lines.map(str::to_owned).collect()
    };
    eventually("values of a wait", || waits("watched").len() > 1);
    let watched = waits("watched");
    let applied_lines = waits("applied");
    for line in &watched {
        assert!(applied_lines.contains(line), "{line}\n{applied_lines:#?}");
    }
    assert!(applied.kill());
    watch.end();
}
