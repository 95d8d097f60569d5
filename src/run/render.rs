//! Makes a command from its description in the plan, with the present values.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use crate::duration;
use crate::inventory::user::is_user;
use crate::inventory::{Host, HostName};
use crate::plan::{Become, CommandSpec, Deferred, OnTimeout, UploadSource, Work};
use crate::resolve::ResolvedPlan;
use crate::run::there::add_there;
use crate::template::parser::names_of_template;
use crate::template::{Mode, Names, Template};
use crate::transport::{Body, Command, File};

/// Maximum size of content that is rendered for an upload, in bytes.
const MAX_RENDERED: usize = 16 * 1024 * 1024;

/// Renders a command, and returns it with the host that it runs on. Errors name the part that could not
/// be rendered.
///
/// Its standard input, environment and uploads may contain secrets.
pub(super) fn command<'p>(
    spec: &CommandSpec,
    (names, secrets): (&Names, &Names),
    about: &HostName,
    on: &HostName,
    plan: &'p ResolvedPlan,
    step: &impl Display,
) -> Result<(&'p Host, Command), String> {
    let on = plan.inventory.host(on).ok_or_else(|| format!("{on} is not in the inventory"))?;
    let mut names = names.clone();
    add_there(&mut names, about, on);
    let names = &names;
    let mut open = Cow::Borrowed(names);
    if !secrets.is_empty() {
        open.to_mut().extend(secrets);
    }
    let body = match &spec.work {
        Work::Run(words) => {
            let mut argv = Vec::new();
            for word in words {
                let text = text(word, Mode::Word, names)?;
                if word.is_several() {
                    argv.extend(text.split_terminator('\0').map(str::to_owned));
                } else {
                    argv.push(text);
                }
            }
            Body::Argv(argv)
        }
        Work::Shell(script) => Body::Script(text(script, Mode::Script, names)?),
        Work::Upload(upload) => {
            let (content, secret) = content(&upload.source, names, &open, secrets, plan)?;
            Body::Upload(File {
                content,
                secret,
                to: text(&upload.to, Mode::Word, names)?,
                mode: word(upload.mode.as_ref(), names, "mode", is_mode)?,
                owner: word(upload.owner.as_ref(), names, "owner", is_owner)?,
            })
        }
    };
    let (mut env, mut secret_env) = (indexmap::IndexMap::new(), false);
    for (name, value) in &spec.env {
        secret_env |= value.names.iter().any(|one| secrets.contains_key(&one.name));
        env.insert(name.clone(), text(value, Mode::Text, &open)?);
    }
    let stdin = spec.stdin.as_ref().map(|input| text(input, Mode::Text, &open)).transpose()?;
    let command = Command {
        body,
        stdin: stdin.map(String::into_bytes),
        env,
        secret_env,
        dir: spec.dir.as_ref().map(|dir| text(dir, Mode::Word, names)).transpose()?,
        r#become: becomes(spec, names, on)?,
        timeout: length(&spec.timeout, names)?,
        step: format!("{}/{step}", plan.plan.name),
        host: Some(about.clone()),
    };
    Ok((on, command))
}

fn text(template: &Template, mode: Mode, names: &Names) -> Result<String, String> {
    template.render(mode, names).map_err(|error| error.to_string())
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
    let file = |path: &Template| {
        let path = text(path, Mode::Word, names)?;
        match plan.files.get(&path) {
            Some(bytes) => Ok((path, Arc::clone(bytes))),
            None => Err(format!("the file `{path}` was not read when the run started")),
        }
    };
    let (rendered, secret) = match source {
        UploadSource::File(path) => {
            let place = text(path, Mode::Word, names);
            if let Some(bytes) = place.ok().and_then(|place| plan.secrets.file(&place)) {
                return Ok((bytes.into(), true));
            }
            return file(path).map(|(_, bytes)| (bytes, false));
        }
        UploadSource::Content(content) => {
            let secret = content.names.iter().any(|one| secrets.contains_key(&one.name));
            (text(content, Mode::Text, open)?, secret)
        }
        UploadSource::Rendered(path) => {
            let (name, bytes) = file(path)?;
            let written = String::from_utf8_lossy(&bytes);
            let used = names_of_template(&written).unwrap_or_default();
            let secret = used.iter().any(|(used, _)| secrets.contains_key(used));
            let rendered = text(&Template::plain(written, path.span), Mode::Text, open)
                .map_err(|why| format!("in the file `{name}`: {why}"))?;
            (rendered, secret)
        }
    };
    if rendered.len() > MAX_RENDERED {
        return Err(format!("it exceeds {MAX_RENDERED} bytes"));
    }
    Ok((rendered.into_bytes().into(), secret))
}

/// Returns a deferred keyword, if it has the required form.
fn word(
    late: Option<&Deferred<String>>,
    names: &Names,
    key: &str,
    is_right: fn(&str) -> bool,
) -> Result<Option<String>, String> {
    let read = |text: &str| is_right(text).then(|| text.to_owned());
    let what = format!("a valid value of `{key}`");
    late.map(|late| deferred(late, Mode::Word, names, &what, read)).transpose()
}

/// Returns a deferred value: `read` makes it of a rendered text, if that is what it must be.
fn deferred<T: Clone>(
    late: &Deferred<T>,
    mode: Mode,
    names: &Names,
    what: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    match late {
        Deferred::Now(value) => Ok(value.clone()),
        Deferred::Template(template) => {
            let text = text(template, mode, names)?;
            read(&text).ok_or_else(|| format!("`{text}` is not {what}"))
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
    deferred(late, Mode::Text, names, "a duration", |text| duration::parse(text.trim()))
}

/// Returns what a wait does when its time is up.
pub(super) fn on_timeout(late: &Deferred<OnTimeout>, names: &Names) -> Result<OnTimeout, String> {
    deferred(late, Mode::Text, names, "fail, ask or continue", |text| match text.trim() {
        "fail" => Some(OnTimeout::Fail),
        "ask" => Some(OnTimeout::Ask),
        "continue" => Some(OnTimeout::Continue),
        _ => None,
    })
}
