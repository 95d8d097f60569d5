//! The keys of a plan.

use crate::schema::{
    ANY_TEXT, DURATION, EXPRESSION, Field, Form, FormKind, HOSTS, ID, PLAN_NAME, Record, Select,
    Shape, WORDS, field, form, record, required,
};

static MODE: Form =
    form("an octal mode in quotes", "\"0644\"", Some("^[0-7]{3,4}$")).kind(FormKind::Mode);
static OWNER: Form = form(
    "a user, or user:group",
    "root:root",
    Some(r"^[A-Za-z_][A-Za-z0-9_.@\\+%/~=-]*\$?(?::[A-Za-z_][A-Za-z0-9_.@\\+%/~=-]*\$?)?$"),
);
static USER: Form = form("a user name", "root", Some(r"^[A-Za-z_][A-Za-z0-9_.@\\+%/~=-]*\$?$"));
static VARIABLE: Form =
    form("the name of an environment variable", "LC_ALL", Some("^[A-Za-z_][A-Za-z0-9_]*$"));
static COMMAND: Form = form("a command line", "systemctl stop nginx", WORDS.pattern);
static SCRIPT: Form = form("a shell script", "cd /srv && make", WORDS.pattern);
static REGEX: Form =
    form("a regular expression with named groups", "version (?P<version>\\S+)", WORDS.pattern);

static GROUP_NAME: Form = form("the name of a group", "directors", WORDS.pattern);

static GROUP: Shape = Shape::Text(&GROUP_NAME);
static TEXT_USER: Shape = Shape::Text(&USER);
static TEXT_MODE: Shape = Shape::Text(&MODE);
static TEXT_OWNER: Shape = Shape::Text(&OWNER);
static TEXT_DURATION: Shape = Shape::Text(&DURATION);
static LATE_DURATION: Shape = Shape::Late(&TEXT_DURATION);
static SOME_WORDS: Shape = Shape::Text(&WORDS);
static SOME_TEXT: Shape = Shape::Text(&ANY_TEXT);
static STEP_SHAPE: Shape = Shape::Record(&STEP);
static POSITIVE: Shape = Shape::Int(1);
static NUMBER: Shape = Shape::Int(0);
static ARGUMENT: Shape = Shape::Scalar;
static PATHS: Shape = Shape::Text(&WORDS);

/// A condition: an expression, or plainly true or false.
static CONDITION: Shape =
    Shape::OneOf(&[(Select::Text, Shape::Text(&EXPRESSION)), (Select::Bool, Shape::Bool)]);
/// Assertions: messages with their conditions, one below the other, or written out.
static CLAIMS: Shape = Shape::OneOf(&[
    (Select::Key("check"), Shape::Record(&ASSERTION)),
    (Select::Map, Shape::Map(&WORDS, &CONDITION, 1)),
    (Select::List, Shape::List(&Shape::Record(&ASSERTION), 1)),
]);
static VALUE_EXPRESSION: Shape = Shape::OneOf(&[
    (Select::Text, Shape::Text(&EXPRESSION)),
    (Select::Bool, Shape::Bool),
    (Select::Int, Shape::Int(i64::MIN)),
]);
static ITEMS: Shape = Shape::OneOf(&[
    (Select::Text, Shape::Text(&EXPRESSION)),
    (Select::List, Shape::List(&ARGUMENT, 1)),
]);
static RUN: Shape = Shape::OneOf(&[
    (Select::Text, Shape::Text(&COMMAND)),
    (Select::List, Shape::List(&ARGUMENT, 1)),
]);
static BECOME: Shape =
    Shape::OneOf(&[(Select::Bool, Shape::Bool), (Select::Text, Shape::Late(&TEXT_USER))]);
static ENV: Shape = Shape::Map(&VARIABLE, &ARGUMENT, 1);
static DELEGATE_STEP: Shape =
    Shape::OneOf(&[(Select::Text, Shape::Text(&WORDS)), (Select::Map, Shape::Record(&ONE_OF))]);
static DELEGATE_PROBE: Shape = Shape::OneOf(&[
    (Select::Text, Shape::Text(&WORDS)),
    (Select::Key("each_of"), Shape::Record(&EACH_OF)),
    (Select::Map, Shape::Record(&ONE_OF)),
]);
static EXIT_CODES: Shape = Shape::OneOf(&[
    (Select::Text, Shape::Choice(&["any"])),
    (Select::List, Shape::List(&NUMBER, 1)),
]);
static PARSE: Shape = Shape::OneOf(&[
    (Select::Text, Shape::Choice(FORMATS)),
    (Select::Map, Shape::Record(&PARSE_RECORD)),
]);
/// The formats of `parse`.
const FORMATS: &[&str] = &["text", "int", "size", "lines", "kv", "json", "yaml", "tsv", "regex"];
const TYPES: &[&str] = &["string", "int", "float", "bool"];
static TYPE_WORD: Shape = Shape::Choice(TYPES);

static RETRY_SHAPE: Shape = Shape::Record(&RETRY);

pub static PLAN: Record = record(
    "a plan",
    "A procedure: the steps for each host, their checks and their rollback.",
    &[
        required("version", Shape::Int(1), "The version of the language: 1."),
        required("name", Shape::Text(&PLAN_NAME), "The name of the plan, as in its file name."),
        field("summary", SOME_WORDS, "What the plan is for, in one line."),
        field("description", SOME_TEXT, "What a reader should know before they run it."),
        field(
            "inputs",
            Shape::Map(&ID, &Shape::Record(&INPUT), 0),
            "Values from outside the plan.",
        ),
        required("hosts", Shape::Text(&HOSTS), "The group or host pattern of the run."),
        field("serial", SERIAL, "How many hosts run at a time; a list for a canary: `[1, 3]`."),
        field("max_failures", NUMBER, "How many hosts may fail before no further host starts."),
        field("locks", Shape::List(&SOME_WORDS, 1), "More groups or hosts to lock."),
        field("defaults", Shape::Record(&DEFAULTS), "Values for steps that set none."),
        field(
            "probes",
            Shape::Map(&ID, &Shape::Record(&PROBE), 0),
            "Commands that only read state.",
        ),
        field("let", Shape::Map(&ID, &LET, 0), "Named expressions over probes."),
        field(
            "preflight",
            CLAIMS,
            "Conditions that must be true on every host before the first change anywhere, and \
             again on each host before it starts.",
        ),
        required("steps", Shape::List(&STEP_SHAPE, 1), "The steps, in order."),
        field(
            "invariants",
            Shape::Record(&INVARIANTS),
            "Conditions that a failure must not break.",
        ),
    ],
)
.foreign(&["plan"]);

static SERIAL: Shape =
    Shape::OneOf(&[(Select::Int, Shape::Int(1)), (Select::List, Shape::List(&POSITIVE, 1))]);

static DEFAULT: Shape =
    Shape::OneOf(&[(Select::Scalar, Shape::Scalar), (Select::List, Shape::List(&ARGUMENT, 0))]);

static INPUT: Record = record(
    "an input",
    "A value from outside the plan: from --set, a file, the inventory, or its default.",
    &[
        required(
            "type",
            Shape::Choice(&["string", "int", "bool", "duration", "enum", "path", "file", "list"]),
            "Its type.",
        ),
        field(
            "items",
            Shape::Choice(&["string", "int", "bool", "duration", "enum", "path"]),
            "The type of the items of a `list` (string).",
        ),
        field("default", DEFAULT, "The value if none is set; may be a template."),
        field("description", SOME_WORDS, "What it is for."),
        field(
            "sensitive",
            Shape::Bool,
            "The value, or the content of a `file`, is a secret: never shown, never stored.",
        ),
        field("of", Shape::List(&SOME_WORDS, 1), "The values of an `enum`."),
        field(
            "pattern",
            SOME_WORDS,
            "A regular expression that must match the whole string, or each string of a list.",
        ),
        field(
            "min",
            Shape::Scalar,
            "The minimum of an int or a duration; the minimum number of items of a list.",
        ),
        field(
            "max",
            Shape::Scalar,
            "The maximum of an int or a duration; the maximum number of items of a list.",
        ),
    ],
)
.foreign(&["input"]);

static DEFAULTS: Record = record(
    "a mapping of defaults",
    "Values for every step and probe that does not set its own.",
    &[
        field("become", BECOME, "Run as root, or as the named user."),
        field("timeout", LATE_DURATION, "How long a command may take (5m)."),
        field("within", LATE_DURATION, "How long `done_when` is checked afterwards (10s)."),
        field("retry", RETRY_SHAPE, "How often a failed step is attempted (once)."),
        field("env", ENV, "Environment variables."),
        field("dir", SOME_WORDS, "The directory commands run in."),
    ],
)
.foreign(&["defaults"]);

static RETRY: Record = record(
    "a `retry`",
    "More attempts after a failure; only for steps with `done_when` or `idempotent`.",
    &[
        required("attempts", Shape::Int(1), "The number of attempts, including the first."),
        field("delay", LATE_DURATION, "The time between two attempts (5s)."),
    ],
)
.foreign(&["retry"]);

static PROBE: Record = record(
    "a probe",
    "A command that reads the state of a host. It changes nothing, so it may be repeated.",
    &[
        field("run", RUN, "The command, split into words before templates are rendered."),
        field("shell", Shape::Text(&SCRIPT), "A script for sh."),
        field("delegate_to", DELEGATE_PROBE, "Where it runs, if not on the host itself."),
        field("become", BECOME, "Run as root, or as the named user."),
        field("env", ENV, "Environment variables."),
        field("dir", SOME_WORDS, "The directory it runs in."),
        field("stdin", SOME_TEXT, "What it reads."),
        field("timeout", LATE_DURATION, "How long it may take."),
        field(
            "parse",
            PARSE,
            "How its output becomes a value; without it `{exit, stdout, stderr}`.",
        ),
        field("exit_codes", EXIT_CODES, "The exit codes that are not a failure ([0])."),
        field("output", Shape::Choice(&["keep", "discard"]), "Whether its output matters."),
    ],
)
.one_of(&["run", "shell"])
.foreign(&["probe", "step"]);

static PARSE_RECORD: Record = record(
    "a `parse`",
    "How output becomes a value. Output that cannot be converted is a failure, never 0.",
    &[
        required("format", Shape::Choice(FORMATS), "The format."),
        field(
            "key",
            SOME_WORDS,
            "The column that becomes the key of a map of rows (tsv, json, yaml, regex).",
        ),
        field(
            "types",
            Shape::Map(&WORDS, &TYPE_WORD, 1),
            "The types of columns that are not strings.",
        ),
        field("pattern", Shape::Text(&REGEX), "The expression of `regex`."),
    ],
)
.foreign(&["parse"]);

static LET: Shape = Shape::OneOf(&[
    (Select::Text, Shape::Text(&EXPRESSION)),
    (Select::Bool, Shape::Bool),
    (Select::Map, Shape::Record(&FROM)),
]);

static FROM: Record = record(
    "a `from`",
    "The rows of a probe for which a condition is true; `row` is the row.",
    &[
        required("from", Shape::Text(&ID), "The probe."),
        required("where", CONDITION, "The condition, over `row`."),
    ],
);

static ONE_OF: Record = record(
    "a `one_of`",
    "Any one member of a group; another is tried only if the first did not run the command.",
    &[required("one_of", GROUP, "The group.")],
)
.foreign(&["delegate_to"]);

static EACH_OF: Record = record(
    "an `each_of`",
    "Every member of a group: a condition must be true for each of them.",
    &[required("each_of", GROUP, "The group.")],
);

static ASSERTION: Record = record(
    "an assertion",
    "A condition that must be true, and the message that is shown with it.",
    &[
        required("check", CONDITION, "The condition."),
        required("message", SOME_WORDS, "What the condition means, as shown in reports."),
    ],
);

static INVARIANTS: Record = record(
    "a mapping of invariants",
    "Conditions that a failure must not break.",
    &[
        field("always", CLAIMS, "Always."),
        field("at_rest", CLAIMS, "When a run has ended, is paused or is stuck."),
        field("at_end", CLAIMS, "When a run has succeeded or was rolled back."),
    ],
);

/// The actions, exactly one a step.
pub const ACTIONS: &[&str] =
    &["run", "shell", "wait", "assert", "approve", "set", "upload", "block", "fail"];

const RUN_FIELD: Field = field("run", RUN, "A command, split into words before rendering.");
const SHELL_FIELD: Field =
    field("shell", Shape::Text(&SCRIPT), "A script for sh; values in it are quoted.");
const WAIT_FIELD: Field =
    field("wait", WAIT_SHAPE, "Wait for a duration, or until a condition is true.");
const ASSERT_FIELD: Field = field("assert", CLAIMS, "Assertions that must be true now.");
const APPROVE_FIELD: Field = field("approve", SOME_WORDS, "Ask the operator before continuing.");
const SET_FIELD: Field =
    field("set", Shape::Map(&ID, &VALUE_EXPRESSION, 1), "Record values, once per host and run.");
const UPLOAD_FIELD: Field =
    field("upload", Shape::Record(&UPLOAD), "Write a file on the host, atomically.");
const FAIL_FIELD: Field = field("fail", SOME_WORDS, "Fail with this message.");
const NAME_FIELD: Field = field("name", SOME_WORDS, "What it does, as shown in reports.");
const FOR_EACH_FIELD: Field = field(
    "for_each",
    ITEMS,
    "The items of a loop: a list, or an expression that gives one. The step runs once for each; \
     `item` is the current one.",
);
const WHEN_FIELD: Field = field("when", CONDITION, "Skip the step unless this is true.");
const REQUIRES_FIELD: Field = field(
    "requires",
    CLAIMS,
    "Conditions that must be true before anything is sent; otherwise the step fails.",
);
const DELEGATE_FIELD: Field =
    field("delegate_to", DELEGATE_STEP, "Where it runs, if not on the host itself.");
const BECOME_FIELD: Field = field("become", BECOME, "Run as root, or as the named user.");
const ENV_FIELD: Field = field("env", ENV, "Environment variables.");
const DIR_FIELD: Field = field("dir", SOME_WORDS, "The directory it runs in.");
const STDIN_FIELD: Field = field("stdin", SOME_TEXT, "What the command reads.");
const TIMEOUT_FIELD: Field = field(
    "timeout",
    LATE_DURATION,
    "How long an attempt may take; with `block`, how long the whole block may take.",
);
const WITHIN_FIELD: Field =
    field("within", LATE_DURATION, "How long `done_when` is checked afterwards.");
const RETRY_FIELD: Field = field("retry", RETRY_SHAPE, "More attempts after a failure.");
const PARSE_FIELD: Field = field("parse", PARSE, "How the output becomes the step's result.");
const EXIT_FIELD: Field = field("exit_codes", EXIT_CODES, "The exit codes of success ([0]).");
const OUTPUT_FIELD: Field =
    field("output", Shape::Choice(&["keep", "discard"]), "Whether the output is kept.");
const IDEMPOTENT_FIELD: Field = field("idempotent", Shape::Bool, "Running it twice does no harm.");
const READ_ONLY_FIELD: Field = field(
    "read_only",
    Shape::Bool,
    "It only reads: it needs no rollback, may be repeated, and is never `changed`.",
);
const DONE_FIELD: Field = field(
    "done_when",
    CONDITION,
    "The condition that proves it worked. It decides, not the exit code.",
);
const ON_FAILURE_FIELD: Field = field("on_failure", ON_FAILURE, "What happens after a failure.");
const ON_UNKNOWN_FIELD: Field = field(
    "on_unknown",
    Shape::Choice(&["ask", "fail"]),
    "What happens if it is unknown whether the step took effect (ask).",
);
const UNINTERRUPTIBLE_FIELD: Field =
    field("uninterruptible", SOME_WORDS, "Why the run must not stop inside this block.");

/// A step of a plan.
pub static STEP: Record = record(
    "a step",
    "One action on a host, the condition that proves it worked, and its rollback.",
    &[
        field("id", Shape::Text(&ID), "The name of the step, and of its result."),
        NAME_FIELD,
        RUN_FIELD,
        SHELL_FIELD,
        WAIT_FIELD,
        ASSERT_FIELD,
        APPROVE_FIELD,
        SET_FIELD,
        UPLOAD_FIELD,
        field("block", Shape::List(&STEP_SHAPE, 1), "Steps that belong together."),
        field("rescue", Shape::List(&STEP_SHAPE, 1), "What to do if a step of the block fails."),
        FAIL_FIELD,
        FOR_EACH_FIELD,
        WHEN_FIELD,
        REQUIRES_FIELD,
        DELEGATE_FIELD,
        BECOME_FIELD,
        ENV_FIELD,
        DIR_FIELD,
        STDIN_FIELD,
        TIMEOUT_FIELD,
        WITHIN_FIELD,
        RETRY_FIELD,
        PARSE_FIELD,
        EXIT_FIELD,
        OUTPUT_FIELD,
        IDEMPOTENT_FIELD,
        READ_ONLY_FIELD,
        DONE_FIELD,
        field("rollback", ROLLBACK, "What undoes the step, or why nothing does."),
        field("point_of_no_return", SOME_WORDS, "Why nothing is rolled back after it."),
        ON_FAILURE_FIELD,
        ON_UNKNOWN_FIELD,
        UNINTERRUPTIBLE_FIELD,
    ],
)
.one_of(ACTIONS)
.foreign(&["step"]);

static ROLLBACK: Shape = Shape::OneOf(&[
    (Select::Key("none"), Shape::Record(&NO_WAY_BACK)),
    (Select::Map, Shape::Record(&HANDLER)),
]);

static NO_WAY_BACK: Record = record(
    "a `none`",
    "The reason why there is nothing to undo.",
    &[required("none", SOME_WORDS, "The reason.")],
);

/// A handler: a step that undoes another.
static HANDLER: Record = record(
    "a rollback handler",
    "What undoes a step: a step itself, or a block of steps.",
    &[
        NAME_FIELD,
        RUN_FIELD,
        SHELL_FIELD,
        WAIT_FIELD,
        ASSERT_FIELD,
        APPROVE_FIELD,
        UPLOAD_FIELD,
        field("block", Shape::List(&STEP_SHAPE, 1), "Steps that belong together."),
        field("rescue", Shape::List(&STEP_SHAPE, 1), "What to do if a step of the block fails."),
        FAIL_FIELD,
        FOR_EACH_FIELD,
        WHEN_FIELD,
        REQUIRES_FIELD,
        DELEGATE_FIELD,
        BECOME_FIELD,
        ENV_FIELD,
        DIR_FIELD,
        STDIN_FIELD,
        TIMEOUT_FIELD,
        WITHIN_FIELD,
        RETRY_FIELD,
        EXIT_FIELD,
        OUTPUT_FIELD,
        IDEMPOTENT_FIELD,
        DONE_FIELD,
        ON_FAILURE_FIELD,
        ON_UNKNOWN_FIELD,
    ],
)
.one_of(&["run", "shell", "wait", "assert", "approve", "upload", "block", "fail"])
.foreign(&["step"]);

static ON_FAILURE: Shape = Shape::OneOf(&[
    (Select::Text, Shape::Choice(&["rollback", "hold"])),
    (Select::Map, Shape::Record(&CONTINUE)),
]);

static CONTINUE: Record = record(
    "a `continue`",
    "Continues after a failure.",
    &[required("continue", SOME_WORDS, "Why that does no harm.")],
);

static WAIT_SHAPE: Shape =
    Shape::OneOf(&[(Select::Text, LATE_DURATION), (Select::Map, Shape::Record(&WAIT))]);

static ON_TIMEOUT: Shape = Shape::Choice(&["fail", "ask", "continue"]);

static WAIT: Record = record(
    "a `wait`",
    "Waits until a condition is true.",
    &[
        required("until", CONDITION, "The condition to wait for."),
        field("at_least", LATE_DURATION, "The minimum time to wait."),
        required("timeout", LATE_DURATION, "The maximum time to wait."),
        field("every", LATE_DURATION, "The time between two checks (5s)."),
        field("stable_for", LATE_DURATION, "How long the condition must stay true."),
        field("on_timeout", Shape::Late(&ON_TIMEOUT), "What happens after the timeout (fail)."),
    ],
)
.foreign(&["wait"]);

static UPLOAD: Record = record(
    "an `upload`",
    "Writes a file on the host, atomically.",
    &[
        field(
            "from",
            PATHS,
            "A file of this machine, relative to the plan, that is sent as it is.",
        ),
        field(
            "template",
            PATHS,
            "A file of this machine, relative to the plan, that is rendered for each host.",
        ),
        field("content", SOME_TEXT, "The content itself, rendered for each host."),
        required("to", PATHS, "The path on the host."),
        field("mode", Shape::Late(&TEXT_MODE), "The mode; by default that of the old file."),
        field("owner", Shape::Late(&TEXT_OWNER), "The owner; by default that of the old file."),
    ],
)
.one_of(&["from", "template", "content"])
.foreign(&["upload"]);
