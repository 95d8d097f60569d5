//! Uploads that say nothing of what must be seen: the file itself is looked at.
//!
//! An upload is done when the file on the host has its content, and the mode and owner that the
//! plan says. That is as good as a `done_when`: before the first sending it tells that nothing is
//! to be done, and after an attempt of unknown end what became of it. Where the host cannot tell (it
//! has no `sha256sum`, or is a model) the upload is sent.

use crate::inventory::HostName;
use crate::plan::{Effect, Place, Work};
use crate::run::perform::Task;
use crate::run::render;
use crate::transport::{Body, Exit, Transport as _};

/// Why an upload is not sent, or is known to be done.
pub(super) const IN_PLACE: &str = "the file is in place, with this content, mode and owner";

impl Task<'_, '_, '_> {
    /// Whether an upload without `done_when` need not be sent at all.
    pub(super) async fn is_already_in_place(&self, effect: &Effect) -> bool {
        // Of a group any member may take it: that none has it yet cannot be told by one.
        let on = match &effect.place {
            Place::Here => self.host.clone(),
            Place::Host(name, _) => HostName::new(name),
            Place::OneOf(..) | Place::EachOf(..) => return false,
        };
        self.is_in_place(effect, &on).await
    }

    /// Whether the file of an upload is on a host as the upload would leave it.
    pub(super) async fn is_in_place(&self, effect: &Effect, on: &HostName) -> bool {
        let run = self.live.run;
        if !matches!(effect.command.work, Work::Upload(_)) {
            return false;
        }
        let Some(host) = run.plan.inventory.host(on) else {
            return false;
        };
        let step = format!("{}/{}", run.plan.plan.name, self.step.path);
        let Ok(mut command) =
            render::command(&effect.command, &self.names, self.host, host, run.plan, step)
        else {
            return false;
        };
        if let Body::Upload { content, secret, to, mode, owner } = command.body {
            command.body = Body::Compare { content, secret, to, mode, owner };
            let seen = self.guard.look(host, &command).await;
            return seen.is_ok_and(|output| {
                output.exit == Exit::Code(0) && output.stdout.trim_ascii() == b"same"
            });
        }
        false
    }
}
