//! Programs of this machine: they print an inventory or a secret, or take a notification.
//!
//! A program is started without a shell, in its own directory, and in a process group of its own. It has
//! nothing to read, except a notification ([`LocalPrograms::feed`]), whose output is discarded. All calls of one program share a time limit and an output limit. If either is
//! exceeded, the whole group is killed at once: a program that only prints has nothing to clean up.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt as _};
use tokio::time::timeout;

use super::Exit;
use super::local::exit_of;
use crate::clock::Clock;
use crate::inventory::program::{Failure, MAX_ANSWER, Programs};

/// How long all calls of one program may take together, by default.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The maximum number of bytes kept of its standard error: the last ones.
const MAX_SAID: usize = 16 * 1024;
/// How long its streams are read after it has ended: another process may keep them open.
const LINGER: Duration = Duration::from_secs(1);

/// Runs programs as the user of this process.
#[derive(Debug)]
pub struct LocalPrograms {
    patience: Duration,
    /// How much time, and how many bytes, are left for further calls of each program that was run.
    left: HashMap<PathBuf, (Duration, usize)>,
    running: Running,
}

/// The process group of the program that runs now.
#[derive(Clone, Debug, Default)]
pub struct Running(Arc<Mutex<Option<Pid>>>);

impl Running {
    /// Kills the program that runs, if one does.
    pub fn end(&self) {
        let group = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = *group {
            // Nothing can be done about a failure: it is gone.
            kill_process_group(group, Signal::KILL).ok();
        }
    }

    /// Starts a program and stores its group under one lock, so that `end` cannot miss it.
    fn begin<T>(
        &self,
        spawn: impl FnOnce() -> std::io::Result<(Option<Pid>, T)>,
    ) -> std::io::Result<T> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (group, child) = spawn()?;
        *slot = group;
        Ok(child)
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl LocalPrograms {
    /// Gives each program this long for all its calls.
    pub fn new(patience: Duration) -> Self {
        Self::with(patience, Running::default())
    }

    /// The same, with a handle that exists already.
    pub fn with(patience: Duration, running: Running) -> Self {
        Self { patience, left: HashMap::new(), running }
    }

    /// Passes a text to the standard input of a program, and discards its standard output.
    pub fn feed(&self, program: &Path, arguments: &[&str], text: &str) -> Result<(), Failure> {
        let done = self.call(program, arguments, Some(text), self.patience, MAX_ANSWER);
        runtime()?.block_on(done).map(|_| ())
    }

    /// Returns a handle by which another thread can end what runs.
    pub fn running(&self) -> Running {
        self.running.clone()
    }
}

impl Programs for LocalPrograms {
    fn run(&mut self, program: &Path, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        let left = self.left.get(program).copied();
        let (patience, most) = left.unwrap_or((self.patience, MAX_ANSWER));
        if patience.is_zero() {
            return Err(Failure::Late(self.patience));
        }
        let begun = Clock::Real.monotonic();
        let result = runtime()?.block_on(self.call(program, arguments, None, patience, most));
        let took = Clock::Real.monotonic().saturating_sub(begun);
        let printed = result.as_ref().map_or(0, Vec::len);
        let left = (patience.saturating_sub(took), most.saturating_sub(printed));
        self.left.insert(program.to_owned(), left);
        result
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Failure::NotStarted(error.to_string()))
}

impl LocalPrograms {
    /// Runs a program, which may take so long and print so much.
    async fn call(
        &self,
        program: &Path,
        arguments: &[&str],
        input: Option<&str>,
        patience: Duration,
        most: usize,
    ) -> Result<Vec<u8>, Failure> {
        let not_started = |error: std::io::Error| Failure::NotStarted(error.to_string());
        let mut command = command(program, arguments).map_err(not_started)?;
        if input.is_some() {
            command.stdin(Stdio::piped()).stdout(Stdio::null());
        }
        let begun = self.running.begin(|| {
            let child = command.spawn()?;
            let id = child.id().and_then(|id| i32::try_from(id).ok());
            Ok((id.and_then(Pid::from_raw), child))
        });
        let mut child = begun.map_err(not_started)?;
        let (mut answer, mut said) = (Vec::new(), Vec::new());
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let ended = async {
            let mut reading = std::pin::pin!(async {
                // A program that prints too much is not waited for.
                tokio::try_join!(
                    write(stdin, input),
                    read(stdout, &mut answer, |bytes| bytes.len() <= most),
                    read(stderr, &mut said, |bytes| {
                        bytes.drain(..bytes.len().saturating_sub(MAX_SAID));
                        true
                    }),
                )
                .is_ok()
            });
            // The streams are read to their end, unless the program ends before them.
            let mut read = false;
            let status = loop {
                tokio::select! {
                    fits = &mut reading, if !read => {
                        read = true;
                        if !fits {
                            self.running.end();
                        }
                    }
                    status = child.wait() => break status,
                }
            };
            if !read {
                // Elapsed is not an error: a process that the program left running keeps the streams open.
                let _in_time = timeout(LINGER, reading).await;
            }
            status
        };
        let ended = timeout(patience, ended).await;
        if ended.is_err() {
            self.running.end();
        }
        self.running.forget();
        if answer.len() > most {
            return Err(Failure::TooLong(MAX_ANSWER));
        }
        let how = match ended {
            Err(_elapsed) => return Err(Failure::Late(self.patience)),
            Ok(Err(error)) => format!("in an unknown way: {error}"),
            Ok(Ok(status)) => match exit_of(status) {
                Exit::Code(0) => return Ok(answer),
                Exit::Code(code) => format!("with {code}"),
                Exit::Signal(name) => format!("by {name}"),
                Exit::TimedOut => "too late".to_owned(),
            },
        };
        let said = String::from_utf8_lossy(&said).into_owned();
        Err(Failure::Ended { how, said })
    }
}

fn command(program: &Path, arguments: &[&str]) -> std::io::Result<tokio::process::Command> {
    // A bare name would be looked for in PATH, and the directory changes.
    let program = std::path::absolute(program)?;
    let mut command = super::local::program(&program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(directory) = program.parent() {
        command.current_dir(directory);
    }
    Ok(command)
}

/// A stream is longer than its limit.
struct Full;

/// Writes a text and closes the stream. A program need not read it.
async fn write(stdin: Option<tokio::process::ChildStdin>, text: Option<&str>) -> Result<(), Full> {
    if let (Some(mut stdin), Some(text)) = (stdin, text) {
        let _unread = stdin.write_all(text.as_bytes()).await;
    }
    Ok(())
}

/// Reads a stream to its end; `Err` if `fits` refuses what was read so far. It may also shorten that.
async fn read(
    stream: Option<impl AsyncRead + Unpin>,
    bytes: &mut Vec<u8>,
    mut fits: impl FnMut(&mut Vec<u8>) -> bool,
) -> Result<(), Full> {
    let Some(mut stream) = stream else { return Ok(()) };
    let mut piece = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        bytes.extend_from_slice(&piece[..count]);
        if !fits(bytes) {
            return Err(Full);
        }
    }
    Ok(())
}
