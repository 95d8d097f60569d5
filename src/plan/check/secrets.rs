//! Secrets: only in places that are never displayed.
//!
//! Standard input and the content of an upload are not displayed. Arguments, scripts, environments
//! and paths appear in the process list of a host; all other strings and all conditions are displayed
//! and stored with the run. Of a file the path may be anywhere, and
//! the content has no name: an upload sends it as it is.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::check::{command_templates, expressions, listed, templates};
use crate::plan::{Action, CommandSpec, NamedExpression, Plan, Step, UploadSource, Work};
use crate::source::Sources;
use crate::template::{Name, Template};

/// Reports secrets that would be displayed.
pub(super) fn check(plan: &Plan, sources: &Sources, found: &mut Diagnostics) {
    if !plan.inputs.values().any(|input| input.sensitive) {
        return;
    }
    let mut uses = Uses { plan, sources, found };
    for probe in plan.probes.values() {
        let texts = command_templates(&probe.command);
        uses.content(&probe.command);
        uses.texts(&texts, Some(&probe.command));
    }
    for word in plan.words.values() {
        let (NamedExpression::Expression(expression, _)
        | NamedExpression::Rows { filter: expression, .. }) = word;
        uses.condition(&expression.names);
    }
    let invariants = &plan.invariants;
    let claims = [&invariants.always, &invariants.at_rest, &invariants.at_end];
    for claim in claims.into_iter().flatten().chain(&plan.preflight) {
        uses.condition(&claim.condition.names);
    }
    plan.visit_sound(&mut |step| uses.step(step));
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
    fn step(&mut self, step: &Step) {
        for name in listed(step) {
            self.shown(name, "items are displayed and stored with the run");
        }
        for expression in expressions(step) {
            self.condition(&expression.names);
        }
        let command = match &step.action {
            Action::Effect(effect) => Some(&effect.command),
            _ => None,
        };
        if let Some(command) = command {
            self.content(command);
        }
        self.texts(&templates(step), command);
    }

    /// Reports secret files whose content is used in a place that only gets their path.
    fn content(&mut self, command: &CommandSpec) {
        let template = match &command.work {
            Work::Upload(upload) => match &upload.source {
                UploadSource::Rendered(path) => Some(path),
                _ => None,
            },
            _ => None,
        };
        let plain = unseen(command).into_iter().map(|text| (text, false));
        let all = plain.chain(template.map(|path| (path, true)));
        for (name, is_template) in
            all.flat_map(|(text, is)| text.names.iter().map(move |n| (n, is)))
        {
            let input = self.plan.inputs.get(&name.name);
            let Some(input) = input.filter(|input| input.is_secret_file()) else {
                continue;
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
            self.found.push(
                Diagnostic::error(Code::SecretFileUse, message)
                    .at(name.span, label)
                    .also(input.span, "declared as a secret file")
                    .help(format!(
                        "upload the file unchanged: `upload: {{from: \"{{{{ {word} }}}}\", to: PATH}}`"
                    ))
                    .help("or declare a `string` input, and pass the content of the file"),
            );
        }
    }

    fn condition(&mut self, names: &[Name]) {
        for name in names {
            self.variable(name);
            self.shown(name, "conditions are stored with their values");
        }
    }

    fn texts(&mut self, texts: &[&Template], command: Option<&CommandSpec>) {
        let same = |one: &Template, all: &[&Template]| all.iter().any(|it| std::ptr::eq(*it, one));
        let unseen = command.map(unseen).unwrap_or_default();
        let arguments = command.map(arguments).unwrap_or_default();
        for name in texts.iter().flat_map(|text| &text.names) {
            self.variable(name);
        }
        for text in texts.iter().filter(|text| !same(text, &unseen)) {
            for name in &text.names {
                if same(text, &arguments) {
                    self.argument(name);
                } else {
                    self.shown(name, "displayed and stored with the run");
                }
            }
        }
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
        self.found.push(
            Diagnostic::error(Code::SecretShown, message)
                .at(name.span, "secrets are removed from the host variables")
                .also(input.span, "declared as a secret")
                .help(format!(
                    "use `{{{{ {word} }}}}` in `stdin`, or in the `template` or `content` of an \
                     `upload`"
                )),
        );
    }

    fn argument(&mut self, name: &Name) {
        let word = &name.name;
        let Some(input) = self.plan.inputs.get(word).filter(|input| input.is_hidden()) else {
            return;
        };
        let message = format!("secret `{word}` would be visible in the process list of the host");
        self.found.push(
            Diagnostic::error(Code::SecretInArguments, message)
                .at(name.span, "visible to every user of the host")
                .also(input.span, "declared as a secret")
                .help(format!("pass it on standard input: `stdin: \"{{{{ {word} }}}}\"`"))
                .help(format!(
                    "or write it to a file: `upload: {{content: \"{{{{ {word} }}}}\", to: PATH, \
                     mode: \"0600\"}}`"
                )),
        );
    }

    fn shown(&mut self, name: &Name, why: &str) {
        let word = &name.name;
        let Some(input) = self.plan.inputs.get(word).filter(|input| input.is_hidden()) else {
            return;
        };
        self.found.push(
            Diagnostic::error(Code::SecretShown, format!("secret `{word}` would be displayed"))
                .at(name.span, why)
                .also(input.span, "declared as a secret")
                .help("use it in `stdin`, or in the `template` or `content` of an `upload`"),
        );
    }
}

/// Returns the strings of a command that are never displayed.
fn unseen(command: &CommandSpec) -> Vec<&Template> {
    let mut all: Vec<&Template> = command.stdin.iter().collect();
    if let Work::Upload(upload) = &command.work
        && let UploadSource::Content(text) = &upload.source
    {
        all.push(text);
    }
    all
}

/// Returns the strings of a command that appear in the process list.
fn arguments(command: &CommandSpec) -> Vec<&Template> {
    let mut all: Vec<&Template> = match &command.work {
        Work::Run(words) => words.iter().collect(),
        Work::Shell(script) => vec![script],
        Work::Upload(upload) => {
            let path = upload.source.path().into_iter();
            path.chain([&upload.to]).collect()
        }
    };
    all.extend(command.env.values());
    all.extend(&command.dir);
    all.extend(command.circumstances());
    all
}
