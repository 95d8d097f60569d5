//! What can go wrong with a command of a model host.

#[derive(Clone, Debug, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum FaultKind {
    /// The command exits with 1 and does nothing.
    Refused,
    /// The connection is lost before the command takes effect.
    CutBefore,
    /// The connection is lost after it.
    CutAfter,
    /// The command does nothing until its timeout ends it.
    Hangs,
    /// The host cannot be reached from now on.
    HostGone,
    /// A fault that the model defines for the command; commands without it are not affected.
    #[strum(disabled)]
    Known(String),
}

impl FaultKind {
    /// The names of the general faults.
    pub const WORDS: [&str; 5] = ["refused", "cut_before", "cut_after", "hangs", "host_gone"];

    /// Returns the fault of a name; names that are not general are the model's.
    pub fn from_word(word: &str) -> Self {
        word.parse().unwrap_or_else(|_| Self::Known(word.to_owned()))
    }
}
