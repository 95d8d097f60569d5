//! `planrun resolve`: answers a question of a run, from another terminal or on another day.

use crate::cli::asker::chosen;
use crate::cli::identity::{is_person, named};
use crate::cli::open_run::{self, RunArg};
use crate::cli::request::{self, Passed};
use crate::cli::{Context, Exit, Fault, who};
use crate::event::{Answer, Event, Question, Record, Request, RunId, TaskEvent, TaskId, Uncounted};
use crate::history::RunState;
use crate::store::{Store, StoreError};

/// How often another process may be met that works on the run for a moment.
const TRIES: u32 = 100;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun resolve last --as approve
  planrun resolve last backend2/go --as approve --by ann
  planrun resolve last backend2/drain --as wait --reason 'two users are still reading'")]
pub(super) struct Args {
    #[command(flatten)]
    word: RunArg,
    /// The task that asks; optional if there is only one
    #[arg(value_name = "HOST/STEP")]
    task: Option<String>,
    /// The answer; `planrun show` lists the possible ones
    #[arg(long = "as", value_name = "ANSWER")]
    answer: String,
    /// Who answers, if several people share this account; for the record, not verified
    #[arg(long, value_name = "NAME", value_parser = person)]
    by: Option<String>,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Records the answer, or passes it to the process that works on the run.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let store = context.store()?;
    let run = store.find(&args.word.run)?;
    let by = args.by.as_deref().map_or_else(who, |person| named(Some(person)));
    let mut tries = 0;
    let mut taken = loop {
        tries += 1;
        if store.is_alive(&run) && pass_on(args, &store, &run, &by, context)? {
            return Ok(Exit::SUCCEEDED);
        }
        // Another answer may be being recorded.
        match store.take(&run, &by) {
            Err(StoreError::Held { .. }) if tries < TRIES => std::thread::sleep(request::PAUSE),
            taken => break open_run::taken(taken?)?,
        }
    };
    let (task, answer) = meant(args, &run, &taken.state)?;
    let missing = missing(&taken.state, &task, answer);
    let left = taken.state.open_questions().len() - usize::from(missing == 0);
    let now = taken.now(&store)?;
    if let Some(refusal) =
        taken.state.question(&task).and_then(|question| question.refusal(answer, &by, now))
    {
        let fault = Fault::new(Exit::INVALID, format!("{task}: {refusal}"));
        return Err(match refusal {
            Uncounted::Late { .. } => {
                fault.help(format!("to continue, run `{} resume {run}`", context.program()))
            }
            Uncounted::Again { .. } | Uncounted::Starter { .. } => {
                fault.help("if several people share this account, name the person: `--by NAME`")
            }
        });
    }
    let answered =
        TaskEvent::QuestionAnswered { answer, reason: args.reason.clone(), by }.of(&task);
    taken.add(answered, now)?;
    context.say(&format!("{task}: {} ({})", answer.word(), answer.about()));
    let next = format!("run `{} resume {run}`", context.program());
    context.say(&match left {
        _ if missing > 0 => format!("{missing} more must approve; then {next}"),
        0 => format!("to continue, {next}"),
        left => format!("{left} more to answer; then {next}"),
    });
    Ok(Exit::SUCCEEDED)
}

/// Passes the answer to the process that works on the run; false if that ends without it.
fn pass_on(
    args: &Args,
    store: &Store,
    run: &RunId,
    by: &str,
    context: &Context,
) -> Result<bool, Fault> {
    let state = open_run::fold(&store.records(run)?)?;
    let (task, answer) = meant(args, run, &state)?;
    let is_done = hand_over(store, run, &state, &task, answer, args.reason.clone(), by)?;
    if is_done {
        context.say(&format!("{task}: {} ({})", answer.word(), answer.about()));
        context.say(&match missing(&state, &task, answer) {
            0 => "the run continues".to_owned(),
            left => format!("{left} more must approve"),
        });
    }
    Ok(is_done)
}

/// Returns how many people must still approve after an answer.
fn missing(state: &RunState, task: &TaskId, answer: Answer) -> u32 {
    let approval = state.question(task).and_then(|question| question.approval);
    let approval = approval.filter(|_| answer == Answer::Approve);
    approval.map_or(0, |approval| approval.left().saturating_sub(1))
}

/// Checks the name of the person who answers.
fn person(name: &str) -> Result<String, String> {
    let is_one = is_person(name);
    let why = || "write a name of letters, digits and `@._+-`".to_owned();
    is_one.then(|| name.to_owned()).ok_or_else(why)
}

/// Passes the answer to the process that works on the run; false if that process has ended.
fn hand_over(
    store: &Store,
    run: &RunId,
    state: &RunState,
    task: &TaskId,
    answer: Answer,
    reason: Option<String>,
    by: &str,
) -> Result<bool, Fault> {
    let asks = state.hosts.get(&task.host).and_then(|host| host.task(&task.step));
    let asked_at = asks.map_or(0, |task| task.asked_at);
    let request = Request::Answer { task: task.clone(), asked_at, answer, reason };
    if request::pass(store, run, by, request)? == Passed::Done {
        return Ok(true);
    }
    // It may have recorded the answer just before it ended.
    let is_ours = |record: &Record| {
        record.seq > asked_at
            && matches!(&record.event, Event::Task { task: it, event: TaskEvent::QuestionAnswered { answer: was, by: who, .. } }
                if it == task && *was == answer && who == by)
    };
    Ok(store.records(run)?.iter().any(is_ours))
}

fn meant(args: &Args, run: &RunId, state: &RunState) -> Result<(TaskId, Answer), Fault> {
    if state.status.has_ended() {
        let fault = open_run::ended(run, state.status);
        return Err(fault.help("a run that has ended takes no answers"));
    }
    let open = state.open_questions();
    let (task, question) = asked(&open, args.task.as_deref(), run)?;
    let answer = chosen(&args.answer, &question.answers).map_err(|why| {
        let message = format!("`{}` is not an answer to the question of {task}", args.answer);
        Fault::new(Exit::INVALID, message).help(why)
    })?;
    Ok((task.clone(), answer))
}

fn asked<'a>(
    open: &'a [(TaskId, Question)],
    task: Option<&str>,
    run: &RunId,
) -> Result<&'a (TaskId, Question), Fault> {
    let names: Vec<String> = open.iter().map(|(task, _)| task.to_string()).collect();
    let fault = |message: String| {
        let fault = Fault::new(Exit::INVALID, message);
        match names.as_slice() {
            [] => fault.help(format!("to see its state, run `planrun show {run}`")),
            names => fault.help(format!("use one of: {}", names.join(", "))),
        }
    };
    match (task, open) {
        (_, []) => Err(fault(format!("run {run} has no open question"))),
        (None, [one]) => Ok(one),
        (None, several) => Err(fault(format!("run {run} has {} open questions", several.len()))),
        (Some(task), all) => all
            .iter()
            .find(|(asks, _)| asks.to_string() == task)
            .ok_or_else(|| fault(format!("`{task}` has no open question in run {run}"))),
    }
}
