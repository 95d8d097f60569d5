//! The model of the lock of a host answers as real hosts do: the same requests of three processes of two runs,
//! and of an operator, go to both.

use std::path::Path;
use std::time::Duration;

use planrun::inventory::{Host, Locking};
use planrun::transport::local::LocalTransport;
use planrun::transport::lock::{Found, Holder, LockReply, LockRequest, ReleasedBy};
use planrun::transport::{AttemptId, Transport, TransportError};

use crate::fault::{Chance, Fate};
use crate::hosts::{Arrival, Fence, Request, Sender, Work, World};
use crate::life::start;
use crate::real::{command_of, restart};

/// The processes: the second one continues the run of the first one.
const PROCESSES: [Sender; 3] =
    [Sender { run: 0, epoch: 1 }, Sender { run: 0, epoch: 2 }, Sender { run: 1, epoch: 1 }];

/// A request, or what happens to the host.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Take(usize),
    Release(usize),
    /// An operator releases the lock of a run.
    Unlock(usize),
    Show,
    /// A process sends an effect.
    Send(usize),
    Reboot,
}

/// What comes back.
#[derive(Debug, PartialEq)]
enum Replied {
    Taken { is_kept: bool },
    Refused,
    Free,
    Released,
    Held(String, u64),
    Ends,
    Restarted,
    Other(String),
}

/// Plays one script on both.
pub(crate) async fn answer_as_the_model_does(folder: &Path, host: &Host, seed: u64) {
    let mut chance = Chance(seed);
    let deeds: Vec<Deed> = (0..24).map(|_| deed(&mut chance)).collect();
    let mut model = Modelled {
        world: World::new([host.name.clone()], &[], None),
        fences: [None, None, None],
        sent: 0,
    };
    let mut host = host.clone();
    host.link.locking = Locking::Dir(folder.join(format!("locks-{seed}")).display().to_string());
    let transports = std::array::from_fn(|_| LocalTransport::new());
    let mut real = Real { host, transports, seed, sent: 0 };
    for (at, deed) in deeds.iter().enumerate() {
        let (expected, found) = (model.does(*deed), real.does(*deed).await);
        assert_eq!(found, expected, "locks {seed}, {deed:?} in {:?}", &deeds[..=at]);
    }
}

fn deed(chance: &mut Chance) -> Deed {
    let process = chance.below(PROCESSES.len());
    match chance.below(16) {
        0..=4 => Deed::Take(process),
        5..=6 => Deed::Release(process),
        7..=8 => Deed::Unlock(PROCESSES[process].run),
        9..=10 => Deed::Show,
        11..=14 => Deed::Send(process),
        _ => Deed::Reboot,
    }
}

/// What a host is asked; `None` if it is no question about its lock.
fn request(deed: Deed) -> Option<(usize, LockRequest)> {
    let id = |run: usize| format!("lock-of-{run}");
    let holder = |from: Sender| Holder {
        id: id(from.run),
        epoch: from.epoch,
        run: format!("run-{}", from.run),
        by: "test@here".into(),
        since: start(),
        plan: "plan".into(),
        host: "host".into(),
    };
    let by = ReleasedBy { by: "other@there".into(), at: start(), reason: "it is wanted".into() };
    match deed {
        Deed::Take(process) => Some((process, LockRequest::Take(holder(PROCESSES[process])))),
        Deed::Release(process) => {
            Some((process, LockRequest::Release { id: id(PROCESSES[process].run), by: None }))
        }
        Deed::Unlock(run) => Some((0, LockRequest::Release { id: id(run), by: Some(by) })),
        Deed::Show => Some((0, LockRequest::Show)),
        Deed::Send(_) | Deed::Reboot => None,
    }
}

fn replied(deed: Deed, reply: LockReply) -> Replied {
    match (deed, reply) {
        (Deed::Take(_), LockReply::Held(_)) => Replied::Refused,
        (_, LockReply::Held(Found { holder: Some(holder), .. })) => {
            Replied::Held(holder.run, holder.epoch)
        }
        (_, LockReply::Taken { is_kept, .. }) => Replied::Taken { is_kept },
        (_, LockReply::Free) => Replied::Free,
        (_, LockReply::Released) => Replied::Released,
        (_, other) => Replied::Other(format!("{other:?}")),
    }
}

struct Modelled {
    world: World,
    fences: [Option<Fence>; 3],
    sent: usize,
}

impl Modelled {
    fn does(&mut self, deed: Deed) -> Replied {
        if let Some((process, request)) = request(deed) {
            let (reply, fence) = self.world.lock(0, PROCESSES[process], &request);
            if fence.is_some() {
                self.fences[process] = fence;
            }
            return replied(deed, reply);
        }
        let Deed::Send(process) = deed else {
            self.world.reboot(0, false, Duration::ZERO);
            return Replied::Free;
        };
        self.sent += 1;
        let arrival = self.world.arrives(Request {
            host: 0,
            from: PROCESSES[process],
            fence: self.fences[process].clone(),
            id: AttemptId(self.sent.to_string()),
            work: Work::Print("well".into()),
            takes: Duration::ZERO,
            timeout: Duration::from_mins(1),
            fate: Fate::Well,
        });
        match arrival {
            Arrival::Starts => Replied::Ends,
            Arrival::LockLost => Replied::Refused,
            Arrival::Restarted => Replied::Restarted,
            Arrival::Taken => Replied::Other("taken".into()),
        }
    }
}

/// This machine.
struct Real {
    host: Host,
    transports: [LocalTransport; 3],
    seed: u64,
    sent: usize,
}

impl Real {
    async fn does(&mut self, deed: Deed) -> Replied {
        if let Some((process, request)) = request(deed) {
            return match self.transports[process].lock(&self.host, &request).await {
                Ok(reply) => replied(deed, reply),
                Err(TransportError::Locked { .. }) => Replied::Refused,
                Err(other) => Replied::Other(other.to_string()),
            };
        }
        let Deed::Send(process) = deed else {
            restart();
            return Replied::Free;
        };
        self.sent += 1;
        let id = AttemptId(format!("locks-{}-{}-{}", std::process::id(), self.seed, self.sent));
        let command = command_of("echo well\n".to_owned());
        match self.transports[process].attempt(&self.host, &id, &command).await {
            Ok(_) => Replied::Ends,
            Err(TransportError::Locked { .. }) => Replied::Refused,
            Err(TransportError::Unreachable { .. }) => Replied::Restarted,
            Err(other) => Replied::Other(other.to_string()),
        }
    }
}
