//! planrun is killed at random times in the main plan, and the operator rolls back: a backend that is
//! reported as rolled back serves as before. The cluster itself is checked.
//!
//! `PLANRUN_TEST_INSTANTS` sets how many times, `PLANRUN_TEST_SEED` which; the cluster is then checked a
//! minute later, and each time is printed:
//!
//! ```text
//! PLANRUN_TEST_INSTANTS=20 PLANRUN_TEST_SEED=7 \
//!     cargo test --test it -- --include-ignored --nocapture cluster::instants
//! ```

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use planrun::event::{Answer, Event, HostEvent, HostStatus, Record, TaskEvent};

use crate::cluster::{BACKENDS, Cluster, SHORT_WATCH, restart_plan};
use crate::harness::{Ended, Going, Planrun, Story};
use crate::support::Chance;

/// How many instants there are unless `PLANRUN_TEST_INSTANTS` says so: one of each kind that
/// matters most.
const INSTANTS: u64 = 3;

/// Which, unless `PLANRUN_TEST_SEED` says so.
const SEED: u64 = 10;

/// How long after the rollback the cluster is asked. No command of a case takes longer.
const LATER: Duration = Duration::from_secs(5);

/// The same where the number of instants was given.
const MUCH_LATER: Duration = Duration::from_mins(1);

/// Clusters at a time.
const AT_A_TIME: usize = 3;

/// How long a command takes that is made slow, in seconds.
const SLOW: u32 = 3;

/// The commands of the plan on the way to its point of no return, and the fault that makes each
/// slow; on the directors, or on the backend.
const COMMANDS: [(&str, &str); 6] = [
    ("drain", "slow:director update"),
    ("stop_lmtp", "slow:service stop"),
    ("upload", "metacache_slow"),
    ("stop", "stop_slow"),
    ("down", "slow:director down"),
    ("flush", "slow:director flush"),
];

/// Faults that make the rollback slow.
const SLOW_ROLLBACK: [&str; 3] = ["slow:director update", "slow:director up", "slow:reload"];

/// When a process is killed.
enum At {
    /// So long after its start.
    Time(Duration),
    /// So long after its n-th event.
    Event(usize, Duration),
    /// So long after it sent a command for a step of a host.
    Sent(String, Duration),
}

/// One instant.
struct Case {
    number: u64,
    /// When the run is killed.
    run: At,
    /// When its first rollback is killed, if it is.
    rollback: Option<At>,
    /// Faults that make commands slow, on every host that has the command.
    slow: Vec<&'static str>,
}

impl Case {
    /// Chooses one: the kinds take turns.
    fn choose(number: u64, seed: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(1_000) + number);
        let mut case = Self { number, run: At::Time(Duration::ZERO), rollback: None, slow: vec![] };
        let backend = ["backend1", "backend1", "backend2"][chance.below(3)];
        let (step, fault) = *chance.pick(&COMMANDS);
        match number % 5 {
            // In the critical section.
            0 => {
                let millis = chance.below(2_000);
                case.run = At::Sent("backend1/stop".to_owned(), millis_of(millis));
            }
            // In a command, and then in the rollback.
            1 => {
                let millis = chance.below(3_000);
                case.run = At::Sent(format!("backend1/{step}"), millis_of(millis));
                case.slow = [&[fault], &SLOW_ROLLBACK[..]].concat();
                let event = 1 + chance.below(16);
                case.rollback = Some(At::Event(event, millis_of(chance.below(2_000))));
            }
            // In a command.
            2 => {
                let millis = chance.below(3_000);
                case.run = At::Sent(format!("{backend}/{step}"), millis_of(millis));
                case.slow = vec![fault];
            }
            // At any event.
            3 => case.run = At::Event(1 + chance.below(70), millis_of(chance.below(300))),
            // At any time.
            _ => case.run = At::Time(millis_of(chance.below(40_000))),
        }
        case
    }
}

fn millis_of(millis: usize) -> Duration {
    Duration::from_millis(millis.try_into().unwrap())
}

#[test]
#[ignore = "needs the real cluster: tests/run installs it"]
fn no_backend_is_reported_as_rolled_back_that_is_not() {
    let number = |name| std::env::var(name).ok().map(|number| number.parse().unwrap());
    let given: Option<u64> = number("PLANRUN_TEST_INSTANTS");
    let seed = number("PLANRUN_TEST_SEED").unwrap_or(SEED);
    let instants = given.unwrap_or(INSTANTS);
    let later = given.map_or(LATER, |_| MUCH_LATER);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst) as u64;
                    if number >= instants {
                        return;
                    }
                    what_is_reported_is_so(&Case::choose(number, seed), seed, later);
                }
            });
        }
    });
}

/// Kills a run and rolls it back; holds what planrun reports against the cluster.
#[expect(clippy::print_stdout, reason = "the table is for those who read the log")]
fn what_is_reported_is_so(case: &Case, seed: u64, later: Duration) {
    let cluster = Cluster::up();
    cluster.vhosts("backend2", 70);
    cluster.sessions("start");
    let before = BACKENDS.map(|backend| served(&cluster, backend));
    case.slow.iter().for_each(|fault| slow_down(&cluster, fault));
    let planrun = Planrun::new();

    let killed = at(begin(&planrun, &cluster), &case.run);
    let mut told = vec![format!("seed {seed}, {}: {killed}", case.number)];
    if planrun.runs().is_empty() {
        println!("| {} | no run was kept |", told.concat());
        return;
    }
    let run = planrun.newest();
    told.push(under_way(&planrun.kept(&run)));
    if let Some(instant) = &case.rollback {
        let killed = at(planrun.begin_json(&["rollback", &run]), instant);
        told.push(format!("rollback: {killed}, {}", under_way(&planrun.kept(&run))));
    }
    let (rollback, resumed) = roll_back(&planrun, &run);
    thread::sleep(later);
    let now = BACKENDS.map(|backend| served(&cluster, backend));

    let story = planrun.kept(&run);
    told.push(reported(&story, rollback.status, resumed.as_ref()));
    told.push(now.join("; "));
    let told = format!("| {} |", told.join(" | "));
    println!("{told}");
    let trace = format!("{told}\n{}{}\n{:#?}", rollback.stdout, rollback.stderr, story.0);
    for (backend, (before, now)) in BACKENDS.iter().zip(before.iter().zip(&now)) {
        // A backend that did not start was not touched; the others are as they were before, or were
        // past the point of no return and were completed. No command failed, so no backend does.
        match story.host(backend) {
            None | Some(HostStatus::RolledBack | HostStatus::Succeeded) => {
                assert_eq!(before, now, "{backend}: {trace}");
            }
            Some(status) => panic!("{backend} is {status:?}: {trace}"),
        }
    }
    let is_refused = passed_no_return(&story) || !is_started(&story);
    assert_eq!(rollback.status == Some(0), !is_refused, "{trace}");
    cluster.everybody_is_served();
}

/// Asks for the rollback, and does what planrun says is left to do, as an operator would who looks
/// at the hosts. Returns how the rollback ended, and the resume after it, if there was one.
#[track_caller]
fn roll_back(planrun: &Planrun, run: &str) -> (Ended, Option<Ended>) {
    let mut rollback = planrun.run_json(&["rollback", run]);
    while rollback.status == Some(6) {
        let story = planrun.kept(run);
        let (task, answers) = open_question(&story).expect("a question");
        // Nothing is broken: whatever still runs ends.
        assert!(answers.contains(&Answer::Wait), "{task}: {answers:?}\n{:#?}", story.0);
        planrun.run(&["resolve", run, &task, "--as", "wait"]).exits(0);
        rollback = planrun.run_json(&["resume", run]);
    }
    let is_open = planrun.runs()[0]["state"] == "interrupted";
    let resumed = is_open.then(|| planrun.run_json(&["resume", run]));
    if let Some(resumed) = &resumed {
        resumed.exits(0);
    }
    (rollback, resumed)
}

fn begin(planrun: &Planrun, cluster: &Cluster) -> Going {
    let plan = restart_plan(planrun, &[("min: 10s", "min: 1s")]);
    let inventory = cluster.inventory();
    let words = ["apply", &plan, "--inventory", &inventory, "--limit", "backend1,backend2"];
    let words = [&words[..], &["--set", "drain_for=3s"], &SHORT_WATCH].concat();
    planrun.begin_json(&words)
}

/// Kills a process at an instant, or sees it end before. Returns what happened in words.
fn at(mut going: Going, instant: &At) -> String {
    let (reached, later, told) = match instant {
        At::Time(time) => (true, *time, format!("{time:?} after its start")),
        At::Event(wanted, later) => {
            let seen = AtomicUsize::new(0);
            let is_it = |_: &Event| seen.fetch_add(1, Ordering::SeqCst) + 1 == *wanted;
            let reached = going.until_or_end(is_it).is_some();
            (reached, *later, format!("{later:?} after event {wanted}"))
        }
        At::Sent(task, later) => {
            let is_sent = |event: &Event| matches!(event, Event::Task { task: it, event: TaskEvent::AttemptIntended { .. } } if it.to_string() == *task);
            let reached = going.until_or_end(is_sent).is_some();
            (reached, *later, format!("{later:?} after {task} was sent"))
        }
    };
    if reached {
        thread::sleep(later);
    }
    let killed = going.kill();
    if killed { format!("killed {told}") } else { format!("it ended by itself before {told}") }
}

/// Makes commands slow on the hosts that have them.
fn slow_down(cluster: &Cluster, fault: &str) {
    let hosts = if fault.starts_with("slow:director") {
        ["director1", "director2"]
    } else {
        ["backend1", "backend2"]
    };
    for host in hosts {
        cluster.slow_fault(host, fault, SLOW);
    }
}

/// Returns what users and directors have of a backend, in words.
fn served(cluster: &Cluster, backend: &str) -> String {
    let status = cluster.status();
    let host = &status["hosts"][backend];
    let address = host["address"].as_str().unwrap();
    let mut told = vec![format!("{backend} {}", host["unit"].as_str().unwrap())];
    for director in ["director1", "director2"] {
        let rows = status["directors"][director]["backends"].as_array().unwrap();
        let row = rows.iter().find(|row| row["host"] == backend).unwrap();
        told.push(format!("{} {}", row["state"].as_str().unwrap(), row["vhosts"]));
    }
    for (service, port) in [("IMAP", 10143), ("LMTP", 10024)] {
        let word = if greets(address, port) { "served" } else { "NOT served" };
        told.push(format!("{service} {word}"));
    }
    told.join(", ")
}

/// Whether a server greets whoever connects.
fn greets(address: &str, port: u16) -> bool {
    let greeting = || -> std::io::Result<usize> {
        let mut stream = TcpStream::connect((address, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.read(&mut [0; 64])
    };
    greeting().is_ok_and(|bytes| bytes > 0)
}

/// Returns what was under way when a process was killed: critical sections and commands.
fn under_way(story: &Story) -> String {
    let mut open: Vec<(String, String)> = Vec::new();
    for Record { event, .. } in &story.0 {
        match event {
            Event::Task { task, event: TaskEvent::Started { .. } }
                if task.step.to_string().starts_with("cut_over") =>
            {
                open.push((task.to_string(), format!("in {task}")));
            }
            Event::Task { task, event: TaskEvent::Ended { .. } } => {
                open.retain(|(name, _)| *name != task.to_string());
            }
            Event::Task {
                event: TaskEvent::AttemptIntended { attempt, on, command, .. }, ..
            } => {
                open.push((attempt.0.clone(), format!("`{command}` on {on}")));
            }
            Event::Task { event: TaskEvent::AttemptEnded { attempt, .. }, .. } => {
                open.retain(|(name, _)| *name != attempt.0);
            }
            _ => {}
        }
    }
    let told: Vec<_> = open.into_iter().map(|(_, told)| told).collect();
    if told.is_empty() { "no command".to_owned() } else { told.join(", ") }
}

/// Returns what planrun says of the run, in words.
fn reported(story: &Story, status: Option<i32>, resumed: Option<&Ended>) -> String {
    let ends = BACKENDS.map(|backend| match story.host(backend) {
        Some(status) => format!("{backend} {}", status.word()),
        None => format!("{backend} not started"),
    });
    let resumed = match resumed {
        Some(resumed) => format!(", resume: exit {}", resumed.status.unwrap_or(-1)),
        None => String::new(),
    };
    format!("exit {}{resumed}: {}", status.unwrap_or(-1), ends.join(", "))
}

/// Returns the task that a person is asked about and the answers, if that is not answered.
fn open_question(story: &Story) -> Option<(String, Vec<Answer>)> {
    let mut open = None;
    for Record { event, .. } in &story.0 {
        match event {
            Event::Task { task, event: TaskEvent::QuestionAsked { question } } => {
                open = Some((task.to_string(), question.answers.clone()));
            }
            Event::Task { event: TaskEvent::QuestionAnswered { .. }, .. } => open = None,
            _ => {}
        }
    }
    open
}

fn passed_no_return(story: &Story) -> bool {
    story.0.iter().any(|record| {
        matches!(record.event, Event::Task { event: TaskEvent::PointOfNoReturn { .. }, .. })
    })
}

fn is_started(story: &Story) -> bool {
    story
        .0
        .iter()
        .any(|record| matches!(record.event, Event::Host { event: HostEvent::Started, .. }))
}
