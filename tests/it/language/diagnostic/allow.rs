//! Warnings that a file allows.

use planrun::diagnostic::allow::*;
use planrun::diagnostic::{Code, Diagnostic};
use planrun::source::{Sources, Span};

#[test]
fn a_comment_belongs_to_its_line_or_to_the_one_below() {
    let text = "a: 1 # planrun: allow(no-entry) it is so\n# planrun: allow(not-posix, sleep-in-run) a reason\n# more\nb: 2\nc: 3\n";
    let mut sources = Sources::default();
    let id = sources.add("p.yaml", text);
    let at = |code: Code, needle: &str| {
        let start = text.find(needle).unwrap();
        let one = Diagnostic::warning(code, "").at(Span::new(id, start, start + 1), "");
        allowance(&one, &sources).is_some()
    };
    assert!(
        at(Code::NoEntry, "a: 1") && at(Code::NotPosix, "b: 2") && at(Code::SleepInRun, "b: 2")
    );
    assert!(
        !at(Code::NoEntry, "b: 2") && !at(Code::NotPosix, "a: 1") && !at(Code::NotPosix, "c: 3")
    );
    let error = Diagnostic::error(Code::NoEntry, "").at(Span::new(id, 0, 1), "");
    assert!(allowance(&error, &sources).is_none());
}

#[test]
fn what_allows_nothing_is_reported() {
    let text = "a: \"x # planrun: allow(no-entry)\"\nb: 1 # planrun: allow(not-posix)\nc: 1 # planrun: allow(sleep-in-run) why\n";
    let mut sources = Sources::default();
    let id = sources.add("p.yaml", text);
    let count = |used: usize, may: bool| unused(id, &sources, |at| at == used, |_| may).len();
    assert_eq!(count(0, false), 3);
    assert_eq!(count(text.rfind('#').unwrap(), false), 2);
    // What another check may find is not known to be unused.
    assert_eq!(count(0, true), 1);
}
