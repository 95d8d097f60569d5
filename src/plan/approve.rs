//! What a step asks the operator for.

use std::time::Duration;

use crate::plan::Deferred;
use crate::template::Template;

/// A question before the plan continues.
#[derive(Clone, Debug)]
pub struct Approve {
    pub text: Template,
    /// How long it may take until all have answered; `None` for no limit.
    pub timeout: Option<Deferred<Duration>>,
    /// How many different people must approve; at least 1.
    pub people: u32,
    /// Whether the person who started the run does not count.
    pub exclude_starter: bool,
}
