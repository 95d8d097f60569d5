//! Names that people of other tools write in expressions and templates.

use crate::schema::foreign::Tool;

/// A name that other tools know, and what to write instead.
#[derive(Debug)]
pub struct Name {
    /// The name.
    pub name: &'static str,
    /// Whose it is.
    pub tool: Tool,
    /// What to write instead, as an order.
    pub say: &'static str,
}

const fn name(tool: Tool, name: &'static str, say: &'static str) -> Name {
    Name { name, tool, say }
}

const NO_FACTS: &str = "planrun gathers no facts: write a probe for what you need to see";

/// The names, at every place where an expression or a template stands.
pub static NAMES: &[Name] = &[
    name(Tool::Ansible, "inventory_hostname", "in planrun this is `host`"),
    name(
        Tool::Ansible,
        "inventory_hostname_short",
        "in planrun this is `host`, the name in the inventory",
    ),
    name(Tool::Ansible, "ansible_host", "in planrun this is `host.address`"),
    name(Tool::Ansible, "ansible_user", "write `host.vars.ansible_user`"),
    name(Tool::Ansible, "ansible_port", "write `host.vars.ansible_port`"),
    name(
        Tool::Ansible,
        "hostvars",
        "write `host.vars.NAME`; of another host nothing is known here: declare an input",
    ),
    name(
        Tool::Ansible,
        "group_names",
        "declare an input, and give it its value in the variables of the group",
    ),
    name(
        Tool::Ansible,
        "groups",
        "declare an input, or look on each host of a group: `delegate_to: {each_of: GROUP}`",
    ),
    name(Tool::Ansible, "ansible_play_hosts", "a plan sees one host at a time: `host`"),
    name(Tool::Ansible, "play_hosts", "a plan sees one host at a time: `host`"),
    name(Tool::Ansible, "ansible_facts", NO_FACTS),
    name(Tool::Ansible, "ansible_local", NO_FACTS),
    name(Tool::Ansible, "ansible_hostname", NO_FACTS),
    name(Tool::Ansible, "ansible_fqdn", NO_FACTS),
    name(Tool::Ansible, "ansible_os_family", NO_FACTS),
    name(Tool::Ansible, "ansible_distribution", NO_FACTS),
    name(Tool::Ansible, "ansible_date_time", "write a probe: `{run: date +%F, parse: text}`"),
    name(Tool::Ansible, "ansible_check_mode", "a plan does the same in every mode: leave it out"),
    name(Tool::Ansible, "omit", "leave the key out, or write two steps with `when`"),
    name(Tool::Ansible, "lookup", "write a probe, or an input: values come from there"),
    name(Tool::Ansible, "query", "write a probe, or an input: values come from there"),
    name(Tool::Ansible, "defined", "a declared input always has a value: compare the value itself"),
    name(
        Tool::Actions,
        "github",
        "declare an input and give it with `--set`: `--set ref=$GITHUB_REF`",
    ),
    name(Tool::Actions, "secrets", "declare an input with `sensitive: true`"),
    name(Tool::Actions, "inputs", "write the name of the input alone"),
    name(Tool::Actions, "steps", "write the `id` of the step alone: `check.exit`"),
    name(Tool::Actions, "env", "declare an input: the environment of planrun is not seen in plans"),
    name(Tool::Actions, "matrix", "declare an input, or let the inventory list the hosts"),
    name(
        Tool::Actions,
        "runner",
        "the machine planrun runs on is no part of a plan: declare an input",
    ),
    name(Tool::Actions, "needs", "write the `id` of the step alone: `check.exit`"),
    name(Tool::Salt, "grains", NO_FACTS),
    name(Tool::Salt, "pillar", "declare an input, and give it its value in the inventory"),
    name(Tool::Salt, "salt", "write a probe: `{run: COMMAND, parse: text}`"),
    name(Tool::Ssm, "InstanceId", "in planrun this is `host`, the name in the inventory"),
    name(Tool::Ssm, "automation", "write `run.id` for the run, or declare an input"),
    name(Tool::Terraform, "var", "write the name of the input alone"),
    name(Tool::Bolt, "targets", "a plan sees one host at a time: `host`"),
];

/// Finds a name.
pub fn find(word: &str) -> Option<&'static Name> {
    NAMES.iter().find(|name| name.name == word).or_else(|| {
        // Any fact: there are hundreds.
        word.starts_with("ansible_").then_some(&FACT)
    })
}

static FACT: Name = name(Tool::Ansible, "ansible_facts", NO_FACTS);
