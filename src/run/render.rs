//! From what a plan says of a command to the command, with the values of this moment.

use std::sync::Arc;
use std::time::Duration;

use crate::duration;
use crate::inventory::Host;
use crate::plan::Become;
use crate::plan::CommandSpec;
use crate::plan::Late;
use crate::plan::OnTimeout;
use crate::plan::Work;
use crate::resolve::ResolvedPlan;
use crate::template::Mode;
use crate::template::Names;
use crate::transport::Body;
use crate::transport::Command;

/// Renders a command that runs on `on`. Errors name the part that could not be rendered.
pub(super) fn command(
    spec: &CommandSpec,
    names: &Names,
    on: &Host,
    plan: &ResolvedPlan,
    step: String,
) -> Result<Command, String> {
    let text = |template: &crate::template::Template, mode| {
        template
            .render(mode, names)
            .map_err(|error| error.to_string())
    };
    let body = match &spec.work {
        Work::Run(words) => Body::Argv(
            words
                .iter()
                .map(|word| text(word, Mode::Word))
                .collect::<Result<_, _>>()?,
        ),
        Work::Shell(script) => Body::Script(text(script, Mode::Script)?),
        Work::Upload(upload) => {
            let from = text(&upload.from, Mode::Word)?;
            let content = plan
                .files
                .get(&from)
                .cloned()
                .ok_or_else(|| format!("the file `{from}` was not read when the run began"))?;
            Body::Upload {
                content: Arc::clone(&content),
                to: text(&upload.to, Mode::Word)?,
                mode: upload.mode.clone(),
                owner: upload.owner.clone(),
            }
        }
    };
    let mut env = indexmap::IndexMap::new();
    for (name, value) in &spec.env {
        env.insert(name.clone(), text(value, Mode::Text)?);
    }
    let user = || {
        on.link
            .become_user
            .clone()
            .unwrap_or_else(|| "root".to_owned())
    };
    let r#become = match &spec.r#become {
        Some(Become::No) => None,
        Some(Become::Yes(Some(named))) => Some(named.clone()),
        Some(Become::Yes(None)) => Some(user()),
        None => on.link.r#become.unwrap_or(false).then(user),
    };
    Ok(Command {
        body,
        stdin: spec
            .stdin
            .as_ref()
            .map(|input| text(input, Mode::Text).map(String::into_bytes))
            .transpose()?,
        env,
        dir: spec
            .dir
            .as_ref()
            .map(|dir| text(dir, Mode::Word))
            .transpose()?,
        r#become,
        timeout: length(&spec.timeout, names)?,
        step,
    })
}

/// Returns a duration whose time has come.
pub(super) fn length(late: &Late<Duration>, names: &Names) -> Result<Duration, String> {
    match late {
        Late::Now(duration) => Ok(*duration),
        Late::Template(template) => {
            let text = template
                .render(Mode::Text, names)
                .map_err(|error| error.to_string())?;
            duration::parse(&text).ok_or_else(|| format!("`{text}` is not a duration"))
        }
    }
}

/// Returns what a wait does when its time is up.
pub(super) fn on_timeout(late: &Late<OnTimeout>, names: &Names) -> Result<OnTimeout, String> {
    match late {
        Late::Now(word) => Ok(*word),
        Late::Template(template) => {
            let text = template
                .render(Mode::Text, names)
                .map_err(|error| error.to_string())?;
            match text.as_str() {
                "fail" => Ok(OnTimeout::Fail),
                "ask" => Ok(OnTimeout::Ask),
                "continue" => Ok(OnTimeout::Continue),
                other => Err(format!("`{other}` is not fail, ask or continue")),
            }
        }
    }
}
