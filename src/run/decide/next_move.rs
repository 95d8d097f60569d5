//! May an effect be sent, or sent again? One table, from what is known of its attempts.
//!
//! `perform` gathers the [`Facts`], does what [`next_move`] returns, and asks again. The rules:
//!
//! - Nothing is sent while an earlier attempt may still be running, not even on request.
//! - An attempt that is known never to have started is sent again, and does not count as a try.
//!   Neither does one whose outcome was lost with the process that waited for it: a kill is not a
//!   failure.
//! - An answer of the operator (`retry`, `not-done`) gives all tries again.
//! - After a request to stop nothing is sent and nothing fails: a resume continues.

use crate::history::Last;

/// How often an attempt may be lost before anything has started, or as often as the plan tries: then it fails.
pub const MOST_UNSTARTED: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Sending it twice does no harm.
    pub idempotent: bool,
    pub read_only: bool,
    /// How often it is tried.
    pub tries: usize,
}

/// What was observed since the last attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    Nothing,
    /// The step is done.
    Done,
    NotDone,
    InDoubt,
}

/// All that the table depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of the table")]
pub struct Facts {
    pub policy: Policy,
    /// What is known of the last attempt.
    pub last: Last,
    /// Whether this process has sent it.
    pub is_ours: bool,
    /// Whether its host was asked since this process took the task up.
    pub host_asked: bool,
    /// Whether the attempts so far do not count: an answer, or a new attempt of a block, came after
    /// them.
    pub is_forgiven: bool,
    /// How many tries were made.
    pub tried: usize,
    /// How many attempts of this process never started.
    pub unstarted: usize,
    pub observed: Observed,
    /// Whether the blocks around leave time for another try.
    pub in_time: bool,
    /// Whether the run is to stop here.
    pub stopping: bool,
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Ask the host for the outcome of the last attempt.
    Settle,
    /// Probe whether the step is done.
    Look,
    Send,
    /// Wait for the delay of the plan, then send it.
    Delay,
    Done,
    Fail,
    /// Whether the step took effect is unknown: ask the operator, or end so.
    Unknown,
    /// Leave it here; a resume continues.
    Stop,
}

/// Returns what is done next. See the module.
pub fn next_move(facts: &Facts) -> Move {
    let Facts { policy, last, observed, is_forgiven, is_ours, .. } = *facts;
    let may_try = facts.in_time && facts.tried < policy.tries;
    let unstarted = policy.tries.max(MOST_UNSTARTED);
    match (last, observed) {
        (_, Observed::Done) => Move::Done,
        (Last::InDoubt, _) if facts.host_asked => Move::Stop,
        (Last::InDoubt, _) => Move::Settle,
        (Last::Running, Observed::Nothing) if !facts.host_asked => Move::Settle,
        (Last::Nothing, Observed::Nothing) if facts.stopping => Move::Stop,
        (_, Observed::Nothing) => Move::Look,
        _ if facts.stopping => Move::Stop,
        // Nothing is sent next to it.
        (Last::Running, _) if policy.read_only => Move::Fail,
        (Last::Running, _) => Move::Unknown,
        (Last::Nothing, _) => Move::Send,
        (Last::NeverStarted, _) if !is_ours => Move::Send,
        (Last::NeverStarted, _) if facts.in_time && facts.unstarted < unstarted => Move::Delay,
        (Last::NeverStarted, _) => Move::Fail,
        _ if is_forgiven => Move::Send,
        (Last::NotSent, _) | (Last::Over, Observed::NotDone) if !is_ours => Move::Send,
        (Last::Over, Observed::InDoubt) if !is_ours && policy.idempotent => Move::Send,
        // One more than the plan allows: it failed nowhere, only its outcome is missing.
        (Last::Over, Observed::InDoubt)
            if policy.idempotent && facts.in_time && (may_try || facts.tried < 2) =>
        {
            Move::Delay
        }
        // The operator is not asked about a step that only reads.
        (Last::Over, Observed::InDoubt) if policy.read_only => Move::Fail,
        (Last::Over, Observed::InDoubt) => Move::Unknown,
        (Last::NotSent | Last::Ended | Last::Over, _) if may_try => Move::Delay,
        (Last::NotSent | Last::Ended | Last::Over, _) => Move::Fail,
    }
}
