//! What is lost at random instants of a run on a real server: the controller, the host session, the
//! runner of an effect, the connection. Each effect leaves a line each time it runs: none is lost, none is
//! doubled, the run comes to its end, and the operator is asked nothing.
//!
//! `PLANRUN_LOOPS` is how many losses there are in all, 200 by default; `PLANRUN_SEED` is where the instants
//! come from.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

use crate::harness::Planrun;
use crate::ssh::proxy::Proxy;
use crate::ssh::server::{Server, kill_all};
use crate::support::Chance;

/// Steps of a run.
const STEPS: usize = 12;
/// How many times as long it takes between two losses, at most.
const MOST_TIMES: usize = 64;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// One of four losses.
struct Losses {
    loops: usize,
    /// How long one is after the other, in milliseconds, at most: a host that is never reached is given up.
    apart: usize,
    chance: Chance,
    told: String,
}

impl Losses {
    fn new(kind: u64, apart: usize) -> Self {
        let seed = number("PLANRUN_SEED", 12);
        let loops = usize::try_from(number("PLANRUN_LOOPS", 200)).unwrap() / 4;
        Self { loops, apart, chance: Chance(seed * 4 + kind), told: format!("PLANRUN_SEED={seed}") }
    }

    /// Waits for a random while; for a longer one if nothing has come about between the losses before.
    fn wait(&mut self, times: usize) {
        thread::sleep(Duration::from_millis(self.chance.below(self.apart * times) as u64));
    }
}

/// A plan and an inventory.
struct Bench {
    planrun: Planrun,
    plan: String,
    inventory: String,
}

impl Bench {
    /// Effects that are over in a moment. Nothing but the host knows whether they took effect, unless
    /// they are checked.
    fn new(inventory: &str, is_checked: bool) -> Self {
        let planrun = Planrun::new();
        let file = planrun.file("lines", "");
        let mut plan = format!(
            "version: 1\nname: losses\nhosts: all\ndefaults: {{timeout: 30s, within: 100ms}}\n\
             probes:\n  lines: {{run: \"cat {file}\", parse: lines}}\nsteps:\n"
        );
        for step in 1..=STEPS {
            let checked = format!("done_when: '\"s{step}\" in lines'");
            let known = if is_checked { checked.as_str() } else { "on_unknown: ask" };
            write!(
                plan,
                "  - id: s{step}\n    shell: \"sleep 0.0{}; echo s{step} >> {file}; sleep 0.0{}\"\n    \
                 {known}\n    retry: {{attempts: 99, delay: 50ms}}\n    rollback: {{none: a line}}\n",
                step % 5,
                step % 7
            )
            .unwrap();
        }
        let plan = planrun.file("plan.yaml", plan);
        let inventory = planrun.file("inventory.yaml", inventory);
        Self { planrun, plan, inventory }
    }

    /// What the effects have left.
    fn lines(&self) -> String {
        fs::read_to_string(self.planrun.path("lines")).unwrap()
    }

    fn apply(&self) -> [&str; 4] {
        ["apply", &self.plan, "-i", &self.inventory]
    }

    /// Holds that each effect came about once, in order, and that nothing was asked.
    #[track_caller]
    fn is_whole(&self, told: &str) {
        let lines = self.lines();
        let expected: Vec<String> = (1..=STEPS).map(|step| format!("s{step}")).collect();
        let story = self.planrun.kept("last");
        let asked = story.questions();
        assert!(
            lines.lines().eq(&expected) && asked.is_empty(),
            "{told}: {lines}{asked:?}\n{:#?}",
            &story.0[1..]
        );
    }
}

/// Runs the plan again and again, and lets `lose` take something away from each run until there were enough
/// losses. It returns how many there were.
#[track_caller]
fn runs_go_on(
    losses: &mut Losses,
    inventory: &str,
    is_checked: bool,
    lose: impl Fn() -> usize + Sync,
) {
    let lost = AtomicUsize::new(0);
    while lost.load(Ordering::SeqCst) < losses.loops {
        let bench = Bench::new(inventory, is_checked);
        let is_over = AtomicBool::new(false);
        let told = losses.told.clone();
        let mut going = bench.planrun.begin_json(&bench.apply());
        // Until then nothing would be lost but a login, and the run be refused.
        going.until_sends("web1/s1");
        thread::scope(|scope| {
            let losing = scope.spawn(|| {
                let (mut times, mut lines) = (1, 0);
                while !is_over.load(Ordering::SeqCst) {
                    losses.wait(times);
                    lost.fetch_add(lose(), Ordering::SeqCst);
                    // On a busy machine a run that always loses in its next second gets nowhere.
                    let before = std::mem::replace(&mut lines, bench.lines().len());
                    times = if lines > before { 1 } else { (times * 2).min(MOST_TIMES) };
                }
            });
            let ended = going.end();
            is_over.store(true, Ordering::SeqCst);
            losing.join().unwrap();
            assert_eq!(ended.status, Some(0), "{told}\n{}", ended.stderr);
        });
        bench.is_whole(&told);
    }
}

#[test]
fn a_run_goes_on_whenever_its_controller_is_killed() {
    let Some(server) = Server::start("lost_controller") else { return };
    let mut losses = Losses::new(0, 150);
    let inventory = server.inventory_with_key();
    let mut kills = 0;
    while kills < losses.loops {
        let bench = Bench::new(&inventory, false);
        let mut going = bench.planrun.begin_json(&bench.apply());
        going.until_sends("web1/s1");
        losses.wait(1);
        kills += usize::from(going.kill());
        loop {
            let going = bench.planrun.begin(&["resume", "last"]);
            // The start of a process and its login take a part of the time.
            thread::sleep(Duration::from_millis(100 + losses.chance.below(600) as u64));
            if going.kill() {
                kills += 1;
            } else {
                break;
            }
            if kills >= losses.loops {
                bench.planrun.run(&["resume", "last"]);
            }
        }
        let host = bench.planrun.kept("last").host("web1");
        assert_eq!(host, Some(planrun::event::HostStatus::Succeeded), "{}", losses.told);
        bench.is_whole(&losses.told);
    }
}

#[test]
fn a_run_goes_on_whenever_a_session_on_the_host_is_killed() {
    let Some(server) = Server::start("lost_session") else { return };
    let inventory = server.inventory_with_key();
    runs_go_on(&mut Losses::new(1, 300), &inventory, false, || kill_all(&server.sessions()));
}

#[test]
fn a_run_goes_on_whenever_a_runner_is_killed() {
    let Some(server) = Server::start("lost_runner") else { return };
    let inventory = server.inventory_with_key();
    runs_go_on(&mut Losses::new(2, 200), &inventory, true, || kill_all(&server.runners()));
}

#[test]
fn a_run_goes_on_whenever_its_connection_is_cut() {
    let Some(server) = Server::start("lost_connection") else { return };
    let proxy = Proxy::start(server.address());
    let inventory = server.inventory_by(proxy.port);
    runs_go_on(&mut Losses::new(3, 300), &inventory, false, || proxy.cut());
}
