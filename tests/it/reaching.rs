//! planrun connects to every host before the first change, with or without a preflight in the plan.

use std::cell::RefCell;

use async_trait::async_trait;
use planrun::event::{Event, HostEvent, PreflightVerdict, RunStatus};
use planrun::inventory::Host;
use planrun::run::exit_status;
use planrun::transport::model::ModelTransport;
use planrun::transport::{Reply, Request, Transport, TransportError};

use crate::harness::Planrun;
use crate::scene::{Memory, Scene, sent, start, trace};

/// Each host makes a file; nothing is asked beforehand.
const PLAN: &str = r"
version: 1
name: touch
hosts: all
serial: 1
steps:
  - run: touch FILE
    idempotent: true
    rollback: {none: it is an example}
";

/// Nobody listens at the two addresses.
const INVENTORY: &str = r"
all:
  hosts:
    here: {planrun_connection: local}
    gone1: {ansible_host: 127.0.12.1, ansible_port: 9, ansible_user: nobody}
    gone2: {ansible_host: 127.0.12.2, ansible_port: 9, ansible_user: nobody}
";

#[test]
fn hosts_that_cannot_be_reached_are_reported_together_before_anything_is_changed() {
    let planrun = Planrun::new();
    let file = planrun.file("inventory.yaml", INVENTORY).replace("inventory.yaml", "made");
    let plan = planrun.file("plan.yaml", PLAN.replace("FILE", &file));
    let inventory = planrun.file("inventory.yaml", INVENTORY);

    let ended = planrun.run(&["apply", &plan, "-i", &inventory]);

    ended.exits(4).says("cannot reach gone1, gone2");
    // Each line names its host once.
    assert!(!ended.all().contains("gone1 is unreachable"), "{}", ended.all());
    assert!(!std::path::Path::new(&file).exists());
    planrun.has_sent_nothing();
    // Nothing was checked, so nothing has passed.
    assert!(!ended.all().contains("passed"), "{}", ended.all());
    assert!(!ended.all().contains("held"), "{}", ended.all());

    let ended = planrun.run(&["apply", &plan, "-i", &inventory, "--limit", "here"]);
    ended.exits(0).says("reached 1 host; starting changes");
    assert!(!ended.all().contains("passed"), "{}", ended.all());
}

/// Model hosts, one of which lets nobody become a certain user.
struct Strict {
    world: ModelTransport,
    user: &'static str,
    on: &'static str,
    reached: RefCell<Vec<String>>,
}

#[async_trait(?Send)]
impl Transport for Strict {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        let Request::LogIn(user) = request else {
            return self.world.handle(host, request).await;
        };
        self.reached.borrow_mut().push(format!("{}@{}", user.unwrap_or("-"), host.name));
        if host.name.as_str() == self.on && user == Some(self.user) {
            let why = "sudo: a password is required".to_owned();
            return Err(TransportError::Denied { host: host.name.clone(), why });
        }
        Ok(Reply::Done)
    }
}

/// Commands as several users, here and at a director, and one that only some hosts need.
const USERS: &str = r#"
version: 1
name: users
hosts: backends
PREFLIGHT
probes: {dovecot: {run: systemctl is-active dovecot, exit_codes: any, parse: text}}
steps:
  - run: systemctl stop dovecot
    become: root
    done_when: dovecot == "inactive"
    rollback: {run: systemctl start dovecot, become: vmail, done_when: dovecot == "active"}
  - run: doveadm director flush {{ host.address }}
    delegate_to: director1
    become: director
    idempotent: true
    rollback: {none: it is an example}
  - run: systemctl start dovecot
    when: host.name == "nosuch"
    become: nosuch
    done_when: dovecot == "active"
    rollback: {none: it is an example}
"#;

#[test]
fn each_user_of_the_plan_is_tried_on_each_host_and_a_refusal_ends_the_run_with_77() {
    for preflight in ["", r#"preflight: {it runs: dovecot == "active"}"#] {
        for (user, on) in [("vmail", "backend3"), ("director", "director1"), ("nosuch", "backend1")]
        {
            let scene = Scene::new(&USERS.replace("PREFLIGHT", preflight), &[]);
            let clock = start();
            let world = scene.world(&clock, vec![]);
            let strict = Strict { world, user, on, reached: RefCell::default() };
            let journal = Memory::default();

            let state = scene.drive(&clock, &strict, &journal, None).unwrap();

            let told = trace(&journal);
            let reached = strict.reached.borrow();
            for login in ["root@backend1", "vmail@backend1", "director@director1", "vmail@backend3"]
            {
                assert!(reached.iter().any(|one| one == login), "{login}: {reached:?}");
            }
            let verdicts: Vec<bool> = journal
                .records
                .borrow()
                .iter()
                .filter_map(|record| match &record.event {
                    Event::Host { event: HostEvent::PreflightEnded { verdict, .. }, .. } => {
                        Some(matches!(verdict, PreflightVerdict::NoAnswer(_)))
                    }
                    _ => None,
                })
                .collect();
            if user == "nosuch" {
                assert_eq!(state.status, RunStatus::Succeeded, "{told}");
                continue;
            }
            assert_eq!(state.status, RunStatus::Refused, "{told}");
            assert_eq!(exit_status(&state), 77, "{told}");
            assert_eq!(sent(&journal), Vec::<String>::new(), "{told}");
            assert!(verdicts.contains(&true) && verdicts.len() == 3, "{told}");
        }
    }
}
