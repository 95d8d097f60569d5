//! The keys of a test file: injected faults and answers, and the expected result.

use crate::schema::{
    ANY_TEXT, DURATION, Form, Record, Select, Shape, WORDS, field, form, record, required,
};

static TASK: Form = form(
    "a step at a host",
    "drain@backend1",
    Some("^[a-z0-9][a-z0-9_./-]*@[A-Za-z0-9][A-Za-z0-9_.-]*$"),
);
static VALUE: Form = form(
    "a value of a host",
    "backend1.vhosts",
    Some(r"^[A-Za-z0-9][A-Za-z0-9_.-]*\.[a-z][a-z0-9_]*$"),
);
static HOST: Form = form("a host", "backend1", Some("^[A-Za-z0-9][A-Za-z0-9_.-]*$"));
static FAULT_NAME: Form = form("a fault", "refused", Some("^[a-z][a-z0-9_]*$"));
static FILE: Form = form("a file", "obox-restart.yaml", WORDS.pattern);
static INPUT_NAME: Form = form("an input of the plan", "drain_for", Some("^[a-z][a-z0-9_]*$"));

static SOME_WORDS: Shape = Shape::Text(&WORDS);
static ANYTHING: Shape = Shape::Any;
static SCALAR: Shape = Shape::Scalar;
static COUNT: Shape = Shape::Int(0);
static INPUTS: Shape = Shape::Map(&INPUT_NAME, &SCALAR, 0);
static STATE: Shape = Shape::Map(&VALUE, &ANYTHING, 0);
static SCENARIO_SHAPE: Shape = Shape::Record(&SCENARIO);
static LENGTH: Shape = Shape::Text(&DURATION);

static TIMES: Shape =
    Shape::OneOf(&[(Select::Text, Shape::Choice(&["always"])), (Select::Int, Shape::Int(1))]);
static FAULT: Shape = Shape::OneOf(&[
    (Select::Text, Shape::Text(&FAULT_NAME)),
    (Select::Map, Shape::Map(&FAULT_NAME, &TIMES, 1)),
]);
static ANSWER: Shape = Shape::Choice(&[
    "approve", "reject", "continue", "wait", "retry", "skip", "fail", "done", "not-done",
]);
static RUN_STATUS: Shape =
    Shape::Choice(&["refused", "paused", "succeeded", "rolled_back", "failed", "stuck", "aborted"]);
static HOST_STATUS: Shape = Shape::Choice(&[
    "not_started",
    "active",
    "succeeded",
    "refused",
    "failed",
    "unreachable",
    "quarantined",
    "rolled_back",
    "stuck",
]);
static STEP_STATUS: Shape =
    Shape::Choice(&["changed", "unchanged", "failed", "timed_out", "unknown", "skipped"]);

/// The scenarios of a plan.
pub static TEST: Record = record(
    "a file of scenarios",
    "Scenarios of a plan on its model.",
    &[
        required("version", Shape::Int(1), "The version of the language: 1."),
        required(
            "plan",
            Shape::Text(&FILE),
            "The plan; in the directory of this file or in its parent.",
        ),
        required(
            "inventory",
            Shape::Text(&FILE),
            "The inventory: a path, or a name in `inventories`; found like `plan`.",
        ),
        field("inputs", INPUTS, "Values of inputs for all scenarios."),
        required("tests", Shape::List(&SCENARIO_SHAPE, 1), "The scenarios."),
    ],
)
.foreign(&["tests"]);

static SCENARIO: Record = record(
    "a scenario",
    "One run of the plan: its initial state, its failures, and the expected result.",
    &[
        required("name", SOME_WORDS, "What it shows, as a sentence."),
        field("inputs", INPUTS, "Values of inputs, in addition to those of the file."),
        field("limit", SOME_WORDS, "The hosts of the run, as for `--limit`."),
        field("state", STATE, "What differs from the initial state of the model."),
        field(
            "faults",
            Shape::Map(&TASK, &FAULT, 0),
            "What goes wrong at a step: a fault of the model, or refused, cut_before, cut_after, \
             hangs, host_gone, controller_dies, interrupt.",
        ),
        field("answers", Shape::Map(&TASK, &ANSWER, 0), "The answers if the run asks."),
        field("resume", Shape::Bool, "Whether the run is resumed after it has stopped."),
        required("expect", Shape::Record(&EXPECT), "The expected result."),
    ],
)
.foreign(&["scenario"]);

static EXPECT: Record = record(
    "an expectation",
    "The expected result of a scenario; what is not named is not checked.",
    &[
        required("run", RUN_STATUS, "The status of the run."),
        field("exit", COUNT, "The exit code of planrun."),
        field("took", Shape::Record(&TOOK), "How long it takes."),
        field("hosts", Shape::Map(&HOST, &HOST_STATUS, 0), "The status of each host."),
        field("steps", Shape::Map(&TASK, &STEP_STATUS, 0), "The status of each step."),
        field("state", STATE, "Values of hosts at the end."),
        field(
            "sent",
            Shape::Map(&ANY_TEXT, &COUNT, 0),
            "How often each command is sent, by its text, followed by `@HOST` for one host only; \
             an empty mapping: nothing is sent.",
        ),
        field("next_after_resume", Shape::Text(&TASK), "The first step after the resume."),
    ],
)
.foreign(&["expect"]);

static TOOK: Record = record(
    "a length of time",
    "How long a run takes, in the model's time.",
    &[field("at_least", LENGTH, "The minimum."), field("at_most", LENGTH, "The maximum.")],
);
