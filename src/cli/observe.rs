//! Observes the hosts for a preview: logs in and runs probes, and nothing else.

use tokio::task::LocalSet;

use crate::cli::subject::Subject;
use crate::cli::targets::Targets;
use crate::cli::{Exit, Fault, log, runtime};
use crate::load::Loaded;
use crate::preview::{About, Preview, preview};
use crate::run::survey::survey;
use crate::transport::redacting::Redacting;

/// Reaches the hosts and runs the probes of a preview. Also returns how `apply` would end if it were refused.
pub(super) fn observe(loaded: &Loaded, subject: &Subject) -> Result<(Preview, Exit), Fault> {
    let doing = "cannot make a preview";
    let plan = &loaded.plan;
    log::hide(&plan.secrets.redactor);
    let runtime = runtime(doing)?;
    let targets = Targets::reading(loaded.model.clone(), &plan.inventory)?;
    let transport = Redacting { transport: &targets.transport, redactor: &plan.secrets.redactor };
    let work = targets.clock.run(survey(plan, Some(&transport)));
    let survey = LocalSet::new().block_on(&runtime, work);
    // A question at the terminal may still be open.
    runtime.shutdown_background();
    let preview = preview(plan, &survey, about(loaded, subject));
    let refused = survey.hosts.iter().filter_map(|host| host.refused.as_ref());
    let exit = Exit::of_hosts(refused);
    let is_refused = exit == Exit::SUCCEEDED && !preview.can_start();
    Ok((preview, if is_refused { Exit::INVALID } else { exit }))
}

pub(super) fn about<'a>(loaded: &'a Loaded, subject: &'a Subject) -> About<'a> {
    About {
        path: subject.plan.to_str().unwrap_or_default(),
        inventory: &loaded.plan.inventory.path,
        is_model: loaded.model.is_some(),
    }
}
