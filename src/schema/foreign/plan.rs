//! Foreign words at the top of a plan, in inputs, retries, waits, uploads and other small mappings.

use crate::schema::foreign::ACTIONS;
use crate::schema::foreign::ANSIBLE;
use crate::schema::foreign::BOLT;
use crate::schema::foreign::CLOUD_INIT;
use crate::schema::foreign::PLANRUN;
use crate::schema::foreign::RUNDECK;
use crate::schema::foreign::SALT;
use crate::schema::foreign::SSM;
use crate::schema::foreign::TERRAFORM;
use crate::schema::foreign::Tool;
use crate::schema::foreign::Word;
use crate::schema::foreign::carried;
use crate::schema::foreign::carry::Carry;
use crate::schema::foreign::is;
use crate::schema::foreign::say;

const STEPS: Carry = Carry::Key("steps");
const DEFAULT_OR_STEP: &str = "write it under `defaults`, or in a step";
const IN_A_STEP: &str = "write it in a step, under `steps`";
const IN_A_PROBE_OR_STEP: &str = "write it in a probe or a step";
const ANSIBLE_AND_ACTIONS: &[Tool] = &[Tool::Ansible, Tool::Actions];
const SSM_AND_BOLT: &[Tool] = &[Tool::Ssm, Tool::Bolt];

/// Words at the top of a plan.
pub static PLAN: &[Word] = &[
    carried(ANSIBLE, "tasks", STEPS, ""),
    carried(
        ANSIBLE,
        "pre_tasks",
        Carry::Key("preflight"),
        "write `preflight` claims, or steps at the beginning",
    ),
    carried(ANSIBLE, "post_tasks", STEPS, "write them as `steps` at the end"),
    say(ANSIBLE, "roles", "there are no roles: write the steps out"),
    say(ANSIBLE, "handlers", "there are no notified handlers: write the step where it belongs"),
    carried(
        ANSIBLE,
        "vars",
        Carry::Key("inputs"),
        "declare `inputs`, and give values in the inventory or with `--set`",
    ),
    carried(
        ANSIBLE,
        "vars_files",
        Carry::Key("inputs"),
        "declare `inputs`, and give values in `group_vars` or with `--inputs FILE`",
    ),
    carried(
        ANSIBLE,
        "vars_prompt",
        Carry::Key("inputs"),
        "declare `inputs` without a default, and give values with `--set`",
    ),
    say(
        ANSIBLE,
        "gather_facts",
        "planrun gathers nothing: write `probes` for what you need to see",
    ),
    say(
        ANSIBLE,
        "gather_subset",
        "planrun gathers nothing: write `probes` for what you need to see",
    ),
    say(ANSIBLE, "become_user", "write `defaults: {become: USER}`"),
    say(ANSIBLE, "become_method", "planrun uses `sudo -n`: write `defaults: {become: true}`"),
    say(ANSIBLE, "remote_user", "say it in the inventory: `ansible_user: NAME`"),
    say(ANSIBLE, "connection", "say it in the inventory: `planrun_connection: local`"),
    say(ANSIBLE, "port", "say it in the inventory: `ansible_port: 2222`"),
    say(ANSIBLE, "environment", "write `defaults: {env: {NAME: VALUE}}`"),
    say(ANSIBLE, "max_fail_percentage", "say how many hosts may fail: `max_failures: 0`"),
    say(ANSIBLE, "any_errors_fatal", "that is so by default: `max_failures: 0`"),
    say(
        ANSIBLE,
        "ignore_errors",
        "say of each step why a failure does no harm: `on_failure: {continue: why}`",
    ),
    say(
        ANSIBLE,
        "ignore_unreachable",
        "a host that cannot be reached has failed: `max_failures: 1` lets the others go on",
    ),
    say(ANSIBLE_AND_ACTIONS, "strategy", "say how many hosts at a time: `serial: 1`"),
    carried(ANSIBLE, "throttle", Carry::Value("serial"), "say how many hosts at a time"),
    carried(ANSIBLE, "forks", Carry::Value("serial"), "say how many hosts at a time"),
    say(ANSIBLE, "order", "hosts are worked on in the order of the inventory"),
    say(
        ANSIBLE,
        "run_once",
        "use `delegate_to: {one_of: GROUP}` in the steps that are for one host",
    ),
    say(ANSIBLE, "check_mode", "a plan does the same in every mode: leave it out"),
    say(ANSIBLE, "collections", "there are no modules to load: write commands in `run`"),
    say(ANSIBLE, "module_defaults", "there are no modules: `defaults` holds what all steps share"),
    say(
        ANSIBLE,
        "force_handlers",
        "there are no notified handlers: write the step where it belongs",
    ),
    say(ANSIBLE, "tags", "there are no tags: make two plans, or an input with `when`"),
    say(ANSIBLE, "no_log", "write `output: discard` in the step"),
    say(ANSIBLE, "import_playbook", "a plan is one file: apply the plans one after the other"),
    carried(ACTIONS, "jobs", STEPS, "there are `steps` only, run in order on each host"),
    say(ACTIONS, "on", "a plan is begun by `planrun apply`, not by an event"),
    say(ACTIONS, "runs-on", "say where: `hosts: GROUP`, a group of the inventory"),
    carried(ACTIONS, "run-name", Carry::Value("summary"), ""),
    say(ACTIONS, "permissions", "leave it out: planrun does what the login user may do"),
    carried(
        ACTIONS,
        "concurrency",
        Carry::Key("locks"),
        "name groups or hosts that no other run on this machine may work on: `locks: [GROUP]`",
    ),
    say(ACTIONS, "env", "write `defaults: {env: {NAME: VALUE}}`"),
    say(ACTIONS, "needs", "steps run in order: write the first one first"),
    say(SSM, "schemaVersion", "in planrun this is `version: 1`"),
    carried(SSM, "mainSteps", STEPS, ""),
    carried(SSM, "runtimeConfig", STEPS, "write `steps`"),
    carried(SSM_AND_BOLT, "parameters", Carry::Key("inputs"), ""),
    say(SSM, "assumeRole", "leave it out: planrun does what the login user may do"),
    say(SSM, "outputs", "record what is seen in a `set` step: it is kept with the run"),
    say(SSM, "files", "name the files where they are used: `upload: {from: FILE, to: PATH}`"),
    carried(
        SSM,
        "variables",
        Carry::Key("inputs"),
        "declare `inputs`, or record values in a `set` step",
    ),
    carried(BOLT, "targets", Carry::Value("hosts"), ""),
    carried(BOLT, "target", Carry::Value("hosts"), ""),
    say(BOLT, "return", "record what is seen in a `set` step: it is kept with the run"),
    say(BOLT, "private", "leave it out: a plan is run by its file name"),
    carried(BOLT, "params", Carry::Key("inputs"), ""),
    say(SALT, "include", "a plan is one file: write the steps out"),
    say(SALT, "extend", "a plan is one file: write the steps out"),
    carried(SALT, "tgt", Carry::Value("hosts"), ""),
    carried(SALT, "batch", Carry::Value("serial"), "say how many hosts at a time"),
    carried(
        SALT,
        "concurrent",
        Carry::Key("locks"),
        "two runs on one machine may not work on the same host: name more groups in `locks`",
    ),
    carried(RUNDECK, "sequence", STEPS, ""),
    carried(RUNDECK, "commands", STEPS, ""),
    carried(RUNDECK, "options", Carry::Key("inputs"), ""),
    carried(
        RUNDECK,
        "nodefilters",
        Carry::Key("hosts"),
        "name a group of the inventory: `hosts: GROUP`",
    ),
    say(RUNDECK, "dispatch", "say how many hosts at a time: `serial: 1`"),
    carried(RUNDECK, "threadcount", Carry::Value("serial"), "say how many hosts at a time"),
    say(
        RUNDECK,
        "keepgoing",
        "say how many hosts may fail: `max_failures: 1`; of a step: `on_failure: {continue: why}`",
    ),
    say(RUNDECK, "schedule", "a plan is begun by `planrun apply`: call it from a timer"),
    say(RUNDECK, "notification", "planrun sends no messages: look at its exit status"),
    say(RUNDECK, "loglevel", "leave it out: `planrun -v` logs more"),
    carried(TERRAFORM, "variable", Carry::Key("inputs"), ""),
    say(TERRAFORM, "locals", "write `let` for words over what is seen, or `inputs` with a default"),
    say(TERRAFORM, "resource", "a plan says what to do, in order: write `steps`"),
    say(TERRAFORM, "provider", "say in the inventory how hosts are reached"),
    carried(CLOUD_INIT, "runcmd", STEPS, "write `steps`, a `run` each"),
    carried(CLOUD_INIT, "bootcmd", STEPS, "write `steps`, a `run` each"),
    say(CLOUD_INIT, "packages", "write a step: `run: apt-get install -y NAME`"),
    say(CLOUD_INIT, "write_files", "write a step a file: `upload: {from: FILE, to: PATH}`"),
    say(PLANRUN, "become", DEFAULT_OR_STEP),
    say(PLANRUN, "timeout", DEFAULT_OR_STEP),
    say(PLANRUN, "within", DEFAULT_OR_STEP),
    say(PLANRUN, "retry", DEFAULT_OR_STEP),
    say(PLANRUN, "dir", DEFAULT_OR_STEP),
    say(PLANRUN, "delegate_to", IN_A_PROBE_OR_STEP),
    say(PLANRUN, "parse", IN_A_PROBE_OR_STEP),
    say(PLANRUN, "exit_codes", IN_A_PROBE_OR_STEP),
    say(PLANRUN, "run", IN_A_STEP),
    say(PLANRUN, "shell", IN_A_STEP),
    say(PLANRUN, "wait", IN_A_STEP),
    say(PLANRUN, "assert", "write it in a step, or `preflight` for what must hold before all"),
    say(PLANRUN, "approve", IN_A_STEP),
    say(PLANRUN, "set", IN_A_STEP),
    say(PLANRUN, "upload", IN_A_STEP),
    say(PLANRUN, "block", IN_A_STEP),
    say(PLANRUN, "rescue", "write it beside a `block`, in a step"),
    say(PLANRUN, "when", IN_A_STEP),
    say(PLANRUN, "requires", "write it in a step, or `preflight` for what must hold before all"),
    say(PLANRUN, "done_when", IN_A_STEP),
    say(PLANRUN, "rollback", "write it beside the change that it undoes, in a step"),
    say(PLANRUN, "point_of_no_return", IN_A_STEP),
    say(PLANRUN, "on_failure", IN_A_STEP),
    say(PLANRUN, "on_unknown", IN_A_STEP),
    say(PLANRUN, "always", "write it under `invariants`"),
    say(PLANRUN, "at_rest", "write it under `invariants`"),
    say(PLANRUN, "at_end", "write it under `invariants`"),
];

/// Words of `defaults`.
pub static DEFAULTS: &[Word] = &[
    carried(ANSIBLE, "become_user", Carry::Value("become"), ""),
    carried(ANSIBLE, "environment", Carry::Key("env"), ""),
    say(ANSIBLE, "remote_user", "say it in the inventory: `ansible_user: NAME`"),
    carried(ANSIBLE, "retries", Carry::Key("retry"), "write `retry: {attempts: N, delay: 5s}`"),
    carried(ACTIONS, "working-directory", Carry::Value("dir"), ""),
    say(ACTIONS, "run", "name the directory itself: `dir: /PATH`"),
    say(PLANRUN, "serial", "write it at the top of the plan"),
    say(PLANRUN, "max_failures", "write it at the top of the plan"),
    say(PLANRUN, "delegate_to", "write it in each step that runs elsewhere"),
    say(PLANRUN, "on_failure", "write it in the steps it is for"),
    say(PLANRUN, "idempotent", "say it of each command for which it is true"),
];

/// Words of an input.
pub static INPUT: &[Word] = &[
    say(ACTIONS, "required", "leave it out: an input without `default` is required"),
    say(RUNDECK, "enforced", "write `type: enum` and `of: [...]`"),
    carried(ANSIBLE, "choices", Carry::Key("of"), "write `type: enum` and `of: [...]`"),
    carried(ACTIONS, "options", Carry::Key("of"), "write `type: enum` and `of: [...]`"),
    carried(RUNDECK, "values", Carry::Key("of"), "write `type: enum` and `of: [...]`"),
    carried(SSM, "allowedValues", Carry::Key("of"), "write `type: enum` and `of: [...]`"),
    carried(SSM, "allowedPattern", Carry::Value("pattern"), ""),
    carried(RUNDECK, "regex", Carry::Value("pattern"), ""),
    say(SSM, "minChars", "write a `pattern`: `pattern: '.{3,}'`"),
    say(SSM, "maxChars", "write a `pattern`: `pattern: '.{0,20}'`"),
    say(SSM, "displayType", "leave it out: nothing is displayed"),
    say(TERRAFORM, "nullable", "leave it out: an input always has a value"),
    say(TERRAFORM, "validation", "write `pattern`, `min` and `max`, or a claim in `preflight`"),
    carried(
        ANSIBLE,
        "prompt",
        Carry::Value("description"),
        "nobody is asked: give it with `--set`",
    ),
    carried(RUNDECK, "label", Carry::Value("description"), ""),
    carried(RUNDECK, "desc", Carry::Value("description"), ""),
    carried(RUNDECK, "value", Carry::Value("default"), ""),
    is(RUNDECK, "secure", "sensitive"),
    is(ANSIBLE, "no_log", "sensitive"),
    is(ANSIBLE, "secret", "sensitive"),
];

/// Words of `retry`.
pub static RETRY: &[Word] = &[
    is(SALT, "times", "attempts"),
    carried(
        ANSIBLE,
        "retries",
        Carry::Key("attempts"),
        "in planrun this is `attempts`, the first one included",
    ),
    is(SSM, "max_attempts", "attempts"),
    is(SSM, "maxAttempts", "attempts"),
    is(TERRAFORM, "count", "attempts"),
    carried(SALT, "interval", Carry::Unit("delay", "s"), ""),
    carried(SALT, "splay", Carry::Unit("delay", "s"), "there is no chance in it"),
    say(SALT, "until", "say what must be seen beside the action: `done_when: ...`"),
    carried(RUNDECK, "retry", Carry::Value("attempts"), ""),
    say(ANSIBLE, "backoff", "the time between two attempts is always the same: `delay: 5s`"),
    // planrun's own, at the wrong place.
    say(PLANRUN, "timeout", "write it beside `retry`"),
    say(PLANRUN, "within", "write it beside `retry`"),
    say(PLANRUN, "done_when", "write it beside `retry`"),
];

/// Words of `wait`.
pub static WAIT: &[Word] = &[
    carried(
        ANSIBLE,
        "seconds",
        Carry::Unit("wait", "s"),
        "write a duration beside it: `wait: 90s`",
    ),
    carried(
        ANSIBLE,
        "minutes",
        Carry::Unit("wait", "m"),
        "write a duration beside it: `wait: 15m`",
    ),
    carried(
        ANSIBLE,
        "delay",
        Carry::Unit("at_least", "s"),
        "in planrun this is `at_least`, or `every` between two looks",
    ),
    carried(ANSIBLE, "sleep", Carry::Unit("every", "s"), ""),
    carried(SALT, "interval", Carry::Unit("every", "s"), ""),
    carried(
        ANSIBLE,
        "connect_timeout",
        Carry::Unit("timeout", "s"),
        "write `timeout` for the whole wait",
    ),
    say(ANSIBLE, "port", "write a probe that looks at the port, and `until` it says so"),
    say(ANSIBLE, "path", "write a probe that looks for the file, and `until` it says so"),
    say(ANSIBLE, "search_regex", "write a probe that looks into the file, and `until` it says so"),
    say(ANSIBLE, "host", "write a probe with `delegate_to`, and `until` it says so"),
    say(ANSIBLE, "state", "write a probe that looks, and `until` it says so"),
    carried(SSM, "Duration", Carry::Key("wait"), "write a duration beside it: `wait: 10m`"),
    carried(
        ANSIBLE,
        "for",
        Carry::Key("stable_for"),
        "write `stable_for: 30s`, or `wait: 30s` for a plain wait",
    ),
    carried(ANSIBLE, "interval_seconds", Carry::Unit("every", "s"), ""),
    say(PLANRUN, "on_failure", "write it beside `wait`; here there is `on_timeout`"),
];

/// Words of `upload`.
pub static UPLOAD: &[Word] = &[
    is(ANSIBLE, "src", "from"),
    is(ANSIBLE, "dest", "to"),
    is(CLOUD_INIT, "path", "to"),
    is(BOLT, "source", "from"),
    is(BOLT, "destination", "to"),
    is(SALT, "name", "to"),
    carried(CLOUD_INIT, "permissions", Carry::Value("mode"), ""),
    carried(SALT, "user", Carry::Value("owner"), ""),
    say(ANSIBLE, "group", "write it with the owner: `owner: user:group`"),
    say(ANSIBLE, "backup", "keep the old file in a step before: `run: cp -p -- PATH PATH.old`"),
    say(ANSIBLE, "force", "leave it out: the file is put in place where it differs"),
    say(ANSIBLE, "remote_src", "write a command: `run: cp -p -- FROM TO`"),
    say(ANSIBLE, "validate", "check it in a step before: `run: nginx -t -c PATH`"),
    say(SALT, "makedirs", "write a step before: `run: mkdir -p -- FOLDER`"),
];

/// Words of `parse`.
pub static PARSE: &[Word] = &[
    is(RUNDECK, "regex", "pattern"),
    is(TERRAFORM, "type", "format"),
    is(TERRAFORM, "columns", "types"),
];

/// Words of `delegate_to`.
pub static ONE_OF: &[Word] = &[
    say(PLANRUN, "each_of", "an effect is sent once: use `one_of`; `each_of` is for probes"),
    is(BOLT, "any_of", "one_of"),
    is(SALT, "group", "one_of"),
];
