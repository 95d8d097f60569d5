//! The model of a host ([`crate::hosts`]) answers as real hosts do.
//!
//! The same random requests go to the model and, in processes whose `/bin/sh` is one shell after another, to
//! the scripts that planrun runs on hosts. All answers and all effects must be the same.
//!
//! `PLANRUN_SIM_SCRIPTS=N` sets how many scripts of requests each shell gets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use planrun::clock::Clock;
use planrun::inventory::Host;
use planrun::transport::local::LocalTransport;
use planrun::transport::{AttemptId, Body, Command, Output, Recovered, Transport, TransportError};

use crate::cases;
use crate::fault::{Chance, Fate};
use crate::hosts::{Arrival, Fact, Progress, Request, Sender, Work, World};
use crate::real_locks;
use crate::schedules::number;

/// What may be `/bin/sh`.
const SHELLS: [&str; 5] = ["dash", "bash", "busybox", "ksh", "zsh"];

/// Where the process for a shell works.
const FOLDER: &str = "PLANRUN_SIM_FOLDER";

/// What names its boot there.
const BOOT: &str = "PLANRUN_SIM_BOOT";

/// How many attempts a script is about.
const IDS: usize = 4;

/// How long a deed may take.
const LIMIT: Duration = Duration::from_secs(100);

/// How long a command runs whose end nobody waits for, on the model.
const LONG: Duration = Duration::from_hours(1);

/// A request to a host, or what happens to it.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// An effect is sent, and waited for.
    Send(usize, Fate),
    /// An effect is sent, and the connection is lost while it runs. Its runner is killed if it is orphaned.
    Leave(usize, Fate),
    /// The command that was left ends.
    GoOn,
    Ask(usize),
    Reboot,
    /// The records are deleted.
    Empty,
}

/// What comes back.
#[derive(Debug, PartialEq)]
enum Reply {
    Ended(Output),
    /// The attempt was sent or asked about before.
    Repeated,
    Left,
    Known(Recovered),
    Nothing,
}

fn script(chance: &mut Chance) -> Vec<Deed> {
    use Fate::{Fails, FailsLate, Killed, Orphaned, Well};
    let mut deeds = Vec::new();
    // The model refuses an attempt whose id is taken; one that it does not refuse runs.
    let mut taken = [false; IDS];
    let mut is_left = false;
    for _ in 0..10 {
        let id = chance.below(IDS);
        let deed = match chance.below(12) {
            0..=2 => Deed::Send(id, [Well, Fails, FailsLate, Killed][chance.below(4)]),
            3..=5 if !is_left => {
                Deed::Leave(id, [Well, Fails, FailsLate, Killed, Orphaned][chance.below(5)])
            }
            6..=7 if is_left => Deed::GoOn,
            8 => Deed::Reboot,
            9 if !is_left => Deed::Empty,
            _ => Deed::Ask(id),
        };
        match deed {
            Deed::Leave(id, _) => is_left |= !taken[id],
            Deed::GoOn | Deed::Reboot => is_left = false,
            _ => {}
        }
        match deed {
            Deed::Send(id, _) | Deed::Leave(id, _) | Deed::Ask(id) => taken[id] = true,
            Deed::Empty => taken = [false; IDS],
            _ => {}
        }
        deeds.push(deed);
    }
    if is_left {
        deeds.push(Deed::GoOn);
    }
    deeds.extend((0..IDS).map(Deed::Ask));
    deeds
}

/// The model.
struct Modelled {
    world: World,
    intended: [Option<Duration>; IDS],
}

impl Modelled {
    fn new(host: &Host) -> Self {
        Self { world: World::new([host.name.clone()], &[], None), intended: [None; IDS] }
    }

    fn request(id: usize, fate: Fate, takes: Duration) -> Request {
        let work = Work::Print("well".to_owned());
        let from = Sender { run: 0, epoch: 1 };
        Request {
            host: 0,
            from,
            fence: None,
            id: AttemptId(id.to_string()),
            work,
            takes,
            timeout: LONG,
            fate,
        }
    }

    fn does(&mut self, deed: Deed) -> Reply {
        self.world.advance(self.world.now + Duration::from_secs(1));
        match deed {
            Deed::Send(id, fate) => {
                self.intended[id].get_or_insert(self.world.now);
                let request = Self::request(id, fate, Duration::ZERO);
                if self.world.arrives(request.clone()) == Arrival::Taken {
                    return Reply::Repeated;
                }
                self.world.advance(self.world.now + Duration::from_secs(3));
                match self.world.progress(0, &request.id) {
                    Progress::Exited(output) => Reply::Ended(output),
                    Progress::Running { .. } | Progress::Gone => Reply::Nothing,
                }
            }
            Deed::Leave(id, fate) => {
                self.intended[id].get_or_insert(self.world.now);
                match self.world.arrives(Self::request(id, fate, LONG)) {
                    Arrival::Starts => Reply::Left,
                    _ => Reply::Repeated,
                }
            }
            Deed::Ask(id) => {
                let intended = *self.intended[id].get_or_insert(self.world.now);
                Reply::Known(self.world.ask(0, &AttemptId(id.to_string()), intended))
            }
            Deed::GoOn => {
                self.world.advance(self.world.now + LONG);
                Reply::Nothing
            }
            Deed::Reboot => {
                self.world.reboot(0, false, Duration::ZERO);
                Reply::Nothing
            }
            Deed::Empty => {
                self.world.empty_spool(0);
                Reply::Nothing
            }
        }
    }

    /// How often each attempt has taken effect.
    fn effects(&self) -> [usize; IDS] {
        let count = |of: usize| {
            let is = |fact: &Fact| matches!(fact, Fact::Took { id, .. } if id.0 == of.to_string());
            self.world.log.iter().filter(|(_, fact)| is(fact)).count()
        };
        std::array::from_fn(count)
    }
}

/// This machine.
struct Real<'h> {
    folder: PathBuf,
    host: &'h Host,
    transport: LocalTransport,
    seed: u64,
    intended: [Option<Timestamp>; IDS],
    left: Option<(AttemptId, Fate)>,
    /// How often the records were deleted: an attempt may then run again.
    emptied: usize,
}

impl<'h> Real<'h> {
    async fn new(folder: PathBuf, host: &'h Host, seed: u64) -> Self {
        let transport = LocalTransport::new();
        transport.reach(host).await.unwrap();
        Self { folder, host, transport, seed, intended: [None; IDS], left: None, emptied: 0 }
    }

    fn records(&self) -> PathBuf {
        self.folder.join("planrun/attempts")
    }

    fn mark(&self, what: &str, id: &AttemptId) -> PathBuf {
        self.folder.join(format!("{what}-{}-{}", id.0, self.emptied))
    }

    /// Commands are found by their marks: no two attempts on this machine may have the same.
    fn name(&self, id: usize) -> String {
        format!("sim-{}-{}-{id}", std::process::id(), self.seed)
    }

    fn id(&mut self, id: usize) -> (AttemptId, Timestamp) {
        let intended = *self.intended[id].get_or_insert_with(|| Clock::Real.now());
        // What the host makes next is younger.
        thread::sleep(Duration::from_millis(2));
        (AttemptId(self.name(id)), intended)
    }

    fn command(&self, id: &AttemptId, fate: Fate, is_left: bool) -> Command {
        let [begun, took, go] = ["begun", "took", "go"].map(|what| self.mark(what, id));
        let [begun, took, go] = [&begun, &took, &go].map(|path| path.display());
        let waits = if is_left {
            format!("touch '{begun}'; while [ ! -e '{go}' ]; do sleep 0.02; done\n")
        } else {
            String::new()
        };
        let ends = match fate {
            Fate::Well | Fate::Orphaned => format!("echo took >>'{took}'; echo well"),
            Fate::Fails => "exit 1".to_owned(),
            Fate::FailsLate => format!("echo took >>'{took}'; exit 1"),
            Fate::Killed => "kill -KILL $$".to_owned(),
            // Ending a command takes a while: `transport::ssh::shells` tests it.
            Fate::Slow | Fate::Stubborn => unreachable!("{fate:?} is in no script"),
        };
        command_of(format!("{waits}{ends}\n"))
    }

    async fn does(&mut self, deed: Deed) -> Reply {
        match deed {
            Deed::Send(id, fate) => {
                let (id, _) = self.id(id);
                let command = self.command(&id, fate, false);
                sent(self.transport.attempt(self.host, &id, &command).await)
            }
            Deed::Leave(id, fate) => {
                let (id, _) = self.id(id);
                let command = self.command(&id, fate, true);
                let begun = self.mark("begun", &id);
                tokio::select! {
                    reply = self.transport.attempt(self.host, &id, &command) => return sent(reply),
                    () = exists(&begun) => {}
                }
                if fate == Fate::Orphaned {
                    self.kill_runner(&id);
                }
                self.left = Some((id, fate));
                Reply::Left
            }
            Deed::Ask(id) => {
                let (id, intended) = self.id(id);
                Reply::Known(self.transport.recover(self.host, &id, intended).await.unwrap())
            }
            Deed::GoOn => {
                let (id, fate) = self.left.take().unwrap();
                fs::write(self.mark("go", &id), "").unwrap();
                let exit = self.records().join(format!("{}.exit", id.0));
                while !processes_of(&id).is_empty() || fate != Fate::Orphaned && !exit.exists() {
                    Clock::Real.sleep(Duration::from_millis(20)).await;
                }
                Reply::Nothing
            }
            Deed::Reboot => {
                if let Some((id, _)) = self.left.take() {
                    self.kill_runner(&id);
                    processes_of(&id).into_iter().for_each(kill);
                }
                restart();
                Reply::Nothing
            }
            Deed::Empty => {
                // What keeps the output of a command may still make a file there.
                while self.records().exists() && fs::remove_dir_all(self.records()).is_err() {}
                // The next request makes the directory.
                let other = AttemptId(format!("other-{}", uuid::Uuid::now_v7().simple()));
                self.transport.recover(self.host, &other, Clock::Real.now()).await.unwrap();
                thread::sleep(Duration::from_millis(2));
                self.emptied += 1;
                Reply::Nothing
            }
        }
    }

    /// Returns the runner of an attempt, from its record: the user, the runner, when that started, the boot.
    fn runner(&self, id: &AttemptId) -> i32 {
        let text = fs::read_to_string(self.records().join(&id.0)).unwrap();
        text.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn kill_runner(&self, id: &AttemptId) {
        kill(self.runner(id));
    }

    fn effects(&self) -> [usize; IDS] {
        std::array::from_fn(|id| {
            let took = format!("took-{}-", self.name(id));
            let entries = fs::read_dir(&self.folder).unwrap().map(Result::unwrap);
            let is_it =
                |entry: &fs::DirEntry| entry.file_name().to_str().unwrap().starts_with(&took);
            let texts =
                entries.filter(is_it).map(|entry| fs::read_to_string(entry.path()).unwrap());
            texts.map(|text| text.lines().count()).sum()
        })
    }
}

/// The host is in another boot from now on.
pub(crate) fn restart() {
    let boot = format!("{}\n", uuid::Uuid::now_v7());
    fs::write(std::env::var_os(BOOT).unwrap(), boot).unwrap();
}

/// Makes a command of a script.
pub(crate) fn command_of(text: String) -> Command {
    Command {
        body: Body::Script(text),
        stdin: None,
        env: [].into_iter().collect(),
        secret_env: false,
        dir: None,
        r#become: None,
        timeout: Duration::from_mins(1),
        step: "step".to_owned(),
        host: None,
    }
}

fn sent(reply: Result<Output, TransportError>) -> Reply {
    match reply {
        Ok(output) => Reply::Ended(output),
        Err(TransportError::Repeated { .. }) => Reply::Repeated,
        Err(other) => panic!("{other}"),
    }
}

/// Returns the processes that carry the mark of an attempt.
fn processes_of(id: &AttemptId) -> Vec<i32> {
    let mark = format!("PLANRUN_MARK={}", id.0);
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_it = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|word| word == mark.as_bytes())
    };
    pids.filter(is_it).collect()
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

async fn exists(path: &Path) {
    while !path.exists() {
        Clock::Real.sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
#[ignore = "its `/bin/sh` is chosen by the test that starts it"]
async fn child_answers_as_the_model_does() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let cases = cases::all();
    let host = &cases[0].plan.inventory.hosts[0];
    for seed in 0..number("PLANRUN_SIM_SCRIPTS").unwrap_or(8) {
        let deeds = script(&mut Chance(seed));
        let mut model = Modelled::new(host);
        let mut real = Real::new(folder.clone(), host, seed).await;
        for (at, deed) in deeds.iter().enumerate() {
            let expected = model.does(*deed);
            let found = tokio::time::timeout(LIMIT, real.does(*deed)).await;
            let found = found.unwrap_or_else(|_| panic!("{deed:?} takes too long: {deeds:?}"));
            assert_eq!(found, expected, "script {seed}, {deed:?} in {:?}", &deeds[..=at]);
        }
        assert_eq!(real.effects(), model.effects(), "script {seed}: {deeds:?}");
        real_locks::answer_as_the_model_does(&folder, host, seed).await;
    }
}

/// Starts this test program in a place where `/bin/sh` is another shell.
#[expect(clippy::disallowed_methods, reason = "a process with a file system of its own")]
fn with_shell(shell: &str, folder: &Path) -> Process {
    let mount = "mount --bind \"$1\" \"$(readlink -f /bin/sh)\" &&
        mount --bind \"$2\" /proc/sys/kernel/random/boot_id && shift 2 && exec \"$@\"";
    let boot = folder.join("boot");
    fs::write(&boot, "the-first-boot\n").unwrap();
    let mut process = Process::new("unshare");
    process.args(["--mount", "/bin/sh", "-c", mount, "sh"]);
    process.arg(Path::new("/usr/bin").join(shell)).arg(&boot);
    process.arg(std::env::current_exe().unwrap());
    process.args(["--exact", "--ignored", "--nocapture", "real::child_answers_as_the_model_does"]);
    process.env(FOLDER, folder).env(BOOT, &boot).env("XDG_STATE_HOME", folder);
    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    process
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_model_of_a_host_answers_as_each_shell_does() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can replace `/bin/sh`");
        return;
    }
    let is_installed = |shell: &&str| Path::new("/usr/bin").join(shell).exists();
    let started = SHELLS.into_iter().filter(is_installed).map(|shell| {
        let folder = tempfile::tempdir().unwrap();
        (shell, with_shell(shell, folder.path()).spawn().unwrap(), folder)
    });
    let started: Vec<_> = started.collect();
    assert!(!started.is_empty());
    let ended = started.into_iter().map(|(shell, child, _folder)| {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (shell, output.status.success(), text + &String::from_utf8_lossy(&output.stderr))
    });
    for (shell, is_well, text) in ended.collect::<Vec<_>>() {
        assert!(is_well, "{shell}: {text}");
    }
}
