//! The keys of a model file.

use crate::schema::{
    ANY_TEXT, DURATION, EXPRESSION, Form, ID, PLAN_NAME, Record, Select, Shape, WORDS, field, form,
    record, required,
};

static PATTERN: Form =
    form("a command line with `<name>` for any word", "systemctl stop <unit>", WORDS.pattern);
static STEP: Form = form(
    "the step of a script, PLAN/STEP",
    "obox-restart/maintain",
    Some(r"^[a-z][a-z0-9-]*/\S+$"),
);
static PATH: Form = form("a path, or `<name>` for any", "<path>", Some(r"^\S+$"));

static SOME_WORDS: Shape = Shape::Text(&WORDS);
static ANY: Shape = Shape::Any;
static SCALAR: Shape = Shape::Scalar;
static CELLS: Shape = Shape::List(&SCALAR, 1);
static SPAN_OF_TIME: Shape = Shape::Text(&DURATION);
static ANSWER_SHAPE: Shape = Shape::Record(&ANSWER);
static CASE_SHAPE: Shape = Shape::Record(&CASE);
static COMMAND_SHAPE: Shape = Shape::Record(&COMMAND);
static RULE_SHAPE: Shape = Shape::Record(&RULE);
static GROUP_SHAPE: Shape = Shape::Record(&GROUP);
static CHANGE: Shape = Shape::Map(&ID, &ANY, 1);
static EXPRESSION_SHAPE: Shape = Shape::OneOf(&[
    (Select::Text, Shape::Text(&EXPRESSION)),
    (Select::Bool, Shape::Bool),
    (Select::Int, Shape::Int(i64::MIN)),
]);
static CONDITION: Shape =
    Shape::OneOf(&[(Select::Text, Shape::Text(&EXPRESSION)), (Select::Bool, Shape::Bool)]);
static TABLE: Shape = Shape::OneOf(&[
    (Select::Key("for"), Shape::Record(&HOST_TABLE)),
    (Select::Map, Shape::Record(&ROW_TABLE)),
]);

pub static MODEL: Record = record(
    "a model",
    "What hosts print and how they change: every other key is a group of hosts.",
    &[
        required("version", Shape::Int(1), "The version of the language: 1."),
        required("model", Shape::Text(&PLAN_NAME), "The name of the model, as in its file name."),
    ],
)
.rest(&GROUP_SHAPE);

static GROUP: Record = record(
    "a group of hosts",
    "The hosts of one group of the inventory: state, commands, changes over time.",
    &[
        field(
            "state",
            Shape::Map(&ID, &ANY, 0),
            "The values of each host at the start; `planrun_state` in the inventory changes them.",
        ),
        field(
            "derived",
            Shape::Map(&ID, &EXPRESSION_SHAPE, 0),
            "Named expressions over the state.",
        ),
        field(
            "commands",
            Shape::List(&COMMAND_SHAPE, 0),
            "The commands; the first entry that matches is used.",
        ),
        field("time", Shape::List(&RULE_SHAPE, 0), "What changes over time."),
    ],
)
.foreign(&["model group"]);

/// Makes a record of an answer with additional fields before it.
macro_rules! with_answer {
    ($($before:expr),* $(,)?) => {
        &[
            $($before,)*
            field("exit", Shape::Int(0), "The exit code; 0 by default."),
            field("stdout", SCALAR, "The standard output; a template."),
            field("stderr", SCALAR, "The standard error; a template."),
            field("table", TABLE, "The standard output as a table, tab-separated."),
            field("takes", SPAN_OF_TIME, "How long it takes; 0 by default."),
            field("becomes", CHANGE, "The state that changes when it ends; templates."),
            field("later", Shape::Record(&LATER), "A change some time after it has ended."),
        ]
    };
}

static COMMAND: Record = record(
    "a command of the model",
    "A command, how it is recognised, and what it does.",
    with_answer![
        field(
            "run",
            Shape::Text(&PATTERN),
            "The command, matched word by word: `<ip>` and `<n:int>` match any word, `<*>` at \
             the end for the rest.",
        ),
        field("step", Shape::Text(&STEP), "The step of a plan whose script it is: PLAN/STEP.",),
        field("upload", Shape::Text(&PATH), "The path of an uploaded file."),
        field(
            "of",
            Shape::Record(&OF),
            "The host whose state it reads and changes; by default the host where it runs.",
        ),
        field("nobody", ANSWER_SHAPE, "The answer if `of` finds no host."),
        field("cases", Shape::List(&CASE_SHAPE, 1), "Answers: the first whose `when` is true.",),
        field(
            "faults",
            Shape::Map(&ID, &ANSWER_SHAPE, 1),
            "Known failures of the command, by name.",
        ),
    ],
)
.one_of(&["run", "step", "upload"])
.foreign(&["model command"]);

static ANSWER: Record = record(
    "an answer",
    "What a command prints, how long it takes, and what it changes.",
    with_answer![],
);

static CASE: Record = record(
    "a case",
    "An answer and its condition; the last case has no `when`.",
    with_answer![field("when", CONDITION, "The condition, checked when the command starts.")],
);

static OF: Record = record(
    "a host by address",
    "The host of a group that has an address.",
    &[
        required("group", SOME_WORDS, "The group."),
        required("address", SOME_WORDS, "The name of the placeholder with its address."),
    ],
);

static HOST_TABLE: Record = record(
    "a table of hosts",
    "A row for each host of a group.",
    &[
        required("for", SOME_WORDS, "The group."),
        required(
            "columns",
            Shape::Map(&ANY_TEXT, &EXPRESSION_SHAPE, 1),
            "The columns by their headers: expressions over the host of the row; `here` is the \
             host where the command runs.",
        ),
    ],
)
.foreign(&["model table"]);

static ROW_TABLE: Record = record(
    "a table of rows",
    "A table with given rows.",
    &[
        required("header", CELLS, "The headers of the columns."),
        required(
            "rows",
            Shape::List(&CELLS, 0),
            "The rows: as many templates in each as there are headers.",
        ),
    ],
);

static LATER: Record = record(
    "a later change",
    "A change of the state some time after the command has ended.",
    &[
        required("in", SPAN_OF_TIME, "How long after it."),
        required("becomes", CHANGE, "The state that changes; templates."),
    ],
)
.foreign(&["model change"]);

static RULE: Record = record(
    "a time rule",
    "A change that repeats while a condition is true.",
    &[
        field("about", SOME_WORDS, "What it simulates."),
        required(
            "every",
            SPAN_OF_TIME,
            "The time after the condition became true, and between repetitions.",
        ),
        field("when", CONDITION, "The condition, over the host's own state."),
        required("becomes", CHANGE, "The state that changes; templates."),
    ],
);
