//! Tests of reports while a run waits: the time left, lost connections, resized terminals.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::TermLike;
use jiff::Timestamp;

use super::*;

/// A terminal whose width can be changed, and what was written to it.
#[derive(Clone, Debug, Default)]
struct Resized {
    columns: Arc<AtomicU16>,
    written: Arc<Mutex<String>>,
}

impl TermLike for Resized {
    fn width(&self) -> u16 {
        self.columns.load(Ordering::SeqCst)
    }

    fn write_str(&self, text: &str) -> std::io::Result<()> {
        text.clone_into(&mut self.written.lock().unwrap());
        Ok(())
    }

    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn write_line(&self, _: &str) -> std::io::Result<()> {
        unreachable!()
    }

    fn clear_line(&self) -> std::io::Result<()> {
        unreachable!()
    }

    fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
        unreachable!()
    }

    fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
        unreachable!()
    }

    fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
        unreachable!()
    }

    fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
        unreachable!()
    }
}

#[test]
fn after_a_resize_rows_are_counted_as_the_terminal_wraps_them() {
    let terminal = Resized::default();
    terminal.columns.store(80, Ordering::SeqCst);
    let mut live = Live::on(terminal.clone(), RunId("a".to_owned()), Style::plain(80));
    waits().report(&mut live);
    live.paint();
    live.paint();
    let up = |rows: usize| format!("\r\u{1b}[{rows}A");
    // An empty line, the header, a host, its condition and its wait, the hosts to come.
    assert!(terminal.written.lock().unwrap().starts_with(&up(6)));
    let widths: Vec<usize> = {
        let written = terminal.written.lock().unwrap();
        let text = console::strip_ansi_codes(&written).replace('\r', "");
        text.split('\n').map(console::measure_text_width).collect()
    };
    terminal.columns.store(30, Ordering::SeqCst);
    live.paint();
    let rows: usize = widths.iter().map(|width| width.div_ceil(30).max(1)).sum();
    assert!(rows > 4, "{widths:?}");
    assert!(terminal.written.lock().unwrap().starts_with(&up(rows - 1)), "{widths:?}");
}

/// Returns the last progress of [`waits`], and its time.
fn last_progress(run: &Recorded) -> (Progress, Timestamp) {
    match run.last() {
        News::Progress(progress, at) => (progress.clone(), *at),
        News::Event(record) => panic!("{record:?}"),
    }
}

#[test]
fn the_time_left_is_counted_down_between_two_checks() {
    let run = waits();
    let (progress, at) = last_progress(&run);
    let (mut live, terminal) = live(24, 100);
    run.report(&mut live);
    let mut shown = |progress: &Progress, seconds: u64| {
        live.progress(progress, at + Duration::from_secs(seconds), &RunState::default());
        live.paint();
        terminal.contents()
    };
    // Progress of another task moves the clock.
    let other = Progress::Retrying {
        task: task("web2", "drain"),
        ordinal: 2,
        of: 3,
        delay: Duration::from_secs(5),
        why: "busy".to_owned(),
    };
    assert!(shown(&other, 0).contains("14m 30s left\n"));
    assert!(shown(&other, 7).contains("14m 23s left\n"));
    assert!(shown(&other, 7200).contains("━━━━━━━━━━━━━━━━━━━━  0s left"));
    let Progress::Waiting { task, wait } = progress else { panic!("{progress:?}") };
    let stable = Some((Duration::from_secs(55), Duration::from_mins(1)));
    let stays = Progress::Waiting { task, wait: Waiting { stable, ..wait } };
    shown(&stays, 7200);
    // The time since the last check was not observed.
    assert!(shown(&other, 7230).contains("true for 55s of 1m\n"));
}

#[test]
fn a_machine_without_connection_is_named_with_the_reason_once_in_two_minutes() {
    let run = waits();
    let (_, at) = last_progress(&run);
    let mut report = Plain::new(Vec::new(), Style::plain(80));
    run.report(&mut report);
    for seconds in [7, 17, 130] {
        let away = Progress::Away {
            task: task("web1", "expire"),
            on: HostName::new("lb1"),
            why: "no route".to_owned(),
            away: Duration::from_secs(seconds),
            limit: Duration::from_mins(5),
        };
        report.progress(&away, at + Duration::from_secs(seconds), &run.state());
    }
    let text = String::from_utf8(report.into_inner()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("disconnected")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].ends_with("no connection to lb1: no route; retrying (7s of 5m)"), "{text}");
}
