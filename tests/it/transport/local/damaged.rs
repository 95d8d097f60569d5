//! What goes over the wire to a session of this machine: requests that arrive damaged or in part, and a
//! number that is used again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use planrun::transport::local::LocalTransport;
use planrun::transport::wire::{GRACE, Privilege, Wire, session};
use planrun::transport::{AttemptId, Exit, Transport, TransportError};

use super::{argv, here, script, upload};

#[tokio::test]
async fn an_upload_that_comes_in_part_is_not_put_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "old").unwrap();
    let upload = upload(b"whole content", &path);
    let transport = LocalTransport::new();
    for (sent, complaint) in [
        (b"whole".as_slice(), "the content came in part only"),
        (b"whole cOntent", "the content came damaged"),
    ] {
        let mut wire = Wire::new(&upload, None, None, None, GRACE).unwrap();
        wire.rest = Some(sent.to_vec());
        let (closing, answer) = transport.serve(&here(), &wire).await.unwrap();
        let output = answer.conclude(&here().name, &upload, &wire, &closing).unwrap();
        assert_eq!(output.exit, Exit::Code(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(complaint), "{said}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[tokio::test]
async fn an_effect_that_arrives_damaged_or_in_part_is_not_started() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let mut touch = argv(&["touch", mark.to_str().unwrap()]);
    touch.stdin = Some(b"unread".to_vec());
    let transport = LocalTransport::new();
    let id = AttemptId(format!("damaged-{}", uuid::Uuid::now_v7().simple()));
    let send = async |change: &dyn Fn(&mut Vec<u8>)| {
        let mut wire = Wire::new(&touch, None, Some(&id), None, GRACE).unwrap();
        change(&mut wire.request);
        // Only so does the session find the end of what it is sent.
        wire.rest = Some(Vec::new());
        let (closing, answer) = transport.serve(&here(), &wire).await.unwrap();
        answer.conclude(&here().name, &touch, &wire, &closing)
    };
    let damaged = send(&|request| *request.last_mut().unwrap() ^= 1).await;
    assert!(matches!(damaged, Err(TransportError::Denied { .. })), "{damaged:?}");
    let partial = send(&|request| request.truncate(request.len() - 1)).await;
    assert!(matches!(partial, Err(TransportError::Denied { .. })), "{partial:?}");
    let partial = send(&|request| request.truncate(request.len() / 2)).await;
    assert!(matches!(partial, Err(TransportError::Denied { .. })), "{partial:?}");
    assert!(!mark.exists());
    // Nothing was claimed.
    assert_eq!(transport.attempt(&here(), &id, &touch).await.unwrap().exit, Exit::Code(0));
    assert!(mark.exists());
}

/// Starts a session, kills what waits for its command, and gives that number to another process with a
/// child that leads a session, as commands do. In a namespace of its own the next number can be set.
const NUMBER_USED_AGAIN: &str = r#"
alive() { read -r stat </proc/"$1"/stat && case ${stat##*) } in Z*) false ;; esac; } 2>/dev/null
cd "$1"
mkfifo in
sh <in >out &
session=$!
exec 9>in
cat session >&9
until grep -q ready out; do sleep 0.1; done
cat request >&9
until [ -e command ]; do sleep 0.1; done
kill -9 $session
wait $session || :
read -r stat </proc/"$(cat command)"/stat
set -- "$1" ${stat##*) }
waiting=$3
kill -9 $waiting
while [ -e /proc/$waiting ]; do sleep 0.1; done
echo $((waiting - 1)) >/proc/sys/kernel/ns_last_pid
sh -c 'setsid sleep 1000 & echo $! >child.new; mv child.new child; wait' &
other=$!
[ $other = $waiting ] || { echo "$other is not $waiting"; exit; }
until [ -e child ]; do sleep 0.1; done
while alive "$(cat command)"; do sleep 0.1; done
alive $other && alive "$(cat child)" && echo spared
"#;

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the namespace is part of the test")]
async fn a_clock_ends_its_command_and_not_a_process_with_the_number_of_its_session() {
    if !rustix::process::getuid().is_root() || !Path::new("/usr/bin/unshare").exists() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let text = "echo $$ >command.new; mv command.new command; exec sleep 1000";
    let mut slow = script(text);
    slow.dir = Some(folder.path().to_str().unwrap().to_owned());
    slow.timeout = Duration::from_secs(3);
    let wire = Wire::new(&slow, None, None, None, Duration::from_secs(1)).unwrap();
    fs::write(folder.path().join("session"), session(&Privilege::default()).unwrap().0).unwrap();
    fs::write(folder.path().join("request"), &wire.request).unwrap();
    let ended = tokio::process::Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "/bin/sh", "-ec", NUMBER_USED_AGAIN, "test"])
        .arg(folder.path())
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(printed, "spared\n", "{}", String::from_utf8_lossy(&ended.stderr));
}
