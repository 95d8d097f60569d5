//! Commands that switch the user by themselves.
//!
//! There is no terminal for a password, and planrun cannot know as whom such a command runs: the
//! folder of an attempt would belong to the login user, and a kill would not reach the command.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::lint::commands::line_span;
use crate::plan::{Action, Become, CommandSpec, Plan, Work};
use crate::source::Sources;

/// Programs that run another as another user.
const PROGRAMS: [&str; 5] = ["sudo", "doas", "su", "runuser", "pkexec"];

/// Options of these without a value.
const PLAIN: [&str; 6] = ["-n", "-E", "-H", "-S", "-i", "-k"];

/// Reports steps and probes that start with one of these programs.
pub(super) fn check(plan: &Plan, sources: &Sources, found: &mut Diagnostics) {
    for probe in plan.probes.values() {
        command(&probe.command, sources, found);
    }
    plan.visit_sound(&mut |step| {
        if let Action::Effect(effect) = &step.action {
            command(&effect.command, sources, found);
        }
    });
}

fn command(spec: &CommandSpec, sources: &Sources, found: &mut Diagnostics) {
    let (program, user, span) = match &spec.work {
        Work::Run(words) => {
            let Some(first) = words.first() else { return };
            let texts = words.iter().map(|word| word.text.as_str());
            (first.text.as_str(), user(texts), first.span)
        }
        Work::Shell(script) => {
            let begins = |line: &&str| {
                let head = line.split_whitespace().next();
                head.is_some_and(|head| PROGRAMS.contains(&head))
            };
            let Some(line) = script.text.lines().find(begins) else {
                return;
            };
            let program = line.split_whitespace().next().unwrap_or_default();
            let words = line.split_whitespace();
            (program, user(words), line_span(script, line, sources))
        }
        Work::Upload(_) => return,
    };
    if !PROGRAMS.contains(&program) {
        return;
    }
    let fault = Diagnostic::warning(
        Code::OwnBecome,
        format!("`{program}` may ask for a password, but there is no terminal"),
    )
    .at(span, "switches the user by itself");
    found.push(match (&spec.r#become, user) {
        (Some(Become::Yes(_)), _) => fault
            .help(format!("remove `{program}`: `become` already runs the command with `sudo -n`")),
        (_, Some(user)) => {
            fault.help(format!("write the command without `{program}`, and add `become: {user}`"))
        }
        // They take the user in other ways.
        (_, None) if matches!(program, "su" | "runuser") => {
            fault.help(format!("write the command without `{program}`, and add `become: USER`"))
        }
        (_, None) => {
            fault.help(format!("write the command without `{program}`, and add `become: true`"))
        }
    });
}

/// Returns the user that the options right behind the program name: `-u USER` of `sudo` and its
/// like; a `-u` further on belongs to the command.
fn user<'a>(words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut options = words.skip(1).skip_while(|word| PLAIN.contains(word));
    let first = options.next()?;
    let user = match first {
        "-u" | "--user" => options.next()?,
        _ => first.strip_prefix("--user=")?,
    };
    (!user.contains("{{")).then_some(user)
}
