//! planrun: a declarative plan executor.
//!
//! A user writes a *plan* (YAML): what to do on each host, how to verify it, and how to undo it. planrun
//! validates the plan, resolves it for the hosts of an inventory, and executes it over SSH or on model
//! hosts. Every fact of a run is an event that is stored before anything depends on it, so that a run
//! survives a crash and can be resumed or rolled back.
//!
//! The modules follow the data:
//!
//! ```text
//!  text -> Document -> Plan -> ResolvedPlan -> [ decide -> act -> Event -> apply ] -> Verdict
//!       parse    lower     resolve              '------------- run -----+---------'
//!           schema   check                                              +-> Store
//!              '------ Diagnostics ------'                              '-> Reporters
//! ```
//!
//! 1. *Ground*: files, spans, diagnostics, secrets, time. [`diagnostic`] is what every stage of the
//!    language returns in addition to its result.
//! 2. *Language*: [`document`] parses YAML, [`schema`] checks its shape, [`plan`], [`model`] and
//!    [`inventory`] convert it, [`resolve`] combines them for a run. [`template`] evaluates expressions,
//!    [`output`] parses what commands print. [`load`] reads all that a command names, from the disk or
//!    from memory. Nothing here starts a process or writes a file.
//! 3. *Run*: [`transport`] runs commands on hosts, [`event`] lists everything that can happen,
//!    [`history`] is the state that follows from events, [`run`] decides and acts.
//! 4. *Consumers*: [`page`] is a document for people, [`procedure`] is a plan as a page, [`report`] shows
//!    events to people and programs, [`store`] keeps them on disk, [`scenario`] compares a run on model
//!    hosts with its expected result, [`preview`] shows what a run would do, [`notify`] notifies people of
//!    what happens in a run.
//! 5. *Command line*: [`cli`] connects all of this. No module uses it.
//!
//! A module uses only modules that are listed before it. `docs/architecture.md` has the picture, the
//! table of dependencies, which a test enforces, and the reasons. `docs/glossary.md` defines the terms.

// Ground: independent of plans.
pub mod clock;
pub mod diagnostic;
pub mod duration;
pub mod file;
pub mod printable;
pub mod quote;
pub mod regexes;
pub mod secret;
pub mod source;
pub mod table;

// Language: converts text to plans, models and inventories.
pub mod document;
pub mod output;
pub mod schema;
pub mod template;

pub mod inventory;
pub mod load;
pub mod model;
pub mod plan;
pub mod resolve;
pub mod task;

// Run: executes plans and records events.
pub mod transport;

pub mod event;
pub mod history;
pub mod run;

// Consumers: show and store events.
pub mod notify;
pub mod page;
pub mod preview;
pub mod procedure;
pub mod report;
pub mod scenario;
pub mod store;

// The command line. No module uses it.
pub mod cli;
