//! Questions at a terminal.
//!
//! The question itself is an event and is shown as one; this module shows the prompt. Questions of
//! several hosts are asked one after the other. A thread reads the lines, because a read from a terminal
//! cannot be cancelled: a line that is read afterwards belongs to what comes next. Only what is typed after
//! a question is an answer to it. Without a question, Enter skips ahead in the time of a model.

use std::cell::{Cell, RefCell};

use async_trait::async_trait;
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::{Mutex, mpsc, watch};
use zeroize::Zeroizing;

use crate::cli::terminal::Terminal;
use crate::cli::view::{Pause, View};
use crate::event::{Answer, Question, TaskId};
use crate::plan::{Input, InputKind};
use crate::report::text::printable;
use crate::run::Asker;
use crate::secret::Secret;

pub(super) struct Operator<'a> {
    view: &'a RefCell<View>,
    stopped: watch::Receiver<bool>,
    terminal: Terminal,
    lines: Mutex<Lines>,
    /// How many conversations there are, or wait for the one before them.
    talks: watch::Sender<usize>,
}

/// A conversation with the operator, until it is dropped.
struct Talk<'o>(&'o watch::Sender<usize>);

impl<'o> Talk<'o> {
    fn begin(talks: &'o watch::Sender<usize>) -> Self {
        talks.send_modify(|number| *number += 1);
        Self(talks)
    }
}

impl Drop for Talk<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|number| *number -= 1);
    }
}

impl<'a> Operator<'a> {
    /// Makes an asker that stops when `stopped` becomes true; `None` if there is no terminal.
    pub(super) fn new(view: &'a RefCell<View>, stopped: watch::Receiver<bool>) -> Option<Self> {
        let terminal = Terminal::open()?;
        let lines = Mutex::new(Lines::new(terminal.again()?));
        let (talks, _) = watch::channel(0);
        Some(Self { view, stopped, terminal, lines, talks })
    }

    /// Waits for a line that is typed while nothing is asked. May be cancelled.
    pub(super) async fn enter(&self) {
        let mut talks = self.talks.subscribe();
        loop {
            drop(talks.wait_for(|number| *number == 0).await);
            let mut lines = self.lines.lock().await;
            tokio::select! {
                biased;
                _ = talks.wait_for(|number| *number > 0) => {}
                line = lines.next() => match line {
                    Some(_) => return,
                    // The terminal is gone.
                    None => std::future::pending().await,
                }
            }
        }
    }

    /// Gives a question up: what follows does not belong into the line of its prompt.
    fn left<T>(&self, is_prompt_open: bool) -> Option<T> {
        if is_prompt_open {
            self.terminal.prompt("\n");
        }
        None
    }
}

#[async_trait(?Send)]
impl Asker for Operator<'_> {
    async fn ask(&self, task: &TaskId, question: &Question) -> Option<(Answer, Option<String>)> {
        let mut stopped = self.stopped.clone();
        let _talk = Talk::begin(&self.talks);
        let is_open = Cell::new(false);
        let conversation = async {
            let mut lines = self.lines.lock().await;
            self.terminal.in_front().await;
            let _pause = Pause::new(self.view);
            self.terminal.discard();
            lines.discard();
            loop {
                self.terminal.prompt(&prompt_text(task, &question.answers));
                is_open.set(true);
                let line = lines.next().await?;
                is_open.set(false);
                match answer(&line, &question.answers) {
                    Ok(answer) => return Some(answer),
                    Err(why) => self.terminal.prompt(&format!("{why}\n")),
                }
            }
        };
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => self.left(is_open.get()),
            answer = conversation => answer,
        }
    }

    async fn secret(&self, task: &TaskId, name: &str, input: &Input) -> Option<Secret> {
        let mut stopped = self.stopped.clone();
        let _talk = Talk::begin(&self.talks);
        let is_open = Cell::new(false);
        let conversation = async {
            let mut lines = self.lines.lock().await;
            self.terminal.in_front().await;
            let _pause = Pause::new(self.view);
            let hidden = self.terminal.hide()?;
            lines.discard();
            loop {
                self.terminal.prompt(&secret_prompt(task, name, input));
                is_open.set(true);
                let line = lines.next().await?;
                is_open.set(false);
                self.terminal.prompt("\n");
                if hidden.is_cancelled(&line) {
                    // As if it had been typed at any other moment.
                    kill_process(getpid(), Signal::INT).ok();
                    return std::future::pending().await;
                }
                match secret_of(line.trim_end_matches(['\n', '\r']), input) {
                    Ok(secret) => return Some(secret),
                    Err(why) => self.terminal.prompt(&format!("{why}\n")),
                }
            }
        };
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => self.left(is_open.get()),
            secret = conversation => secret,
        }
    }
}

fn secret_prompt(task: &TaskId, name: &str, input: &Input) -> String {
    let task = printable(&task.to_string());
    let about = input.description.as_deref().map(|text| format!(" ({})", printable(text.trim())));
    format!("{task}: type the secret `{name}`{}: ", about.unwrap_or_default())
}

/// Returns what is typed as a secret, or what is wrong with it.
fn secret_of(text: &str, input: &Input) -> Result<Secret, String> {
    if text.is_empty() {
        return Err("it must not be empty".to_owned());
    }
    // Keys such as `^Z` send one, and so does a terminal around what is pasted.
    if text.chars().any(char::is_control) {
        return Err("it must not contain control characters; type it again".to_owned());
    }
    let InputKind::String { pattern } = &input.kind else { return Ok(Secret::text(text)) };
    match pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
        Some(pattern) => Err(format!("it must match `{}`", printable(&pattern.text))),
        None => Ok(Secret::text(text)),
    }
}

fn prompt_text(task: &TaskId, answers: &[Answer]) -> String {
    let words: Vec<&str> = answers.iter().map(|answer| answer.word()).collect();
    let task = printable(&task.to_string());
    format!("{task}: {}? (a reason may follow) ", words.join(", "))
}

/// Parses a line: an answer or a unique prefix of one, and an optional reason.
pub(super) fn answer(line: &str, answers: &[Answer]) -> Result<(Answer, Option<String>), String> {
    let line = line.trim();
    let (word, reason) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let reason = reason.trim();
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    let answer = chosen(word, answers)?;
    Ok((answer, reason))
}

/// Returns the answer with this name or prefix.
pub(super) fn chosen(word: &str, answers: &[Answer]) -> Result<Answer, String> {
    let word = word.to_lowercase();
    let begins = |answer: &&Answer| !word.is_empty() && answer.word().starts_with(&word);
    let whole = answers.iter().find(|answer| answer.word() == word);
    let fitting: Vec<&Answer> = answers.iter().filter(begins).collect();
    match (whole, fitting.as_slice()) {
        (Some(answer), _) => Ok(*answer),
        (None, [answer]) => Ok(**answer),
        (None, []) => Err(format!("answer with {}", meanings(answers))),
        (None, several) => {
            let words: Vec<&str> = several.iter().map(|answer| answer.word()).collect();
            Err(format!("`{word}` matches {}; type more characters", words.join(" or ")))
        }
    }
}

fn meanings(answers: &[Answer]) -> String {
    let each = answers.iter();
    let each: Vec<String> =
        each.map(|answer| format!("`{}` ({})", answer.word(), answer.about())).collect();
    each.join(", ")
}

/// Lines of the terminal, read on demand. They may be secrets.
struct Lines {
    wanted: mpsc::Sender<()>,
    read: mpsc::Receiver<Option<Zeroizing<String>>>,
    is_reading: bool,
}

impl Lines {
    fn new(terminal: Terminal) -> Self {
        let (wanted, mut orders) = mpsc::channel(1);
        let (lines, read) = mpsc::channel(1);
        let reader = std::thread::Builder::new().name("reader".to_owned());
        // Without a thread there is no answer, and the run pauses.
        let _reader = reader.spawn(move || {
            while orders.blocking_recv().is_some() {
                if lines.blocking_send(terminal.line().map(Zeroizing::new)).is_err() {
                    break;
                }
            }
        });
        Self { wanted, read, is_reading: false }
    }

    /// Drops a line that was typed, visibly, for an earlier question.
    fn discard(&mut self) {
        if self.is_reading && self.read.try_recv().is_ok() {
            self.is_reading = false;
        }
    }

    /// Returns the next line, `None` at the end. May be cancelled: a line that is read afterwards is the
    /// next one.
    async fn next(&mut self) -> Option<Zeroizing<String>> {
        if !self.is_reading {
            self.wanted.send(()).await.ok()?;
            self.is_reading = true;
        }
        let line = self.read.recv().await.flatten();
        self.is_reading = false;
        line
    }
}
