//! Exit codes as hosts report them.

use crate::transport::Exit;

/// Reads an exit code as shells report it: above 128 it is a signal.
pub(super) fn exit_of(text: &str) -> Option<Exit> {
    if text == "timeout" {
        return Some(Exit::TimedOut);
    }
    let status: i32 = text.parse().ok()?;
    Some(match status - 128 {
        number @ 1..=31 => Exit::Signal(signal_name(number)),
        _ => Exit::Code(status),
    })
}

/// Returns the name of a signal, without `SIG`.
pub(in crate::transport) fn signal_name(number: i32) -> String {
    let names = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM",
    ];
    let name = usize::try_from(number - 1).ok().and_then(|index| names.get(index));
    name.map_or_else(|| number.to_string(), |&name| name.to_owned())
}
