//! Requests from other terminals to the run that this process works on.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::event::{Request, RunId};
use crate::run::answers::{Answers, Given};
use crate::store::{Asked, Reply, Store};

/// The time between checks of the store: the sender waits for the reply.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Inbox<'a> {
    store: &'a Store,
    run: &'a RunId,
    answers: &'a Answers,
    /// Pauses the run; takes who asked.
    stop: &'a dyn Fn(&str),
    /// The requests that were passed on, each until its reply is stored.
    waiting: FuturesUnordered<Told>,
    known: RefCell<HashSet<u64>>,
}

/// The result of a request, once it is known.
type Told = std::pin::Pin<Box<dyn Future<Output = (u64, Reply)>>>;

impl<'a> Inbox<'a> {
    pub(super) fn new(
        store: &'a Store,
        run: &'a RunId,
        answers: &'a Answers,
        stop: &'a dyn Fn(&str),
    ) -> Self {
        let (waiting, known) = (FuturesUnordered::new(), RefCell::default());
        Self { store, run, answers, stop, waiting, known }
    }

    /// Waits a moment, then passes requests on and replies to completed ones. May be cancelled at any time:
    /// the next call does the rest.
    pub(super) async fn look(&mut self) {
        tokio::select! {
            Some((number, reply)) = self.waiting.next() => {
                if let Err(error) = self.store.reply(number, reply).await {
                    tracing::warn!(%error, "cannot reply to a request");
                }
            }
            () = Clock::Real.sleep(PAUSE) => match self.store.requests(self.run) {
                Ok(asked) => asked.into_iter().for_each(|asked| self.hand_on(asked)),
                Err(error) => tracing::warn!(%error, "cannot read requests"),
            },
        }
    }

    fn hand_on(&self, Asked { number, by, request }: Asked) {
        if !self.known.borrow_mut().insert(number) {
            return;
        }
        let (taken, answer) = oneshot::channel();
        match request {
            Request::Stop => {
                (self.stop)(&by);
                // The sender goes away before it reads more than this.
                let _heard = taken.send(Ok(()));
            }
            Request::Answer { task, asked_at, answer, reason } => {
                self.answers.give(Given { task, asked_at, answer, reason, by, taken });
            }
        }
        self.waiting.push(Box::pin(async move {
            let reply = match answer.await {
                Ok(Ok(())) => Reply::Done,
                Ok(Err(why)) => Reply::Refused(why),
                Err(_) => Reply::Unheard,
            };
            (number, reply)
        }));
    }
}
