//! The words of a file.
