//! Foreign words in steps, probes and handlers.

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

const ANSIBLE_AND_BOLT: &[Tool] = &[Tool::Ansible, Tool::Bolt];
const ANSIBLE_AND_SSM: &[Tool] = &[Tool::Ansible, Tool::Ssm];
const ANSIBLE_AND_SALT: &[Tool] = &[Tool::Ansible, Tool::Salt];

const LOOP: &str =
    "write `for_each: [a, b]`, or an expression that gives a list; `item` is the item";
const NO_NOTIFY: &str = "there are no notified handlers: write the step where it belongs";
const NO_MODULE: &str = "there are no modules: write the command itself, `run: ...`";
const NO_JUMP: &str = "there are no jumps: steps run in order, `when` leaves one out";
const NO_INCLUDE: &str =
    "there is no include: write the steps out, in a `block` where they belong together";
const PACKAGE: &str =
    "write the command: `run: apt-get install -y NAME`, with `done_when` on what is installed";
const SERVICE: &str = "say beside it what must then be seen, `done_when`: `run: systemctl restart UNIT` alone proves nothing";
const RETRY: Carry = Carry::Key("retry");
const RETRY_TEXT: &str = "write `retry: {attempts: N, delay: 5s}`";
const ANY_FAILURE: Carry = Carry::Key("on_failure");
const GO_ON: &str = "write `on_failure: {continue: why}`";
const LOOK: &str = "write a probe that looks, and `wait: {until: ..., timeout: 5m}`";
const PLACE: &str = "say how hosts are reached in the inventory";
const INTO_WAIT: &str = "write it inside of `wait: {until: ..., timeout: ...}`";
const INTO_UPLOAD: &str = "write it inside of `upload: {from: ..., to: ...}`";
const TOP: &str = "write it at the top of the plan";

/// A module of a collection that no table names.
pub static ANSIBLE_MODULE: Word = say(ANSIBLE, "NAMESPACE.COLLECTION.MODULE", NO_MODULE);
/// A function of Salt that no table names.
pub static SALT_FUNCTION: Word =
    say(SALT, "MODULE.FUNCTION", "there are no functions: write the command itself, `run: ...`");

/// Words in probes, before those of steps.
pub static PROBE: &[Word] = &[
    say(PLANRUN, "become_user", "write `become: USER`"),
    carried(
        ANSIBLE,
        "register",
        Carry::Nothing,
        "leave it out: the name of the probe is the name of its value",
    ),
    say(PLANRUN, "done_when", "a probe only looks: write a claim over it where it must hold"),
    say(PLANRUN, "when", "a probe is looked at only where a condition names it: leave it out"),
    say(PLANRUN, "rollback", "a probe changes nothing, so there is nothing to undo: leave it out"),
    say(PLANRUN, "retry", "a look is repeated where it is waited for: `wait` or `within`"),
    say(PLANRUN, "idempotent", "a probe changes nothing: leave it out"),
    say(PLANRUN, "id", "the key above is the name of the probe: leave it out"),
    say(PLANRUN, "name", "the key above is the name of the probe: leave it out"),
    say(PLANRUN, "key", "write it inside of `parse: {format: tsv, key: ...}`"),
    say(PLANRUN, "types", "write it inside of `parse: {format: tsv, types: ...}`"),
    say(PLANRUN, "pattern", "write it inside of `parse: {format: regex, pattern: ...}`"),
    say(PLANRUN, "format", "in planrun this is `parse`"),
];

/// Words in steps and handlers.
pub static STEP: &[Word] = &[
    // Ansible: keywords of tasks.
    carried(
        ANSIBLE,
        "register",
        Carry::Value("id"),
        "give the step an `id`: it names the result. To look at the world write a probe",
    ),
    is(ANSIBLE, "loop", "for_each"),
    is(ACTIONS, "matrix", "for_each"),
    carried(ANSIBLE, "loop_control", Carry::Key("for_each"), LOOP),
    is(ANSIBLE, "with_items", "for_each"),
    is(ANSIBLE, "with_list", "for_each"),
    carried(ANSIBLE, "with_dict", Carry::Key("for_each"), LOOP),
    carried(ANSIBLE, "with_fileglob", Carry::Key("for_each"), LOOP),
    carried(ANSIBLE, "with_sequence", Carry::Key("for_each"), LOOP),
    say(ANSIBLE, "until", "use `done_when` for what must be seen afterwards, or a `wait` step"),
    carried(ANSIBLE, "retries", RETRY, RETRY_TEXT),
    carried(ANSIBLE, "delay", RETRY, RETRY_TEXT),
    carried(ANSIBLE, "run_once", Carry::Key("delegate_to"), "use `delegate_to: {one_of: GROUP}`"),
    carried(BOLT, "once", Carry::Key("delegate_to"), "use `delegate_to: {one_of: GROUP}`"),
    carried(
        ANSIBLE,
        "local_action",
        Carry::Key("delegate_to"),
        "write `run: ...` and `delegate_to: HOST`, a host of the inventory with `planrun_connection: local`",
    ),
    carried(ANSIBLE, "ignore_errors", ANY_FAILURE, GO_ON),
    carried(ANSIBLE, "ignore_unreachable", ANY_FAILURE, GO_ON),
    carried(
        ANSIBLE,
        "any_errors_fatal",
        ANY_FAILURE,
        "that is so by default: leave it out, or write `max_failures: 0` at the top of the plan",
    ),
    carried(
        ANSIBLE,
        "failed_when",
        Carry::Key("done_when"),
        "say what must be seen: `done_when`, or `exit_codes`",
    ),
    carried(
        ANSIBLE,
        "changed_when",
        Carry::Key("done_when"),
        "say what must be seen: `done_when`; a step that saw it before is unchanged",
    ),
    carried(SALT, "check_cmd", Carry::Key("done_when"), "write a probe for it, and `done_when`"),
    say(ANSIBLE, "notify", NO_NOTIFY),
    say(ANSIBLE_AND_SALT, "listen", NO_NOTIFY),
    say(ANSIBLE, "vars", "use `set`, or `let` for words over probes"),
    say(ANSIBLE, "tags", "there are no tags: make two plans, or an input with `when`"),
    carried(
        ANSIBLE,
        "always",
        Carry::Nothing,
        "write the step behind the block: it runs when the block ended well; `rescue` is for the other case",
    ),
    say(ANSIBLE, "async", "every step may take as long as its `timeout`: write that"),
    say(ANSIBLE, "poll", "every step may take as long as its `timeout`: write that"),
    carried(ANSIBLE, "become_user", Carry::Value("become"), ""),
    say(ANSIBLE, "become_method", "planrun uses `sudo -n`: write `become: true`"),
    say(ANSIBLE, "become_flags", "planrun uses `sudo -n`: write `become: true`"),
    carried(ANSIBLE, "sudo", Carry::Value("become"), ""),
    carried(ANSIBLE, "sudo_user", Carry::Value("become"), ""),
    say(ANSIBLE, "remote_user", "say it in the inventory: `ansible_user: NAME`"),
    say(ANSIBLE, "connection", PLACE),
    say(ANSIBLE, "port", PLACE),
    carried(ANSIBLE, "environment", Carry::Key("env"), ""),
    carried(ANSIBLE, "args", Carry::Nothing, "write `dir`, `stdin`, `env` beside the command"),
    carried(ANSIBLE, "chdir", Carry::Value("dir"), ""),
    say(
        ANSIBLE_AND_SALT,
        "creates",
        "write a probe that looks for the file, and `done_when` it is there",
    ),
    say(ANSIBLE, "removes", "write a probe that looks for the file, and `when` it is there"),
    carried(
        ANSIBLE,
        "executable",
        Carry::Nothing,
        "`shell` is for sh; for another shell write `run: [bash, -c, ...]`",
    ),
    carried(
        ANSIBLE,
        "no_log",
        Carry::Nothing,
        "write `output: discard`: what is printed is not kept",
    ),
    say(ANSIBLE, "check_mode", "a plan does the same in every mode: leave it out"),
    say(ANSIBLE, "diff", "leave it out: conditions say what is seen"),
    say(ANSIBLE, "throttle", "say for the plan how many hosts at a time: `serial: 1`"),
    say(ANSIBLE, "delegate_facts", "leave it out: variables stay those of the host worked on"),
    say(ANSIBLE, "module_defaults", NO_MODULE),
    say(ANSIBLE, "debugger", "leave it out: `on_failure: hold` waits for a person"),
    // Ansible: modules.
    is(ANSIBLE_AND_BOLT, "command", "run"),
    carried(ANSIBLE, "cmd", Carry::Value("run"), ""),
    carried(ANSIBLE, "raw", Carry::Value("shell"), ""),
    carried(ANSIBLE, "expect", Carry::Key("run"), "give the answers by `stdin` beside `run`"),
    carried(ANSIBLE, "copy", Carry::Upload("from"), "write `upload: {from: FILE, to: PATH}`"),
    carried(
        ANSIBLE,
        "template",
        Carry::Upload("template"),
        "write `upload: {template: FILE, to: PATH}`",
    ),
    carried(ANSIBLE, "service", Carry::Service, SERVICE),
    carried(ANSIBLE, "systemd", Carry::Service, SERVICE),
    carried(ANSIBLE, "systemd_service", Carry::Service, SERVICE),
    carried(
        ANSIBLE,
        "state",
        Carry::State,
        "write the command that brings it about: `run: systemctl restart UNIT`",
    ),
    carried(ANSIBLE, "pause", Carry::Pause, "use `approve` to ask a person, `wait` for a time"),
    carried(ANSIBLE, "wait_for", Carry::Key("wait"), LOOK),
    carried(ANSIBLE, "wait_for_connection", Carry::Key("wait"), LOOK),
    carried(
        ANSIBLE,
        "debug",
        Carry::Message("name"),
        "planrun shows what it sees; say in a `name` what a step is for",
    ),
    carried(ANSIBLE, "set_fact", Carry::Key("set"), ""),
    carried(ANSIBLE, "set_stats", Carry::Key("set"), ""),
    carried(
        ANSIBLE,
        "stat",
        Carry::Nothing,
        "write a probe: `{run: test -e PATH, exit_codes: any}`; `NAME.exit == 0` is a condition over it",
    ),
    carried(ANSIBLE, "uri", Carry::Nothing, "write a probe: `{run: curl -fsS URL, parse: text}`"),
    carried(ANSIBLE, "slurp", Carry::Nothing, "write a probe: `{run: cat PATH, parse: text}`"),
    carried(
        ANSIBLE,
        "setup",
        Carry::Nothing,
        "planrun gathers nothing: write `probes` for what you need to see",
    ),
    carried(
        ANSIBLE,
        "service_facts",
        Carry::Nothing,
        "write a probe: `{run: systemctl is-active UNIT, exit_codes: any, parse: text}`",
    ),
    carried(
        ANSIBLE,
        "package_facts",
        Carry::Nothing,
        "write a probe: `{run: rpm -q NAME, exit_codes: any, parse: text}`",
    ),
    carried(
        ANSIBLE,
        "ping",
        Carry::Nothing,
        "hosts are reached before the first step: leave it out",
    ),
    carried(
        ANSIBLE,
        "meta",
        Carry::Nothing,
        "leave it out: there are no handlers to flush and no plays to end; `fail` ends a host",
    ),
    carried(
        ANSIBLE,
        "reboot",
        Carry::Key("run"),
        "write `run: systemctl reboot` with `on_unknown: ask`, then a `wait` until a probe sees the host again",
    ),
    carried(ANSIBLE, "apt", Carry::Key("run"), PACKAGE),
    carried(
        ANSIBLE,
        "yum",
        Carry::Key("run"),
        "write the command: `run: yum install -y NAME`, with `done_when` on what is installed",
    ),
    carried(
        ANSIBLE,
        "dnf",
        Carry::Key("run"),
        "write the command: `run: dnf install -y NAME`, with `done_when` on what is installed",
    ),
    carried(ANSIBLE, "package", Carry::Key("run"), PACKAGE),
    carried(ANSIBLE, "pip", Carry::Key("run"), NO_MODULE),
    carried(
        ANSIBLE,
        "file",
        Carry::Key("run"),
        "write the command: `run: mkdir -p -- PATH`, `run: chmod MODE PATH`",
    ),
    carried(
        ANSIBLE,
        "lineinfile",
        Carry::Key("upload"),
        "put the whole file in place: `upload: {from: FILE, to: PATH}`",
    ),
    carried(
        ANSIBLE,
        "blockinfile",
        Carry::Key("upload"),
        "put the whole file in place: `upload: {from: FILE, to: PATH}`",
    ),
    carried(
        ANSIBLE,
        "replace",
        Carry::Key("upload"),
        "put the whole file in place: `upload: {from: FILE, to: PATH}`",
    ),
    carried(ANSIBLE, "synchronize", Carry::Key("run"), "write the command: `run: rsync ...`"),
    carried(ANSIBLE, "fetch", Carry::Nothing, "write a probe: `{run: cat PATH, parse: text}`"),
    carried(ANSIBLE, "get_url", Carry::Key("run"), "write the command: `run: curl -fsSo PATH URL`"),
    carried(
        ANSIBLE,
        "unarchive",
        Carry::Key("run"),
        "write the command: `run: tar -xf FILE -C FOLDER`",
    ),
    carried(
        ANSIBLE,
        "git",
        Carry::Key("run"),
        "write the command: `run: git -C FOLDER pull --ff-only`",
    ),
    carried(
        ANSIBLE,
        "cron",
        Carry::Key("upload"),
        "put a file in place: `upload: {from: FILE, to: /etc/cron.d/NAME}`",
    ),
    carried(ANSIBLE, "mount", Carry::Key("run"), "write the command: `run: mount PATH`"),
    carried(ANSIBLE, "sysctl", Carry::Key("run"), "write the command: `run: sysctl -w NAME=VALUE`"),
    carried(ANSIBLE, "group", Carry::Key("run"), "write the command: `run: groupadd NAME`"),
    carried(ANSIBLE, "include_tasks", Carry::Key("block"), NO_INCLUDE),
    carried(ANSIBLE, "import_tasks", Carry::Key("block"), NO_INCLUDE),
    carried(ANSIBLE, "include_role", Carry::Key("block"), NO_INCLUDE),
    carried(ANSIBLE, "import_role", Carry::Key("block"), NO_INCLUDE),
    carried(ANSIBLE, "include", Carry::Key("block"), NO_INCLUDE),
    say(ANSIBLE, "include_vars", "declare `inputs`, and give values with `--inputs FILE`"),
    say(ANSIBLE, "add_host", "the inventory lists all hosts before a run"),
    say(ANSIBLE, "group_by", "the inventory lists all groups before a run"),
    carried(ANSIBLE_AND_SSM, "action", Carry::Key("run"), "name the action by its key: `run: ...`"),
    // GitHub Actions.
    carried(ACTIONS, "if", Carry::Value("when"), ""),
    carried(
        ACTIONS,
        "uses",
        Carry::Key("run"),
        "there are no ready-made actions: write the command in `run`",
    ),
    say(ACTIONS, "with", "write the values into the command with `{{ }}`"),
    carried(ACTIONS, "working-directory", Carry::Value("dir"), ""),
    carried(ACTIONS, "continue-on-error", ANY_FAILURE, GO_ON),
    carried(ACTIONS, "timeout-minutes", Carry::Unit("timeout", "m"), ""),
    say(ACTIONS, "needs", "steps run in order: write the first one first"),
    say(ACTIONS, "runs-on", "write `delegate_to: HOST` where it runs elsewhere"),
    say(ACTIONS, "strategy", "say for the plan how many hosts at a time: `serial: 1`"),
    say(ACTIONS, "secrets", "declare an input, and use its name in the command"),
    // AWS SSM.
    carried(SSM, "timeoutSeconds", Carry::Unit("timeout", "s"), ""),
    carried(
        SSM,
        "onFailure",
        ANY_FAILURE,
        "in planrun this is `on_failure`: `rollback`, `hold` or `{continue: why}`",
    ),
    say(SSM, "onCancel", "leave it out: after a stop a run can be resumed or rolled back"),
    carried(SSM, "isCritical", ANY_FAILURE, GO_ON),
    say(SSM, "nextStep", NO_JUMP),
    say(SSM, "isEnd", NO_JUMP),
    carried(SSM, "maxAttempts", RETRY, RETRY_TEXT),
    carried(SSM, "precondition", Carry::Key("when"), "in planrun this is `when`, a condition"),
    say(
        SSM,
        "inputs",
        "write the values beside the action: `run: ...`, `upload: {from: ..., to: ...}`",
    ),
    say(
        SSM,
        "outputs",
        "give the step an `id` and `parse`: later steps use the result by that name",
    ),
    carried(SSM, "runCommand", Carry::Key("shell"), "in planrun this is `shell`, or a `run` each"),
    carried(SSM, "commands", Carry::Key("run"), "in planrun this is `run`, one step a command"),
    carried(SSM, "workingDirectory", Carry::Value("dir"), ""),
    // Puppet Bolt.
    carried(BOLT, "script", Carry::Value("shell"), ""),
    carried(
        BOLT,
        "task",
        Carry::Key("run"),
        "there are no tasks to load: write the command in `run`",
    ),
    carried(BOLT, "plan", Carry::Key("block"), NO_INCLUDE),
    carried(
        BOLT,
        "message",
        Carry::Message("name"),
        "planrun shows what it sees; say in a `name` what a step is for",
    ),
    carried(BOLT, "eval", Carry::Key("set"), "in planrun this is `set`"),
    carried(BOLT, "resources", Carry::Key("run"), NO_MODULE),
    carried(BOLT, "download", Carry::Nothing, "write a probe: `{run: cat PATH, parse: text}`"),
    carried(
        BOLT,
        "targets",
        Carry::Value("delegate_to"),
        "the step runs on each host of the plan; where it runs elsewhere write `delegate_to`",
    ),
    carried(
        BOLT,
        "target",
        Carry::Value("delegate_to"),
        "the step runs on each host of the plan; where it runs elsewhere write `delegate_to`",
    ),
    carried(BOLT, "catch_errors", ANY_FAILURE, GO_ON),
    carried(BOLT, "run_as", Carry::Value("become"), ""),
    carried(BOLT, "env_vars", Carry::Key("env"), ""),
    say(BOLT, "arguments", "write them into the command: `run: [COMMAND, ARGUMENT]`"),
    say(BOLT, "parameters", "write the values into the command with `{{ }}`"),
    carried(BOLT, "description", Carry::Value("name"), ""),
    // Salt.
    carried(
        SALT,
        "require",
        Carry::Key("requires"),
        "steps run in order; for a condition write `requires: {a sentence: condition}`",
    ),
    say(SALT, "require_in", "steps run in order: write the first one first"),
    say(SALT, "onchanges", NO_NOTIFY),
    say(SALT, "onchanges_in", NO_NOTIFY),
    say(SALT, "watch", NO_NOTIFY),
    say(SALT, "watch_in", NO_NOTIFY),
    carried(
        SALT,
        "onfail",
        Carry::Key("rescue"),
        "write a `block` with the first step, and `rescue` with this one",
    ),
    say(SALT, "prereq", "steps run in order: write it first, with `when`"),
    carried(SALT, "unless", Carry::Key("when"), "write a probe for it, and `when: not (...)`"),
    carried(SALT, "onlyif", Carry::Key("when"), "write a probe for it, and `when: ...`"),
    carried(SALT, "runas", Carry::Value("become"), ""),
    carried(SALT, "cwd", Carry::Value("dir"), ""),
    say(SALT, "order", "steps run in the order they are written"),
    carried(SALT, "failhard", ANY_FAILURE, "that is so by default: leave it out"),
    say(SALT, "parallel", "hosts run side by side by `serial`; steps of a host run in order"),
    carried(SALT, "names", Carry::Key("for_each"), LOOP),
    say(SALT, "tgt", "write `delegate_to: HOST` where it runs elsewhere"),
    carried(SALT, "cmd.run", Carry::Value("run"), ""),
    carried(SALT, "cmd.script", Carry::Key("shell"), "in planrun this is `shell`"),
    carried(
        SALT,
        "service.running",
        Carry::Key("run"),
        "write the command: `run: systemctl start UNIT`, with `done_when`",
    ),
    carried(
        SALT,
        "service.dead",
        Carry::Key("run"),
        "write the command: `run: systemctl stop UNIT`, with `done_when`",
    ),
    carried(
        SALT,
        "file.managed",
        Carry::Key("upload"),
        "in planrun this is `upload: {from: FILE, to: PATH}`",
    ),
    carried(SALT, "pkg.installed", Carry::Key("run"), PACKAGE),
    carried(
        SALT,
        "test.ping",
        Carry::Nothing,
        "hosts are reached before the first step: leave it out",
    ),
    // Rundeck, Terraform, cloud-init.
    carried(RUNDECK, "exec", Carry::Value("run"), ""),
    carried(
        RUNDECK,
        "scriptfile",
        Carry::Key("upload"),
        "put the script in place with `upload`, then `run` it",
    ),
    carried(
        RUNDECK,
        "scripturl",
        Carry::Key("upload"),
        "put the script in place with `upload`, then `run` it",
    ),
    carried(RUNDECK, "jobref", Carry::Key("block"), NO_INCLUDE),
    carried(
        RUNDECK,
        "errorhandler",
        Carry::Key("rollback"),
        "write its way back: `rollback: {run: ...}`; for another way forward a `block` with `rescue`",
    ),
    carried(RUNDECK, "keepgoing", ANY_FAILURE, GO_ON),
    say(
        RUNDECK,
        "nodeStep",
        "leave it out: a step runs on each host; `delegate_to` says where else",
    ),
    carried(TERRAFORM, "inline", Carry::Key("run"), "in planrun this is `run`, one step a command"),
    carried(TERRAFORM, "provisioner", Carry::Key("run"), "in planrun this is `run`"),
    say(TERRAFORM, "depends_on", "steps run in order: write the first one first"),
    carried(TERRAFORM, "count", Carry::Key("for_each"), LOOP),
    carried(
        CLOUD_INIT,
        "runcmd",
        Carry::Key("run"),
        "in planrun this is `run`, one step a command",
    ),
    carried(
        CLOUD_INIT,
        "write_files",
        Carry::Key("upload"),
        "in planrun this is `upload`, one step a file",
    ),
    // Words that several have, or that seem natural.
    carried(ANSIBLE, "user", Carry::Value("become"), ""),
    carried(ANSIBLE, "sleep", Carry::Unit("wait", "s"), "in planrun this is `wait: 15m`"),
    carried(
        ANSIBLE,
        "step",
        Carry::Key("run"),
        "in planrun a step has an `id` and an action like `run`",
    ),
    carried(ANSIBLE, "undo", Carry::Key("rollback"), "in planrun this is `rollback: {run: ...}`"),
    // planrun's own, at the wrong place.
    say(PLANRUN, "attempts", "write it inside of `retry: {attempts: 3}`"),
    say(PLANRUN, "at_least", INTO_WAIT),
    say(PLANRUN, "every", INTO_WAIT),
    say(PLANRUN, "stable_for", INTO_WAIT),
    say(PLANRUN, "on_timeout", INTO_WAIT),
    say(PLANRUN, "from", INTO_UPLOAD),
    say(PLANRUN, "to", INTO_UPLOAD),
    say(PLANRUN, "content", INTO_UPLOAD),
    say(PLANRUN, "mode", INTO_UPLOAD),
    say(PLANRUN, "owner", INTO_UPLOAD),
    say(PLANRUN, "one_of", "write it inside of `delegate_to: {one_of: GROUP}`"),
    say(
        PLANRUN,
        "each_of",
        "it is for probes: `delegate_to: {each_of: GROUP}`; an effect is sent once",
    ),
    say(PLANRUN, "continue", GO_ON),
    say(
        PLANRUN,
        "hosts",
        "the hosts are those of the plan; where it runs elsewhere write `delegate_to`",
    ),
    say(PLANRUN, "serial", TOP),
    say(PLANRUN, "max_failures", TOP),
    say(PLANRUN, "locks", TOP),
    say(PLANRUN, "probes", TOP),
    say(PLANRUN, "let", TOP),
    say(
        PLANRUN,
        "preflight",
        "write it at the top of the plan; what must hold before this step is `requires`",
    ),
    say(PLANRUN, "invariants", TOP),
    say(PLANRUN, "steps", "steps that belong together are a `block`"),
];
