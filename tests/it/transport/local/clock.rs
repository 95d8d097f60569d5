//! The clock of a command ends with it.

use std::fs;
use std::time::Duration;

use futures_util::future::join_all;

use super::{argv, run};
use planrun::clock::Clock;

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
