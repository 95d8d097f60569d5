//! Questions of a run: asked in its terminal, answered from any terminal, ended when their time has passed.
//! Secrets that are typed are asked for here, too, and never leave this process.

use std::time::Duration;

use crate::clock::Clock;
use crate::event::{Answer, JournalError, TaskEvent};
use crate::run::Live;
use crate::run::answers::Given;
use crate::task::TaskId;
use crate::template::Names;

impl Live<'_, '_> {
    /// Asks the operator. Other hosts continue meanwhile; without an answer the question stays
    /// open.
    pub(super) async fn ask(&self, task: &TaskId) -> Result<(), JournalError> {
        let question = self.state.borrow().question(task);
        let (Some(mut question), Some(asker)) = (question, self.run.asker) else { return Ok(()) };
        let by = asker.person(&question).unwrap_or_else(|| self.run.by.clone());
        let approval = question.approval.as_ref();
        if approval.is_some_and(|approval| approval.refusal(&by).is_some()) {
            question.answers.retain(|answer| *answer != Answer::Approve);
        }
        let answer = tokio::select! {
            biased;
            answer = asker.ask(task, &question) => answer,
            () = self.answered(task) => return Ok(()),
            () = self.run.stop.wait() => None,
        };
        let Some((answer, reason)) = answer else {
            self.can_ask.set(false);
            return Ok(());
        };
        self.note(TaskEvent::QuestionAnswered { answer, reason, by }.of(task)).await
    }

    /// Asks the operator for a secret that a task needs, unless another task did. Whether it is known now.
    pub(super) async fn ask_secret(&self, task: &TaskId, name: &str) -> bool {
        let _one_at_a_time = self.asking.lock().await;
        if self.typed.borrow().contains_key(name) {
            return true;
        }
        let run = self.run;
        let (Some(asker), Some(input)) = (run.asker, run.plan.plan.inputs.get(name)) else {
            return false;
        };
        let secret = tokio::select! {
            biased;
            () = run.stop.wait() => None,
            secret = asker.secret(task, name, input) => secret,
        };
        let Some(secret) = secret else { return false };
        // From now on it is found in all output, before it is sent.
        run.plan.secrets.redactor.add(secret.expose().map(|text| (name, text)));
        self.typed.borrow_mut().insert(name.to_owned(), secret);
        true
    }

    /// Returns the secrets that were typed.
    pub(super) fn typed_names(&self) -> Names {
        let typed = self.typed.borrow();
        let mut names = Names::default();
        for (name, secret) in typed.iter() {
            names.insert(name.clone(), secret.expose().next().unwrap_or_default().into());
        }
        names
    }

    /// Waits until the question of a task is answered from another terminal.
    async fn answered(&self, task: &TaskId) {
        loop {
            let taken = self.run.answers.taken();
            if self.state.borrow().question(task).is_none() {
                return;
            }
            taken.await;
        }
    }

    /// Records an answer from another terminal, or reports why not.
    pub(super) async fn take_answer(&self, given: Given) -> Result<(), JournalError> {
        let Given { task, asked_at, answer, reason, by, taken } = given;
        let question = {
            let state = self.state.borrow();
            let is_same = state.task(&task).is_some_and(|asks| asks.asked_at == asked_at);
            state.question(&task).filter(|asked| is_same && asked.answers.contains(&answer))
        };
        let now = self.run.clock.now();
        let reply = match question.map(|question| question.refusal(answer, &by, now)) {
            Some(None) => {
                let answered = TaskEvent::QuestionAnswered { answer, reason, by };
                self.note_now([answered.of(&task)]).await?;
                Ok(())
            }
            Some(Some(refusal)) => Err(refusal.to_string()),
            None => Err(format!("the question of {task} is no longer open")),
        };
        // The terminal of the answer may be gone.
        let _gone = taken.send(reply);
        self.run.answers.tell_taken();
        Ok(())
    }

    /// Ends the questions whose time has passed.
    pub(super) async fn expire(&self) -> Result<(), JournalError> {
        if !self.has_deadlines {
            return Ok(());
        }
        let now = self.run.clock.now();
        let mut open = self.state.borrow().open_questions();
        open.retain(|(_, asked)| asked.approval.as_ref().is_some_and(|one| one.is_late(now)));
        if open.is_empty() {
            return Ok(());
        }
        let events = open.into_iter().map(|(task, _)| TaskEvent::QuestionExpired.of(&task));
        self.note_now(events).await?;
        self.run.answers.tell_taken();
        Ok(())
    }

    /// Waits until the time of an open question has passed. Virtual time does not pass while the operator
    /// thinks.
    pub(super) async fn next_expiry(&self) {
        let is_asking = self.run.asker.is_some() && matches!(self.run.clock, Clock::Virtual(_));
        let open = if self.has_deadlines && !is_asking {
            self.state.borrow().open_questions()
        } else {
            Vec::new()
        };
        let first = open.into_iter().filter_map(|(_, asked)| asked.approval?.until).min();
        let Some(first) = first else { return std::future::pending().await };
        let left = first.duration_since(self.run.clock.now());
        self.run.clock.sleep(Duration::try_from(left).unwrap_or_default()).await;
    }
}
