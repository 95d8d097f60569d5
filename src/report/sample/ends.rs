//! The possible results of a run, as stories.

use crate::event::{
    Answer, Event, HostEvent, HostStatus, Outcome, PreflightVerdict, Question, Record, RunEvent,
    RunStatus, Seen, TaskEvent, TaskStatus, Truth,
};
use crate::report::sample::{Story, exited, host, reason, seen, task, waiting};
use crate::transport::TransportError;

/// Everything succeeds.
pub(crate) fn success() -> Story {
    let mut story = Story::started(&["backend1", "backend2"]);
    story.restart("backend1");
    story.restart("backend2");
    story.finish(RunStatus::Succeeded, None);
    story
}

/// As [`success`], by its records.
pub(crate) fn succeeded() -> Vec<Record> {
    success().records()
}

/// A step fails, and what was done is undone.
pub(crate) fn rolled_back() -> Story {
    let mut story = Story::started(&["backend1", "backend2", "backend3"]);
    story.refused_down("backend1");
    story.open("backend1", "stop.rollback");
    story.change("backend1", "stop.rollback/1", "backend1", "systemctl start dovecot", 4_200);
    story.close("backend1", "stop.rollback", TaskStatus::Changed, None);
    let command = "doveadm director update 198.51.100.1 100";
    story.change("backend1", "drain.rollback", "director1", command, 300);
    story.end("backend1", HostStatus::RolledBack, None);
    let why = "1 host failed, and the plan tolerates none: no further host was started";
    story.finish(RunStatus::RolledBack, Some(why));
    story
}

/// The rollback fails, too.
pub(crate) fn stuck() -> Story {
    let mut story = Story::started(&["backend1", "backend2"]);
    story.refused_down("backend1");
    story.open("backend1", "stop.rollback");
    story.open("backend1", "stop.rollback/1");
    story.attempt("backend1", "stop.rollback/1", 1, "backend1", "systemctl start dovecot");
    story.after(10_000);
    let complaint =
        "Job for dovecot.service failed because the control process exited with error code.\n";
    story.answer("backend1", "stop.rollback/1", 1, exited(1, complaint));
    let serving = Seen {
        error: Some("`doveadm service status`: exit code 75".to_owned()),
        ..seen(
            "Dovecot serves mail",
            "dovecot == \"active\" and lmtp",
            Truth::Unknown,
            &[("dovecot", "\"failed\"")],
        )
    };
    let why = reason("`done_when` is unknown after 20s", vec![serving]);
    story.close("backend1", "stop.rollback/1", TaskStatus::Failed, Some(why));
    let why = reason("Dovecot does not start again; it stays out of service", Vec::new());
    story.close("backend1", "stop.rollback", TaskStatus::Failed, Some(why.clone()));
    story.end("backend1", HostStatus::Stuck, Some(why));
    story.finish(RunStatus::Stuck, None);
    story
}

/// A wait ends without success, and the operator is asked.
pub(crate) fn paused() -> Story {
    let mut story = Story::started(&["backend1", "backend2"]);
    story.begin("backend1");
    story.change("backend1", "drain", "director1", "doveadm director update 198.51.100.1 0", 400);
    story.open("backend1", "expire");
    for check in 0..90 {
        story.progress(waiting("backend1", "expire", 2, check * 10));
        story.after(10_000);
    }
    let users = seen("", "backend.users == 0", Truth::False, &[("backend.users", "2")]);
    story.event(Event::Task {
        task: task("backend1", "expire"),
        event: TaskEvent::QuestionAsked {
            question: Question {
                text: "`backend.users == 0` is still false after 15m. Continue anyway?".to_owned(),
                why: reason("", vec![users]),
                answers: vec![Answer::Continue, Answer::Wait, Answer::Fail],
            },
        },
    });
    story.event(Event::Run(RunEvent::Paused {
        why: "a question is open, and there is no terminal to ask at".to_owned(),
    }));
    story
}

/// As [`paused`], answered and resumed.
pub(crate) fn answered() -> Story {
    let mut story = paused();
    story.after(600_000);
    story.event(Event::Task {
        task: task("backend1", "expire"),
        event: TaskEvent::QuestionAnswered {
            answer: Answer::Continue,
            reason: Some("two monitoring accounts".to_owned()),
            by: "bob@ops2".to_owned(),
        },
    });
    story.event(Event::Run(RunEvent::Resumed { by: "bob@ops2".to_owned() }));
    story.close("backend1", "expire", TaskStatus::Unchanged, None);
    story
}

/// A preflight fails.
pub(crate) fn refused() -> Story {
    let mut story = Story::new(&["backend1", "backend2"]);
    story.event(
        HostEvent::PreflightEnded { verdict: PreflightVerdict::Passed }.of(&host("backend1")),
    );
    let mail = seen(
        "the test user has mail (else the check at the end would prove nothing)",
        "folders | length > 0 and mailboxes.INBOX.messages > 0",
        Truth::False,
        &[("folders | length", "4"), ("mailboxes.INBOX.messages", "0")],
    );
    let service = seen("it is in service", "in_service", Truth::True, &[]);
    story.event(
        HostEvent::PreflightEnded {
            verdict: PreflightVerdict::Failed(reason("1 of 2 checks failed", vec![service, mail])),
        }
        .of(&host("backend2")),
    );
    story.finish(RunStatus::Refused, None);
    story
}

/// A host is unreachable before the start.
pub(crate) fn unreachable() -> Story {
    let mut story = Story::new(&["backend1", "backend2"]);
    story.event(
        HostEvent::PreflightEnded { verdict: PreflightVerdict::Passed }.of(&host("backend1")),
    );
    story.event(
        HostEvent::PreflightEnded {
            verdict: PreflightVerdict::NoAnswer(TransportError::Unreachable {
                host: host("backend2"),
                why: "no route to host 192.0.2.12 port 22".to_owned(),
            }),
        }
        .of(&host("backend2")),
    );
    story.finish(RunStatus::Refused, None);
    story
}

/// The operator presses the interrupt key while a step is under way.
pub(crate) fn interrupted() -> Story {
    let mut story = Story::started(&["backend1", "backend2"]);
    story.begin("backend1");
    story.open("backend1", "drain");
    story.attempt("backend1", "drain", 1, "director1", "doveadm director update 198.51.100.1 0");
    story.event(Event::Run(RunEvent::StopRequested { by: "INT".to_owned() }));
    story.after(300);
    story.answer("backend1", "drain", 1, exited(0, ""));
    story.close("backend1", "drain", TaskStatus::Changed, None);
    story.event(Event::Run(RunEvent::Paused { why: "stopped by INT".to_owned() }));
    story
}

/// Fails past the point of no return; the outcome of an attempt is unknown.
pub(crate) fn past_return() -> Story {
    let mut story = Story::started(&["backend1", "backend2"]);
    story.restart("backend1");
    story.drained("backend2");
    story.cut_over("backend2");
    story.open("backend2", "maintain");
    let script = "apt-get -y install dovecot-core\nsystemctl daemon-reload\n";
    story.attempt("backend2", "maintain", 1, "backend2", script);
    story.after(30_000);
    let why = "connection reset by peer".to_owned();
    story.answer("backend2", "maintain", 1, Outcome::Unknown { why, running: Some(false) });
    let why = reason("connection lost; failed by operator", Vec::new());
    story.close("backend2", "maintain", TaskStatus::Unknown, Some(why));
    story.end("backend2", HostStatus::Failed, None);
    story.finish(RunStatus::Failed, None);
    story
}

/// All text of hosts and plans tries to control the terminal.
pub(crate) fn hostile() -> Vec<Record> {
    let evil = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\r\n\u{8}x\u{7f}";
    let mut story = Story::new(&["backend1"]);
    story.event(
        HostEvent::PreflightEnded {
            verdict: PreflightVerdict::Failed(reason(
                evil,
                vec![seen(evil, evil, Truth::False, &[(evil, evil)])],
            )),
        }
        .of(&host("backend1")),
    );
    story.event(Event::Run(RunEvent::Started));
    story.begin("backend1");
    story.open("backend1", evil);
    story.attempt("backend1", evil, 1, "backend1", evil);
    story.answer("backend1", evil, 1, exited(1, evil));
    let wrong =
        Seen { error: Some(evil.to_owned()), ..seen(evil, "x", Truth::Unknown, &[(evil, evil)]) };
    story.event(Event::Task {
        task: task("backend1", evil),
        event: TaskEvent::QuestionAsked {
            question: Question {
                text: evil.to_owned(),
                why: reason(evil, vec![wrong.clone()]),
                answers: vec![Answer::Done],
            },
        },
    });
    story.event(Event::Task {
        task: task("backend1", evil),
        event: TaskEvent::QuestionAnswered {
            answer: Answer::Done,
            reason: Some(evil.to_owned()),
            by: evil.to_owned(),
        },
    });
    let why = Some(reason(evil, vec![wrong]));
    story.close("backend1", evil, TaskStatus::Failed, why.clone());
    story.end("backend1", HostStatus::Failed, why);
    story.finish(RunStatus::Failed, Some(evil));
    story.records()
}
