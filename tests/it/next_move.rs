//! Whether an effect may be sent, or sent again: every combination, against a second statement of the rules.

use std::collections::BTreeSet;

use planrun::history::Last;
use planrun::run::decide::next_move::{Facts, MOST_UNSTARTED, Move, Observed, Policy, next_move};

const LASTS: [Last; 7] = [
    Last::Nothing,
    Last::InDoubt,
    Last::NeverStarted,
    Last::NotSent,
    Last::Ended,
    Last::Over,
    Last::Running,
];
const OBSERVED: [Observed; 4] =
    [Observed::Nothing, Observed::Done, Observed::NotDone, Observed::InDoubt];

/// All facts there are, with plans of one to three tries, and one more made.
fn all_facts() -> impl Iterator<Item = Facts> {
    let lasts = LASTS.into_iter().flat_map(|last| OBSERVED.map(|observed| (last, observed)));
    let counts = (1..=3).flat_map(|tries| (0..=tries + 1).map(move |tried| (tries, tried)));
    let counts =
        counts.flat_map(|(tries, tried)| (0..=MOST_UNSTARTED).map(move |it| (tries, tried, it)));
    let counts: Vec<_> = counts.collect();
    lasts.flat_map(move |(last, observed)| {
        counts.clone().into_iter().flat_map(move |(tries, tried, unstarted)| {
            (0..128_u32).map(move |bits| {
                let bit = |number: u32| bits & (1 << number) != 0;
                Facts {
                    policy: Policy { idempotent: bit(0), read_only: bit(1), tries },
                    last,
                    is_ours: bit(2),
                    host_asked: bit(3),
                    is_forgiven: bit(4),
                    tried,
                    unstarted,
                    observed,
                    in_time: bit(5),
                    stopping: bit(6),
                }
            })
        })
    })
}

/// The rules again, as conditions of each move instead of a table.
fn allowed(facts: &Facts) -> Vec<Move> {
    let Facts { policy, last, observed, is_ours, host_asked, stopping, .. } = *facts;
    let is_done = observed == Observed::Done;
    let is_unobserved = observed == Observed::Nothing;
    let is_in_doubt = last == Last::InDoubt;
    // The outcome of the attempt is lost, and the probes cannot tell either.
    let is_lost = last == Last::Over && observed == Observed::InDoubt;

    let settle = !is_done && !host_asked && (is_in_doubt || last == Last::Running && is_unobserved);
    let waits = is_in_doubt && host_asked;
    let interrupted = stopping && !is_in_doubt && (!is_unobserved || last == Last::Nothing);
    let stop = !is_done && (waits || interrupted);
    let look = is_unobserved && !is_in_doubt && !settle && !stop;
    let judged = !is_done && !is_unobserved && !is_in_doubt && !stopping;

    let is_no_try = match last {
        Last::Nothing => true,
        Last::NeverStarted | Last::NotSent => !is_ours,
        Last::Over => !is_ours && (observed == Observed::NotDone || policy.idempotent),
        Last::Ended | Last::InDoubt | Last::Running => false,
    };
    let is_known = matches!(last, Last::NotSent | Last::Ended | Last::Over);
    let send = judged && (is_no_try || facts.is_forgiven && is_known);
    let has_tries = facts.in_time
        && match last {
            Last::NeverStarted => facts.unstarted < MOST_UNSTARTED.max(policy.tries),
            Last::Over if is_lost => policy.idempotent && facts.tried < policy.tries.max(2),
            Last::NotSent | Last::Ended | Last::Over => facts.tried < policy.tries,
            Last::Nothing | Last::InDoubt | Last::Running => false,
        };
    let delay = judged && !send && has_tries;
    let is_open = last == Last::Running || is_lost;
    let ends = judged && !send && !delay;
    [
        (Move::Done, is_done),
        (Move::Settle, settle),
        (Move::Stop, stop),
        (Move::Look, look),
        (Move::Send, send),
        (Move::Delay, delay),
        (Move::Unknown, ends && is_open && !policy.read_only),
        (Move::Fail, ends && (!is_open || policy.read_only)),
    ]
    .into_iter()
    .filter_map(|(next, is_right)| is_right.then_some(next))
    .collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "how many there are is a figure to be seen")]
fn every_combination_has_the_one_move_that_the_rules_allow() {
    let mut count = 0;
    for facts in all_facts() {
        assert_eq!(allowed(&facts), [next_move(&facts)], "{facts:?}");
        count += 1;
    }
    println!("{count} combinations");
    assert_eq!(count, 7 * 4 * 12 * 6 * 128);
}

#[test]
fn an_attempt_that_never_started_is_made_as_often_as_the_plan_tries() {
    let mut facts = Story::new(Policy { idempotent: false, read_only: false, tries: 9 }).facts;
    (facts.last, facts.observed) = (Last::NeverStarted, Observed::NotDone);
    (facts.is_ours, facts.is_forgiven, facts.unstarted) = (true, false, 8);
    assert_eq!(next_move(&facts), Move::Delay);
    facts.unstarted = 9;
    assert_eq!(next_move(&facts), Move::Fail);
}

#[test]
fn nothing_is_sent_beside_what_may_run_and_a_stop_judges_nothing() {
    for facts in all_facts() {
        let next = next_move(&facts);
        let sends = matches!(next, Move::Send | Move::Delay);
        let may_run = matches!(facts.last, Last::InDoubt | Last::Running);
        assert!(!(sends && may_run), "{facts:?} {next:?}");
        let judges = sends || matches!(next, Move::Fail | Move::Unknown);
        assert!(!(judges && facts.stopping), "{facts:?} {next:?}");
        assert!(!judges || facts.observed != Observed::Nothing, "{facts:?} {next:?}");
        assert_eq!(next == Move::Done, facts.observed == Observed::Done, "{facts:?} {next:?}");
    }
}

#[test]
fn what_no_process_has_seen_fail_does_not_fail() {
    for facts in all_facts() {
        let is_lost = match facts.last {
            Last::Nothing => true,
            Last::NeverStarted | Last::NotSent | Last::Over => !facts.is_ours,
            Last::InDoubt | Last::Ended | Last::Running => false,
        };
        if is_lost && !facts.policy.read_only {
            assert_ne!(next_move(&facts), Move::Fail, "{facts:?}");
        }
    }
}

/// A step, the attempts at it, and the process that works on it.
#[derive(Clone, Debug)]
struct Story {
    facts: Facts,
    /// What became of each attempt, and whether the present process has sent it.
    attempts: Vec<(Last, bool)>,
    refused: usize,
    kills: usize,
    told: Vec<Move>,
}

impl Story {
    fn new(policy: Policy) -> Self {
        let facts = Facts {
            policy,
            last: Last::Nothing,
            is_ours: false,
            host_asked: false,
            is_forgiven: true,
            tried: 0,
            unstarted: 0,
            observed: Observed::Nothing,
            in_time: true,
            stopping: false,
        };
        let (attempts, told) = (Vec::new(), Vec::new());
        Self { facts, attempts, refused: 0, kills: 0, told }
    }

    fn at(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut story = self.clone();
        change(&mut story);
        let facts = &mut story.facts;
        (facts.last, facts.is_ours) = *story.attempts.last().unwrap_or(&(Last::Nothing, false));
        facts.is_forgiven = story.attempts.is_empty();
        let is_try = |(last, is_ours): &&(Last, bool)| match last {
            Last::Nothing | Last::NeverStarted | Last::NotSent => false,
            Last::Ended => true,
            Last::InDoubt | Last::Over | Last::Running => *is_ours,
        };
        let is_unstarted = |one: &&(Last, bool)| **one == (Last::NeverStarted, true);
        facts.unstarted = story.attempts.iter().filter(is_unstarted).count();
        facts.tried = story.refused + story.attempts.iter().filter(is_try).count();
        story
    }

    fn killed(&self) -> Self {
        self.at(|story| {
            story.kills += 1;
            story.refused = 0;
            story.facts.observed = Observed::Nothing;
            story.facts.host_asked = false;
            story.attempts.iter_mut().for_each(|(_, is_ours)| *is_ours = false);
        })
    }

    fn became(&self, last: Last) -> Self {
        self.at(|story| story.attempts.last_mut().unwrap().0 = last)
    }

    fn observed(&self, observed: Observed) -> Self {
        self.at(|story| story.facts.observed = observed)
    }

    fn sent(&self, last: Last) -> Self {
        self.at(|story| {
            story.attempts.push((last, true));
            story.refused += usize::from(last == Last::NotSent);
            story.facts.observed = Observed::Nothing;
            story.facts.host_asked = false;
        })
    }
}

/// Goes through all that may come of a story with up to two kills, each state once.
fn walk(story: &Story, seen: &mut BTreeSet<String>, path: &mut Vec<String>) {
    let ended = story.attempts.iter().filter(|(last, _)| *last == Last::Ended).count();
    let state = format!("{:?} {} {} {ended}", story.facts, story.refused, story.kills);
    assert!(!path.contains(&state), "it does not end: {story:?}");
    if !seen.insert(state.clone()) {
        return;
    }
    let next = next_move(&story.facts);
    let mut story = story.clone();
    story.told.push(next);
    let mut after = Vec::new();
    match next {
        Move::Settle => {
            let is_new = story.facts.last == Last::InDoubt;
            story.facts.host_asked = true;
            let lasts = [Last::Over, Last::Ended, Last::Running, Last::NeverStarted];
            after.extend(lasts[..if is_new { 4 } else { 3 }].iter().map(|it| story.became(*it)));
        }
        Move::Look => {
            after.push(story.observed(Observed::Done));
            if story.facts.last != Last::Running {
                after.push(story.observed(Observed::NotDone));
            }
            if matches!(story.facts.last, Last::Over | Last::Running) {
                after.push(story.observed(Observed::InDoubt));
            }
        }
        Move::Send | Move::Delay => {
            let may_run = |(last, _): &(Last, bool)| matches!(last, Last::InDoubt | Last::Running);
            assert!(!story.attempts.iter().any(may_run), "{story:?}");
            after.extend([Last::Ended, Last::NotSent, Last::InDoubt].map(|it| story.sent(it)));
            if story.kills < 2 {
                after.push(story.sent(Last::InDoubt).killed());
            }
        }
        Move::Done | Move::Unknown => {}
        Move::Fail => {
            let Facts { policy, tried, unstarted, .. } = story.facts;
            let is_worn_out =
                tried >= policy.tries || unstarted >= MOST_UNSTARTED.max(policy.tries);
            assert!(is_worn_out || policy.read_only, "{story:?}");
        }
        Move::Stop => panic!("nobody asked for it: {story:?}"),
    }
    let is_over = matches!(next, Move::Done | Move::Unknown | Move::Fail);
    if !is_over && story.kills < 2 {
        after.push(story.killed());
    }
    path.push(state);
    for story in &after {
        walk(story, seen, path);
    }
    path.pop();
}

#[test]
fn every_history_ends_and_fails_only_after_all_its_tries() {
    for (tries, idempotent, read_only) in
        [(1, false, false), (2, false, false), (1, true, false), (2, true, true)]
    {
        let mut seen = BTreeSet::new();
        let story = Story::new(Policy { idempotent, read_only, tries });
        walk(&story, &mut seen, &mut Vec::new());
        assert!(seen.len() > 100, "{}", seen.len());
    }
}
