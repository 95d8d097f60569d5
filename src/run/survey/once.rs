//! A transport that only reads, and reads everything once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::inventory::{Connection, Host, HostName};
use crate::plan::Probe;
use crate::run::reach::Login;
use crate::transport::{Command, Output, Reply, Request, Transport, TransportError};

type Answer = Result<Output, TransportError>;

/// What was asked once, and is known from then on.
type Known<T> = Rc<OnceCell<Result<T, TransportError>>>;

/// A probe that ran on a host.
#[derive(Clone, Debug)]
pub struct Probed {
    pub on: HostName,
    /// Its name; that of a step, if it compares a file.
    pub name: String,
    pub command: String,
    /// The user that it ran as, if it is not the login user.
    pub user: Option<String>,
    pub answer: Option<Answer>,
}

impl Probed {
    /// Describes a probe that could not be sent.
    pub(super) fn unsent(on: HostName, probe: &Probe) -> Self {
        Self { on, name: probe.name.clone(), command: String::new(), user: None, answer: None }
    }

    fn of(on: &HostName, look: &Look) -> Self {
        let step = look.command.step.rsplit_once('/').map_or("", |(_, name)| name);
        Self {
            on: on.clone(),
            name: step.to_owned(),
            command: look.command.display(),
            user: look.command.r#become.clone(),
            answer: look.answer.get().cloned(),
        }
    }
}

struct Look {
    command: Command,
    answer: Known<Output>,
}

/// Sends each probe and each login once, and no other request at all.
pub(super) struct Once<'a> {
    transport: Option<&'a dyn Transport>,
    looks: RefCell<BTreeMap<HostName, Vec<Look>>>,
    logins: RefCell<BTreeMap<Login, Known<()>>>,
}

impl<'a> Once<'a> {
    /// Without a transport, no host is contacted, and all probes fail.
    pub(super) fn new(transport: Option<&'a dyn Transport>) -> Self {
        Self { transport, looks: RefCell::default(), logins: RefCell::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.transport.is_some()
    }

    /// Returns the last probe that ran on a host.
    pub(super) fn last(&self, on: &HostName) -> Option<Probed> {
        let looks = self.looks.borrow();
        looks.get(on)?.last().map(|look| Probed::of(on, look))
    }

    pub(super) fn into_probed(self) -> Vec<Probed> {
        let looks = self.looks.into_inner();
        let of_host = |(on, looks): (HostName, Vec<Look>)| -> Vec<Probed> {
            looks.iter().map(|look| Probed::of(&on, look)).collect()
        };
        looks.into_iter().flat_map(of_host).collect()
    }

    fn look_at(&self, host: &Host, command: &Command) -> Known<Output> {
        let mut command = command.clone();
        // A model may answer by the host that a probe is about; no other host knows it.
        if host.link.connection != Connection::Model {
            command.host = None;
        }
        let mut looks = self.looks.borrow_mut();
        let looks = looks.entry(host.name.clone()).or_default();
        if let Some(known) = looks.iter().find(|look| look.command == command) {
            return Rc::clone(&known.answer);
        }
        let answer = Known::<Output>::default();
        looks.push(Look { command, answer: Rc::clone(&answer) });
        answer
    }
}

#[async_trait(?Send)]
impl Transport for Once<'_> {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        let refused = |why: &str| {
            Err(TransportError::Impossible { host: host.name.clone(), why: why.to_owned() })
        };
        let Some(transport) = self.transport else { return refused("not observed") };
        match request {
            Request::Look(command) => {
                let answer = self.look_at(host, command);
                let look = async || match transport.look(host, command).await {
                    // A probe changes nothing: it may run again.
                    Err(TransportError::Cut { .. }) => transport.look(host, command).await,
                    other => other,
                };
                let answer = answer.get_or_init(look).await.clone();
                answer.map(|output| Reply::Ended(output, None))
            }
            Request::LogIn(user) => {
                let login = (host.name.clone(), user.map(str::to_owned));
                let known = Rc::clone(self.logins.borrow_mut().entry(login).or_default());
                let reached = known.get_or_init(|| transport.log_in(host, user)).await;
                reached.clone().map(|()| Reply::Done)
            }
            _ => refused("a preview only reads"),
        }
    }
}
