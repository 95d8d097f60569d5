//! The clock of a command: it ends with it, and outlives its session.

use std::fs;
use std::time::Duration;

use futures_util::future::join_all;

use super::{argv, run, script, skipped};
use crate::clock::Clock;
use crate::transport::wire::Wire;

/// Starts a session, kills it while its command runs, and gives its number to another process with a
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
echo $((session - 1)) >/proc/sys/kernel/ns_last_pid
sh -c 'setsid sleep 1000 & echo $! >child.new; mv child.new child; wait' &
other=$!
[ $other = $session ] || { echo "$other is not $session"; exit; }
until [ -e child ]; do sleep 0.1; done
while alive "$(cat command)"; do sleep 0.1; done
alive $other && alive "$(cat child)" && echo spared
"#;

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the namespace is part of the test")]
async fn a_clock_ends_its_command_and_not_a_process_with_the_number_of_its_session() {
    if !rustix::process::getuid().is_root() {
        skipped("the clock of a killed session: not root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut slow = script("echo $$ >command.new; mv command.new command; exec sleep 1000");
    slow.dir = Some(folder.path().to_str().unwrap().to_owned());
    slow.timeout = Duration::from_secs(3);
    let wire = Wire::new(&slow, None, None, Duration::from_secs(1)).unwrap();
    fs::write(folder.path().join("session"), &wire.session).unwrap();
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

/// A command may be over before its clock has started to sleep.
#[tokio::test]
async fn no_clock_outlives_its_command() {
    let mut short = argv(&["true"]);
    short.timeout = Duration::from_millis(7_654_321);
    for _ in 0..15 {
        let runs: [_; 20] = std::array::from_fn(|_| run(&short));
        for run in join_all(runs).await {
            run.unwrap();
        }
    }
    while clocks("7654.321") > 0 {
        Clock::Real.sleep(Duration::from_millis(20)).await;
    }
}

/// Counts the processes that sleep for so long.
fn clocks(seconds: &str) -> usize {
    let lines = fs::read_dir("/proc").unwrap();
    let lines = lines.filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.filter(|line| *line == format!("sleep\0{seconds}\0").as_bytes()).count()
}
