//! Makes a command from its description in the plan, with the present values.

use std::sync::Arc;
use std::time::Duration;

use crate::duration;
use crate::inventory::user::is_user;
use crate::inventory::{Host, HostName};
use crate::plan::{Become, CommandSpec, Deferred, OnTimeout, UploadSource, Work};
use crate::resolve::ResolvedPlan;
use crate::template::parser::names_of_template;
use crate::template::{Mode, Names, Template};
use crate::transport::{Body, Command};

/// Maximum size of content that is rendered for an upload, in bytes.
const MAX_RENDERED: usize = 16 * 1024 * 1024;

/// Renders a command that runs on `on`. Errors name the part that could not be rendered.
///
/// Its standard input and its uploads may contain secrets of the host that is worked on.
pub(super) fn command(
    spec: &CommandSpec,
    names: &Names,
    about: &HostName,
    on: &Host,
    plan: &ResolvedPlan,
    step: String,
) -> Result<Command, String> {
    let secrets = plan.secrets.names(about);
    let mut open = names.clone();
    open.extend(&secrets);
    let text = |template: &crate::template::Template, mode| {
        template.render(mode, names).map_err(|error| error.to_string())
    };
    let body = match &spec.work {
        Work::Run(words) => {
            Body::Argv(words.iter().map(|word| text(word, Mode::Word)).collect::<Result<_, _>>()?)
        }
        Work::Shell(script) => Body::Script(text(script, Mode::Script)?),
        Work::Upload(upload) => {
            let (content, secret) = content(&upload.source, names, &open, &secrets, plan)?;
            Body::Upload {
                content,
                secret,
                to: text(&upload.to, Mode::Word)?,
                mode: word(upload.mode.as_ref(), names, "mode", is_mode)?,
                owner: word(upload.owner.as_ref(), names, "owner", is_owner)?,
            }
        }
    };
    let mut env = indexmap::IndexMap::new();
    for (name, value) in &spec.env {
        env.insert(name.clone(), text(value, Mode::Text)?);
    }
    let r#become = becomes(spec, names, on)?;
    Ok(Command {
        body,
        stdin: spec
            .stdin
            .as_ref()
            .map(|input| input.render(Mode::Text, &open))
            .transpose()
            .map_err(|error| error.to_string())?
            .map(String::into_bytes),
        env,
        dir: spec.dir.as_ref().map(|dir| text(dir, Mode::Word)).transpose()?,
        r#become,
        timeout: length(&spec.timeout, names)?,
        step,
    })
}

/// Returns the user that a command runs as on a host; `None` for the login user.
pub(super) fn becomes(
    spec: &CommandSpec,
    names: &Names,
    on: &Host,
) -> Result<Option<String>, String> {
    let user = || on.link.become_user.clone().unwrap_or_else(|| "root".to_owned());
    Ok(match &spec.r#become {
        Some(Become::No) => None,
        Some(Become::Yes(Some(Deferred::Now(named)))) => Some(named.clone()),
        Some(Become::Yes(named)) => match word(named.as_ref(), names, "become", is_user)? {
            Some(word) if word == "false" => None,
            Some(word) if word == "true" => Some(user()),
            Some(named) => Some(named),
            None => Some(user()),
        },
        None => on.link.r#become.unwrap_or(false).then(user),
    })
}

/// Returns what an upload puts in place, and whether there is a secret in it.
fn content(
    source: &UploadSource,
    names: &Names,
    open: &Names,
    secrets: &Names,
    plan: &ResolvedPlan,
) -> Result<(Arc<[u8]>, bool), String> {
    let render = |template: &Template| {
        let text = template.render(Mode::Text, open);
        text.map_err(|error| error.to_string())
    };
    let file = |path: &Template| {
        let path = path.render(Mode::Word, names);
        let path = path.map_err(|error| error.to_string())?;
        match plan.files.get(&path) {
            Some(bytes) => Ok((path, Arc::clone(bytes))),
            None => Err(format!("the file `{path}` was not read when the run started")),
        }
    };
    let (text, secret) = match source {
        UploadSource::File(path) => {
            let place = path.render(Mode::Word, names);
            if let Some(bytes) = place.ok().and_then(|place| plan.secrets.file(&place)) {
                return Ok((bytes.into(), true));
            }
            return file(path).map(|(_, bytes)| (bytes, false));
        }
        UploadSource::Content(text) => {
            let secret = text.names.iter().any(|one| secrets.contains_key(&one.name));
            (render(text)?, secret)
        }
        UploadSource::Rendered(path) => {
            let (name, bytes) = file(path)?;
            let text = String::from_utf8_lossy(&bytes);
            let used = names_of_template(&text).unwrap_or_default();
            let secret = used.iter().any(|(used, _)| secrets.contains_key(used));
            let text = render(&Template::plain(text, path.span))
                .map_err(|why| format!("in the file `{name}`: {why}"))?;
            (text, secret)
        }
    };
    if text.len() > MAX_RENDERED {
        return Err(format!("it exceeds {MAX_RENDERED} bytes"));
    }
    Ok((text.into_bytes().into(), secret))
}

/// Returns a deferred keyword, if it has the required form.
fn word(
    late: Option<&Deferred<String>>,
    names: &Names,
    key: &str,
    is_right: fn(&str) -> bool,
) -> Result<Option<String>, String> {
    match late {
        None => Ok(None),
        Some(Deferred::Now(word)) => Ok(Some(word.clone())),
        Some(Deferred::Template(template)) => {
            let word = template.render(Mode::Word, names);
            let word = word.map_err(|error| error.to_string())?;
            if is_right(&word) {
                Ok(Some(word))
            } else {
                Err(format!("`{word}` is not a valid value of `{key}`"))
            }
        }
    }
}

/// Whether a text is `user` or `user:group`.
fn is_owner(text: &str) -> bool {
    match text.split_once(':') {
        Some((user, group)) => is_user(user) && is_user(group),
        None => is_user(text),
    }
}

/// Whether a text is a mode in octal.
fn is_mode(text: &str) -> bool {
    matches!(text.len(), 3 | 4) && text.bytes().all(|sign| matches!(sign, b'0'..=b'7'))
}

pub(super) fn length(late: &Deferred<Duration>, names: &Names) -> Result<Duration, String> {
    match late {
        Deferred::Now(duration) => Ok(*duration),
        Deferred::Template(template) => {
            let text = template.render(Mode::Text, names).map_err(|error| error.to_string())?;
            duration::parse(text.trim()).ok_or_else(|| format!("`{text}` is not a duration"))
        }
    }
}

/// Returns what a wait does when its time is up.
pub(super) fn on_timeout(late: &Deferred<OnTimeout>, names: &Names) -> Result<OnTimeout, String> {
    match late {
        Deferred::Now(word) => Ok(*word),
        Deferred::Template(template) => {
            let text = template.render(Mode::Text, names).map_err(|error| error.to_string())?;
            match text.trim() {
                "fail" => Ok(OnTimeout::Fail),
                "ask" => Ok(OnTimeout::Ask),
                "continue" => Ok(OnTimeout::Continue),
                other => Err(format!("`{other}` is not fail, ask or continue")),
            }
        }
    }
}
