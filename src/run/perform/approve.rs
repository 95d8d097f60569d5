//! Steps that ask the operator before the plan continues.
//!
//! The time limit is a point in time, by the clock of the controller, and is stored with the question: people
//! answer while no process works on the run, so that time counts, too. The process that works on the run next ends a
//! question that is over ([`crate::run`]).

use jiff::SignedDuration;

use crate::event::{Answer, Approval, Question, Reason, TaskStatus};
use crate::plan::Approve;
use crate::run::perform::{Conclusion, Task};
use crate::template::Mode;

impl Task<'_, '_, '_> {
    pub(super) fn approve(&self, approve: &Approve) -> Conclusion {
        match self.question(approve) {
            Ok(question) => Conclusion::Asked(question),
            Err(why) => self.failed(TaskStatus::Failed, why),
        }
    }

    fn question(&self, approve: &Approve) -> Result<Question, Reason> {
        let text = approve.text.render(Mode::Text, &self.names);
        let text = text.map_err(|error| Reason::of(error.to_string()))?.trim_end().to_owned();
        let timeout = approve.timeout.as_ref().map(|timeout| self.length(timeout)).transpose()?;
        let until = timeout.and_then(|timeout| {
            let timeout = SignedDuration::try_from(timeout).ok()?;
            self.live.run.clock.now().checked_add(timeout).ok()
        });
        let starter = self.live.state.borrow().planned.by.clone();
        let not_by = Some(starter).filter(|_| approve.exclude_starter);
        let people = approve.people;
        let is_special = people > 1 || until.is_some() || not_by.is_some();
        let approval = Approval { people, until, not_by, given: Vec::new() };
        let question =
            Question::new(text, Reason::default(), vec![Answer::Approve, Answer::Reject]);
        Ok(Question { approval: is_special.then_some(approval), ..question })
    }
}
