//! planrun: a declarative plan executor.
pub mod clock;
pub mod diagnostic;
pub mod document;
pub mod event;
pub mod inventory;
pub mod schema;
pub mod duration;
pub mod template;
pub mod source;
pub mod store;
pub mod transport;
