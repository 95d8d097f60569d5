//! Sample runs for the tests of reports: the main plan in short, and its possible results.

mod ends;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::event::{
    Event, HostEvent, HostStatus, Outcome, Outline, OutlineStep, PreflightVerdict, Progress,
    Reason, Record, Reporter, RunEvent, RunId, RunPlanned, RunStatus, Seen, StepPath, TaskEvent,
    TaskId, TaskStatus, Truth,
};
use crate::inventory::{Connection, Host, HostName, Inventory, Link};
use crate::transport::{AttemptId, Exit};

pub(crate) use ends::*;

/// The steps: path, parent, title, action.
const STEPS: [(&str, &str, &str, &str); 16] = [
    ("before", "", "Note its share of the users", "set"),
    ("drain", "", "Map no new users to the backend", "run"),
    (
        "drain.rollback",
        "drain",
        "doveadm director update {{ backend_ip }} {{ before.vhosts }}",
        "run",
    ),
    ("expire", "", "Wait for disconnected users to expire", "wait"),
    ("cut_over", "", "Stop the backend and move whoever is still mapped", "block"),
    ("stop", "cut_over", "Stop Dovecot", "run"),
    ("stop.rollback", "stop", "the rollback", "block"),
    ("stop.rollback/1", "stop.rollback", "systemctl start dovecot", "run"),
    ("down", "cut_over", "Take it out of the directors' choice", "run"),
    ("flush", "cut_over", "Move its users to the other backends", "run"),
    ("maintain", "", "Do the work", "shell"),
    ("hand_over", "", "Let the operator do the work", "approve"),
    ("start", "", "Start Dovecot; the directors send no users yet", "run"),
    ("verify", "", "Read the test user's mail", "assert"),
    ("up", "", "Put it back into service", "run"),
    ("watch", "", "See it serve for a minute before the next one starts", "wait"),
];

/// What a reporter receives.
enum News {
    Event(Record),
    Progress(Progress, Timestamp),
}

/// A run as a reporter receives it.
pub(crate) struct Story {
    now: Timestamp,
    seq: u64,
    news: Vec<News>,
}

pub(crate) fn run_id() -> RunId {
    RunId("20261124-1400-k3f9".to_owned())
}

pub(crate) fn host(name: &str) -> HostName {
    HostName::new(name)
}

pub(crate) fn task(host: &str, step: &str) -> TaskId {
    TaskId { host: HostName::new(host), step: StepPath::from(step) }
}

pub(crate) fn seen(claim: &str, condition: &str, truth: Truth, values: &[(&str, &str)]) -> Seen {
    Seen {
        claim: claim.to_owned(),
        condition: condition.to_owned(),
        truth,
        values: values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        error: None,
    }
}

pub(crate) fn reason(text: &str, seen: Vec<Seen>) -> Reason {
    Reason { text: text.to_owned(), seen }
}

impl Story {
    pub(crate) fn new(hosts: &[&str]) -> Self {
        let mut story =
            Self { now: "2026-11-24T14:00:00Z".parse().unwrap(), seq: 0, news: Vec::new() };
        story.event(Event::Run(RunEvent::Planned(Box::new(planned(hosts)))));
        story
    }

    /// Starts; every preflight passes.
    pub(crate) fn started(hosts: &[&str]) -> Self {
        let mut story = Self::new(hosts);
        for name in hosts {
            story.event(
                HostEvent::PreflightEnded { verdict: PreflightVerdict::Passed }.of(&host(name)),
            );
        }
        story.after(1_200);
        story.event(Event::Run(RunEvent::Started));
        story
    }

    /// The same run on model hosts: its time is virtual, and stops between two events.
    pub(crate) fn on_models(mut self) -> Self {
        for news in &mut self.news {
            if let News::Event(record) = news
                && let Event::Run(RunEvent::Planned(planned)) = &mut record.event
            {
                for host in planned.inventory.hosts.values_mut() {
                    host.link.connection = Connection::Model;
                }
            }
        }
        self
    }

    pub(crate) fn after(&mut self, millis: i64) {
        self.now = self.now.checked_add(SignedDuration::from_millis(millis)).unwrap();
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.seq += 1;
        self.news.push(News::Event(Record { seq: self.seq, epoch: 1, at: self.now, event }));
    }

    pub(crate) fn progress(&mut self, progress: Progress) {
        self.news.push(News::Progress(progress, self.now));
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let records = self.news.iter().filter_map(|news| match news {
            News::Event(record) => Some(record.clone()),
            News::Progress(..) => None,
        });
        records.collect()
    }

    pub(crate) fn tell(&self, reporter: &mut impl Reporter) {
        for news in &self.news {
            match news {
                News::Event(record) => reporter.event(record),
                News::Progress(progress, now) => reporter.progress(progress, *now),
            }
        }
    }

    pub(crate) fn begin(&mut self, name: &str) {
        self.event(HostEvent::Started.of(&host(name)));
    }

    pub(crate) fn open(&mut self, name: &str, step: &str) {
        self.event(Event::Task {
            task: task(name, step),
            event: TaskEvent::Started { items: None, timeout: None },
        });
    }

    pub(crate) fn close(
        &mut self,
        name: &str,
        step: &str,
        status: TaskStatus,
        why: Option<Reason>,
    ) {
        self.event(Event::Task {
            task: task(name, step),
            event: TaskEvent::Ended { status, why, result: None },
        });
    }

    pub(crate) fn attempt(
        &mut self,
        name: &str,
        step: &str,
        ordinal: u32,
        on: &str,
        command: &str,
    ) {
        self.event(Event::Task {
            task: task(name, step),
            event: TaskEvent::AttemptIntended {
                attempt: AttemptId(format!("{name}-{step}-{ordinal}")),
                ordinal,
                on: host(on),
                command: command.to_owned(),
                timeout: Duration::from_mins(1),
            },
        });
    }

    pub(crate) fn answer(&mut self, name: &str, step: &str, ordinal: u32, outcome: Outcome) {
        self.event(Event::Task {
            task: task(name, step),
            event: TaskEvent::AttemptEnded {
                attempt: AttemptId(format!("{name}-{step}-{ordinal}")),
                outcome,
            },
        });
    }

    /// A step with one attempt that changes something.
    pub(crate) fn change(&mut self, name: &str, step: &str, on: &str, command: &str, millis: i64) {
        self.open(name, step);
        self.attempt(name, step, 1, on, command);
        self.after(millis);
        self.answer(name, step, 1, exited(0, ""));
        self.close(name, step, TaskStatus::Changed, None);
    }

    /// Everything up to the cut-over: users fall from 120 by 10 per check.
    fn drained(&mut self, name: &str) {
        self.begin(name);
        self.open(name, "before");
        self.close(name, "before", TaskStatus::Unchanged, None);
        self.change(name, "drain", "director1", "doveadm director update 198.51.100.1 0", 400);
        self.open(name, "expire");
        for check in 0..12 {
            self.progress(waiting(name, "expire", 120 - 10 * check, check * 10));
            self.after(10_000);
        }
        let nobody = seen("", "backend.users == 0", Truth::True, &[("backend.users", "0")]);
        let why = reason("backend.users == 0", vec![nobody]);
        self.close(name, "expire", TaskStatus::Unchanged, Some(why));
    }

    fn cut_over(&mut self, name: &str) {
        self.open(name, "cut_over");
        self.change(name, "stop", name, "systemctl stop dovecot", 3_100);
        self.open(name, "down");
        self.attempt(name, "down", 1, "director1", "doveadm director down 198.51.100.1");
        self.after(700);
        let complaint = "doveadm: Error: director timed out\n";
        self.answer(name, "down", 1, exited(75, complaint));
        let down = seen("", "backend.state == \"down\"", Truth::True, &[("backend.state", "down")]);
        self.close(name, "down", TaskStatus::Changed, Some(reason("", vec![down])));
        self.open(name, "flush");
        self.attempt(name, "flush", 1, "director1", "doveadm director flush 198.51.100.1");
        self.after(2_000);
        self.answer(name, "flush", 1, exited(0, ""));
        let why = "its users are on other backends now".to_owned();
        self.event(TaskEvent::PointOfNoReturn { why }.of(&task(name, "flush")));
        self.close(name, "flush", TaskStatus::Changed, None);
        self.close(name, "cut_over", TaskStatus::Changed, None);
    }

    fn come_back(&mut self, name: &str) {
        self.change(name, "start", name, "systemctl start dovecot", 4_000);
        self.open(name, "verify");
        self.close(name, "verify", TaskStatus::Unchanged, None);
        self.change(name, "up", "director1", "doveadm director up 198.51.100.1", 300);
        self.open(name, "watch");
        self.after(60_000);
        self.close(name, "watch", TaskStatus::Unchanged, None);
        self.end(name, HostStatus::Succeeded, None);
    }

    fn restart(&mut self, name: &str) {
        self.drained(name);
        self.cut_over(name);
        self.open(name, "maintain");
        let why = Some(reason("its `when` is false", Vec::new()));
        self.close(name, "maintain", TaskStatus::Skipped, why);
        self.come_back(name);
    }

    pub(crate) fn end(&mut self, name: &str, status: HostStatus, why: Option<Reason>) {
        self.event(HostEvent::Ended { status, why }.of(&host(name)));
    }

    pub(crate) fn finish(&mut self, status: RunStatus, why: Option<&str>) {
        self.event(Event::Run(RunEvent::Ended { status, why: why.map(str::to_owned) }));
    }

    /// `down` is refused three times, and the host is rolled back.
    fn refused_down(&mut self, name: &str) {
        self.drained(name);
        self.open(name, "cut_over");
        self.change(name, "stop", name, "systemctl stop dovecot", 3_100);
        self.open(name, "down");
        for ordinal in 1..=3 {
            self.attempt(name, "down", ordinal, "director1", "doveadm director down 198.51.100.1");
            self.after(200);
            let complaint =
                "doveadm: Error: Director refused: \u{1b}[31mring not synced\nsee the log\n";
            self.answer(name, "down", ordinal, exited(65, complaint));
            if ordinal < 3 {
                self.progress(Progress::Retrying {
                    task: task(name, "down"),
                    ordinal: ordinal + 1,
                    of: 3,
                    delay: Duration::from_secs(5),
                    why: "exit code 65".to_owned(),
                });
                self.after(5_000);
            }
        }
        let up = seen("", "backend.state == \"down\"", Truth::False, &[("backend.state", "up")]);
        let why = reason("exit code 65; `done_when` is still false after 20s", vec![up]);
        self.close(name, "down", TaskStatus::Failed, Some(why));
        self.close(name, "cut_over", TaskStatus::Failed, Some(reason("`down` failed", Vec::new())));
        self.event(
            HostEvent::RollbackStarted {
                why: reason(
                    "`down` failed: exit code 65; `done_when` is still false after 20s",
                    Vec::new(),
                ),
            }
            .of(&host(name)),
        );
    }
}

fn planned(hosts: &[&str]) -> RunPlanned {
    let names: Vec<HostName> = hosts.iter().map(|name| host(name)).collect();
    let link = |name: &str| Link {
        connection: Connection::Ssh,
        address: name.to_owned(),
        port: None,
        user: None,
        connect_timeout: None,
        identity_file: None,
        known_hosts: None,
        r#become: None,
        become_user: None,
        model: None,
        state: IndexMap::new(),
    };
    let all = hosts.iter().map(|name| {
        let host = Host {
            name: host(name),
            link: link(name),
            vars: IndexMap::new(),
            encrypted: indexmap::IndexMap::new(),
            groups: vec!["backends".to_owned()],
        };
        (host.name.clone(), host)
    });
    let inputs = hosts.iter().enumerate().map(|(at, name)| {
        let user = json!(format!("test{}", at + 1));
        let values = [("drain_for".to_owned(), json!("15m")), ("test_user".to_owned(), user)];
        (host(name), values.into_iter().collect())
    });
    RunPlanned {
        format: 1,
        tool: "0.1.0".to_owned(),
        by: "ann@ops1".to_owned(),
        plan_path: "plans/obox-restart.yaml".to_owned(),
        arguments: Vec::new(),
        limit: None,
        plan_text: "version: 1\n".to_owned(),
        plan_digest: "3f2a9c".repeat(10) + "beef",
        inventory: Inventory {
            path: "prod".to_owned(),
            hosts: all.collect(),
            groups: IndexMap::new(),
            places: HashMap::new(),
        },
        hosts: names,
        inputs: inputs.collect(),
        files: BTreeMap::new(),
        secrets: None,
        models: BTreeMap::new(),
        locks: Vec::new(),
        outline: outline(),
    }
}

fn outline() -> Outline {
    let step = |(path, parent, title, action): &(&str, &str, &str, &str)| OutlineStep {
        path: StepPath::from(*path),
        parent: (!parent.is_empty()).then(|| StepPath::from(*parent)),
        title: (*title).to_owned(),
        action: (*action).to_owned(),
        handler: path.contains(".rollback"),
    };
    Outline {
        plan: "obox-restart".to_owned(),
        summary: Some("Restart Dovecot obox backends, one at a time".to_owned()),
        serial: vec![1],
        steps: STEPS.iter().map(step).collect(),
    }
}

pub(crate) fn exited(code: i32, stderr: &str) -> Outcome {
    let (stdout, stderr) = (String::new(), stderr.to_owned());
    Outcome::Ended { exit: Exit::Code(code), stdout, stderr, cut: false }
}

pub(crate) fn waiting(name: &str, step: &str, users: u64, waited: u64) -> Progress {
    Progress::Waiting {
        task: task(name, step),
        until: Some("backend.users == 0".to_owned()),
        values: vec![("backend.users".to_owned(), users.to_string())],
        error: None,
        waited: Duration::from_secs(waited),
        limit: Duration::from_mins(15),
        stable: None,
    }
}
