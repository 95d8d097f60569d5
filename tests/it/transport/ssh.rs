//! Against a real server on loopback, started by each test and ended with it.

mod dropbear;
mod impostors;
mod known;
mod locks;
mod logins;
mod matrix;
mod memory;
mod openssh;
mod passwords;
mod privileges;
mod reaching;
mod refused;
mod routes;
mod server;
mod shells;

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::task::JoinSet;

use self::server::Server;
use super::{argv, command, script};
use planrun::clock::Clock;
use planrun::inventory::Host;
use planrun::transport::local::LocalTransport;
use planrun::transport::ssh::{SshOptions, SshTransport};
use planrun::transport::{
    AttemptId, Body, Command, Exit, File, MAX_OUTPUT, Output, Reply, Request, Transport,
    TransportError,
};

fn options() -> SshOptions {
    SshOptions { grace: Duration::from_secs(1), home: None, agent: false, ..SshOptions::default() }
}

fn transport() -> SshTransport {
    SshTransport::new(options())
}

async fn run(host: &Host, command: &Command) -> Result<Output, TransportError> {
    transport().look(host, command).await
}

fn processes_of(mark: &str) -> usize {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .filter(|line| line.split(|&byte| byte == 0).any(|word| word == mark.as_bytes()))
        .count()
}

async fn wait_for(path: &Path) {
    while !path.exists() {
        Clock::Real.sleep(Duration::from_millis(10)).await;
    }
}

/// Kills the server's process for the connection that a look comes by.
const CUT: &str = "p=$$; until case $(cat /proc/$p/comm) in sshd*) true ;; *) false ;; esac; do \
                   p=$(ps -o ppid= -p $p | tr -d ' '); done; kill -9 $p; sleep 1";

#[tokio::test]
async fn a_command_tells_its_status_and_both_streams() {
    let Some(server) = Server::start("status_and_streams", "") else {
        return;
    };
    let output = run(&server.host(), &script("echo out; echo err >&2; exit 7")).await;
    assert_eq!(output, Ok(Output::new(Exit::Code(7), "out\n", "err\n")));
}

#[tokio::test]
async fn a_death_by_signal_a_status_and_a_lost_link_are_three_things() {
    let Some(server) = Server::start("signal_and_cut", "") else {
        return;
    };
    let (transport, host) = (transport(), server.host());
    let killed = transport.look(&host, &script("kill -9 $$")).await.unwrap();
    assert_eq!(killed.exit, Exit::Signal("KILL".to_owned()));
    let status = transport.look(&host, &script("exit 255")).await.unwrap();
    assert_eq!(status.exit, Exit::Code(255));
    let cut = transport.look(&host, &script(CUT)).await.unwrap_err();
    assert!(matches!(cut, TransportError::Cut { .. }), "{cut}");
    // The next command finds the connection dead and makes a new one.
    let after = transport.look(&host, &argv(&["true"])).await.unwrap();
    assert_eq!(after.exit, Exit::Code(0));
}

#[tokio::test]
async fn a_probe_that_goes_along_with_an_effect_sees_what_it_did() {
    let Some(server) = Server::start("probe_along", "") else {
        return;
    };
    let here = super::host("here", planrun::inventory::Connection::Local);
    let (ssh, local) = (transport(), LocalTransport::with_grace(Duration::from_secs(1)));
    for (transport, host) in [(&ssh as &dyn Transport, &server.host()), (&local, &here)] {
        let mark = server.path(host.name.as_str());
        let effect = script(&format!("echo out; echo err >&2; echo 1 >>'{}'", mark.display()));
        let probe = script(&format!("echo seen; echo said >&2; cat '{}'", mark.display()));
        let both_of = async |effect, probe| {
            let id = AttemptId(format!("along-{}", uuid::Uuid::now_v7().simple()));
            transport.handle(host, Request::Attempt(&id, effect, Some(probe))).await
        };
        for lines in ["1\n", "1\n1\n"] {
            let both = both_of(&effect, &probe).await;
            let expected = Output::new(Exit::Code(0), format!("seen\n{lines}"), "said\n");
            let done = Output::new(Exit::Code(0), "out\n", "err\n");
            assert_eq!(both, Ok(Reply::Ended(done, Some(expected))));
        }
        // What an effect prints without an end is no line of the probe, and the other way round.
        let long = script("printf x; printf y >&2; exit 3");
        let both = both_of(&long, &long).await;
        let expected = Output::new(Exit::Code(3), "x", "y");
        assert_eq!(both, Ok(Reply::Ended(expected.clone(), Some(expected.clone()))));
        // The result does not wait for a slow probe, and the host can be asked more.
        let slow = script("sleep 20; echo late");
        let both = both_of(&long, &slow).await;
        assert_eq!(both, Ok(Reply::Ended(expected, None)));
        // An effect that is refused leaves nothing to be seen.
        let mut nowhere = long.clone();
        nowhere.dir = Some("/no/such".to_owned());
        let both = both_of(&nowhere, &probe).await;
        assert!(matches!(both, Err(TransportError::Impossible { .. })), "{both:?}");
        assert_eq!(transport.look(host, &long).await.unwrap().stdout, b"x");
    }
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn what_a_running_effect_has_printed_has_no_line_of_the_session() {
    let Some(server) = Server::start("printed", "") else {
        return;
    };
    let here = super::host("here", planrun::inventory::Connection::Local);
    let (ssh, local) = (transport(), LocalTransport::with_grace(Duration::from_secs(1)));
    for (transport, host) in [(&ssh as &dyn Transport, &server.host()), (&local, &here)] {
        let file = |name: &str| server.path(&format!("{}-{name}", host.name));
        // A line that only looks like one of the session is shown, and the start of one at the end.
        let lines = "planrun:01a2302ad9a0701f81f0fbbfd9e74229:go\nplanrun:";
        let effect = script(&format!(
            "touch '{}'; until test -e '{}'; do sleep 0.1; done; printf '{}'; touch '{}'
            until test -e '{}'; do sleep 0.1; done",
            file("started").display(),
            file("print").display(),
            lines.replace('\n', "\\n"),
            file("printed").display(),
            file("end").display()
        ));
        let id = AttemptId(format!("printed-{}", uuid::Uuid::now_v7().simple()));
        let follow = async |up_to: &str| {
            wait_for(&file(up_to)).await;
            match transport.handle(host, Request::Printed(&id)).await {
                Ok(Reply::Ended(output, _)) => String::from_utf8(output.stdout).unwrap(),
                other => panic!("{other:?}"),
            }
        };
        let both = async {
            assert_eq!(follow("started").await, "");
            fs::write(file("print"), "").unwrap();
            // The process that keeps the stream may be later than the command.
            let mut printed = follow("printed").await;
            while printed.len() < lines.len() {
                printed = follow("printed").await;
            }
            assert_eq!(printed, lines);
            fs::write(file("end"), "").unwrap();
        };
        let attempt = transport.handle(host, Request::Attempt(&id, &effect, None));
        let (ended, ()) = tokio::join!(attempt, both);
        let expected = Output::new(Exit::Code(0), lines, "");
        assert_eq!(ended, Ok(Reply::Ended(expected, None)));
    }
}

/// What is read of a long stream may start in the middle of a line of the session.
#[tokio::test]
async fn a_part_of_a_line_of_the_session_is_not_shown_as_printed() {
    let folder = tempfile::tempdir().unwrap();
    let here = super::host("here", planrun::inventory::Connection::Local);
    let transport = LocalTransport::with_grace(Duration::from_secs(1));
    let (printed, end) = (folder.path().join("printed"), folder.path().join("end"));
    let length = 64 * 1024 - 20;
    let effect = script(&format!(
        "printf '%{length}s' 'end\nlast'; touch '{}'; until test -e '{}'; do sleep 0.1; done",
        printed.display(),
        end.display()
    ));
    let id = AttemptId(format!("long-{}", uuid::Uuid::now_v7().simple()));
    let follow = async {
        wait_for(&printed).await;
        let mut shown = String::new();
        while !shown.ends_with("last") {
            let reply = transport.handle(&here, Request::Printed(&id)).await;
            let Ok(Reply::Ended(output, _)) = reply else { panic!("{reply:?}") };
            shown = String::from_utf8(output.stdout).unwrap();
        }
        fs::write(&end, "").unwrap();
        shown
    };
    let attempt = transport.handle(&here, Request::Attempt(&id, &effect, None));
    let (ended, shown) = tokio::join!(attempt, follow);
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(shown.trim_start(), "end\nlast");
}

#[tokio::test]
async fn ten_mebibytes_go_through_stdin_while_output_is_read() {
    let Some(server) = Server::start("stdin", "") else {
        return;
    };
    let (transport, host) = (transport(), server.host());
    let mut cat = argv(&["cat"]);
    cat.stdin = Some(vec![b'x'; 10 * 1024 * 1024]);
    let output = transport.look(&host, &cat).await.unwrap();
    assert_eq!(output.exit, Exit::Code(0));
    assert_eq!(output.stdout_len, 10 * 1024 * 1024);
    // Nor need it be read at all, and without it the end comes at once.
    let mut deaf = argv(&["true"]);
    deaf.stdin = cat.stdin.take();
    assert_eq!(transport.look(&host, &deaf).await.unwrap().exit, Exit::Code(0));
    assert_eq!(transport.look(&host, &cat).await.unwrap().stdout_len, 0);
    // The shared connection, and one for each of the large inputs.
    assert_eq!(server.logins(), 3);
}

#[tokio::test]
async fn an_input_nobody_reads_stalls_no_other_command() {
    let Some(server) = Server::start("unread_stdin", "") else {
        return;
    };
    let (transport, host) = (transport(), server.host());
    for round in 0..4 {
        let mark = server.path(&format!("mark{round}"));
        let mut deaf = script(&format!("touch '{}'; sleep 1", mark.display()));
        deaf.stdin = Some(vec![b'x'; if round % 2 == 0 { 1 << 20 } else { 5 << 20 }]);
        let beside = async {
            wait_for(&mark).await;
            transport.look(&host, &argv(&["true"])).await
        };
        let (deaf, beside) = tokio::join!(transport.look(&host, &deaf), beside);
        assert_eq!(deaf.unwrap().exit, Exit::Code(0));
        assert_eq!(beside.unwrap().exit, Exit::Code(0));
    }
    assert_eq!(server.logins(), 1 + 2);
}

#[tokio::test]
async fn two_hundred_mebibytes_of_output_are_capped_and_counted() {
    let Some(server) = Server::start("output", "") else {
        return;
    };
    let flood = script("head -c 209715200 /dev/zero; head -c 3000000 /dev/zero >&2");
    let output = run(&server.host(), &flood).await.unwrap();
    assert_eq!(output.exit, Exit::Code(0));
    assert_eq!((output.stdout.len(), output.stdout_len), (MAX_OUTPUT, 209_715_200));
    assert_eq!((output.stderr.len(), output.stderr_len), (MAX_OUTPUT, 3_000_000));
}

#[tokio::test]
async fn a_timeout_leaves_no_process_and_a_good_connection() {
    let Some(server) = Server::start("timeout", "") else {
        return;
    };
    let (transport, host) = (transport(), server.host());
    let mark = format!("73{}", server.port());
    let mut slow = script(&format!("trap '' TERM; echo said; sleep {mark} & sleep {mark}"));
    slow.timeout = Duration::from_secs(2);
    let output = transport.look(&host, &slow).await.unwrap();
    assert_eq!(output.exit, Exit::TimedOut);
    assert_eq!(output.stdout, b"said\n");
    assert_eq!(processes_of(&mark), 0);
    assert!(transport.look(&host, &argv(&["true"])).await.is_ok());
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn a_login_that_hangs_never_comes_to_the_command() {
    let force = "ForceCommand sleep 10; eval \"$SSH_ORIGINAL_COMMAND\"";
    let Some(server) = Server::start("hanging_login", force) else {
        return;
    };
    let mark = server.path("mark");
    let touch = argv(&["touch", mark.to_str().unwrap()]);
    let transport =
        SshTransport::new(SshOptions { connect_timeout: Duration::from_secs(3), ..options() });
    let error = transport.look(&server.host(), &touch).await.unwrap_err();
    // Nothing was sent, and the session that comes late finds nobody.
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("did not start `/bin/sh` in time"), "{error}");
    Clock::Real.sleep(Duration::from_secs(8)).await;
    assert!(!mark.exists());
}

#[tokio::test]
async fn twenty_looks_at_once_share_one_connection_with_four_sessions() {
    let Some(server) = Server::start("parallel", "MaxSessions 4") else {
        return;
    };
    let (transport, host) = (std::rc::Rc::new(transport()), server.host());
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async {
            let mut looks = JoinSet::new();
            for number in 0..20 {
                let (transport, host) = (transport.clone(), host.clone());
                looks.spawn_local(async move {
                    let look = script(&format!("sleep 0.1; echo {number}"));
                    let output = transport.look(&host, &look).await.unwrap();
                    assert_eq!(output.stdout, format!("{number}\n").as_bytes());
                });
            }
            assert_eq!(looks.join_all().await.len(), 20);
        })
        .await;
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn looks_that_were_given_up_leave_no_channel_behind() {
    let Some(server) = Server::start("given_up", "MaxSessions 3") else {
        return;
    };
    let (transport, host) = (transport(), server.host());
    for number in 0..5 {
        let mark = server.path(&format!("mark{number}"));
        let look = script(&format!("touch '{}'; sleep 1", mark.display()));
        tokio::select! {
            _ = transport.look(&host, &look) => panic!("it sleeps"),
            () = wait_for(&mark) => {}
        }
    }
    assert!(transport.look(&host, &argv(&["true"])).await.is_ok());
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn arguments_with_every_nasty_byte_arrive_unchanged() {
    let Some(server) = Server::start("arguments", "") else {
        return;
    };
    let mut words: Vec<String> = (1..128_u8).map(|byte| char::from(byte).to_string()).collect();
    words.extend(
        ["", "-n", "--", "it's", "$(id)", "`id`", "a\\", "%s", "~", "*", "ü\u{202e}", "\r\n"]
            .map(str::to_owned),
    );
    words.push((1..128_u8).map(char::from).collect());
    let mut all = vec!["printf".to_owned(), r"%s\0".to_owned()];
    all.extend(words.clone());
    let output = run(&server.host(), &command(Body::Argv(all))).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let arrived: Vec<&str> = text.strip_suffix('\0').unwrap().split('\0').collect();
    assert_eq!(arrived, words);
}

#[tokio::test]
async fn environment_and_directory_are_set() {
    let Some(server) = Server::start("environment", "") else {
        return;
    };
    let dir = server.path("a dir");
    fs::create_dir(&dir).unwrap();
    let mut command = argv(&["sh", "-c", "pwd; echo \"$A\""]);
    command.dir = Some(dir.to_str().unwrap().to_owned());
    command.env.insert("A".to_owned(), "it's; $(exit 9)".to_owned());
    let output = run(&server.host(), &command).await.unwrap();
    let expected = format!("{}\nit's; $(exit 9)\n", dir.display());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[tokio::test]
async fn a_banner_and_a_noisy_login_are_not_the_commands_output() {
    let noisy = "Banner /etc/passwd\nForceCommand echo Welcome; printf 'no newline'; eval \"$SSH_ORIGINAL_COMMAND\"";
    let Some(server) = Server::start("noise", noisy) else {
        return;
    };
    let output = run(&server.host(), &script("echo out; exit 3")).await;
    assert_eq!(output, Ok(Output::new(Exit::Code(3), "out\n", "")));
}

#[tokio::test]
async fn an_account_that_runs_no_commands_is_a_refusal() {
    let sorry = "ForceCommand echo 'only mail here'; exit 0";
    let Some(server) = Server::start("no_commands", sorry) else {
        return;
    };
    let error = run(&server.host(), &argv(&["true"])).await.unwrap_err();
    assert!(matches!(error, TransportError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("only mail here"), "{error}");
}

#[tokio::test]
async fn an_upload_puts_a_file_in_place_with_its_mode() {
    let Some(server) = Server::start("upload", "") else {
        return;
    };
    let path = server.path("it's a file");
    let content: Vec<u8> = (0..=255).cycle().take(5_000_000).collect();
    let upload = command(Body::Upload(File {
        content: content.clone().into(),
        secret: false,
        to: path.to_str().unwrap().to_owned(),
        mode: Some("0600".to_owned()),
        owner: None,
    }));
    let output = run(&server.host(), &upload).await.unwrap();
    assert_eq!(output, Output::new(Exit::Code(0), "", ""));
    assert_eq!(fs::read(&path).unwrap(), content);
    let mode = std::os::unix::fs::MetadataExt::mode(&path.metadata().unwrap());
    assert_eq!(mode & 0o7777, 0o600);
}

#[tokio::test]
async fn with_one_session_a_connection_a_timeout_ends_and_looks_wait() {
    let Some(server) = Server::start("one_session", "MaxSessions 1") else {
        return;
    };
    let (transport, host) = (transport(), server.host());
    let mark = format!("74{}", server.port());
    let mut slow = script(&format!("touch '{}'; sleep {mark}", server.path("begun").display()));
    slow.timeout = Duration::from_secs(3);
    let look = async {
        wait_for(&server.path("begun")).await;
        transport.look(&host, &script("echo seen")).await
    };
    let (slow, look) = tokio::join!(transport.look(&host, &slow), look);
    assert_eq!(slow.unwrap().exit, Exit::TimedOut);
    assert_eq!(processes_of(&mark), 0);
    assert_eq!(look.unwrap().stdout, b"seen\n");
    // The host ends it by itself.
    assert_eq!(server.logins(), 1);
    // What is fed much has a connection of its own, and takes no session from the shared one.
    let mut cat = argv(&["cat"]);
    cat.stdin = Some(vec![b'x'; 2 * 1024 * 1024]);
    assert_eq!(transport.look(&host, &cat).await.unwrap().stdout_len, 2 * 1024 * 1024);
    assert!(transport.look(&host, &argv(&["true"])).await.is_ok());
}

#[tokio::test]
async fn looks_wait_longer_than_a_host_is_asked_for_room() {
    let Some(server) = Server::start("waits_for_room", "MaxSessions 1") else {
        return;
    };
    let (transport, host) = (transport(), server.host());
    let slow = script(&format!("touch '{}'; sleep 12", server.path("begun").display()));
    let look = async {
        wait_for(&server.path("begun")).await;
        transport.look(&host, &script("echo seen")).await
    };
    let (slow, look) = tokio::join!(transport.look(&host, &slow), look);
    assert!(slow.is_ok());
    assert_eq!(look.unwrap().stdout, b"seen\n");
}
