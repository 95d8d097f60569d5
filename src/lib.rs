//! planrun: a declarative plan executor.
pub mod clock;
pub mod diagnostic;
pub mod document;
pub mod event;
pub mod inventory;
pub mod model;
pub mod schema;
pub mod source;
pub mod transport;
