//! Secrets: only in places that are never displayed.
//!
//! Standard input, environment variables and the content of an upload are not displayed. Arguments, scripts
//! and paths appear in the process list of a host; all other strings and all conditions are displayed
//! and stored with the run. Of a file the path may be anywhere, and
//! the content has no name: an upload sends it as it is.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::{Action, Input, Plan, Purpose, Step, Text, Use, Work};
use crate::template::expression::{Expr, ExprKind};
use crate::template::{Name, Template};

pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    if !plan.inputs.values().any(|input| input.sensitive) {
        return;
    }
    plan.each_sound_use(&mut |one| {
        if matches!(one.purpose, Purpose::Default(_)) {
            return;
        }
        for name in one.text.names() {
            let input = plan.inputs.get(&name.name);
            let secret = input.filter(|input| input.sensitive);
            secret
                .and_then(|input| misuse(name, input, &one))
                .into_iter()
                .for_each(|one| one.emit(found));
        }
        optional(plan, &one, found);
        variables(one.text, plan, found);
    });
}

/// Reports `host.vars.NAME` of a secret in a template that may contain secrets.
pub(super) fn text(template: &Template, plan: &Plan, found: &mut Diagnostics) {
    variables(Text::Template(template), plan, found);
}

/// Returns the problem of a secret in a place that is displayed, or of a secret file that is used as text.
fn misuse(name: &Name, input: &Input, used: &Use<'_>) -> Option<Diagnostic> {
    let word = &name.name;
    let why = match (used.text, used.purpose) {
        (_, Purpose::Content | Purpose::Path { rendered: true }) if !input.is_hidden() => {
            return Some(misused_file(name, input, used.purpose != Purpose::Content));
        }
        _ if !input.is_hidden() => return None,
        (_, Purpose::Content | Purpose::Environment) => return early(name, input, used.step),
        (Text::Expression(expression), _) if is_tested(&expression.root, word) => return None,
        (_, Purpose::Argument | Purpose::Setting | Purpose::Script | Purpose::Path { .. }) => {
            let message =
                format!("secret `{word}` would be visible in the process list of the host");
            let fault = Diagnostic::error(Code::SecretInArguments, message)
                .at(name.span, "visible to every user of the host")
                .also(input.span, "declared as a secret")
                .help(format!("pass it on standard input: `stdin: \"{{{{ {word} }}}}\"`"))
                .help(format!("or in the environment: `env: {{NAME: \"{{{{ {word} }}}}\"}}`"));
            return Some(fault.help(format!(
                "or write it to a file: `upload: {{content: \"{{{{ {word} }}}}\", to: PATH, \
                 mode: \"0600\"}}`"
            )));
        }
        (_, Purpose::Item) => "items are displayed and stored with the run",
        (Text::Expression(_), _) => "conditions are stored with their values",
        (Text::Template(_), _) => "displayed and stored with the run",
    };
    let fault = Diagnostic::error(Code::SecretShown, format!("secret `{word}` would be displayed"))
        .at(name.span, why)
        .also(input.span, "declared as a secret");
    Some(fault.help("use it in `stdin` or `env`, or in the `template` or `content` of an `upload`"))
}

/// Returns the problem of a secret that is typed when a step needs it, in a command that may run before: a probe,
/// or an upload, which is compared with the file that is already there.
fn early(name: &Name, input: &Input, step: Option<&Step>) -> Option<Diagnostic> {
    let is_upload = match step.map(|step| &step.action) {
        None => false,
        Some(Action::Effect(effect)) if matches!(effect.command.work, Work::Upload(_)) => true,
        Some(_) => return None,
    };
    if !input.ask {
        return None;
    }
    let word = &name.name;
    let (what, label) = if is_upload {
        ("an upload", "it is compared with the file on the host before it is sent")
    } else {
        ("a probe", "probes run at any time, maybe before the secret was typed")
    };
    let fault = Diagnostic::error(
        Code::AskedSecretUse,
        format!("{what} cannot use `{word}`, which is typed when a step needs it"),
    )
    .at(name.span, label)
    .also(input.span, "declared with `ask`")
    .help("use it in `stdin` or `env` of a step");
    Some(fault.help("or remove `ask`, and set the secret before the run starts"))
}

/// Whether an expression only tests if a secret is defined, which shows nothing of it.
fn is_tested(expr: &Expr, secret: &str) -> bool {
    match &expr.kind {
        ExprKind::Var(name) => name != secret,
        ExprKind::Test(test, of, _) if ["defined", "undefined"].contains(&test.as_str()) => {
            matches!(of.kind, ExprKind::Var(_)) || is_tested(of, secret)
        }
        _ => expr.parts().into_iter().all(|part| is_tested(part, secret)),
    }
}

/// Reports an optional secret that is used as if it were always given.
fn optional(plan: &Plan, one: &Use<'_>, found: &mut Diagnostics) {
    for name in one.text.names() {
        let input = plan.inputs.get(&name.name).filter(|input| input.optional);
        let is_guarded = one.text.written().text().contains("{%")
            || one.text.roots().iter().any(|root| root.allows_missing_name(&name.name))
            || one.step.is_some_and(|step| is_under(plan, step, &name.name));
        if let Some(input) = input.filter(|_| !is_guarded) {
            let word = &name.name;
            Diagnostic::warning(
                Code::MaybeMissing,
                format!("optional secret `{word}` may be missing"),
            )
            .at(name.span, "fails if it is not given")
            .also(input.span, "declared as optional")
            .help(format!("use the step only if it is given: `when: {word} is defined`"))
            .help(format!("or write another value: `{{{{ {word} | default(\"\") }}}}`"))
            .emit(found);
        }
    }
}

/// Whether a step, or a block around it, only runs if a secret is defined.
fn is_under(plan: &Plan, step: &Step, secret: &str) -> bool {
    let around = plan.around(&step.path).into_iter().map(|(step, _)| step);
    let mut whens = around.chain([step]).filter_map(|step| step.when.as_ref());
    whens.any(|when| when.root.allows_missing_name(secret))
}

/// Returns the problem of a secret file whose content is used in a place that only gets its path.
fn misused_file(name: &Name, input: &Input, is_template: bool) -> Diagnostic {
    let word = &name.name;
    let (message, label) = if is_template {
        let message = format!("secret file `{word}` cannot be used as a template");
        (message, "errors in a template are reported with its lines")
    } else {
        let message = format!("`{word}` is the path of a secret file, not its content");
        (message, "the path would be inserted here")
    };
    Diagnostic::error(Code::SecretFileUse, message)
        .at(name.span, label)
        .also(input.span, "declared as a secret file")
        .help(format!(
            "upload the file unchanged: `upload: {{from: \"{{{{ {word} }}}}\", to: PATH}}`"
        ))
        .help("or declare a `string` input, and pass the content of the file")
}

/// Reports `host.vars.NAME` if NAME is a secret: it is removed from the variables.
fn variables(text: Text<'_>, plan: &Plan, found: &mut Diagnostics) {
    for part in text.roots().into_iter().flat_map(Expr::all) {
        let of = ["host", "there"].into_iter();
        let mut found_in = of.filter_map(|of| Some((of, part.variable_of(of)?)));
        let Some((of, word)) = found_in.next() else { continue };
        let Some(input) = plan.inputs.get(word).filter(|input| input.is_hidden()) else { continue };
        let message = format!("`{of}.vars.{word}` is not available: `{word}` is a secret");
        Diagnostic::error(Code::SecretShown, message)
            .at(text.written().place(part), "secrets are removed from the host variables")
            .also(input.span, "declared as a secret")
            .help(format!(
                "use `{{{{ {word} }}}}` in `stdin` or `env`, or in the `template` or `content` of an \
                 `upload`"
            ))
            .emit(found);
    }
}
