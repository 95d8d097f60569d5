//! Secrets: values that are used and never shown.
//!
//! A [`Secret`] has no `Display` and no serde, and its `Debug` tells nothing: whoever needs the
//! value says [`Secret::expose`], and those places can be searched for. It is wiped from memory
//! when it is dropped; copies that a template engine or a buffer of a connection made are not.
//! A [`SecretFile`] is the same for the content of a file, which may be no text.
//!
//! What commands print may hold a secret all the same, as it is or in another writing.
//! [`Redactor`] finds it there. Nothing here decides where a secret may be used: `plan` does.

mod redactor;
mod writings;

use std::fmt;

use zeroize::Zeroizing;

pub use redactor::Redactor;

/// Shortest secret that is looked for in what commands print, in bytes: a shorter one would be
/// found in places that have nothing to do with it.
pub const SHORTEST: usize = 6;

/// The content of a file that is never shown.
#[derive(Clone)]
pub struct SecretFile(Zeroizing<Vec<u8>>);

impl SecretFile {
    /// Makes a secret of the content of a file.
    pub fn new(content: &[u8]) -> Self {
        Self(Zeroizing::new(content.to_vec()))
    }

    /// Returns the content itself, for the one place where it is needed.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretFile")
    }
}

/// A value that is never shown: a text, or a list of texts.
#[derive(Clone)]
pub struct Secret {
    texts: Vec<Zeroizing<String>>,
    is_list: bool,
}

impl Secret {
    /// Makes a secret of a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { texts: vec![Zeroizing::new(text.into())], is_list: false }
    }

    /// Makes a secret of several texts.
    pub fn list(texts: impl IntoIterator<Item = String>) -> Self {
        Self { texts: texts.into_iter().map(Zeroizing::new).collect(), is_list: true }
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        self.is_list
    }

    /// Returns the texts themselves, for the one place where they are needed.
    pub fn expose(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| text.as_str())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, SecretFile};

    #[test]
    fn a_secret_is_not_in_its_debug_form() {
        let secret = Secret::list(["hunter2!".to_owned(), "other-one".to_owned()]);
        assert_eq!(format!("{secret:?}"), "Secret");
        let file = SecretFile::new(b"hunter2!");
        assert_eq!(format!("{file:?}"), "SecretFile");
        assert_eq!(format!("{:#?}", Some(Secret::text("hunter2!"))), "Some(\n    Secret,\n)");
        assert_eq!(secret.expose().collect::<Vec<_>>(), ["hunter2!", "other-one"]);
    }
}
