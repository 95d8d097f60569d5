//! Passwords and passphrases: where they come from, and that each is asked for once.
//!
//! An inventory says where a password comes from, and never has it. What was asked or read is kept for the
//! time of this process: a resume asks again. A wrong answer is not corrected here: what needed it fails
//! and says so, because servers count refused passwords.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::ssh::files;
use crate::inventory::SecretFrom;
use crate::secret::Secret;

/// Asks the operator for a password.
#[async_trait(?Send)]
pub trait Ask {
    /// Returns the answer; `None` if there is none.
    async fn ask(&self, prompt: &str) -> Option<Secret>;
}

/// The passwords of a run.
#[derive(Default)]
pub struct Passwords {
    operator: Option<Rc<dyn Ask>>,
    /// What was asked, with its answer. Locked while the operator answers: one question at a time.
    answers: Mutex<HashMap<String, Option<Secret>>>,
    /// Whether a password was accepted; locked during its first try.
    verdicts: RefCell<HashMap<String, Rc<Mutex<Option<bool>>>>>,
}

impl Passwords {
    pub fn of(operator: Rc<dyn Ask>) -> Self {
        Self { operator: Some(operator), ..Self::default() }
    }

    /// Returns a password; `prompt` is the question if it is asked for. An error is a sentence.
    pub(super) async fn get(&self, from: &SecretFrom, prompt: &str) -> Result<Secret, String> {
        match from {
            SecretFrom::Ask => self.ask(prompt).await.ok_or_else(|| {
                format!("cannot ask for \"{prompt}\": there is no terminal, or no answer")
            }),
            SecretFrom::Env(name) => match std::env::var(name) {
                Ok(text) if !text.is_empty() => Ok(Secret::text(text)),
                _ => Err(format!("the environment variable {name} has no password")),
            },
            SecretFrom::File(path) => {
                let text = files::read_secret(Path::new(path), "").await;
                let text =
                    text.map_err(|error| format!("cannot read the password file {path}: {error}"))?;
                let line = text.lines().next().filter(|line| !line.is_empty());
                line.map(Secret::text).ok_or_else(|| format!("the password file {path} is empty"))
            }
        }
    }

    /// Tries a password: at one host first, then at all others. If the first try failed, there is no other
    /// one, because servers lock accounts. `tried` returns whether it was accepted, if that is known.
    pub(super) async fn once<T>(
        &self,
        from: &SecretFrom,
        whom: &str,
        prompt: &str,
        tried: impl Future<Output = (T, Option<bool>)>,
    ) -> Result<T, String> {
        let name = match from {
            SecretFrom::Ask => prompt.to_owned(),
            _ => format!("{from:?} for {whom}"),
        };
        let verdict = Rc::clone(self.verdicts.borrow_mut().entry(name).or_default());
        let first = verdict.lock().await;
        if *first == Some(false) {
            return Err("not tried: a try with the same password failed earlier in this run, and \
                 servers lock accounts"
                .to_owned());
        }
        let first = first.is_none().then_some(first);
        let (result, is_good) = tried.await;
        if let Some(mut first) = first {
            *first = is_good;
        }
        Ok(result)
    }

    /// Asks the operator, once for each question.
    pub(super) async fn ask(&self, prompt: &str) -> Option<Secret> {
        let mut answers = self.answers.lock().await;
        if let Some(answer) = answers.get(prompt) {
            return answer.clone();
        }
        let answer = self.operator.as_ref()?.ask(prompt).await;
        answers.insert(prompt.to_owned(), answer.clone());
        answer
    }

    /// Asks the operator for what is good for one login only.
    pub(super) async fn ask_again(&self, prompt: &str) -> Option<Secret> {
        let _one_at_a_time = self.answers.lock().await;
        self.operator.as_ref()?.ask(prompt).await
    }
}

/// Returns the one string of a password.
pub(super) fn text(secret: &Secret) -> &str {
    secret.expose().next().unwrap_or_default()
}
