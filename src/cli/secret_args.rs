//! The secrets of a run that is resumed or rolled back: they are not stored with it.
//!
//! They are read from their original sources: the environment, the file of inputs, the inventory.
//! Another file can be passed.

use std::path::PathBuf;

use crate::cli::print;
use crate::cli::programs::{Guarded, InventoryTimeout};
use crate::cli::values::Values;
use crate::cli::{Context, Exit, Fault};
use crate::diagnostic::Diagnostics;
use crate::event::{RunId, RunPlanned};
use crate::load::{self, Request};
use crate::resolve::{ResolvedPlan, secrets};
use crate::source::Sources;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct SecretArgs {
    /// Read secrets, which are not stored with the run, from this YAML or JSON file
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
}

impl SecretArgs {
    /// Finds the secrets of a run; missing ones are reported.
    pub(super) fn secrets(
        &self,
        plan: &mut ResolvedPlan,
        planned: &RunPlanned,
        run: &RunId,
        mut sources: Sources,
        context: &Context,
    ) -> Result<(), Fault> {
        if !secrets::are_needed(&plan.plan) {
            return Ok(());
        }
        let mut found = Diagnostics::default();
        let kept = planned.secrets.clone().unwrap_or_default();
        let inputs = self.inputs.clone().or_else(|| {
            // The old file may have been removed.
            let file = PathBuf::from(kept.inputs?);
            file.is_file().then_some(file)
        });
        let values = Values { inputs, ..Values::default() };
        let paths = kept.inventory.iter().chain(&kept.inventories).map(PathBuf::from);
        let paths: Vec<PathBuf> = paths.collect();
        let request = Request {
            secret_commands: context.settings()?.secret_commands(),
            ..values.request(&[])
        };
        let mut programs = Guarded::new(InventoryTimeout::default());
        load::again(plan, &request, &paths, &mut programs, &mut sources, &mut found);
        programs.report(context);
        if !found.has_errors() {
            return Ok(());
        }
        print::refuse(
            &found,
            &sources,
            &format!("run {run} cannot continue without its secrets"),
            context,
        );
        Err(Fault::reported(Exit::INVALID))
    }
}
