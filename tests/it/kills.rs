//! A controller is killed at each commit of a run, just before and just after it, on a real server. The
//! process that resumes the run ends it as it would have ended; each effect and each undo happens once, and
//! nothing fails because of the kill. This also applies if the process that resumes or rolls back is killed.
//!
//! The killed controllers are this test binary as a second process, with a journal that dies at its n-th
//! event; the last one is planrun.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use async_trait::async_trait;
use planrun::clock::Clock;
use planrun::diagnostic::Diagnostics;
use planrun::event::{
    Event, HostEvent, HostStatus, Journal, JournalError, Record, RunEvent, TaskEvent,
};
use planrun::history::{Reporter, Requested, RunState};
use planrun::resolve::{Inputs, ResolvedPlan};
use planrun::run::answers::Answers;
use planrun::run::{Run, Stop, planned};
use planrun::source::Sources;
use planrun::store::{RunJournal, Store};
use planrun::transport::hosts::Hosts;
use planrun::transport::local::LocalTransport;
use planrun::transport::ssh::{SshOptions, SshTransport};
use planrun::{inventory, plan, resolve};

use crate::harness::{Ended, Planrun, program};
use crate::ssh::server::Server;
use crate::support::Chance;

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

/// Which second process: its folder, what it does, at which of its events it dies, and when.
const DIES: &str = "PLANRUN_TEST_DIES";

/// Where random events come from.
const SEED: u64 = 4;

/// Cases at a time.
const AT_A_TIME: usize = 4;

/// Right before an event is kept, or right after it.
#[derive(Clone, Copy, Debug)]
enum When {
    Before,
    After,
}

/// What a process does.
#[derive(Clone, Copy, Debug)]
enum Verb {
    Apply,
    Resume,
    Rollback,
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

#[test]
fn a_second_kill_at_any_commit_of_a_resume_changes_nothing() {
    killed_twice_everywhere(Verb::Resume, &BACK);
}

#[test]
fn a_second_kill_at_any_commit_of_a_rollback_changes_nothing() {
    killed_twice_everywhere(Verb::Rollback, &FORWARD);
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

/// What a rollback leaves, whenever it was asked for: what was done is undone once.
const UNDONE: [&str; 3] = ["", "one undo-one", BACK.lines];

/// Lets a controller die at each of its events, the first of which is the plan of the run.
#[track_caller]
fn killed_everywhere(when: When, course: &Course) {
    let Some(server) = Server::start("killed_everywhere") else { return };
    let ended = AtomicUsize::new(usize::MAX);
    side_by_side(2, |event| {
        if event < ended.load(Ordering::SeqCst) && !killed_at(&server, event, when, course) {
            ended.fetch_min(event, Ordering::SeqCst);
        }
        event < ended.load(Ordering::SeqCst)
    });
    let events = ended.load(Ordering::SeqCst);
    assert!(events > 20, "{events}");
}

/// Lets a first controller die at a random event, and the one that takes the run up at each of its
/// events.
#[track_caller]
fn killed_twice_everywhere(verb: Verb, course: &Course) {
    let Some(server) = Server::start("killed_twice_everywhere") else { return };
    let run = Killed::new(&server, course);
    assert!(!run.dies(Verb::Apply, usize::MAX, When::After));
    let all = run.planrun.kept("last").0.len();
    let events = match verb {
        Verb::Rollback => {
            run.goes_on(verb).exits(0);
            run.planrun.kept("last").0.len() - all
        }
        // What the first one did is not done again.
        _ => all - 2,
    };
    assert!(events > 15, "{events}");
    let deaths = AtomicUsize::new(0);
    side_by_side(1, |event| {
        if event > events {
            return false;
        }
        let mut chance = Chance(SEED + event as u64);
        // The second one has so many events: a run that is resumed has few left where the first one
        // died late, a rollback has few where it died early.
        let first = match verb {
            Verb::Rollback => all - chance.below(1 + (events - event) * (all - 2) / events),
            _ => 2 + chance.below(all - 1 - event),
        };
        let whens = [(); 2].map(|()| *chance.pick(&[When::Before, When::After]));
        let told = format!("{:?} event {first}, {verb:?}: {:?} event {event}", whens[0], whens[1]);
        let run = Killed::new(&server, course);
        assert!(run.dies(Verb::Apply, first, whens[0]), "{told}");
        let dies = run.dies(verb, event, whens[1]);
        deaths.fetch_add(usize::from(dies), Ordering::SeqCst);
        let ended = run.goes_on(verb);
        match verb {
            Verb::Rollback => run.is_undone(&ended, &told),
            _ => run.is_as_without_kills(&ended, &told),
        }
        true
    });
    let deaths = deaths.load(Ordering::SeqCst);
    assert!(deaths * 10 > events * 8, "{deaths} of {events}");
}

/// Works on the numbers from one on, several at a time, until one says that it was the last.
fn side_by_side(first: usize, work: impl Fn(usize) -> bool + Sync) {
    let next = AtomicUsize::new(first);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| while work(next.fetch_add(1, Ordering::SeqCst)) {});
        }
    });
}

/// Lets one die at an event, and another go on. False where the run has no such event.
fn killed_at(server: &Server, event: usize, when: When, course: &Course) -> bool {
    let run = Killed::new(server, course);
    if !run.dies(Verb::Apply, event, when) {
        return false;
    }
    run.is_as_without_kills(&run.goes_on(Verb::Resume), &format!("{when:?} event {event}"));
    true
}

/// A run whose controllers are killed.
struct Killed<'c> {
    planrun: Planrun,
    folder: PathBuf,
    course: &'c Course,
}

impl<'c> Killed<'c> {
    fn new(server: &Server, course: &'c Course) -> Self {
        let planrun = Planrun::new();
        let file = planrun.path("lines");
        let text = PLAN.replace("FILE", file.to_str().unwrap()).replace("LAST", course.last_step);
        planrun.file("plan.yaml", text);
        let inventory = planrun.file("inventory.yaml", server.inventory_with_key());
        let folder = Path::new(&inventory).parent().unwrap().to_owned();
        Self { planrun, folder, course }
    }

    /// Lets a controller die at an event of its own. False where it came to its end.
    #[track_caller]
    fn dies(&self, verb: Verb, event: usize, when: When) -> bool {
        let child = program(std::env::current_exe().unwrap())
            .args(["--exact", "kills::child_dies", "--ignored"])
            .env(DIES, format!("{} {verb:?} {event} {when:?}", self.folder.display()))
            .env("PLANRUN_LOCK_DIR", self.planrun.locks())
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let is_killed = child.status.signal() == Some(9);
        let told = String::from_utf8_lossy(&child.stdout);
        assert!(is_killed || child.status.success(), "{verb:?}, {when:?} event {event}: {told}");
        is_killed
    }

    /// Lets planrun take the run up.
    #[track_caller]
    fn goes_on(&self, verb: Verb) -> Ended {
        let verb = match verb {
            Verb::Rollback => "rollback",
            _ => "resume",
        };
        self.planrun.run(&[verb, "last"])
    }

    /// Holds that it came to the end that it would have had without a kill.
    #[track_caller]
    fn is_as_without_kills(&self, ended: &Ended, told: &str) {
        let events = self.nothing_is_failed(ended, told);
        // A run whose last event was kept is not taken up again.
        let is_over = matches!(events.last(), Some(Event::Run(RunEvent::Ended { .. })))
            && ended.stderr.contains("has ended");
        let status = match self.course.end {
            HostStatus::Succeeded => 0,
            _ if is_over => 2,
            _ => 1,
        };
        assert_eq!(ended.status, Some(status), "{told}\n{events:#?}");
        let end = end_of(&events);
        assert_eq!(end, Some(self.course.end), "{told}\n{events:#?}");
        assert_eq!(self.lines(), self.course.lines, "{told}\n{events:#?}");
        let is_same_there = self.planrun.path("lines.same").exists();
        assert_eq!(is_same_there, self.course.end == HostStatus::Succeeded, "{told}\n{events:#?}");
    }

    /// Holds that everything was undone that was done, whenever that was asked for.
    #[track_caller]
    fn is_undone(&self, ended: &Ended, told: &str) {
        let events = self.nothing_is_failed(ended, told);
        let is_begun = events
            .iter()
            .any(|event| matches!(event, Event::Host { event: HostEvent::Started, .. }));
        let (status, end) = if is_begun { (0, Some(HostStatus::RolledBack)) } else { (2, None) };
        assert_eq!(ended.status, Some(status), "{told}\n{events:#?}\n{}", ended.stderr);
        assert_eq!(end_of(&events), end, "{told}\n{events:#?}");
        assert!(UNDONE.contains(&self.lines().as_str()), "{told}\n{}\n{events:#?}", self.lines());
        assert!(!self.planrun.path("lines.same").exists(), "{told}\n{events:#?}");
    }

    /// Holds that nothing was failed, asked or paused for a kill. Returns the events of the run.
    #[track_caller]
    fn nothing_is_failed(&self, ended: &Ended, told: &str) -> Vec<Event> {
        let records = self.planrun.kept("last").0;
        let events: Vec<Event> = records.into_iter().skip(1).map(|record| record.event).collect();
        let is_harm = |event: &Event| match event {
            Event::Task { task, event: TaskEvent::Ended { status, .. } } => {
                !status.is_well() && task.step != *"bad"
            }
            Event::Task { event: TaskEvent::QuestionAsked { .. }, .. }
            | Event::Host { event: HostEvent::Blocked { .. }, .. }
            | Event::Run(RunEvent::Paused { .. }) => true,
            _ => false,
        };
        assert!(!events.iter().any(is_harm), "{told}\n{events:#?}\n{}", ended.stderr);
        events
    }

    /// Returns the effects and the undos that came about, in their order.
    fn lines(&self) -> String {
        let left = fs::read_to_string(self.planrun.path("lines")).unwrap_or_default();
        left.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Returns how the host ended, last.
fn end_of(events: &[Event]) -> Option<HostStatus> {
    events.iter().rev().find_map(|event| match event {
        Event::Host { event: HostEvent::Ended { status, .. }, .. } => Some(*status),
        _ => None,
    })
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
        let before = self.kept.get();
        self.kept.set(before + records.len());
        // Several events may be one commit.
        let dies = (before + 1..=self.kept.get()).contains(&self.dies_at);
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
    fn event(&mut self, _: &Record, _: &RunState) {}
}

#[tokio::test]
#[ignore = "begun by other tests as a second process"]
async fn child_dies() {
    let Ok(words) = std::env::var(DIES) else { return };
    let words: Vec<&str> = words.split(' ').collect();
    let folder = Path::new(words[0]);
    let store = Store::open(&folder.join("state")).unwrap();
    let by = "test@here";
    let (journal, plan, state, first) = if words[1] == "Apply" {
        let (plan, first) = new_run(folder, by);
        let journal = store.begin_new(Clock::Real.now(), by).unwrap();
        (journal, plan, RunState::default(), first)
    } else {
        let (journal, records) = store.take(&store.find("last").unwrap(), by).unwrap();
        let Event::Run(RunEvent::Planned(planned)) = &records[0].event else {
            panic!("the first event")
        };
        let plan = planned::restore(planned).unwrap().plan;
        let state = RunState::of(&records).unwrap();
        let first = match words[1] {
            "Resume" if state.status.has_ended() => return,
            "Resume" => Event::Run(RunEvent::Resumed { by: by.to_owned() }),
            _ if !state.can_roll_back(&Requested::default()) => return,
            _ => Event::Run(RunEvent::RollbackRequested {
                by: by.to_owned(),
                reason: None,
                hosts: None,
            }),
        };
        (journal, plan, state, first)
    };
    let (id, epoch) = (journal.run().clone(), journal.epoch());
    let journal = Dying {
        journal,
        dies_at: words[2].parse().unwrap(),
        is_after: words[3] == "After",
        kept: Cell::new(0),
    };
    let ssh = SshTransport::new(SshOptions { agent: false, ..SshOptions::default() });
    let transport = Hosts::new(ssh, LocalTransport::new(), None);
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
        stop: &Stop::default(),
        epoch,
        by: by.to_owned(),
        lock_timeout: std::time::Duration::ZERO,
        follow: false,
    };
    run.drive(state, first).await.unwrap();
}

/// Returns the plan of a new run, and its first event.
fn new_run(folder: &Path, by: &str) -> (ResolvedPlan, Event) {
    let text = fs::read_to_string(folder.join("plan.yaml")).unwrap();
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let id = sources.add("plan.yaml", &*text);
    let plan = plan::read(&sources, id, &mut found).unwrap();
    let path = folder.join("inventory.yaml");
    let inventory =
        inventory::read::read(&path, path.to_str().unwrap(), &mut sources, &mut found).unwrap();
    let given = Inputs { plan_dir: folder.to_owned(), ..Inputs::default() };
    let plan = resolve::resolve(plan, inventory, &given, &mut sources, &mut found).unwrap();
    let first = planned::planned(&plan, "plan.yaml", &text, by, BTreeMap::new());
    (plan, Event::Run(RunEvent::Planned(Box::new(first))))
}
