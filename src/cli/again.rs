//! What a run that goes on must be given again: secrets, which are not kept with it.
//!
//! They are read from where they came from when the run began: the environment, the file of inputs,
//! the inventory. Another file can be named.

use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::load::Values;
use crate::cli::{load, tell};
use crate::diagnostic::Diagnostics;
use crate::event::{RunId, RunPlanned};
use crate::inventory::program::NoPrograms;
use crate::inventory::read;
use crate::resolve::{ResolvedPlan, secrets};
use crate::source::Sources;

/// What may be given again.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Again {
    /// Take secrets, which are not kept with the run, from this YAML or JSON file
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
}

impl Again {
    /// Finds the secrets of a run; what is missing is told.
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
            // Whoever named no file now may have removed the old one.
            let file = PathBuf::from(kept.inputs?);
            file.is_file().then_some(file)
        });
        let values = Values { inputs, ..Values::default() };
        let paths = kept.inventory.iter().chain(&kept.inventories).map(PathBuf::from);
        let paths: Vec<PathBuf> = paths.collect();
        // What is wrong with it now is no matter of this run, unless a secret is missing.
        let mut unheard = Diagnostics::default();
        let inventory = read::read_all(&paths, &mut NoPrograms, &mut sources, &mut unheard);
        if let Some(given) = load::given(&values, Path::new(""), &mut sources, &mut found) {
            secrets::again(plan, inventory, &given, &mut sources, &mut found);
            if let Some((file, _)) = given.file {
                load::hide_inputs(file, &mut sources);
            }
        }
        if !found.has_errors() {
            return Ok(());
        }
        tell::refuse(
            &found,
            &sources,
            &format!("run {run} needs its secrets again, and does not go on"),
            context,
        );
        Err(Fault::told(Exit::INVALID))
    }
}
