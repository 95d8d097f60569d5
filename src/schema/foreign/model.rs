//! Foreign words in models and in the tests of plans.

use crate::schema::foreign::ANSIBLE;
use crate::schema::foreign::PLANRUN;
use crate::schema::foreign::Word;
use crate::schema::foreign::carried;
use crate::schema::foreign::carry::Carry;

/// Words of a group of hosts.
pub static GROUP: &[Word] = &[
    carried(ANSIBLE, "vars", Carry::Key("state"), "in a model these are `state`"),
    carried(PLANRUN, "rules", Carry::Key("time"), "in a model these are `time`"),
];

/// Words of a command of the model.
pub static COMMAND: &[Word] = &[
    carried(PLANRUN, "shell", Carry::Nothing, "scripts are known by their step: `step: PLAN/STEP`"),
    carried(PLANRUN, "when", Carry::Nothing, "write `cases: [{when: ..., ...}, {...}]`"),
    carried(PLANRUN, "answers", Carry::Key("cases"), "in a model these are `cases`"),
];

/// Words of a table of hosts.
pub static HOST_TABLE: &[Word] =
    &[carried(PLANRUN, "rows", Carry::Nothing, "`for` makes the rows: write `columns`")];

/// Words of a later change.
pub static LATER: &[Word] =
    &[carried(PLANRUN, "after", Carry::Key("in"), "in a model this is `in`")];

/// Words of a file of scenarios.
pub static TEST_TEST: &[Word] =
    &[carried(PLANRUN, "scenarios", Carry::Key("tests"), "in planrun these are `tests`")];

/// Words of a scenario.
pub static TEST_SCENARIO: &[Word] = &[
    carried(PLANRUN, "given", Carry::Nothing, "write `inputs`, `state`, `faults`, `answers`"),
    carried(PLANRUN, "then", Carry::Key("expect"), "in planrun this is `expect`"),
];

/// Words of an expectation.
pub static TEST_EXPECT: &[Word] =
    &[carried(PLANRUN, "status", Carry::Key("run"), "in planrun this is `run`")];
