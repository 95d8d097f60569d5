//! Steps that change something: the attempts at one, and what each came to.
//!
//! ```text
//!   already so? --yes--> unchanged            (only before the first intent)
//!       | no
//!   what it requires holds? --no--> failed      (before the first sending, and at a resume)
//!       | yes
//!   .-> intent kept -> sent -> outcome kept
//!   |        |                     |
//!   |   (in doubt: the host is asked what became of it)
//!   |                              v
//!   |                    look until `within` ends
//!   |          done <-- true   false | cannot tell
//!   |                                v
//!   '---- again, if the last attempt is known to be over and the plan permits; else failed,
//!         or unknown: a person is asked
//! ```

mod in_place;
mod judge;

use std::time::Duration;

use sha2::Digest;
use sha2::Sha256;

use crate::event::Answer;
use crate::event::Event;
use crate::event::JournalError;
use crate::event::Outcome;
use crate::event::Progress;
use crate::event::Question;
use crate::event::Reason;
use crate::event::TaskStatus;
use crate::event::Truth;
use crate::inventory::HostName;
use crate::plan::Effect;
use crate::plan::OnUnknown;
use crate::plan::Place;
use crate::run::perform::End;
use crate::run::perform::Task;
use crate::run::perform::Turn;
use crate::run::perform::effect::in_place::IN_PLACE;
use crate::run::perform::effect::judge::Judgement;
use crate::run::render;
use crate::run::state::AttemptState;
use crate::run::state::TaskState;
use crate::transport::AttemptId;
use crate::transport::Output;
use crate::transport::Recovered;
use crate::transport::Transport as _;
use crate::transport::TransportError;

/// Longest text of a stream that an event keeps, in bytes.
const KEPT: usize = 4 * 1024;

/// How often a host is asked about an attempt that is still running there.
const ASK_EVERY: Duration = Duration::from_secs(2);

impl Task<'_, '_, '_> {
    pub(super) async fn effect(&self, effect: &Effect) -> Result<Turn, JournalError> {
        let state = self.state();
        let mut judged = None;
        if state.is_again && state.forgiven == state.attempts.len() {
            if let Some(turn) = self.seen_in_round(effect, &state).await {
                return Ok(turn);
            }
        } else if let Some(last) = state.attempts.last() {
            let output = self.settle(last).await?;
            let forgiven = state.forgiven == state.attempts.len();
            let judgement = self.judge(effect, output.as_ref()).await;
            if self.is_blocked() {
                return Ok(Turn::Stopped);
            }
            match judgement {
                Judgement::Done(..) => return Ok(self.done(effect, judgement)),
                _ if forgiven => {}
                // Its end went with the process that waited for it, and again does no harm.
                Judgement::InDoubt(_) if effect.idempotent && !self.may_be_running() => {}
                _ => judged = Some(judgement),
            }
        } else if let Some(why) = self.already_so(effect).await {
            return Ok(End::with(TaskStatus::Unchanged, why));
        }
        let mut required = false;
        loop {
            let tried = self.state().attempts.len() - self.state().forgiven;
            let in_time = self.time_is_up().is_none();
            let permitted = tried < effect.retry.attempts as usize && in_time;
            match judged.take() {
                None => {}
                Some(Judgement::InDoubt(why))
                    // One more than the plan allows: it failed nowhere, only its end is missing.
                    if !(effect.idempotent && in_time && (permitted || tried < 2))
                        || self.may_be_running() =>
                {
                    // Whether something was read is no question to a person.
                    return Ok(if effect.read_only {
                        self.failed(TaskStatus::Failed, why)
                    } else {
                        self.unknown(why)
                    });
                }
                Some(Judgement::NotDone(status, why)) if !permitted => {
                    let (status, why) = self.or_out_of_time(status, why);
                    return Ok(self.failed(status, why));
                }
                Some(Judgement::NotDone(_, why) | Judgement::InDoubt(why)) => {
                    if let Some(turn) = self.before_again(effect, tried, &why).await {
                        return Ok(turn);
                    }
                }
                Some(done @ Judgement::Done(..)) => return Ok(self.done(effect, done)),
            }
            if !std::mem::replace(&mut required, true) {
                if let Some(turn) = self.blocks_lack().await? {
                    return Ok(turn);
                }
                if let Some(turn) = self.lacks().await {
                    return Ok(turn);
                }
            }
            if self.is_blocked() {
                return Ok(Turn::Stopped);
            }
            // What was looked at may have taken all the time there was.
            if let Some(over) = self.time_is_up() {
                return Ok(self.failed(TaskStatus::TimedOut, Self::not_begun(&over)));
            }
            let output = match self.send(effect).await? {
                Ok(output) => output,
                Err(why) => return Ok(self.failed(TaskStatus::Failed, why)),
            };
            if self.is_blocked() {
                return Ok(Turn::Stopped);
            }
            judged = Some(self.judge(effect, output.as_ref()).await);
            if self.is_blocked() {
                return Ok(Turn::Stopped);
            }
        }
    }

    /// Looks whether nothing needs to be sent, and says why.
    async fn already_so(&self, effect: &Effect) -> Option<Reason> {
        if let Some(done_when) = &effect.done_when {
            let seen = self.observer().condition(done_when).await;
            return (seen.truth() == Truth::True).then(|| seen.reason("already so"));
        }
        let text = IN_PLACE.to_owned();
        let seen = Vec::new();
        let is_in_place = self.is_already_in_place(effect).await;
        is_in_place.then_some(Reason { text, seen })
    }

    /// Looks at the beginning of a later round of a block whether the step must be sent again.
    /// What was sent in an earlier one and is seen done counts as changed; what may still be
    /// running is not sent again.
    async fn seen_in_round(&self, effect: &Effect, state: &TaskState) -> Option<Turn> {
        if let Some(mut why) = self.already_so(effect).await {
            if !state.may_have_run() {
                return Some(End::with(TaskStatus::Unchanged, why));
            }
            "done in an earlier round".clone_into(&mut why.text);
            return Some(End::with(TaskStatus::Changed, why));
        }
        let last = state.attempts.last().and_then(|last| last.outcome.as_ref());
        match last {
            Some(Outcome::Unknown { why, running: true }) => {
                Some(self.unknown(Reason { text: why.clone(), seen: Vec::new() }))
            }
            _ => None,
        }
    }

    /// Whether the last attempt may still be running.
    fn may_be_running(&self) -> bool {
        let last = self.state().attempts.pop();
        matches!(last.and_then(|last| last.outcome), Some(Outcome::Unknown { running: true, .. }))
    }

    fn done(&self, effect: &Effect, judgement: Judgement) -> Turn {
        match judgement {
            Judgement::Done(why, result) => Turn::Ended(End {
                status: if effect.read_only { TaskStatus::Unchanged } else { TaskStatus::Changed },
                why: Some(why),
                result,
            }),
            Judgement::NotDone(status, why) => self.failed(status, why),
            Judgement::InDoubt(why) => self.unknown(why),
        }
    }

    /// Waits before another attempt, and looks once more whether it is needed.
    async fn before_again(&self, effect: &Effect, tried: usize, why: &Reason) -> Option<Turn> {
        let delay = match self.length(&effect.retry.delay) {
            Ok(delay) => delay,
            Err(why) => return Some(self.failed(TaskStatus::Failed, why)),
        };
        self.live.progress(&Progress::Retrying {
            task: self.id.clone(),
            ordinal: u32::try_from(tried + 1).unwrap_or(u32::MAX),
            of: effect.retry.attempts,
            delay,
            why: why.text.clone(),
        });
        if self.sleep(self.capped(delay)).await {
            return Some(Turn::Stopped);
        }
        if let Some(done_when) = &effect.done_when {
            let seen = self.observer().condition(done_when).await;
            if seen.truth() == Truth::True {
                let why = seen.reason("it came about after all");
                return Some(End::with(TaskStatus::Changed, why));
            }
        }
        self.time_is_up()?;
        let (status, why) = self.or_out_of_time(TaskStatus::TimedOut, why.clone());
        Some(self.failed(status, why))
    }

    /// Sends one attempt. `Err` where it could not even be made; `Ok(None)` where it was not
    /// answered. A host that cannot be reached is tried again, members of a group in turn, for as
    /// long as the attempt might have taken: nothing was sent, so nothing can be doubled.
    async fn send(&self, effect: &Effect) -> Result<Result<Option<Output>, Reason>, JournalError> {
        let clock = &self.live.run.clock;
        let begin = clock.monotonic();
        let mut pause = Duration::from_secs(1);
        let mut turn = self.state().attempts.len();
        loop {
            let members = match self.members(effect) {
                Ok(members) => members,
                Err(text) => {
                    return Ok(Err(Reason { text, seen: Vec::new() }));
                }
            };
            let on = &members[turn % members.len()];
            let (limit, result) = match self.attempt(effect, on).await? {
                Ok(sent) => sent,
                Err(why) => return Ok(Err(why)),
            };
            match result {
                Ok(output) => return Ok(Ok(Some(output))),
                Err(TransportError::Unreachable { .. })
                    if clock.monotonic().saturating_sub(begin) < limit
                        && self.time_is_up().is_none() =>
                {
                    turn += 1;
                    // Another member is tried at once; only a full round is followed by a pause.
                    if turn.is_multiple_of(members.len()) {
                        if self.sleep(self.capped(pause)).await {
                            return Ok(Ok(None));
                        }
                        pause = (pause * 2).min(Duration::from_secs(15));
                    }
                }
                Err(TransportError::Cut { .. }) => {
                    let state = self.state();
                    let last = state.attempts.last();
                    return match last {
                        Some(last) => self.settle(last).await.map(Ok),
                        None => Ok(Ok(None)),
                    };
                }
                Err(_) => return Ok(Ok(None)),
            }
        }
    }

    /// Makes one attempt on one host: intent, effect, outcome. Returns how long it might have taken,
    /// were it not for the blocks around, with what came of it.
    async fn attempt(
        &self,
        effect: &Effect,
        on: &HostName,
    ) -> Result<Result<(Duration, Result<Output, TransportError>), Reason>, JournalError> {
        let run = self.live.run;
        let fail = |text: String| Ok(Err(Reason { text, seen: Vec::new() }));
        let Some(host) = run.plan.inventory.host(on) else {
            return fail(format!("{on} is not in the inventory"));
        };
        let step = format!("{}/{}", run.plan.plan.name, self.id.step);
        let spec = &effect.command;
        let command = render::command(spec, &self.names, self.host, host, run.plan, step);
        let mut command = match command {
            Ok(command) => command,
            Err(text) => return fail(format!("its command cannot be made: {text}")),
        };
        let patience = command.timeout;
        command.timeout = self.capped(patience);
        let ordinal = u32::try_from(self.state().attempts.len() + 1).unwrap_or(u32::MAX);
        let attempt = self.attempt_id(ordinal);
        self.note(Event::AttemptIntended {
            task: self.id.clone(),
            attempt: attempt.clone(),
            ordinal,
            on: on.clone(),
            command: command.display(),
            timeout: command.timeout,
        })
        .await?;
        let result = self.guard.attempt(host, &attempt, &command).await;
        let outcome = match &result {
            Ok(output) => Some(ended(output)),
            // What became of it is asked before anything is recorded.
            Err(TransportError::Cut { .. } | TransportError::Repeated { .. }) => None,
            Err(error) => Some(Outcome::NotSent(error.clone())),
        };
        if let Some(outcome) = outcome {
            self.note(Event::AttemptEnded { task: self.id.clone(), attempt, outcome }).await?;
        }
        Ok(Ok((patience, result)))
    }

    /// Names an attempt: the same for everyone who computes it.
    fn attempt_id(&self, ordinal: u32) -> AttemptId {
        let run = &self.live.run.id;
        let text = format!("{run}\n{}\n{}\n{ordinal}", self.id.host, self.id.step);
        let digest = Sha256::digest(text.as_bytes());
        let hex: Vec<String> = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let hex = hex.concat();
        AttemptId(format!("{run}-{hex}"))
    }

    fn members(&self, effect: &Effect) -> Result<Vec<HostName>, String> {
        let inventory = &self.live.run.plan.inventory;
        let members = match &effect.place {
            Place::Here => vec![self.host.clone()],
            Place::Host(name, _) | Place::OneOf(name, _) | Place::EachOf(name, _) => {
                inventory.members(name).unwrap_or_default()
            }
        };
        if members.is_empty() { Err("there is no host to run it on".into()) } else { Ok(members) }
    }

    /// Finds out what became of an attempt without a recorded outcome, and records it. Returns what
    /// it printed, where that is known.
    async fn settle(&self, last: &AttemptState) -> Result<Option<Output>, JournalError> {
        match &last.outcome {
            Some(Outcome::Ended { exit, stdout, stderr }) => {
                return Ok(Some(Output::new(exit.clone(), stdout.as_str(), stderr.as_str())));
            }
            Some(_) => return Ok(None),
            None => {}
        }
        let (outcome, output) = self.ask_host(last).await;
        if self.is_blocked() {
            return Ok(None);
        }
        let (task, attempt) = (self.id.clone(), last.id.clone());
        self.note(Event::AttemptEnded { task, attempt, outcome }).await?;
        Ok(output)
    }

    /// Asks the host of an attempt what became of it, for as long as it may be running.
    async fn ask_host(&self, last: &AttemptState) -> (Outcome, Option<Output>) {
        let run = self.live.run;
        let end = run.clock.monotonic() + last.timeout;
        let unknown = |why: &str, running| Outcome::Unknown { why: why.to_owned(), running };
        loop {
            let recovered = match run.plan.inventory.host(&last.on) {
                Some(host) => self.guard.recover(host, &last.id).await,
                None => Ok(Recovered::Unknown),
            };
            let outcome = match recovered {
                Ok(Recovered::Running)
                | Err(TransportError::Unreachable { .. } | TransportError::Cut { .. })
                    if run.clock.monotonic() < end =>
                {
                    run.clock.sleep(ASK_EVERY).await;
                    continue;
                }
                Ok(Recovered::Ended(output)) => return (ended(&output), Some(output)),
                Ok(Recovered::Absent) => Outcome::NotSent(TransportError::Unreachable {
                    host: last.on.clone(),
                    why: "the host says that it never began".to_owned(),
                }),
                Ok(Recovered::Over) => {
                    unknown("its end was not seen; the host says that it is over", false)
                }
                Ok(Recovered::Running) => {
                    unknown("it was still running when its time was up", true)
                }
                Ok(Recovered::Unknown) => {
                    unknown("its end was not seen, and the host cannot tell", false)
                }
                Err(error) => unknown(&error.to_string(), true),
            };
            return (outcome, None);
        }
    }

    /// Ends a task of which it cannot be told whether it came about, or asks.
    fn unknown(&self, why: Reason) -> Turn {
        if self.step.on_unknown == OnUnknown::Ask && self.may_stop() {
            let text = format!("{}: did it happen? {}", self.title(), why.text);
            let answers = vec![Answer::Done, Answer::NotDone, Answer::Retry, Answer::Fail];
            return Turn::Asked(Question { text, why, answers });
        }
        End::with(TaskStatus::Unknown, why)
    }
}

fn ended(output: &Output) -> Outcome {
    Outcome::Ended {
        exit: output.exit.clone(),
        stdout: kept(&output.stdout),
        stderr: kept(&output.stderr),
    }
}

/// The beginning of a stream as text.
fn kept(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT)]).into_owned();
    if bytes.len() > KEPT {
        text.push_str("\n[cut]");
    }
    text
}
