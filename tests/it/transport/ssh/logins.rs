//! What a login does before it comes to the host session: noise, delays, ends, redirections. A host
//! that is refused for it has received nothing.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::server::Server;
use super::shells::accounts;
use super::{SshOptions, argv, options, script, transport};
use planrun::clock::Clock;
use planrun::transport::ssh::SshTransport;
use planrun::transport::{AttemptId, Exit, Recovered, Transport, TransportError};

/// A server, the start-up file of its account with bash, and a file that effects are counted in.
fn server(test: &str) -> Option<(Server, PathBuf, PathBuf)> {
    let server = Server::start_on(test, "", &accounts())?;
    let (start_up, effects) = (server.path("homes/bash/.bashrc"), server.path("effects"));
    Some((server, start_up, effects))
}

/// What must come of an effect.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comes {
    /// It is done, once.
    Done,
    /// It is refused, and nothing was sent.
    Refused,
    /// The host could not be used in time, and nothing was sent.
    NotReached,
}

#[tokio::test]
async fn a_start_up_file_never_makes_an_effect_uncertain() {
    let Some((server, start_up, effects)) = server("start_up") else {
        return;
    };
    let host = server.host_as("log-bash");
    for (number, (text, comes)) in [
        ("head -c 900000 /dev/zero | tr '\\0' 'n'; echo", Comes::Done),
        ("head -c 20M /dev/zero | tr '\\0' 'n'; echo", Comes::Refused),
        ("head -c 900000 /dev/zero | tr '\\0' 'n' >&2", Comes::Done),
        ("yes", Comes::Refused),
        ("yes >&2", Comes::Refused),
        ("sleep 20", Comes::NotReached),
        // It is ready when nobody waits for it any more.
        ("sleep 5", Comes::NotReached),
        ("sleep 1", Comes::Done),
        ("exit 0", Comes::Refused),
        ("echo go away >&2; exit 1", Comes::Refused),
        ("kill -9 $$", Comes::NotReached),
        ("exec 1>&2", Comes::Refused),
        ("exec 1>&-", Comes::Refused),
        ("exec >>~/session.log 2>&1", Comes::Refused),
        ("exec >>~/session.log", Comes::Refused),
        ("cat >/dev/null", Comes::Refused),
        ("read -r line", Comes::Refused),
        ("head -c 100 >/dev/null", Comes::Refused),
        ("exec /bin/false", Comes::Refused),
        ("exec /bin/cat", Comes::Refused),
        ("printf '\\033]52;c;RVZJTA==\\007\\033[2J'", Comes::Done),
        ("sleep 5 &", Comes::Done),
        ("export HOME=/proc", Comes::Refused),
        ("unset HOME", Comes::Refused),
        ("export XDG_STATE_HOME=/dev/null/x", Comes::Refused),
        ("export XDG_STATE_HOME=relative", Comes::Done),
        ("export PATH=/nonexistent", Comes::Refused),
        ("umask 0", Comes::Done),
        ("set -o noclobber", Comes::Done),
        ("export user=u prefix=p status=s grace=g mark=m IFS=p ENV=/dev/null", Comes::Done),
        ("echo planrun:0123:ready 1; echo planrun:go; echo planrun:", Comes::Done),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(&start_up, format!("{text}\n")).unwrap();
        fs::write(&effects, "").unwrap();
        let mut effect = script(&format!("cat; echo s1 >> '{}'", effects.display()));
        effect.stdin = Some(b"hello".to_vec());
        let id = AttemptId(format!("start-up-{number}"));
        // Under load a login takes its time.
        for seconds in [3, 60] {
            let connect_timeout = Duration::from_secs(seconds);
            let options = SshOptions { connect_timeout, ..options() };
            let result = SshTransport::new(options).attempt(&host, &id, &effect).await;
            let came = match &result {
                Ok(output) => {
                    assert_eq!((&output.exit, &output.stdout[..]), (&Exit::Code(0), &b"hello"[..]));
                    Comes::Done
                }
                Err(TransportError::Denied { .. }) => Comes::Refused,
                Err(TransportError::Unreachable { .. }) => Comes::NotReached,
                Err(error) => panic!("{text}: {error}"),
            };
            if came == comes {
                break;
            }
            assert!(came == Comes::NotReached && seconds == 3, "{text}: {result:?}");
        }
        let done = fs::read_to_string(&effects).unwrap();
        assert_eq!(done, if comes == Comes::Done { "s1\n" } else { "" }, "{text}");
    }
}

#[tokio::test]
async fn a_login_that_sends_its_output_elsewhere_is_refused_with_the_reason() {
    let Some((server, start_up, effects)) = server("elsewhere") else {
        return;
    };
    fs::write(start_up, "exec >>~/session.log 2>&1\n").unwrap();
    let effect = script(&format!("echo s1 >> '{}'", effects.display()));
    let transport =
        SshTransport::new(SshOptions { connect_timeout: Duration::from_secs(5), ..options() });
    let id = AttemptId("elsewhere".to_owned());
    let error = transport.attempt(&server.host_as("log-bash"), &id, &effect).await.unwrap_err();
    assert!(error.to_string().contains("its standard output does not arrive"), "{error}");
    Clock::Real.sleep(Duration::from_millis(500)).await;
    assert!(!effects.exists());
    // The same by the server.
    let force = "ForceCommand eval \"$SSH_ORIGINAL_COMMAND\" >>/tmp/planrun-test.log 2>&1";
    let Some(server) = Server::start("elsewhere_forced", force) else {
        return;
    };
    let error = transport.attempt(&server.host(), &id, &effect).await.unwrap_err();
    assert!(matches!(error, TransportError::Denied { .. }), "{error}");
    assert!(!effects.exists());
}

#[tokio::test]
async fn a_login_shell_that_cannot_be_used_is_refused_with_its_words() {
    let Some((server, _, effects)) = server("unusable") else {
        return;
    };
    let effect = argv(&["touch", effects.to_str().unwrap()]);
    for (user, words) in
        [("restricted", "the login shell /usr/bin/rbash"), ("nobody-in", "not available")]
    {
        let id = AttemptId(user.to_owned());
        let error = transport().attempt(&server.host_as(user), &id, &effect).await.unwrap_err();
        assert!(matches!(error, TransportError::Denied { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("must run `exec /bin/sh`"), "{error}");
        assert!(!effects.exists());
    }
}

/// `yes` in a start-up file once took all time of the controller.
#[tokio::test]
async fn a_host_that_prints_without_end_does_not_starve_the_others() {
    let Some((server, start_up, _)) = server("noise") else {
        return;
    };
    fs::write(start_up, "yes\n").unwrap();
    let (transport, noisy, quiet) = (transport(), server.host_as("log-bash"), server.host());
    let noise = async {
        loop {
            let error = transport.look(&noisy, &argv(&["true"])).await.unwrap_err();
            assert!(matches!(error, TransportError::Denied { .. }), "{error}");
        }
    };
    let calm = async {
        for _ in 0..10 {
            assert!(transport.look(&quiet, &argv(&["true"])).await.is_ok());
        }
    };
    tokio::select! {
        () = noise => {}
        () = calm => {}
    }
}

#[tokio::test]
async fn what_is_asked_of_sudo_is_said_where_it_refuses() {
    let Some((server, _, effects)) = server("sudo") else {
        return;
    };
    let mut effect = argv(&["touch", effects.to_str().unwrap()]);
    effect.r#become = Some("root".to_owned());
    let (transport, host) = (transport(), server.host_as("plain"));
    let id = AttemptId("sudo".to_owned());
    let error = transport.attempt(&host, &id, &effect).await.unwrap_err();
    assert!(matches!(error, TransportError::Denied { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("`sudo -n -u root -- /bin/sh` failed: allow "), "{text}");
    assert!(text.contains("a rule for single commands is not enough"), "{text}");
    assert!(text.contains("`Defaults !requiretty`"), "{text}");
    assert!(!effects.exists());
    assert_ne!(transport.recover(&host, &id, Clock::Real.now()).await, Ok(Recovered::Running));
}
