//! What a run sees of commands that are processes of this machine.

mod clock;
mod damaged;
mod uploads;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

use super::{argv, command, script};
use planrun::inventory::{Connection, Host};
use planrun::transport::local::LocalTransport;
use planrun::transport::login::controller_user;
use planrun::transport::{
    Body, Command, Exit, File, MAX_OUTPUT, Output, Transport, TransportError,
};

fn here() -> Host {
    super::host("here", Connection::Local)
}

fn upload(content: &[u8], to: &Path) -> Command {
    super::upload(content, to.to_str().unwrap())
}

async fn run(command: &Command) -> Result<Output, TransportError> {
    let transport = LocalTransport::with_grace(Duration::from_secs(1));
    transport.look(&here(), command).await
}

#[track_caller]
fn lives(pid: &str) -> bool {
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    let zombie = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
        .is_ok_and(|stat| stat.contains(") Z "));
    test_kill_process(pid).is_ok() && !zombie
}

#[tokio::test]
async fn a_command_tells_its_status_and_both_streams() {
    let output = run(&script("echo out; echo err >&2; exit 7")).await.unwrap();
    assert_eq!(output, Output::new(Exit::Code(7), "out\n", "err\n"));
}

#[tokio::test]
async fn a_death_by_signal_is_no_status() {
    let output = run(&script("kill -9 $$")).await.unwrap();
    assert_eq!(output.exit, Exit::Signal("KILL".to_owned()));
    let output = run(&script("exit 7")).await.unwrap();
    assert_eq!(output.exit, Exit::Code(7));
}

#[tokio::test]
async fn a_script_stops_at_its_first_failing_line() {
    let output = run(&script("false\necho on")).await.unwrap();
    assert_eq!(output, Output::new(Exit::Code(1), "", ""));
}

#[tokio::test]
async fn a_missing_program_is_status_127() {
    let output = run(&argv(&["planrun-no-such-program"])).await.unwrap();
    assert_eq!(output.exit, Exit::Code(127));
}

#[tokio::test]
async fn ten_mebibytes_go_through_stdin_while_output_is_read() {
    let mut cat = argv(&["cat"]);
    cat.stdin = Some(vec![b'x'; 10 * 1024 * 1024]);
    let output = run(&cat).await.unwrap();
    assert_eq!(output.exit, Exit::Code(0));
    assert_eq!(output.stdout_len, 10 * 1024 * 1024);
    assert_eq!(output.stdout.len(), MAX_OUTPUT);
}

#[tokio::test]
async fn a_command_need_not_read_what_it_is_given() {
    let mut command = argv(&["true"]);
    command.stdin = Some(vec![b'x'; 10 * 1024 * 1024]);
    assert_eq!(run(&command).await.unwrap().exit, Exit::Code(0));
}

#[tokio::test]
async fn without_stdin_the_end_is_read_at_once() {
    assert_eq!(run(&argv(&["cat"])).await.unwrap().exit, Exit::Code(0));
}

#[tokio::test]
async fn environment_and_directory_are_set_with_blanks_and_quotes_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("it's a \"dir\"");
    fs::create_dir(&dir).unwrap();
    let mut command = argv(&["sh", "-c", "pwd; printf '%s\\n' \"$A\" \"$B\""]);
    command.dir = Some(dir.to_str().unwrap().to_owned());
    command.env.insert("A".to_owned(), "1; $(exit 9) 'x'".to_owned());
    command.env.insert("B".to_owned(), "line\nline".to_owned());
    let output = run(&command).await.unwrap();
    let expected = format!("{}\n1; $(exit 9) 'x'\nline\nline\n", dir.display());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[tokio::test]
async fn a_missing_directory_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let mut command = argv(&["touch", mark.to_str().unwrap()]);
    command.dir = Some("/nowhere at all".to_owned());
    let error = run(&command).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, TransportError::Impossible { .. }), "{text}");
    assert!(text.contains("cannot enter the directory '/nowhere at all'"), "{text}");
    assert!(!mark.exists());
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group_even_if_it_does_not_listen() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let text = format!(
        "trap '' TERM; sleep 1000 & echo $! $$ >{0}.new; mv {0}.new {0}; echo said; wait; sleep 1000",
        pids.display()
    );
    let mut command = script(&text);
    command.timeout = Duration::from_secs(2);
    let output = run(&command).await.unwrap();
    assert_eq!(output.exit, Exit::TimedOut);
    assert_eq!(output.stdout, b"said\n");
    let pids = fs::read_to_string(pids).unwrap();
    assert!(pids.split_whitespace().all(|pid| !lives(pid)), "{pids}");
}

#[tokio::test]
async fn a_waiter_that_goes_away_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let text = format!("echo $$ >{0}.new; mv {0}.new {0}; sleep 1000", pid.display());
    let command = script(&text);
    tokio::select! {
        _ = run(&command) => panic!("it sleeps"),
        () = async {
            while !pid.exists() {
                planrun::clock::Clock::Real.sleep(Duration::from_millis(10)).await;
            }
        } => {}
    }
    let pid = fs::read_to_string(pid).unwrap();
    while lives(&pid) {
        planrun::clock::Clock::Real.sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_daemon_that_keeps_the_streams_does_not_keep_us() {
    let output = run(&script("sleep 1000 & echo $!")).await.unwrap();
    assert_eq!(output.exit, Exit::Code(0));
    let pid = String::from_utf8(output.stdout).unwrap();
    assert!(lives(&pid), "what a command started goes on");
    run(&argv(&["kill", pid.trim()])).await.unwrap();
}

#[tokio::test]
async fn another_user_is_reached_by_sudo() {
    if !Path::new("/usr/bin/sudo").exists() || !rustix::process::getuid().is_root() {
        skipped("another_user_is_reached_by_sudo: no sudo, or not root");
        return;
    }
    let mut whoami = argv(&["id", "-un"]);
    whoami.r#become = Some("nobody".to_owned());
    whoami.env.insert("A".to_owned(), "kept".to_owned());
    assert_eq!(run(&whoami).await.unwrap().stdout, b"nobody\n");
    whoami.r#become = Some("no-such-user".to_owned());
    let error = run(&whoami).await.unwrap_err();
    assert!(matches!(error, TransportError::Denied { .. }), "{error}");
    let mut slow = argv(&["sleep", "1000"]);
    slow.r#become = Some("nobody".to_owned());
    slow.timeout = Duration::from_secs(2);
    assert_eq!(run(&slow).await.unwrap().exit, Exit::TimedOut);
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn skipped(what: &str) {
    eprintln!("skipped: {what}");
}

#[tokio::test]
async fn an_upload_makes_a_file_that_others_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it's new");
    let content: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let output = run(&upload(&content, &path)).await.unwrap();
    assert_eq!(output, Output::new(Exit::Code(0), "", ""));
    assert_eq!(fs::read(&path).unwrap(), content);
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o644);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn an_upload_keeps_mode_and_owner_of_the_file_it_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    if rustix::process::getuid().is_root() {
        std::os::unix::fs::chown(&path, Some(8), Some(12)).unwrap();
    }
    let before = path.metadata().unwrap();
    run(&upload(b"new", &path)).await.unwrap();
    let after = path.metadata().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(after.mode(), before.mode());
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino(), "the old file was not written into");
}

#[tokio::test]
async fn an_upload_sets_the_mode_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let mut command = upload(b"#!/bin/sh\n", &path);
    let Body::Upload(File { mode, .. }) = &mut command.body else { unreachable!() };
    *mode = Some("0750".to_owned());
    run(&command).await.unwrap();
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o750);
}

#[tokio::test]
async fn an_upload_follows_a_link() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let (real, link) = (folder.path().join("sub/real"), folder.path().join("link"));
    symlink("sub/real", &link).unwrap();
    run(&upload(b"one", &link)).await.unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read(real).unwrap(), b"one");
}

#[tokio::test]
async fn an_upload_that_fails_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "old").unwrap();
    let mut command = upload(b"new", &path);
    let Body::Upload(File { owner, .. }) = &mut command.body else { unreachable!() };
    *owner = Some("no-such-user".to_owned());
    let output = run(&command).await.unwrap();
    assert_eq!(output.exit, Exit::Code(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no user no-such-user"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let output = run(&upload(b"new", folder.path())).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("it is a directory"), "{said}");
    let output = run(&upload(b"new", &folder.path().join("no/file"))).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no directory"), "{said}");
}

#[tokio::test]
async fn a_file_is_compared_with_what_an_upload_would_leave() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it's a file");
    let says = async |content: &[u8], mode: Option<&str>, owner: Option<&str>| {
        let body = Body::Compare(File {
            content: content.into(),
            secret: false,
            to: path.to_str().unwrap().to_owned(),
            mode: mode.map(str::to_owned),
            owner: owner.map(str::to_owned),
        });
        let output = run(&command(body)).await.unwrap();
        assert_eq!(output.exit, Exit::Code(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(says(b"text\n", None, None).await, "other");
    fs::write(&path, "text\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let user = controller_user().unwrap();
    for (content, mode, owner, expected) in [
        (&b"text\n"[..], None, None, "same"),
        (b"text\n", Some("0640"), Some(user.as_str()), "same"),
        (b"text\n", Some("640"), None, "same"),
        (b"text\n", Some("0644"), None, "other"),
        (b"text\n", None, Some("somebody-else"), "other"),
        (b"text\n", None, Some(&format!("{user}:no-such-group")), "other"),
        (b"tex\n\n", None, None, "other"),
        (b"text", None, None, "other"),
    ] {
        let told = says(content, mode, owner).await;
        assert_eq!(told, expected, "{content:?} {mode:?} {owner:?}");
    }
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let body = Body::Compare(File {
        content: b"text\n".as_slice().into(),
        secret: false,
        to: link.to_str().unwrap().to_owned(),
        mode: Some("0640".to_owned()),
        owner: None,
    });
    let output = run(&command(body)).await.unwrap();
    assert_eq!(output.stdout, b"same\n");
}
