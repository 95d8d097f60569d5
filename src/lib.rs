//! planrun: a declarative plan executor.
//!
//! Modules stand here in the order of the data: text becomes meaning, meaning becomes facts, facts
//! become what people see and keep. A module uses those above its group and of its own group,
//! never below; `docs/architecture.md` has the picture and the table, a test holds it.
//!
//! ```text
//!  text -> Document -> Plan -> ResolvedPlan -> [ decide -> act -> Event -> apply ] -> Verdict
//!       parse    lower     resolve              '------------- run -----+---------'
//!           schema   check                                              +-> Store
//!              '------ Diagnostics ------'                              '-> Reporters
//! ```

// Ground: knows nothing of plans.
pub mod clock;
pub mod diagnostic;
pub mod duration;
pub mod file;
pub mod quote;
pub mod regexes;
pub mod secret;
pub mod source;

// Language: text to meaning. Pure, but for the files that `inventory` reads.
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

// Run: meaning to facts.
pub mod transport;

pub mod event;
pub mod history;
pub mod run;

// Consumers: facts to people and disk.
pub mod report;
pub mod store;

// The rim: the command line. Nothing uses it.
pub mod cli;
