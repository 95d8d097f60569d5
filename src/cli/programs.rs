//! Runs programs that print an inventory or a secret, for commands that contact hosts anyway; commands that only check files never
//! do.

use std::path::Path;
use std::time::Duration;

use crate::cli::values::duration;
use crate::cli::{Context, signals};
use crate::inventory::program::{Failure, Programs};
use crate::report::text::printable;
use crate::transport::program::{LocalPrograms, PATIENCE};

#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct InventoryTimeout {
    /// The timeout of a program that prints an inventory or a secret (30s)
    #[arg(long, value_name = "DURATION", value_parser = patience, hide_short_help = true)]
    inventory_timeout: Option<Duration>,
}

fn patience(word: &str) -> Result<Duration, String> {
    duration(word).and_then(|patience| match patience {
        Duration::ZERO => Err("must be longer than 0s".to_owned()),
        patience => Ok(patience),
    })
}

/// Runs programs; `^C` ends them with planrun.
pub(super) struct Guarded {
    programs: LocalPrograms,
    has_guard: bool,
    ran: Vec<String>,
}

impl Guarded {
    pub(super) fn new(patience: InventoryTimeout) -> Self {
        Self {
            programs: LocalPrograms::new(patience.inventory_timeout.unwrap_or(PATIENCE)),
            has_guard: false,
            ran: Vec::new(),
        }
    }

    pub(super) fn report(&self, context: &Context) {
        for program in &self.ran {
            context.say(&format!("ran {program}"));
        }
    }
}

impl Programs for Guarded {
    fn run(&mut self, program: &Path, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        if !self.has_guard {
            let started = signals::guard(self.programs.running());
            started.map_err(|error| Failure::NotStarted(error.to_string()))?;
            self.has_guard = true;
        }
        let shown = printable(&program.display().to_string());
        if !self.ran.contains(&shown) {
            self.ran.push(shown);
        }
        self.programs.run(program, arguments)
    }
}
