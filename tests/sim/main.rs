//! A deterministic simulator of whole runs: the real engine, simulated hosts, store, network and operator.
//!
//! One seed gives one schedule: 2 to 20 faults, and how the operator behaves. A schedule is run in virtual
//! time on one thread, with as many processes as it takes until the run has ended. Then `oracle`
//! compares what happened on the hosts with what was stored, by rules that were written without
//! the engine: the promises in `docs/guarantees.md`.
//!
//! ```text
//!   fault      the faults, and schedules of them by seed
//!   cases      the plans, read by the production reader
//!   hosts      the host side: effects, records of attempts, reboots
//!   store      the journal: what survives a crash
//!   process    one process of planrun: the transport, the journal, the operator it talks to
//!   operator   who starts a run, continues it, and answers its questions
//!   life       all processes of a run, up to its end; of two runs, if there is a rival
//!   oracle     the promises
//!   tenure     the promises about locks
//!   bug        bugs on purpose: is each found?
//!   real       does the model of a host answer as real hosts do?
//!   real_locks does the model of its lock?
//! ```
//!
//! `PLANRUN_SIM_SEED=N` runs one schedule and prints its trace. `PLANRUN_SIM_SCHEDULES=N` sets how many
//! there are, from that seed or from 0 on; `PLANRUN_SIM_TWICE=N`, how many are run twice and compared;
//! `PLANRUN_SIM_LONG=1` adds pairs of crashes for all plans and triples for small ones.
//! Optimized: `cargo nextest run --cargo-profile sim --test sim`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends where it stands")]

/// A run makes and drops many small values: with this one it takes about an eighth less time than with glibc's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod around;
mod bug;
mod bugs;
mod cases;
mod fault;
mod hosts;
mod known;
mod life;
mod operator;
mod oracle;
mod process;
mod real;
mod real_locks;
mod schedules;
mod shrink;
mod store;
mod sweep;
mod tenure;
