//! planrun as users run it: the binary, with its own state directory; what it printed and recorded.
//!
//! A command line becomes an [`Ended`], or a [`Going`] while the command runs, and its records a [`Story`].
//! Nothing here waits forever: a command without output for longer than [`SILENCE`] is killed and fails the
//! test. There is no terminal, so questions pause the run.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fs, thread};

use planrun::event::{Event, HostEvent, HostStatus, Record, TaskEvent, TaskId, TaskStatus};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// The longest silence of a command. A wait of the shipped plans is silent for a minute.
const SILENCE: Duration = Duration::from_mins(2);

/// The root of the repository: commands run there.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the text of a file of the repository with words replaced, as a person would edit it.
/// Each text to be replaced must stand there once.
#[track_caller]
pub(crate) fn edited(file: &str, changes: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(root().join(file)).unwrap();
    for (from, to) in changes {
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {file}");
        text = text.replace(from, to);
    }
    text
}

/// Begins a description of a process.
#[expect(clippy::disallowed_methods, reason = "tests begin processes here and nowhere else")]
pub(crate) fn program(path: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(path)
}

/// The binary with a state folder of its own.
pub(crate) struct Planrun {
    folder: TempDir,
    /// Where hosts keep their locks: another test must not meet this one.
    locks: TempDir,
    environment: Vec<(String, String)>,
}

impl Planrun {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pr").tempdir().unwrap();
        // For all users that log in.
        let all = fs::Permissions::from_mode(0o1777);
        let locks = tempfile::Builder::new().prefix("locks").permissions(all).tempdir().unwrap();
        Self { folder, locks, environment: Vec::new() }
    }

    /// Gives all commands a variable of the environment, or takes it from them.
    pub(crate) fn environment(&mut self, name: &str, value: Option<&str>) {
        self.environment.retain(|(known, _)| known != name);
        let value = value.map(|value| (name.to_owned(), value.to_owned()));
        self.environment.extend(value);
    }

    /// Returns all files on disk, once the host has removed what commands printed.
    pub(crate) fn disk(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let records = self.path("planrun/attempts");
        let is_output = |entry: std::io::Result<fs::DirEntry>| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.contains(".out") || name.contains(".err") || name.starts_with(".new-")
        };
        eventually("what commands printed is removed", || {
            !fs::read_dir(&records).is_ok_and(|mut entries| entries.any(is_output))
        });
        let mut all = Vec::new();
        let mut open = vec![self.folder.path().to_owned()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                let entries = fs::read_dir(&path).unwrap();
                open.extend(entries.map(|entry| entry.unwrap().path()));
            } else if path.is_file() {
                let bytes = fs::read(&path).unwrap();
                all.push((path, bytes));
            }
        }
        all
    }

    /// Writes a file beside the state folder and returns its path.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Returns a path next to the state folder; `state` is the state folder itself.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns where hosts keep their locks.
    pub(crate) fn locks(&self) -> &Path {
        self.locks.path()
    }

    /// Writes the configuration of the user, and returns its path.
    pub(crate) fn configure(&self, text: &str) -> PathBuf {
        let file = self.path("config/planrun/config.yaml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
        file
    }

    /// Runs a command to its end.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        self.begin(words).end()
    }

    /// Runs a command to its end, with its records on stdout.
    #[track_caller]
    pub(crate) fn run_json(&self, words: &[&str]) -> Ended {
        self.begin_json(words).end()
    }

    /// Begins a command. What would ask for confirmation is confirmed: there is no terminal.
    pub(crate) fn begin(&self, words: &[&str]) -> Going {
        let asks = matches!(words, ["apply" | "rollback", ..]);
        self.begin_unconfirmed(&[words, if asks { &["--yes"] } else { &[] }].concat())
    }

    /// Begins a command as it stands.
    pub(crate) fn begin_unconfirmed(&self, words: &[&str]) -> Going {
        let mut command = program(env!("CARGO_BIN_EXE_planrun"));
        command.args(words);
        self.spawn(command)
    }

    /// Begins a command with its records on stdout.
    pub(crate) fn begin_json(&self, words: &[&str]) -> Going {
        self.begin(&[words, &["--output", "json"]].concat())
    }

    /// Gives a line to the shell, as somebody does who copies what was printed, and confirms it.
    #[track_caller]
    pub(crate) fn type_line(&self, line: &str) -> Ended {
        self.begin_line(line).end()
    }

    /// Begins what a line for the shell says.
    pub(crate) fn begin_line(&self, line: &str) -> Going {
        let binary = Path::new(env!("CARGO_BIN_EXE_planrun"));
        let folder = binary.parent().unwrap().display();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = program("sh");
        command.args(["-c", &line.replacen(" rollback ", " rollback --yes ", 1)]);
        command.env("PATH", format!("{folder}:{path}"));
        self.spawn(command)
    }

    /// Returns all runs of the state folder, newest first.
    #[track_caller]
    pub(crate) fn runs(&self) -> Vec<serde_json::Value> {
        let ended = self.run(&["runs", "--format", "json"]);
        ended.exits(0);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Returns the id of the newest run.
    #[track_caller]
    pub(crate) fn newest(&self) -> String {
        self.runs()[0]["id"].as_str().unwrap().to_owned()
    }

    /// Returns what is kept of a run.
    #[track_caller]
    pub(crate) fn kept(&self, run: &str) -> Story {
        let ended = self.run(&["show", run, "--format", "json"]);
        ended.exits(0);
        let shown: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        Story(serde_json::from_value(shown["records"].clone()).unwrap())
    }

    /// Holds that no run of the state folder has sent anything.
    #[track_caller]
    pub(crate) fn has_sent_nothing(&self) {
        for run in self.runs() {
            let sent = self.kept(run["id"].as_str().unwrap()).sent();
            assert!(sent.is_empty(), "{sent:#?}");
        }
    }

    fn spawn(&self, mut command: Command) -> Going {
        command
            .current_dir(root())
            // In the background, so that no developer is asked at their terminal.
            .process_group(0)
            .env("PLANRUN_STATE_DIR", self.folder.path().join("state"))
            // What this machine remembers of attempts goes there, too.
            .env("XDG_STATE_HOME", self.folder.path())
            .env("PLANRUN_LOCK_DIR", self.locks.path())
            // No test reads the configuration of a developer.
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env_remove("PLANRUN_INVENTORY")
            .env_remove("NO_COLOR")
            .env_remove("SSH_AUTH_SOCK")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let Ok(()) = sender.send(line) else { return };
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _cut = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Going { child, lines, stdout: String::new(), stderr: Some(stderr) }
    }
}

/// A command that runs.
pub(crate) struct Going {
    child: Child,
    lines: Receiver<String>,
    stdout: String,
    stderr: Option<JoinHandle<String>>,
}

impl Going {
    /// Reads on until a record is as asked, and returns it.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, is_it: impl Fn(&Event) -> bool) -> Record {
        if let Some(record) = self.until_or_end(is_it) {
            return record;
        }
        let stderr = self.stderr.take().unwrap().join().unwrap();
        panic!("it ended before {what}:\n{}\n{stderr}", self.stdout);
    }

    /// Reads on until a record is as asked, and returns it; `None` if it ends before.
    #[track_caller]
    pub(crate) fn until_or_end(&mut self, is_it: impl Fn(&Event) -> bool) -> Option<Record> {
        while let Some(line) = self.next_line() {
            if let Ok(record) = serde_json::from_str::<Record>(&line)
                && is_it(&record.event)
            {
                return Some(record);
            }
        }
        None
    }

    /// Reads on until a command is about to be sent for a step of a host.
    #[track_caller]
    pub(crate) fn until_sends(&mut self, task: &str) -> Record {
        self.until(
            &format!("{task} was sent"),
            |event| matches!(event, Event::Task { task: it, event: TaskEvent::AttemptIntended { .. } } if is(it, task)),
        )
    }

    /// Reads on until a step of a host has ended.
    #[track_caller]
    pub(crate) fn until_ended(&mut self, task: &str) -> Record {
        self.until(
            &format!("{task} ended"),
            |event| matches!(event, Event::Task { task: it, event: TaskEvent::Ended { .. } } if is(it, task)),
        )
    }

    /// Reads on until a step of a host is begun, and lets so much time pass from there.
    #[track_caller]
    pub(crate) fn until_long_in(&mut self, task: &str, time: Duration) {
        self.until(
            &format!("{task} was begun"),
            |event| matches!(event, Event::Task { task: it, event: TaskEvent::Started { .. } } if is(it, task)),
        );
        thread::sleep(time);
    }

    /// Does what `^C` does.
    pub(crate) fn interrupt(&self) {
        rustix::process::kill_process(self.pid(), Signal::INT).unwrap();
    }

    /// Does what closing the terminal does.
    pub(crate) fn hang_up(&self) {
        rustix::process::kill_process(self.pid(), Signal::HUP).unwrap();
    }

    /// Suspends it.
    pub(crate) fn stop(&self) {
        rustix::process::kill_process(self.pid(), Signal::STOP).unwrap();
    }

    /// Continues it.
    pub(crate) fn cont(&self) {
        rustix::process::kill_process(self.pid(), Signal::CONT).unwrap();
    }

    /// Ends it without mercy and without a trace: `kill -9`. False where it had ended by itself.
    pub(crate) fn kill(mut self) -> bool {
        rustix::process::kill_process(self.pid(), Signal::KILL).unwrap();
        self.child.wait().unwrap().signal().is_some()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        while self.next_line().is_some() {}
        let status = self.child.wait().unwrap();
        Ended {
            status: status.code(),
            stdout: std::mem::take(&mut self.stdout),
            stderr: self.stderr.take().unwrap().join().unwrap(),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Returns the next line of its stdout, `None` at the end.
    #[track_caller]
    fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(SILENCE) {
            Ok(line) => {
                self.stdout.push_str(&line);
                self.stdout.push('\n');
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("silent for {SILENCE:?}, after:\n{}", self.stdout)
            }
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit status; `None` where a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Runs a program to its end.
    #[track_caller]
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Holds that it ended so.
    #[track_caller]
    pub(crate) fn exits(&self, status: i32) -> &Self {
        assert_eq!(self.status, Some(status), "{}", self.all());
        self
    }

    /// Holds that it told this, data or talk.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.all().contains(text), "no {text:?} in:\n{}", self.all());
        self
    }

    /// Returns a whole command that it printed: the first line that begins so and has that in it.
    #[track_caller]
    pub(crate) fn command(&self, beginning: &str, part: &str) -> String {
        let all = self.all();
        let mut lines = all.lines().map(str::trim);
        let found = lines.find(|line| line.starts_with(beginning) && line.contains(part));
        found.unwrap_or_else(|| panic!("no line {beginning:?} with {part:?} in:\n{all}")).to_owned()
    }

    /// Returns the records it printed.
    pub(crate) fn story(&self) -> Story {
        let lines = self.stdout.lines();
        Story(lines.filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The records of a run, or some of them.
#[derive(Debug)]
pub(crate) struct Story(pub(crate) Vec<Record>);

impl Story {
    fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.0.iter().map(|record| &record.event)
    }

    /// Returns what was sent, `HOST: COMMAND`, in order.
    pub(crate) fn sent(&self) -> Vec<String> {
        self.events()
            .filter_map(|event| match event {
                Event::Task { event: TaskEvent::AttemptIntended { on, command, .. }, .. } => {
                    Some(format!("{on}: {command}"))
                }
                _ => None,
            })
            .collect()
    }

    /// Returns what was sent for a step of a host.
    pub(crate) fn sent_for(&self, name: &str) -> Vec<String> {
        self.events()
            .filter_map(|event| match event {
                Event::Task { task, event: TaskEvent::AttemptIntended { command, .. } }
                    if is(task, name) =>
                {
                    Some(command.clone())
                }
                _ => None,
            })
            .collect()
    }

    /// Returns how a step of a host ended, last.
    pub(crate) fn status(&self, name: &str) -> Option<TaskStatus> {
        self.events().rev().find_map(|event| match event {
            Event::Task { task, event: TaskEvent::Ended { status, .. } } if is(task, name) => {
                Some(*status)
            }
            _ => None,
        })
    }

    /// Returns how a host ended, last.
    pub(crate) fn host(&self, name: &str) -> Option<HostStatus> {
        self.events().rev().find_map(|event| match event {
            Event::Host { host, event: HostEvent::Ended { status, .. } }
                if host.as_str() == name =>
            {
                Some(*status)
            }
            _ => None,
        })
    }

    /// Returns all that was counted of a wait, tick by tick.
    pub(crate) fn waited(&self, name: &str) -> Vec<Duration> {
        self.events()
            .filter_map(|event| match event {
                Event::Task { task, event: TaskEvent::WaitTicked { waited } } if is(task, name) => {
                    Some(*waited)
                }
                _ => None,
            })
            .collect()
    }

    /// Returns the hosts in the order in which they were begun and ended: `+NAME`, `-NAME`.
    pub(crate) fn turns(&self) -> Vec<String> {
        self.events()
            .filter_map(|event| match event {
                Event::Host { host, event: HostEvent::Started } => Some(format!("+{host}")),
                Event::Host { host, event: HostEvent::Ended { .. } } => Some(format!("-{host}")),
                _ => None,
            })
            .collect()
    }

    /// Returns the tasks that a person was asked about.
    pub(crate) fn questions(&self) -> Vec<String> {
        self.events()
            .filter_map(|event| match event {
                Event::Task { task, event: TaskEvent::QuestionAsked { .. } } => {
                    Some(task.to_string())
                }
                _ => None,
            })
            .collect()
    }
}

/// Whether a task is the one that is written so: `HOST/STEP`.
fn is(task: &TaskId, name: &str) -> bool {
    task.to_string() == name
}

/// Looks again and again until something is so, at most half a minute.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..60 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(500));
    }
    panic!("it did not come about: {what}");
}
