//! Why something happened: text, and conditions with the values that were observed.

use serde::{Deserialize, Serialize};

/// Why something happened, with the observed values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub text: String,
    /// The conditions that were evaluated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<Seen>,
}

impl Reason {
    /// Makes a reason without conditions.
    pub fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), seen: Vec::new() }
    }
}

/// A condition and its observed values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The sentence of the check; the condition itself if the plan has no sentence.
    pub claim: String,
    /// The condition as written.
    pub condition: String,
    pub truth: Truth,
    /// Its parts that were evaluated, and their values, as they are shown.
    pub values: Vec<(String, String)>,
    /// Why it is unknown.
    pub error: Option<String>,
}

/// The value of a condition.
/// Of several, the last in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    True,
    /// A probe failed, or its output could not be parsed.
    Unknown,
    False,
}
