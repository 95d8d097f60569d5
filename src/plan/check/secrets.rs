//! Secrets: only in places that are never displayed.
//!
//! Standard input and the content of an upload are not displayed. Arguments, scripts, environments
//! and paths appear in the process list of a host; all other strings and all conditions are displayed
//! and stored with the run. Of a file the path may be anywhere, and
//! the content has no name: an upload sends it as it is.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{Plan, Purpose, Text, Use};
use crate::source::Sources;
use crate::template::{Name, Template};

pub(super) fn check(plan: &Plan, sources: &Sources, found: &mut Diagnostics) {
    if !plan.inputs.values().any(|input| input.sensitive) {
        return;
    }
    let mut uses = Uses { plan, sources, found };
    plan.each_sound_use(&mut |one| uses.text(&one));
}

/// Reports `host.vars.NAME` of a secret in a template that may contain secrets.
pub(super) fn text(template: &Template, plan: &Plan, sources: &Sources, found: &mut Diagnostics) {
    let mut uses = Uses { plan, sources, found };
    for name in &template.names {
        uses.variable(name);
    }
}

struct Uses<'a> {
    plan: &'a Plan,
    sources: &'a Sources,
    found: &'a mut Diagnostics,
}

impl Uses<'_> {
    fn text(&mut self, one: &Use<'_>) {
        for name in one.text.names() {
            match (one.text, one.purpose) {
                (_, Purpose::Default(_)) => continue,
                (_, Purpose::Item) => {
                    self.shown(name, "items are displayed and stored with the run");
                    continue;
                }
                (_, Purpose::Content) => self.content(name, false),
                (_, Purpose::Path { rendered }) => {
                    self.argument(name);
                    if rendered {
                        self.content(name, true);
                    }
                }
                (_, Purpose::Argument) => self.argument(name),
                (Text::Expression(_), _) => {
                    self.shown(name, "conditions are stored with their values");
                }
                (Text::Template(_), _) => self.shown(name, "displayed and stored with the run"),
            }
            self.variable(name);
        }
    }

    /// Reports a secret file whose content is used in a place that only gets its path.
    fn content(&mut self, name: &Name, is_template: bool) {
        let input = self.plan.inputs.get(&name.name);
        let Some(input) = input.filter(|input| input.is_secret_file()) else {
            return;
        };
        let word = &name.name;
        let (message, label) = if is_template {
            (
                format!("secret file `{word}` cannot be used as a template"),
                "errors in a template are reported with its lines",
            )
        } else {
            (
                format!("`{word}` is the path of a secret file, not its content"),
                "the path would be inserted here",
            )
        };
        Diagnostic::error(Code::SecretFileUse, message)
            .at(name.span, label)
            .also(input.span, "declared as a secret file")
            .help(format!(
                "upload the file unchanged: `upload: {{from: \"{{{{ {word} }}}}\", to: PATH}}`"
            ))
            .help("or declare a `string` input, and pass the content of the file")
            .emit(self.found);
    }

    /// Reports `host.vars.NAME` if NAME is a secret: it is removed from the variables.
    fn variable(&mut self, name: &Name) {
        let behind = self.sources.get(name.span.source).text();
        let behind = behind.get(name.span.range().end..).unwrap_or_default();
        let Some(rest) = behind.strip_prefix(".vars").filter(|_| name.name == "host") else {
            return;
        };
        let rest = rest.trim_start_matches(['.', '[', '"', '\'', '\\']);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let word = rest.split(|c| !is_word(c)).next().unwrap_or_default();
        let Some(input) = self.plan.inputs.get(word).filter(|input| input.is_hidden()) else {
            return;
        };
        let message = format!("`host.vars.{word}` is not available: `{word}` is a secret");
        Diagnostic::error(Code::SecretShown, message)
            .at(name.span, "secrets are removed from the host variables")
            .also(input.span, "declared as a secret")
            .help(format!(
                "use `{{{{ {word} }}}}` in `stdin`, or in the `template` or `content` of an \
                     `upload`"
            ))
            .emit(self.found);
    }

    fn argument(&mut self, name: &Name) {
        let word = &name.name;
        let Some(input) = self.plan.inputs.get(word).filter(|input| input.is_hidden()) else {
            return;
        };
        let message = format!("secret `{word}` would be visible in the process list of the host");
        Diagnostic::error(Code::SecretInArguments, message)
            .at(name.span, "visible to every user of the host")
            .also(input.span, "declared as a secret")
            .help(format!("pass it on standard input: `stdin: \"{{{{ {word} }}}}\"`"))
            .help(format!(
                "or write it to a file: `upload: {{content: \"{{{{ {word} }}}}\", to: PATH, \
                     mode: \"0600\"}}`"
            ))
            .emit(self.found);
    }

    fn shown(&mut self, name: &Name, why: &str) {
        let word = &name.name;
        let Some(input) = self.plan.inputs.get(word).filter(|input| input.is_hidden()) else {
            return;
        };
        Diagnostic::error(Code::SecretShown, format!("secret `{word}` would be displayed"))
            .at(name.span, why)
            .also(input.span, "declared as a secret")
            .help("use it in `stdin`, or in the `template` or `content` of an `upload`")
            .emit(self.found);
    }
}
