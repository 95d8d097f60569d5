//! Uploads without `done_when`: the file itself is checked.
//!
//! An upload is done if the file on the host has its content, and the mode and owner of the plan.
//! This is as good as a `done_when`: before the first attempt it shows that nothing needs to be
//! sent, and after an attempt whose outcome is unknown, whether it took effect. If the host cannot
//! report it (it has no `sha256sum`, or is a model), the upload is sent.

use crate::inventory::HostName;
use crate::plan::{Effect, Work};
use crate::run::perform::Task;
use crate::run::there::place;
use crate::transport::{Body, Exit, Transport as _};

/// Why an upload is not sent, or is known to be done.
pub(super) const IN_PLACE: &str = "the file is in place, with this content, mode and owner";

impl Task<'_, '_, '_> {
    /// Whether an upload without `done_when` need not be sent at all.
    pub(super) async fn is_already_in_place(&self, effect: &Effect) -> bool {
        // Any member of a group may get it, so one member cannot show that none has it.
        match place(&effect.target, self.host, &self.names) {
            Some(on) => self.is_in_place(effect, &on).await,
            None => false,
        }
    }

    /// Whether the file of an upload is on a host as the upload would leave it.
    pub(super) async fn is_in_place(&self, effect: &Effect, on: &HostName) -> bool {
        if !matches!(effect.command.work, Work::Upload(_)) {
            return false;
        }
        let Ok((host, mut command)) = self.command(effect, on) else { return false };
        if let Body::Upload(file) = command.body {
            command.body = Body::Compare(file);
            let seen = self.guard.look(host, &command).await;
            return seen.is_ok_and(|output| {
                output.exit == Exit::Code(0) && output.stdout.trim_ascii() == b"same"
            });
        }
        false
    }
}
