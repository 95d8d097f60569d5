//! Recorded runs as pages.

use std::time::Duration;

use planrun::event::{Event, Record, RunEvent, TaskEvent};
use planrun::report::open::StoredRun;
use planrun::report::run_page::page;
use roxmltree::{Document, Node, ParsingOptions};

use super::{
    answered, hostile, interrupted, invocation, paused, rolled_back, succeeded, unreachable,
};
use crate::scene::Recorded;

fn markdown(run: &Recorded) -> String {
    let records = run.records();
    page(&StoredRun { records: &records, damage: &[], is_alive: false }, &invocation(80)).markdown()
}

fn html(run: &Recorded) -> String {
    let records = run.records();
    page(&StoredRun { records: &records, damage: &[], is_alive: false }, &invocation(80)).html()
}

#[test]
fn a_run_that_is_rolled_back_as_markdown() {
    insta::assert_snapshot!(markdown(&rolled_back()));
}

#[test]
fn a_run_with_a_decision_as_markdown() {
    insta::assert_snapshot!(markdown(&answered()));
}

#[test]
fn a_run_that_waits_for_an_answer_shows_what_to_do_next() {
    let text = markdown(&paused());
    for part in ["# web-update: **paused**", "## What to do next", " resolve ", "no answer"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Returns the kinds of bars in the timeline of a page, lane by lane.
fn bars(records: &[Record]) -> Vec<String> {
    let kept = StoredRun { records, damage: &[], is_alive: false };
    let html = page(&kept, &invocation(80)).html();
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&html, options).unwrap();
    let lanes = document.descendants().filter(|node| node.attribute("class") == Some("lane"));
    let bars = lanes.flat_map(|lane| lane.descendants());
    let kind = |node: Node<'_, '_>| Some(node.attribute("class")?.strip_prefix("bar ")?.to_owned());
    bars.filter_map(kind).collect()
}

#[test]
fn the_timeline_shows_what_is_done_with_a_host_and_no_more() {
    assert_eq!(bars(&succeeded().records()), ["work", "wait", "work"]);
    assert_eq!(bars(&answered().records()), ["work", "wait", "work"]);
    assert!(bars(&rolled_back().records()).contains(&"back".to_owned()));
    assert!(bars(&unreachable().records()).is_empty());
}

/// Another process continues the run an hour later.
fn resumed(mut records: Vec<Record>) -> Vec<Record> {
    let last = records.last().unwrap();
    let (seq, epoch, at) = (last.seq + 1, last.epoch + 1, last.at + Duration::from_hours(1));
    let event = Event::Run(RunEvent::Resumed { by: "ann@desk".to_owned() });
    records.push(Record { seq, epoch, at, event });
    records
}

#[test]
fn the_timeline_explains_what_it_draws() {
    let html = |records: &[Record]| {
        page(&StoredRun { records, damage: &[], is_alive: false }, &invocation(80)).html()
    };
    let caption = |html: String| {
        let (_, rest) = html.split_once("<figcaption>").unwrap();
        rest.split_once("</figcaption>").unwrap().0.to_owned()
    };
    let of_waits = caption(html(&succeeded().records()));
    for words in ["working", "waiting", "below: the steps", "point of no return"] {
        assert!(of_waits.contains(words), "{words}: {of_waits}");
    }
    assert!(!of_waits.contains("rolling back"));
    let of_rollback = caption(html(&rolled_back().records()));
    assert!(of_rollback.contains("rolling back") && !of_rollback.contains("no return"));
}

#[test]
fn the_timeline_shows_who_is_waited_for_while_a_run_is_paused() {
    assert_eq!(bars(&resumed(paused().records())), ["work", "wait", "ask"]);
    assert_eq!(bars(&resumed(interrupted().records())), ["work", "pause"]);
}

#[test]
fn the_timeline_shows_when_planrun_was_not_running() {
    let mut records = interrupted().records();
    let is_intended = |record: &Record| {
        matches!(&record.event, Event::Task { event: TaskEvent::AttemptIntended { .. }, .. })
    };
    records.truncate(records.iter().position(is_intended).unwrap() + 1);
    assert_eq!(bars(&resumed(records)), ["gone"]);
}

#[test]
fn nothing_that_a_host_prints_becomes_markup() {
    let run = hostile();
    for text in [markdown(&run), html(&run)] {
        assert!(text.contains("\\x1b[2J"), "{text}");
        assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{text}");
        assert!(!text.contains('\u{202e}'), "{text}");
    }
}
