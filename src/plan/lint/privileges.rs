//! Commands that switch the user by themselves.
//!
//! There is no terminal for a password, and planrun cannot know as whom such a command runs: the
//! folder of an attempt would belong to the login user, and a kill would not reach the command.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::lint::words;
use crate::plan::lint::words::Words;
use crate::plan::{Become, CommandSpec, Plan};
use crate::source::Sources;

/// Programs that run another as another user.
const PROGRAMS: [&str; 5] = ["sudo", "doas", "su", "runuser", "pkexec"];

/// Options of these without a value.
const PLAIN: [&str; 6] = ["-n", "-E", "-H", "-S", "-i", "-k"];

pub(super) fn check(plan: &Plan, sources: &Sources, found: &mut Diagnostics) {
    for probe in plan.probes.values() {
        command(&probe.command, sources, found);
    }
    plan.visit_sound(&mut |step| {
        step.effect().into_iter().for_each(|effect| command(&effect.command, sources, found));
    });
}

fn command(spec: &CommandSpec, sources: &Sources, found: &mut Diagnostics) {
    let begins = |one: &Words<'_>| one.words.first().is_some_and(|word| PROGRAMS.contains(word));
    let Some(one) = words::commands(&spec.work).into_iter().find(begins) else { return };
    let program = one.words[0];
    let without =
        |user: &str| format!("write the command without `{program}`, and add `become: {user}`");
    let help = match (&spec.r#become, user(&one.words)) {
        (Some(Become::Yes(_)), _) => {
            format!("remove `{program}`: `become` already runs the command with `sudo -n`")
        }
        (_, Some(user)) => without(user),
        // They take the user in other ways.
        (_, None) if matches!(program, "su" | "runuser") => without("USER"),
        (_, None) => without("true"),
    };
    let message = format!("`{program}` may ask for a password, but there is no terminal");
    Diagnostic::warning(Code::OwnBecome, message)
        .at(one.start(sources), "switches the user by itself")
        .help(help)
        .emit(found);
}

/// Returns the user that the options right behind the program name: `-u USER` of `sudo` and its
/// like; a `-u` further on belongs to the command.
fn user<'a>(words: &[&'a str]) -> Option<&'a str> {
    let mut options = words.iter().skip(1).skip_while(|word| PLAIN.contains(word));
    let first = options.next()?;
    let user = match *first {
        "-u" | "--user" => options.next()?,
        _ => first.strip_prefix("--user=")?,
    };
    (!user.contains("{{")).then_some(user)
}
