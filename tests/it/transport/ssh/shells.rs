//! Whatever the login shell of a user and the `sh` of a host are: every byte arrives as it was sent, and
//! no value is ever code.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::server::Server;
use super::{argv, command, processes_of, script, transport};
use crate::harness::{program, root};
use planrun::inventory::Host;
use planrun::transport::{AttemptId, Body, Command, Exit, File, Output, Transport};

/// Login shells that are tried where they are installed.
const LOGINS: [&str; 7] = ["dash", "bash", "busybox", "ksh", "zsh", "tcsh", "fish"];

/// What may be `/bin/sh`.
pub(super) const SHELLS: [&str; 5] = ["dash", "bash", "busybox", "ksh", "zsh"];

/// How many random arguments a shell is given.
const ARGUMENTS: usize = 10_000;

/// Returns the lines of a script that makes an account of root's for each login shell, with a home of
/// its own. A login shell is a file: that of busybox is a script.
pub(super) fn accounts() -> String {
    let mut script = "mkdir -m 755 $at/homes; chmod 755 $at; cp /etc/passwd $at/passwd\n\
                      printf '#!/bin/sh\\nexec busybox sh \"$@\"\\n' >$at/busybox; chmod 755 $at/busybox\n"
        .to_owned();
    for shell in LOGINS {
        let path = if shell == "busybox" { "$at/busybox" } else { &format!("/usr/bin/{shell}") };
        let line = format!(
            "mkdir $at/homes/{shell}; echo \"log-{shell}:*:0:0::$at/homes/{shell}:{path}\" >>$at/passwd\n"
        );
        script.push_str(&line);
    }
    script.push_str("echo \"restricted:*:0:0::$at/homes:/usr/bin/rbash\" >>$at/passwd\n");
    script.push_str("echo \"nobody-in:*:0:0::$at/homes:/usr/sbin/nologin\" >>$at/passwd\n");
    script.push_str("mkdir $at/homes/plain; chown 64321 $at/homes/plain\n");
    script.push_str("echo \"plain:*:64321:64321::$at/homes/plain:/bin/sh\" >>$at/passwd\n");
    script.push_str("mount --bind $at/passwd /etc/passwd\n");
    script
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(super) fn is_installed(shell: &str) -> bool {
    let found = Path::new("/usr/bin").join(shell).exists();
    if !found {
        eprintln!("skipped: no {shell}");
    }
    found
}

/// Pseudo-random words: short ones of bytes that shells care for, and some of any characters.
struct Words(u64);

impl Words {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }

    fn word(&mut self) -> String {
        const NASTY: &[u8] = b"'\"\\`$!#(){}[]<>|&;*?~=%^@:,. \t\n\r-\x01\x1b\x7fabnx0";
        let length = self.next(12);
        (0..length)
            .map(|_| match self.next(8) {
                0 => char::from_u32(u32::try_from(1 + self.next(0xd000)).unwrap()).unwrap(),
                _ => char::from(NASTY[self.next(NASTY.len())]),
            })
            .collect()
    }
}

async fn look(host: &Host, command: &Command) -> Output {
    transport().look(host, command).await.unwrap()
}

fn printed(output: &Output) -> Vec<&str> {
    assert_eq!(output.exit, Exit::Code(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::str::from_utf8(&output.stdout).unwrap_or_else(|error| {
        let at = error.valid_up_to();
        panic!("{error}: {:?}", &output.stdout[at.saturating_sub(40)..at + 40])
    });
    text.strip_suffix('\0').unwrap_or(text).split('\0').collect()
}

/// Every action, with every kind of value, as the login user and as another one.
async fn everything_arrives(server: &Server, host: &Host, name: &str) {
    let mut words = Words(0x9e37_79b9_7f4a_7c15);
    for become_user in [None, Some("nobody".to_owned())] {
        let all: Vec<String> = (0..ARGUMENTS).map(|_| words.word()).collect();
        for part in all.chunks(2500) {
            let mut print = argv(&["printf", r"%s\0"]);
            let Body::Argv(argv) = &mut print.body else { unreachable!() };
            argv.extend(part.iter().cloned());
            print.r#become.clone_from(&become_user);
            let output = look(host, &print).await;
            assert!(printed(&output) == part, "{name} {become_user:?}: an argument changed");
        }
        // The same as words of a script, which is too long for an argument of its own.
        let quoted: Vec<String> =
            all.iter().map(|word| planrun::quote::shell(word).unwrap()).collect();
        let text = format!("for word in {}; do printf '%s\\0' \"$word\"; done", quoted.join(" "));
        assert!(text.len() > 64 * 1024);
        let mut long = script(&text);
        long.r#become.clone_from(&become_user);
        long.stdin = Some(b"unread".to_vec());
        let output = look(host, &long).await;
        assert!(printed(&output) == all, "{name} {become_user:?}: a script changed");

        let mut whole = script("printf '%s\\0' \"$A\"; pwd; cat");
        let value = all.concat();
        let value = &value[..value.floor_char_boundary(20_000)];
        whole.env.insert("A".to_owned(), value.to_owned());
        whole.dir = Some("/tmp/..".to_owned());
        whole.stdin = Some((0..=255).cycle().take(100_000).collect());
        whole.r#become.clone_from(&become_user);
        let output = look(host, &whole).await;
        assert_eq!(output.exit, Exit::Code(0), "{name}");
        let expected = [value.as_bytes(), b"\0/\n", &whole.stdin.unwrap()].concat();
        assert!(output.stdout == expected, "{name} {become_user:?}: a value or the input changed");
        assert_eq!(output.stderr_len, 0, "{name}: {output:?}");
    }

    let content: Vec<u8> = (0..=255).rev().cycle().take(70_000).collect();
    let path = server.path(&format!("it's `{name}` \\\n$(x) é"));
    let to = path.to_str().unwrap().to_owned();
    let (content, secret) = (std::sync::Arc::from(content), false);
    let (mode, owner) = (Some("0640".to_owned()), Some("nobody".to_owned()));
    let compare = command(Body::Compare(File {
        content: std::sync::Arc::clone(&content),
        secret,
        to: to.clone(),
        mode: mode.clone(),
        owner: owner.clone(),
    }));
    assert_eq!(look(host, &compare).await.stdout, b"other\n", "{name}");
    let upload =
        Body::Upload(File { content: std::sync::Arc::clone(&content), secret, to, mode, owner });
    let output = look(host, &command(upload)).await;
    assert_eq!(output, Output::new(Exit::Code(0), "", ""), "{name}");
    assert!(fs::read(&path).unwrap() == *content, "{name}: an upload changed");
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o640, "{name}");
    assert_eq!(path.metadata().unwrap().uid(), 65534, "{name}");
    assert_eq!(look(host, &compare).await.stdout, b"same\n", "{name}");

    for (text, exit) in [
        ("exit 255", Exit::Code(255)),
        ("kill -9 $$", Exit::Signal("KILL".to_owned())),
        ("kill -INT $$", Exit::Signal("INT".to_owned())),
        ("false\ntrue", Exit::Code(1)),
    ] {
        let output = look(host, &script(text)).await;
        assert_eq!(output, Output::new(exit, "", ""), "{name}: {text}");
    }
    ends_in_time(server, host, name).await;
}

/// A command that takes too long is ended with all it has started, whatever that did to get away.
async fn ends_in_time(server: &Server, host: &Host, name: &str) {
    let mark = format!("71{}", server.port());
    let flights = ["", "setsid ", "timeout 900 ", "env -i ", "setsid env -i ", "nohup "];
    for become_user in [None, Some("nobody".to_owned())] {
        let started: Vec<String> =
            flights.iter().map(|flight| format!("{flight}sleep {mark} >/dev/null &")).collect();
        let mut slow =
            script(&format!("trap '' TERM; {} echo said; sleep {mark}", started.join(" ")));
        slow.timeout = Duration::from_millis(2500);
        slow.r#become.clone_from(&become_user);
        let id = AttemptId(format!("slow-{}", uuid::Uuid::now_v7().simple()));
        let output = transport().attempt(host, &id, &slow).await.unwrap();
        assert_eq!(output.exit, Exit::TimedOut, "{name}");
        assert_eq!(output.stdout, b"said\n", "{name}");
        assert_eq!(processes_of(&mark), 0, "{name} {become_user:?}");
    }
}

/// Runs a command by `run.sh` in each shell, with a time limit of a millisecond, and returns what that printed.
fn in_each_shell(text: &str, folder: &Path) -> Vec<(&'static str, String)> {
    let started = SHELLS.into_iter().filter(|shell| is_installed(shell)).map(|shell| {
        // A shell that is called by this name behaves as one.
        let sh = folder.join(shell).join("sh");
        fs::create_dir(sh.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(shell), &sh).unwrap();
        let text = format!(
            "pr_prefix=planrun:1 pr_input=0 pr_detached=yes\n. \"$1\"\n{text}\necho \"$pr_how\""
        );
        let mut process = program(&sh);
        process.args(["-c", &text, "sh"]).arg(root().join("src/transport/host/run.sh"));
        process.current_dir(sh.parent().unwrap()).stdin(Stdio::null()).stdout(Stdio::piped());
        (shell, process.spawn().unwrap())
    });
    let ended = started.collect::<Vec<_>>().into_iter().map(|(shell, process)| {
        let printed = process.wait_with_output().unwrap().stdout;
        (shell, String::from_utf8(printed).unwrap())
    });
    ended.collect()
}

/// Otherwise it would run without a time limit: the clock would find nothing to end.
#[test]
fn a_command_whose_time_is_up_before_it_starts_is_ended() {
    const TEXT: &str = "pr_start() { sleep 1; export PLANRUN_MARK=\"$pr_mark\"; exec setsid \"$@\"; }\n\
         pr_command 0.001 1 5 \"short-$$\" sleep 60";
    let folder = tempfile::tempdir().unwrap();
    for (shell, printed) in in_each_shell(TEXT, folder.path()) {
        assert_eq!(printed, "timeout\n", "{shell}");
    }
}

#[test]
fn a_command_that_does_not_listen_is_killed_in_time_however_busy_the_host_is() {
    const TEXT: &str = "grep() { sleep 1; command grep \"$@\"; }\n\
         pr_start() { export PLANRUN_MARK=\"$pr_mark\"; exec setsid \"$@\"; }\n\
         pr_command 0.001 1 8 \"deaf-$$\" /bin/sh -c 'trap \"\" TERM; sleep 60; echo >late'";
    let folder = tempfile::tempdir().unwrap();
    for (shell, printed) in in_each_shell(TEXT, folder.path()) {
        assert_eq!(printed, "timeout\n", "{shell}");
        assert!(!folder.path().join(shell).join("late").exists(), "{shell}");
    }
}

#[tokio::test]
async fn every_login_shell_hands_over_every_byte() {
    let Some(server) = Server::start_on("login_shells", "", &accounts()) else {
        return;
    };
    for shell in LOGINS.into_iter().filter(|shell| is_installed(shell)) {
        everything_arrives(&server, &server.host_as(&format!("log-{shell}")), shell).await;
    }
}

#[tokio::test]
async fn every_sh_of_a_host_hands_over_every_byte() {
    for shell in SHELLS.into_iter().filter(|shell| is_installed(shell)) {
        let over = format!("mount --bind /usr/bin/{shell} $(readlink -f /bin/sh)");
        let Some(server) = Server::start_on("every_sh", "", &over) else {
            return;
        };
        everything_arrives(&server, &server.host(), &format!("sh is {shell}")).await;
    }
}

#[tokio::test]
async fn a_value_is_not_code_and_no_line_of_a_script_runs_by_itself() {
    let Some(server) = Server::start_on("not_code", "", &accounts()) else {
        return;
    };
    let mark = server.path("mark");
    for shell in LOGINS.into_iter().filter(|shell| is_installed(shell)) {
        let host = server.host_as(&format!("log-{shell}"));
        let touch = format!("(touch {}) #", mark.display());
        // fish takes `\` in single quotes for an escape.
        let output = look(&host, &argv(&["printf", "<%s>", r"C:\share\", &touch])).await;
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!(r"<C:\share\><{touch}>"));
        let output = look(&host, &argv(&["printf", r"%s\n", r"a\\b"])).await;
        assert_eq!(output.stdout, b"a\\\\b\n", "{shell}");
        let injected = format!(r"\'(touch {})\'", mark.display());
        assert_eq!(
            look(&host, &argv(&["printf", "%s", &injected])).await.stdout,
            injected.as_bytes()
        );
        // tcsh takes each line for a command, and goes on after one that fails.
        let lines = script(&format!("cd no-such-folder\ntouch {}\n", mark.display()));
        assert_ne!(look(&host, &lines).await.exit, Exit::Code(0), "{shell}");
        assert!(!mark.exists(), "{shell}");
        let output = look(&host, &argv(&["echo", "hello !x", "two\nlines"])).await;
        assert_eq!(output.stdout, b"hello !x two\nlines\n", "{shell}");
    }
}
