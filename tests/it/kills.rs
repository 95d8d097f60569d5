//! A controller that is killed at each commit of a run, right before and right after it is kept, on
//! a real server: whoever takes the run up again brings it to the end it would have had, with each
//! effect and each undoing done once, and at no point is anything failed for it.
//!
//! The run is begun by this test binary as a second process, with a journal that dies at its n-th
//! event, and taken up again by planrun.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use async_trait::async_trait;
use planrun::clock::Clock;
use planrun::diagnostic::Diagnostics;
use planrun::event::Event;
use planrun::event::HostStatus;
use planrun::event::Journal;
use planrun::event::JournalError;
use planrun::event::Record;
use planrun::event::Reporter;
use planrun::history::RunState;
use planrun::inventory;
use planrun::plan;
use planrun::resolve;
use planrun::resolve::Given;
use planrun::run::Run;
use planrun::run::Stop;
use planrun::run::answers::Answers;
use planrun::run::planned;
use planrun::source::Sources;
use planrun::store::RunJournal;
use planrun::store::Store;
use planrun::transport::hosts::Hosts;
use planrun::transport::local::LocalTransport;
use planrun::transport::ssh::SshOptions;
use planrun::transport::ssh::SshTransport;

use crate::harness::Planrun;
use crate::harness::program;
use crate::ssh::server::Server;

/// Effects forward, in a critical section, in a way back; each leaves a line.
const PLAN: &str = r#"
version: 1
name: kills
hosts: all
defaults: {timeout: 20s, within: 1s}
probes:
  lines: {shell: "cat FILE 2>/dev/null || :", parse: lines}
steps:
  - id: one
    shell: echo one >> FILE
    done_when: '"one" in lines'
    rollback: {shell: echo undo-one >> FILE, done_when: '"undo-one" in lines'}
  - id: cut
    uninterruptible: it is an example
    rollback: {none: its parts are undone}
    block:
      - id: two
        shell: echo two >> FILE
        done_when: '"two" in lines'
        rollback:
          block:
            - {shell: echo undo-two >> FILE, done_when: '"undo-two" in lines'}
      - assert: {two is there: '"two" in lines'}
  - id: same
    shell: touch FILE.same
    idempotent: true
    rollback: {shell: rm -f FILE.same, idempotent: true}
LAST
"#;

/// Which second process: its folder, at which event it dies, and when.
const DIES: &str = "PLANRUN_TEST_DIES";

/// Right before an event is kept, or right after it.
#[derive(Clone, Copy, Debug)]
enum When {
    Before,
    After,
}

#[test]
fn a_kill_before_any_commit_changes_nothing_of_a_run_that_succeeds() {
    killed_everywhere(When::Before, &FORWARD);
}

#[test]
fn a_kill_after_any_commit_changes_nothing_of_a_run_that_succeeds() {
    killed_everywhere(When::After, &FORWARD);
}

#[test]
fn a_kill_before_any_commit_changes_nothing_of_a_run_that_goes_back() {
    killed_everywhere(When::Before, &BACK);
}

#[test]
fn a_kill_after_any_commit_changes_nothing_of_a_run_that_goes_back() {
    killed_everywhere(When::After, &BACK);
}

/// How the plan ends, and what it leaves.
struct Course {
    last_step: &'static str,
    lines: &'static str,
    end: HostStatus,
}

const FORWARD: Course = Course { last_step: "", lines: "one two", end: HostStatus::Succeeded };

const BACK: Course = Course {
    last_step: "  - {id: bad, fail: now back}",
    lines: "one two undo-two undo-one",
    end: HostStatus::RolledBack,
};

/// Lets a controller die at each of its events, the first of which is the plan of the run.
#[track_caller]
fn killed_everywhere(when: When, course: &Course) {
    let Some(server) = Server::start("killed_everywhere") else { return };
    let next = AtomicUsize::new(2);
    let ended = AtomicUsize::new(usize::MAX);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let event = next.fetch_add(1, Ordering::SeqCst);
                    if event >= ended.load(Ordering::SeqCst) {
                        return;
                    }
                    if !killed_at(&server, event, when, course) {
                        ended.fetch_min(event, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let events = ended.load(Ordering::SeqCst);
    assert!(events > 20, "{events}");
}

/// Lets one die at an event, and another go on. False where the run has no such event.
fn killed_at(server: &Server, event: usize, when: When, course: &Course) -> bool {
    let planrun = Planrun::new();
    let file = planrun.path("lines");
    let text = PLAN.replace("FILE", file.to_str().unwrap()).replace("LAST", course.last_step);
    planrun.file("plan.yaml", text);
    let inventory = planrun.file("inventory.yaml", server.inventory_with_key());
    let folder = Path::new(&inventory).parent().unwrap();
    let first = program(std::env::current_exe().unwrap())
        .args(["--exact", "kills::child_dies", "--ignored"])
        .env(DIES, format!("{} {event} {when:?}", folder.display()))
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = format!("{when:?} event {event}");
    if first.status.signal() != Some(9) {
        assert!(first.status.success(), "{told}: {}", String::from_utf8_lossy(&first.stdout));
        return false;
    }
    let resumed = planrun.run(&["resume", "last"]);
    let story = planrun.kept(&planrun.newest());
    let events: Vec<_> = story.0.iter().skip(1).map(|record| &record.event).collect();
    let told = format!("{told}\n{events:#?}\n{}", resumed.stderr);
    // A run whose last event was kept is not taken up again.
    let is_resumed = events.iter().any(|event| matches!(event, Event::RunResumed { .. }));
    let status = match (course.end, is_resumed) {
        (HostStatus::Succeeded, _) => 0,
        (_, true) => 1,
        (_, false) => 2,
    };
    assert_eq!(resumed.status, Some(status), "{told}");
    assert_eq!(story.host("web1"), Some(course.end), "{told}");
    let left = fs::read_to_string(&file).unwrap();
    assert_eq!(left.split_whitespace().collect::<Vec<_>>().join(" "), course.lines, "{told}");
    let is_same_there = planrun.path("lines.same").exists();
    assert_eq!(is_same_there, course.end == HostStatus::Succeeded, "{told}");
    let is_harm = |event: &&Event| match event {
        Event::TaskEnded { task, status, .. } => !status.is_well() && task.step.0 != "bad",
        Event::QuestionAsked { .. } | Event::HostBlocked { .. } | Event::RunPaused { .. } => true,
        _ => false,
    };
    assert!(!events.into_iter().any(|event| is_harm(&event)), "{told}");
    true
}

/// A journal that kills its process.
struct Dying {
    journal: RunJournal,
    dies_at: usize,
    is_after: bool,
    kept: Cell<usize>,
}

#[async_trait(?Send)]
impl Journal for Dying {
    async fn append(&self, records: &[Record]) -> Result<(), JournalError> {
        self.kept.set(self.kept.get() + records.len());
        let dies = self.kept.get() == self.dies_at;
        if dies && !self.is_after {
            die();
        }
        self.journal.append(records).await?;
        if dies {
            die();
        }
        Ok(())
    }
}

fn die() -> ! {
    let me = rustix::process::getpid();
    rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
    loop {
        thread::park();
    }
}

/// Shows nothing.
struct Silent;

impl Reporter for Silent {
    fn event(&mut self, _: &Record) {}
}

#[tokio::test]
#[ignore = "begun by other tests as a second process"]
async fn child_dies() {
    let Ok(words) = std::env::var(DIES) else { return };
    let words: Vec<&str> = words.split(' ').collect();
    let folder = Path::new(words[0]);
    let text = fs::read_to_string(folder.join("plan.yaml")).unwrap();
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let id = sources.add("plan.yaml", &*text);
    let plan = plan::read(&sources, id, &mut found).unwrap();
    let path = folder.join("inventory.yaml");
    let inventory =
        inventory::read::read(&path, path.to_str().unwrap(), &mut sources, &mut found).unwrap();
    let given = Given { plan_dir: folder.to_owned(), ..Given::default() };
    let plan = resolve::resolve(plan, inventory, &given, &mut sources, &mut found).unwrap();
    let store = Store::open(&folder.join("state")).unwrap();
    let journal = store.begin_new(Clock::Real.now(), "test@here").unwrap();
    let (id, epoch) = (journal.run().clone(), journal.epoch());
    let journal = Dying {
        journal,
        dies_at: words[1].parse().unwrap(),
        is_after: words[2] == "After",
        kept: Cell::new(0),
    };
    let ssh = SshTransport::new(SshOptions { agent: false, ..SshOptions::default() });
    let transport = Hosts::new(ssh, LocalTransport::new(), None);
    let first = planned::planned(&plan, "plan.yaml", &text, "test@here", BTreeMap::new());
    let reporter: RefCell<Silent> = RefCell::new(Silent);
    let run = Run {
        id,
        plan: &plan,
        clock: Clock::Real,
        transport: &transport,
        journal: &journal,
        reporter: &reporter,
        asker: None,
        answers: &Answers::default(),
        stop: &Stop::new(),
        epoch,
        by: "test@here".to_owned(),
    };
    let mut state = RunState::default();
    run.note(&mut state, Event::RunPlanned(Box::new(first))).await.unwrap();
    run.drive(state).await.unwrap();
}
