//! What a host remembers of attempts: after a cut, a killed session, on hosts that hide processes or
//! have no room.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::server::Server;
use super::shells::accounts;
use super::{argv, script, transport, wait_for};

use planrun::clock::Clock;
use planrun::inventory::Host;
use planrun::transport::{
    AttemptId, Body, Command, Exit, Output, Recovered, Transport, TransportError,
};

/// What is killed while an attempt runs: the server's process for its connection; the host session, too; the
/// runner, too.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kill {
    Connection,
    Session,
    Runner,
}

impl Kill {
    /// Returns how it is done. The record names the runner.
    fn text(self, records: &Path, id: &AttemptId) -> String {
        let killed = match self {
            Self::Connection => "$c",
            Self::Session => "$c $s",
            Self::Runner => "$c $s $r",
        };
        let up = "ps -o ppid= -p";
        let record = records.join(&id.0);
        format!(
            "read -r user r rest <'{}'; s=$({up} $r); c=$({up} $s); kill -9 {killed}",
            record.display()
        )
    }
}

/// Where root's records are, or those of `plain`.
fn records(server: &Server, host: &Host) -> PathBuf {
    let home = match host.link.user.as_deref() {
        Some("plain") => server.path("homes/plain"),
        _ => std::env::home_dir().unwrap(),
    };
    home.join(".local/state/planrun/attempts")
}

/// A command that waits to be let go on, and counts itself.
fn slow(server: &Server, become_user: Option<&str>) -> Command {
    let mut slow = script(&format!(
        "cd '{}'; echo out; echo err >&2; touch begun\n\
         while [ ! -e go ]; do sleep 0.1; done; echo s1 >>effects; echo more; exit 3",
        server.path("work").display()
    ));
    slow.r#become = become_user.map(str::to_owned);
    slow
}

/// What the slow command prints, and its exit status.
fn whole() -> Recovered {
    Recovered::Ended(Output::new(Exit::Code(3), "out\nmore\n", "err\n"))
}

/// Kills something while an attempt runs, and returns what its sender is told.
async fn cut(server: &Server, host: &Host, id: &AttemptId, slow: &Command, kill: Kill) {
    let work = server.path("work");
    fs::create_dir_all(&work).unwrap();
    std::os::unix::fs::chown(&work, Some(64321), None).ok();
    for name in ["begun", "go", "effects"] {
        fs::remove_file(work.join(name)).ok();
    }
    let (sender, other, begun) = (transport(), transport(), work.join("begun"));
    let cutting = async {
        let kill = script(&kill.text(&records(server, host), id));
        assert_eq!(other.look(&server.host(), &kill).await.unwrap().exit, Exit::Code(0));
    };
    let sending = sender.attempt(host, id, slow);
    tokio::pin!(sending);
    tokio::select! {
        early = &mut sending => panic!("it ended by itself: {early:?}"),
        () = wait_for(&begun) => {}
    }
    let (sent, ()) = tokio::join!(sending, cutting);
    assert!(matches!(sent, Err(TransportError::Cut { .. })), "{sent:?}");
}

async fn after(server: &Server, host: &Host, id: &AttemptId) -> Recovered {
    assert_eq!(transport().recover(host, id, Clock::Real.now()).await, Ok(Recovered::Running));
    fs::write(server.path("work/go"), "").unwrap();
    let effects = server.path("work/effects");
    wait_for(&effects).await;
    loop {
        let found = transport().recover(host, id, Clock::Real.now()).await.unwrap();
        if found != Recovered::Running {
            assert_eq!(fs::read_to_string(&effects).unwrap(), "s1\n");
            return found;
        }
        Clock::Real.sleep(Duration::from_millis(100)).await;
    }
}

fn id(text: &str) -> AttemptId {
    AttemptId(format!("{text}-{}", uuid::Uuid::now_v7().simple()))
}

#[tokio::test]
async fn a_host_knows_how_an_attempt_ended_after_its_connection_was_lost() {
    let Some(server) = Server::start("cut", "") else {
        return;
    };
    for kill in [Kill::Connection, Kill::Session] {
        let (host, id) = (server.host(), id("cut"));
        cut(&server, &host, &id, &slow(&server, None), kill).await;
        assert_eq!(after(&server, &host, &id).await, whole(), "{kill:?}");
    }
}

#[tokio::test]
async fn a_command_that_prints_after_its_connection_was_lost_does_not_die_of_it() {
    let Some(server) = Server::start("sigpipe", "") else {
        return;
    };
    // Many times what fits into a pipe; the effect comes last.
    let prints = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done; echo s1";
    for kill in [Kill::Connection, Kill::Session] {
        let (host, id) = (server.host(), id("sigpipe"));
        let mut noisy = slow(&server, None);
        let Body::Script(text) = &mut noisy.body else { unreachable!() };
        *text = text.replace("echo s1", prints);
        cut(&server, &host, &id, &noisy, kill).await;
        let Recovered::Ended(output) = after(&server, &host, &id).await else {
            panic!("{kill:?}: it is not known how it ended");
        };
        assert_eq!(output.exit, Exit::Code(3), "{kill:?}");
        assert!(output.stdout.ends_with(b"line 19999\nmore\n"), "{kill:?}: {}", output.stdout_len);
    }
}

#[tokio::test]
async fn a_killed_runner_is_not_a_command_that_is_over() {
    let Some(server) = Server::start("killed_runner", "") else {
        return;
    };
    let (host, id) = (server.host(), id("killed"));
    cut(&server, &host, &id, &slow(&server, None), Kill::Runner).await;
    assert_eq!(after(&server, &host, &id).await, Recovered::Over);
}

/// Another user's processes hide their environment, and with it the mark: only the lock tells of them.
#[tokio::test]
async fn a_command_that_leads_to_another_user_is_not_over_before_it_ends() {
    let sudoers = format!(
        "{}echo 'plain ALL=(ALL) NOPASSWD: ALL' >$at/sudoers; chmod 440 $at/sudoers\n\
         mount --bind $at/sudoers /etc/sudoers",
        accounts()
    );
    let Some(server) = Server::start_on("sudo_within", "", &sudoers) else {
        return;
    };
    let (host, id) = (server.host_as("plain"), id("sudo-within"));
    let mut slow = slow(&server, None);
    let Body::Script(text) = &slow.body else { unreachable!() };
    slow.body = Body::Argv(["sudo", "-n", "sh", "-euc", text].map(str::to_owned).to_vec());
    cut(&server, &host, &id, &slow, Kill::Runner).await;
    assert_eq!(after(&server, &host, &id).await, Recovered::Over);
}

#[tokio::test]
async fn a_command_of_root_is_found_by_a_login_that_cannot_see_it() {
    let hidden = format!(
        "{}echo 'plain ALL=(ALL) NOPASSWD: ALL' >$at/sudoers; chmod 440 $at/sudoers\n\
         mount --bind $at/sudoers /etc/sudoers\n\
         mount -t proc -o hidepid=2 proc /proc",
        accounts()
    );
    let Some(server) = Server::start_on("hidepid", "", &hidden) else {
        return;
    };
    let host = server.host_as("plain");
    for become_user in [Some("root"), None] {
        for (kill, ended) in
            [(Kill::Connection, whole()), (Kill::Session, whole()), (Kill::Runner, Recovered::Over)]
        {
            let id = id("hidden");
            cut(&server, &host, &id, &slow(&server, become_user), kill).await;
            assert_eq!(after(&server, &host, &id).await, ended, "{become_user:?} {kill:?}");
        }
    }
    // Its own processes are seen, but that there are no others cannot be proved without a lock.
    let mut reads = slow(&server, None);
    reads.stdin = Some(b"unread".to_vec());
    let id = id("own");
    cut(&server, &host, &id, &reads, Kill::Runner).await;
    assert_eq!(after(&server, &host, &id).await, Recovered::Unknown);
    let mut late = script("sleep 30");
    late.timeout = Duration::from_millis(500);
    let told = transport().look(&host, &late).await;
    assert!(matches!(told, Err(TransportError::Cut { .. })), "{told:?}");
}

/// As on the BSDs. root would see all processes, but there is nothing to see them in.
#[tokio::test]
async fn a_host_without_proc_does_not_call_an_attempt_over() {
    let hidden = format!("{}mount -t tmpfs none /proc", accounts());
    let Some(server) = Server::start_on("no_proc", "", &hidden) else {
        return;
    };
    for become_user in [None, Some("nobody")] {
        let (host, id) = (server.host(), id("no-proc"));
        let work = server.path("work");
        fs::create_dir_all(&work).unwrap();
        let mut effect = script(&format!("cd '{}'; touch begun; sleep 900", work.display()));
        effect.r#become = become_user.map(str::to_owned);
        std::os::unix::fs::chown(&work, Some(if become_user.is_some() { 65534 } else { 0 }), None)
            .unwrap();
        let (transport, begun) = (transport(), work.join("begun"));
        tokio::select! {
            early = transport.attempt(&host, &id, &effect) => panic!("it ended: {early:?}"),
            () = wait_for(&begun) => {}
        }
        fs::remove_file(begun).unwrap();
        let record = records(&server, &host).join(&id.0);
        let kill = format!("read -r user runner rest <'{}'; kill -9 $runner", record.display());
        transport.look(&host, &script(&kill)).await.unwrap();
        let found = transport.recover(&host, &id, Clock::Real.now()).await;
        assert_eq!(found, Ok(Recovered::Running), "{become_user:?}");
        kill_marked(&id);
        while transport.recover(&host, &id, Clock::Real.now()).await == Ok(Recovered::Running) {}
        let found = transport.recover(&host, &id, Clock::Real.now()).await;
        assert_eq!(found, Ok(Recovered::Over), "{become_user:?}");
    }
}

/// Kills what an attempt has left.
fn kill_marked(id: &AttemptId) {
    let mark = format!("PLANRUN_MARK={}", id.0);
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        let is_marked = environment.split(|&byte| byte == 0).any(|one| one == mark.as_bytes());
        let pid = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        if is_marked && let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
        }
    }
}

/// A host that could not tell whether a record was removed or never made would call an attempt absent
/// that has run.
#[tokio::test]
async fn a_record_that_was_removed_for_its_age_does_not_make_an_attempt_absent() {
    let Some(server) = Server::start_on("pruned", "", &accounts()) else {
        return;
    };
    let host = server.host_as("plain");
    let records = server.path("homes/plain/.local/state/planrun/attempts");
    let sender = transport();
    sender.reach(&host).await.unwrap();
    let begin = Clock::Real.now();
    let (old, unended, young, given_up) = (id("old"), id("unended"), id("young"), id("given-up"));
    for id in [&old, &unended, &young] {
        assert!(sender.attempt(&host, id, &argv(&["true"])).await.is_ok());
    }
    assert_eq!(sender.recover(&host, &given_up, begin).await, Ok(Recovered::Absent));
    fs::remove_file(records.join(format!("{}.exit", unended.0))).unwrap();
    let age = |id: &AttemptId, days: i64| {
        let path = records.join(&id.0);
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let day = (lines[1].parse::<i64>().unwrap() - days).to_string();
        lines[1] = &day;
        fs::write(path, lines.join("\n") + "\n").unwrap();
    };
    for (id, days) in [(&old, 91), (&unended, 100), (&given_up, 200), (&young, 89)] {
        age(id, days);
    }
    // As if nothing had been removed for long.
    fs::remove_file(records.join(".since")).ok();
    let next = id("next");
    assert!(sender.attempt(&host, &next, &argv(&["true"])).await.is_ok());
    let left = |id: &AttemptId| {
        let names = fs::read_dir(&records).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(&id.0)).count()
    };
    assert_eq!([&old, &unended, &given_up].map(left), [0; 3]);
    // What it printed is kept for ten days only.
    assert_eq!((left(&young), left(&next)), (2, 6));
    let day = jiff::SignedDuration::from_hours(24);
    for (id, days) in [(&old, 91), (&unended, 100), (&given_up, 200)] {
        // Whoever asks twice finds what the first question left.
        for _ in 0..2 {
            let found = transport().recover(&host, id, begin - day * days).await;
            assert_eq!(found, Ok(Recovered::Unknown), "{days}");
        }
    }
    let exited = Ok(Recovered::Exited(Exit::Code(0)));
    assert_eq!(transport().recover(&host, &young, begin - day * 89).await, exited);
    let absent = transport().recover(&host, &id("later"), Clock::Real.now()).await;
    assert_eq!(absent, Ok(Recovered::Absent));
    // If it cannot be read since when records are kept, nothing is absent.
    fs::write(records.join(".since"), "").unwrap();
    let found = transport().recover(&host, &id("other"), Clock::Real.now()).await;
    assert_eq!(found, Ok(Recovered::Unknown));
}

/// Without it, the output of a command that ends at once would count as removed.
#[tokio::test]
async fn the_place_of_its_output_is_made_before_a_command_starts() {
    let Some(server) = Server::start_on("places", "", &accounts()) else {
        return;
    };
    let records = server.path("homes/plain/.local/state/planrun/attempts");
    let id = id("places");
    let effect = script(&format!("cd '{}'; ls {}.*.more | wc -l", records.display(), id.0));
    let output = transport().attempt(&server.host_as("plain"), &id, &effect).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "2");
}

#[tokio::test]
async fn an_attempt_that_was_asked_for_first_never_starts() {
    let Some(server) = Server::start("given_up_first", "") else {
        return;
    };
    let (transport, host, id) = (transport(), server.host(), id("first"));
    for _ in 0..2 {
        assert_eq!(transport.recover(&host, &id, Clock::Real.now()).await, Ok(Recovered::Absent));
    }
    let mark = server.path("mark");
    let effect = script(&format!("touch '{}'", mark.display()));
    let error = transport.attempt(&host, &id, &effect).await.unwrap_err();
    assert!(matches!(error, TransportError::Repeated { .. }), "{error}");
    assert!(!mark.exists());
    assert_eq!(transport.recover(&host, &id, Clock::Real.now()).await, Ok(Recovered::Absent));
}

#[tokio::test]
async fn an_attempt_that_started_before_is_not_called_unsent() {
    let Some(server) = Server::start("twice", "") else {
        return;
    };
    let (transport, host, id) = (transport(), server.host(), id("twice"));
    let effects = server.path("effects");
    let effect = script(&format!("echo s1 >>'{}'; exit 4", effects.display()));
    assert_eq!(transport.attempt(&host, &id, &effect).await.unwrap().exit, Exit::Code(4));
    let error = transport.attempt(&host, &id, &effect).await.unwrap_err();
    assert!(matches!(error, TransportError::Repeated { .. }), "{error}");
    assert_eq!(fs::read_to_string(effects).unwrap(), "s1\n");
    assert_eq!(
        transport.recover(&host, &id, Clock::Real.now()).await,
        Ok(Recovered::Ended(Output::new(Exit::Code(4), "", "")))
    );
}

#[tokio::test]
async fn a_host_without_room_for_a_record_gets_no_effect() {
    let full = format!(
        "{}mount -t tmpfs -o size=64k,mode=755 tmpfs $at/homes/plain\n\
         chown 64321 $at/homes/plain; mkdir -p $at/homes/plain/.local/state/planrun/attempts\n\
         chown -R 64321 $at/homes/plain/.local; cat /dev/zero >$at/homes/plain/fill || :",
        accounts()
    );
    let Some(server) = Server::start_on("full", "", &full) else {
        return;
    };
    let (transport, host, id) = (transport(), server.host_as("plain"), id("full"));
    let mark = Path::new("/tmp").join(format!("planrun-full-{}", server.port()));
    let effect = script(&format!("touch '{}'", mark.display()));
    let error = transport.attempt(&host, &id, &effect).await.unwrap_err();
    assert!(matches!(error, TransportError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("cannot keep a record of the command in "), "{error}");
    assert!(!mark.exists());
    assert_eq!(transport.recover(&host, &id, Clock::Real.now()).await, Ok(Recovered::Unknown));
    // Looks need none.
    assert_eq!(transport.look(&host, &script("id -u")).await.unwrap().stdout, b"64321\n");
}

/// A home that was emptied: a stateless image, or `rm -rf ~/.local/state`.
#[tokio::test]
async fn a_host_that_lost_its_memory_does_not_call_an_attempt_absent() {
    let Some(server) = Server::start_on("emptied", "", &accounts()) else {
        return;
    };
    let (host, id) = (server.host_as("plain"), id("emptied"));
    let sender = transport();
    sender.reach(&host).await.unwrap();
    let intended = Clock::Real.now();
    assert!(sender.attempt(&host, &id, &argv(&["true"])).await.is_ok());
    let ended = transport().recover(&host, &id, intended).await;
    assert_eq!(ended, Ok(Recovered::Ended(Output::new(Exit::Code(0), "", ""))));
    Clock::Real.sleep(Duration::from_millis(10)).await;
    fs::remove_dir_all(server.path("homes/plain/.local")).unwrap();
    for _ in 0..2 {
        assert_eq!(transport().recover(&host, &id, intended).await, Ok(Recovered::Unknown));
    }
    // It remembers again from here on.
    let later = self::id("later");
    let absent = transport().recover(&host, &later, Clock::Real.now()).await;
    assert_eq!(absent, Ok(Recovered::Absent));
}

/// A program that opens `/dev/stdin` opens a file anew, from its beginning.
#[tokio::test]
async fn an_effect_reads_what_it_is_given_and_nothing_else() {
    let Some(server) = Server::start("dev_stdin", "") else {
        return;
    };
    let host = server.host();
    for become_user in [None, Some("nobody")] {
        let large = vec![b'x'; 300_000];
        for given in [&b""[..], b"hello", &large] {
            for text in ["cat", "cat /dev/stdin", "tail -c +1", "wc -c </dev/stdin >/dev/null; cat"]
            {
                // Without input a command of another user has a file that it cannot open.
                if given.is_empty() && become_user.is_some() && text.contains("/dev/stdin") {
                    continue;
                }
                let mut effect = script(text);
                effect.r#become = become_user.map(str::to_owned);
                effect.stdin = (!given.is_empty()).then(|| given.to_vec());
                let output = transport().attempt(&host, &id("stdin"), &effect).await.unwrap();
                let all = if text.contains("wc") { b"" } else { given };
                assert_eq!(output.exit, Exit::Code(0), "{become_user:?} {text}: {output:?}");
                assert!(output.stdout == all, "{become_user:?} {text}: {}", output.stdout_len);
            }
        }
    }
}

#[tokio::test]
async fn what_a_command_printed_is_kept_if_a_daemon_holds_its_output() {
    let Some(server) = Server::start("held_output", "") else {
        return;
    };
    let (host, id, transport) = (server.host(), id("held"), transport());
    let go = server.path("go");
    let wait = format!("until [ -e '{}' ]; do sleep 0.1; done", go.display());
    let effect = script(&format!("({wait}) & echo out; echo err >&2; exit 3"));
    let output = transport.attempt(&host, &id, &effect).await.unwrap();
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    let names = ["out", "err", "out.more", "err.more"];
    let left =
        || names.map(|name| records(&server, &host).join(format!("{}.{name}", id.0)).exists());
    transport.recorded(&host, &id).await;
    while left() != [false; 4] {
        Clock::Real.sleep(Duration::from_millis(10)).await;
    }
    fs::write(go, "").unwrap();
    while is_open(&id.0) {
        Clock::Real.sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(left(), [false; 4]);
}

/// The session is older than the attempt; what it finds after the deletion is not.
#[tokio::test]
async fn records_that_are_deleted_while_a_command_runs_prove_nothing() {
    let Some(server) = Server::start_on("deleted_records", "", &accounts()) else {
        return;
    };
    let (host, id, transport) = (server.host_as("plain"), id("deleted"), transport());
    transport.look(&host, &script("true")).await.unwrap();
    let records = records(&server, &host);
    let intended = Clock::Real.now();
    for (name, deletes) in
        [("files", "rm -f %/*"), ("deleted", "while [ -e % ]; do rm -rf %; done")]
    {
        let id = self::id(name);
        let effect = script(&deletes.replace('%', &format!("'{}'", records.display())));
        let output = transport.attempt(&host, &id, &effect).await.unwrap();
        // The runner reports how it ended; what it printed is lost, and not empty.
        assert_eq!((&output.exit, output.stdout_len), (&Exit::Code(0), 1));
        assert_eq!(transport.recover(&host, &id, intended).await, Ok(Recovered::Unknown), "{name}");
    }
    // The next effect has its files in the new directory, and leaves none but its record.
    fs::remove_dir_all(&records).unwrap();
    let mut reads = script("cat");
    reads.stdin = Some(b"secret".to_vec());
    let output = transport.attempt(&host, &AttemptId("next".to_owned()), &reads).await.unwrap();
    assert_eq!(output.stdout, b"secret");
    let left = || fs::read_dir(&records).unwrap().flatten().map(|file| file.file_name());
    while left().any(|name| name.to_string_lossy().starts_with(".new-")) {
        Clock::Real.sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(transport.recover(&host, &id, intended).await, Ok(Recovered::Unknown));
}

/// Whether a process has a file open whose name contains this.
fn is_open(name: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let files = processes.filter_map(|process| fs::read_dir(process.path().join("fd")).ok());
    let mut links = files.flatten().filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    links.any(|link| link.to_string_lossy().contains(name))
}
