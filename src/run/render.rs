//! From what a plan says of a command to the command, with the values of this moment.

use std::sync::Arc;
use std::time::Duration;

use crate::duration;
use crate::inventory::Host;
use crate::plan::Become;
use crate::plan::CommandSpec;
use crate::plan::Late;
use crate::plan::OnTimeout;
use crate::plan::UploadSource;
use crate::plan::Work;
use crate::resolve::ResolvedPlan;
use crate::template::Mode;
use crate::template::Names;
use crate::template::Template;
use crate::transport::Body;
use crate::transport::Command;

/// Greatest content that is rendered for an upload, in bytes.
const MAX_RENDERED: usize = 16 * 1024 * 1024;

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
        Work::Upload(upload) => Body::Upload {
            content: content(&upload.source, names, plan)?,
            to: text(&upload.to, Mode::Word)?,
            mode: upload.mode.clone(),
            owner: upload.owner.clone(),
        },
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

/// Returns what an upload puts in place.
fn content(source: &UploadSource, names: &Names, plan: &ResolvedPlan) -> Result<Arc<[u8]>, String> {
    let render = |template: &Template, mode| {
        let text = template.render(mode, names);
        text.map_err(|error| error.to_string())
    };
    let file = |path: &Template| {
        let path = render(path, Mode::Word)?;
        match plan.files.get(&path) {
            Some(bytes) => Ok((path, Arc::clone(bytes))),
            None => Err(format!("the file `{path}` was not read when the run began")),
        }
    };
    let text = match source {
        UploadSource::File(path) => return file(path).map(|(_, bytes)| bytes),
        UploadSource::Content(text) => render(text, Mode::Text)?,
        UploadSource::Rendered(path) => {
            let (name, bytes) = file(path)?;
            let text = String::from_utf8_lossy(&bytes);
            render(&Template::plain(text, path.span), Mode::Text)
                .map_err(|why| format!("in the file `{name}`: {why}"))?
        }
    };
    if text.len() > MAX_RENDERED {
        return Err(format!("it has more than {MAX_RENDERED} bytes"));
    }
    Ok(text.into_bytes().into())
}

/// Returns a duration whose time has come.
pub(super) fn length(late: &Late<Duration>, names: &Names) -> Result<Duration, String> {
    match late {
        Late::Now(duration) => Ok(*duration),
        Late::Template(template) => {
            let text = template
                .render(Mode::Text, names)
                .map_err(|error| error.to_string())?;
            duration::parse(text.trim()).ok_or_else(|| format!("`{text}` is not a duration"))
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
            match text.trim() {
                "fail" => Ok(OnTimeout::Fail),
                "ask" => Ok(OnTimeout::Ask),
                "continue" => Ok(OnTimeout::Continue),
                other => Err(format!("`{other}` is not fail, ask or continue")),
            }
        }
    }
}
