//! Commands as a preview shows them: rendered as far as their values are known.

use crate::inventory::HostName;
use crate::plan::{Effect, UploadSource, Work};
use crate::quote;
use crate::resolve::ResolvedPlan;
use crate::run::render;
use crate::run::there::{add_there, place};
use crate::template::{Mode, Names, Template};

/// A command for people. It never contains a secret: these reach a host only by standard input, environment and
/// uploads, which are not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    pub text: String,
    /// What it reads from its standard input, unless there is a secret in it.
    pub stdin: Option<String>,
    /// The hosts that it may run on; on the first one that answers.
    pub on: Vec<HostName>,
    /// The group of which one host runs it.
    pub one_of: Option<String>,
    /// The user that it runs as, if it is not the login user.
    pub user: Option<String>,
    /// The names in it that have no value yet.
    pub missing: Vec<String>,
    /// Why it cannot be rendered, if no name is missing.
    pub error: Option<String>,
}

pub(super) fn shown(effect: &Effect, names: &Names, host: &HostName, plan: &ResolvedPlan) -> Shown {
    let own = place(&effect.target, host, names);
    let is_one = own.is_some();
    let on = match own {
        Some(on) => vec![on],
        None => plan.members(&effect.target, &[]),
    };
    let mut names = names.clone();
    let first = on.first().and_then(|on| plan.inventory.host(on));
    if let Some(first) = first {
        add_there(&mut names, host, first);
    }
    let user = first.and_then(|first| render::becomes(&effect.command, &names, first).ok());
    let mut shown = Shown {
        on,
        user: user.flatten(),
        one_of: effect.target.name().filter(|_| !is_one).map(str::to_owned),
        ..Shown::default()
    };
    if let Some(stdin) = &effect.command.stdin {
        let inputs = &plan.plan.inputs;
        let mut used = stdin.names.iter().filter_map(|name| inputs.get(&name.name));
        let is_secret = used.any(|input| input.sensitive);
        shown.stdin = Some(if is_secret {
            "(a secret)".to_owned()
        } else {
            shown.render(stdin, Mode::Text, &names).0
        });
    }
    shown.text = match &effect.command.work {
        Work::Run(words) => {
            let words: Vec<String> = words.iter().map(|word| shown.word(word, &names)).collect();
            words.join(" ")
        }
        Work::Shell(script) => shown.render(script, Mode::Script, &names).0.trim_end().to_owned(),
        Work::Upload(upload) => {
            let to = shown.word(&upload.to, &names);
            match &upload.source {
                UploadSource::Content(_) => format!("upload a text to {to}"),
                UploadSource::File(from) => format!("upload {} to {to}", shown.word(from, &names)),
                UploadSource::Rendered(from) => {
                    format!("upload {}, rendered, to {to}", shown.word(from, &names))
                }
            }
        }
    };
    shown
}

impl Shown {
    fn word(&mut self, word: &Template, names: &Names) -> String {
        match self.render(word, Mode::Word, names) {
            (text, true) if word.is_several() => {
                let words: Vec<String> = text.split_terminator('\0').map(quote::readable).collect();
                words.join(" ")
            }
            (text, true) => quote::readable(&text),
            // As it is written.
            (text, false) => text,
        }
    }

    /// Renders a text; false if it stays as it is written.
    fn render(&mut self, text: &Template, mode: Mode, names: &Names) -> (String, bool) {
        let error = match text.render(mode, names) {
            Ok(text) => return (text, true),
            Err(error) => error,
        };
        let unknown = text.names.iter().filter(|name| !names.contains_key(&name.name));
        let unknown: Vec<String> = unknown.map(|name| name.name.clone()).collect();
        if unknown.is_empty() {
            self.error.get_or_insert_with(|| error.to_string());
        }
        for name in unknown {
            if !self.missing.contains(&name) {
                self.missing.push(name);
            }
        }
        (text.text.clone(), false)
    }
}
