//! Secrets: values that are used and never shown.
//!
//! A [`Secret`] has no `Display` and no serde, and its `Debug` prints nothing. Code that needs the
//! value calls [`Secret::expose`], which is easy to search for. A secret is wiped from memory when it
//! is dropped; copies in a template engine or a connection buffer are not. A [`SecretFile`] is the
//! same for the content of a file, which may not be text.
//!
//! The output of commands may still contain a secret, as it is or encoded. [`Redactor`] finds it there.
//! Where a secret may be used is decided in `plan`.

mod redactor;
mod writings;

use std::fmt;

use zeroize::Zeroizing;

pub use redactor::Redactor;

/// Shortest secret that is redacted from output, in bytes: a shorter one would match output that has
/// nothing to do with it.
pub const SHORTEST: usize = 6;

/// The content of a file that is never shown.
#[derive(Clone)]
pub struct SecretFile(Zeroizing<Vec<u8>>);

impl SecretFile {
    pub fn new(content: &[u8]) -> Self {
        Self(Zeroizing::new(content.to_vec()))
    }

    /// Returns the content, for the one place that needs it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretFile")
    }
}

/// A value that is never shown: a string, or a list of strings.
#[derive(Clone)]
pub struct Secret {
    texts: Vec<Zeroizing<String>>,
    is_list: bool,
}

impl Secret {
    pub fn text(text: impl Into<String>) -> Self {
        Self { texts: vec![Zeroizing::new(text.into())], is_list: false }
    }

    pub fn list(texts: impl IntoIterator<Item = String>) -> Self {
        Self { texts: texts.into_iter().map(Zeroizing::new).collect(), is_list: true }
    }

    pub fn is_list(&self) -> bool {
        self.is_list
    }

    /// Returns the strings, for the one place that needs them.
    pub fn expose(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| text.as_str())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}
