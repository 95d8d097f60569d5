//! What a host remembers of an attempt, so that it can be asked after a cut or a crash.
//!
//! Before an effect begins, the login user's shell makes a folder named by the attempt and notes
//! the leader of its process group there. Making a folder is atomic: whoever asks about an attempt
//! makes it, too, and where that succeeds the attempt never began *and cannot begin any more*,
//! however late it arrives. Where the folder stands, the group says whether it is still running.
//!
//! A host on which no such folder can be made (a full disk) still takes effects; of those it
//! cannot tell. How an attempt ended is not kept here: `done_when` says what came of it.
//!
//! TODO-design: the folders are small and never removed; effects that are fully detached from
//! their connection will have a spool of their own, with its own cleaning.

use std::time::Duration;

use indexmap::IndexMap;

use crate::quote;
use crate::quote::NulError;
use crate::transport::AttemptId;
use crate::transport::Body;
use crate::transport::Command;
use crate::transport::Output;
use crate::transport::Recovered;

/// The folder of all attempts of a login user.
const FOLDER: &str = "\"${XDG_STATE_HOME:-$HOME/.local/state}/planrun/attempts\"";

/// Returns the shell text that marks the beginning of an attempt; it says `PREFIX:taken` and ends
/// where the attempt may not begin.
pub(super) fn mark(id: &AttemptId, prefix: &str) -> Result<String, NulError> {
    let name = quote::shell(&id.0)?;
    Ok(format!(
        "planrun_d={FOLDER}/{name}; (umask 077; mkdir -p {FOLDER}) 2>/dev/null; \
         if mkdir \"$planrun_d\" 2>/dev/null; then echo $$ >\"$planrun_d/leader\"; \
         elif [ -d \"$planrun_d\" ]; then echo {prefix}:taken; exit 1; fi; unset planrun_d; "
    ))
}

/// Returns the command that asks a host about an attempt.
pub(super) fn question(id: &AttemptId) -> Result<Command, NulError> {
    let name = quote::shell(&id.0)?;
    let script = format!(
        "d={FOLDER}/{name}\n(umask 077; mkdir -p {FOLDER})\n{}",
        include_str!("witness/ask.sh")
    );
    Ok(Command {
        body: Body::Script(script),
        stdin: None,
        env: IndexMap::new(),
        dir: None,
        r#become: None,
        timeout: Duration::from_secs(20),
        step: "planrun/recover".to_owned(),
    })
}

/// Reads the answer to [`question`].
pub(super) fn answer(output: &Output) -> Recovered {
    match String::from_utf8_lossy(&output.stdout).trim() {
        "absent" => Recovered::Absent,
        "running" => Recovered::Running,
        "over" => Recovered::Over,
        _ => Recovered::Unknown,
    }
}
