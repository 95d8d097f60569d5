//! The keys of an inventory in Ansible's YAML, for editors.
//!
//! The inventory readers do not use this shape: they accept what Ansible accepts and report their own
//! errors. It has the variables that planrun reads; all others are allowed.

use crate::schema::{ANY_TEXT, Form, Record, Select, Shape, WORDS, field, form, record};

static MODEL_PATH: Form = form("the path of a model", "models/mail.yaml", WORDS.pattern);
static SOME_WORDS: Shape = Shape::Text(&WORDS);
static ANYTHING: Shape = Shape::Any;
static CONNECTION: Shape = Shape::Choice(&["ssh", "local", "model"]);
static LOCKS: Shape = Shape::Choice(&["none"]);
static GROUP_OR_NOTHING: Shape =
    Shape::OneOf(&[(Select::Null, Shape::Null), (Select::Map, Shape::Record(&GROUP))]);
static HOST_OR_NOTHING: Shape =
    Shape::OneOf(&[(Select::Null, Shape::Null), (Select::Map, Shape::Record(&VARIABLES))]);
static PORT: Shape =
    Shape::OneOf(&[(Select::Int, Shape::Int(1)), (Select::Text, Shape::Text(&WORDS))]);

pub static INVENTORY: Record =
    record("an inventory", "Groups of hosts and their variables, in Ansible's YAML.", &[])
        .rest(&GROUP_OR_NOTHING);

static GROUP: Record = record(
    "a group",
    "Hosts, child groups, and variables for all of them.",
    &[
        field(
            "hosts",
            Shape::OneOf(&[
                (Select::Null, Shape::Null),
                (Select::Text, Shape::Text(&WORDS)),
                (Select::Map, Shape::Map(&ANY_TEXT, &HOST_OR_NOTHING, 0)),
            ]),
            "Its hosts, by name; also ranges such as `web[01:20]`.",
        ),
        field(
            "children",
            Shape::OneOf(&[
                (Select::Null, Shape::Null),
                (Select::Map, Shape::Map(&ANY_TEXT, &GROUP_OR_NOTHING, 0)),
            ]),
            "The child groups, by name.",
        ),
        field(
            "vars",
            Shape::OneOf(&[(Select::Null, Shape::Null), (Select::Map, Shape::Record(&VARIABLES))]),
            "Variables of all its hosts.",
        ),
    ],
);

static VARIABLES: Record = record(
    "a mapping of variables",
    "Values of inputs, how to connect to hosts, and any other variables.",
    &[
        field(
            "planrun_connection",
            Shape::Late(&CONNECTION),
            "How to connect: over the network (ssh), to this machine (local), or to a model.",
        ),
        field(
            "planrun_model",
            Shape::Text(&MODEL_PATH),
            "The model of a simulated host; relative to the plan or the inventory.",
        ),
        field(
            "planrun_state",
            Shape::Map(&ANY_TEXT, &ANYTHING, 0),
            "What differs from the initial state of the model.",
        ),
        field("planrun_known_hosts", SOME_WORDS, "The file of known host keys."),
        field(
            "planrun_lock_dir",
            SOME_WORDS,
            "The directory of the host in which runs lock it, for all its users.",
        ),
        field("planrun_locks", Shape::Late(&LOCKS), "`none`: runs do not lock the host."),
        field("ansible_host", SOME_WORDS, "The address or name to connect to."),
        field("ansible_port", PORT, "The port to connect to (22)."),
        field("ansible_user", Shape::Scalar, "The login user."),
        field("ansible_ssh_private_key_file", SOME_WORDS, "The private key of the login user."),
        field(
            "ansible_become",
            Shape::Scalar,
            "Whether commands run as another user if the plan does not set it.",
        ),
        field("ansible_become_user", SOME_WORDS, "The name of that user (root)."),
    ],
)
.rest(&ANYTHING);
