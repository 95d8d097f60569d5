//! Variables of other tools in an inventory, and what planrun has instead.
//!
//! Not here: what concerns Ansible alone (`ansible_python_interpreter`, `ansible_pipelining`,
//! `ansible_remote_tmp`). An inventory that both tools read has such variables, and to tell of them
//! would be noise.

/// A variable that does nothing in planrun.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What is at its place.
    pub why: &'static str,
    /// What to do instead, as an order.
    pub say: &'static str,
    /// Whether it is a secret, which is not kept with runs.
    pub secret: bool,
}

const fn secret(name: &'static str, say: &'static str) -> Variable {
    Variable { name, why: "secrets are left out", say, secret: true }
}

const fn ignored(name: &'static str, why: &'static str, say: &'static str) -> Variable {
    Variable { name, why, say, secret: false }
}

const LOGIN: &str = "log in with a key (`ansible_ssh_private_key_file`) or an agent, and remove it";
const KEY: &str = "load the key into an agent (`ssh-add`), and remove it";
const SUDO: &str = "let `sudo -n` ask for nothing on the host (`NOPASSWD`), and remove it";
const OPTIONS: &str = "planrun runs no `ssh` program";
const JUMP: &str = "name address, port, user and key by `ansible_host`, `ansible_port`, \
     `ansible_user`, `ansible_ssh_private_key_file`; jump hosts are not supported yet";
const HOST_KEYS: &str =
    "host keys are always checked: name a file of known keys by `planrun_known_hosts`";
const BECOME: &str = "write `become: USER` in the plan; planrun uses `sudo -n`";

/// The variables.
pub static VARIABLES: &[Variable] = &[
    secret("ansible_password", LOGIN),
    secret("ansible_ssh_pass", LOGIN),
    secret("ansible_ssh_password", LOGIN),
    secret("ansible_ssh_private_key", KEY),
    secret("ansible_ssh_private_key_passphrase", KEY),
    secret("ansible_private_key_passphrase", KEY),
    secret("ansible_become_pass", SUDO),
    secret("ansible_become_password", SUDO),
    secret("ansible_sudo_pass", SUDO),
    secret("ansible_su_pass", SUDO),
    ignored("ansible_ssh_args", OPTIONS, JUMP),
    ignored("ansible_ssh_common_args", OPTIONS, JUMP),
    ignored("ansible_ssh_extra_args", OPTIONS, JUMP),
    ignored("ansible_scp_extra_args", OPTIONS, JUMP),
    ignored("ansible_sftp_extra_args", OPTIONS, JUMP),
    ignored("ansible_ssh_executable", OPTIONS, JUMP),
    ignored("ansible_host_key_checking", "host keys are always checked", HOST_KEYS),
    ignored("ansible_ssh_host_key_checking", "host keys are always checked", HOST_KEYS),
    ignored("ansible_become_exe", "planrun becomes another user by `sudo -n`", BECOME),
    ignored("ansible_become_flags", "planrun becomes another user by `sudo -n`", BECOME),
    ignored("ansible_sudo", "an old word of Ansible", "write `ansible_become: true`"),
    ignored("ansible_sudo_user", "an old word of Ansible", "write `ansible_become_user`"),
    ignored("ansible_su", "an old word of Ansible", "write `ansible_become: true`"),
    ignored("ansible_su_user", "an old word of Ansible", "write `ansible_become_user`"),
    ignored(
        "ansible_shell_executable",
        "commands run under `sh`",
        "write `run: [bash, -c, ...]` in the plan where another shell is needed",
    ),
    ignored(
        "ansible_command_timeout",
        "commands have the bound that the plan gives them",
        "write `timeout` in the plan",
    ),
];

/// The variables of Ansible that say how a host is reached, and that planrun reads.
const READ: [&str; 14] = [
    "ansible_become",
    "ansible_become_user",
    "ansible_connection",
    "ansible_group_priority",
    "ansible_host",
    "ansible_port",
    "ansible_private_key_file",
    "ansible_ssh_host",
    "ansible_ssh_port",
    "ansible_ssh_private_key_file",
    "ansible_ssh_timeout",
    "ansible_ssh_user",
    "ansible_timeout",
    "ansible_user",
];

/// Returns the variable that was probably meant by one that no tool knows: one that differs from it
/// by a letter, or by the case of letters, or by `-` for `_`.
pub fn misspelled(name: &str) -> Option<&'static str> {
    // Most variables are looked at no closer.
    let is_close = name.starts_with(['a', 'A']) && (11..40).contains(&name.len());
    if !is_close || READ.contains(&name) || find(name).is_some() {
        return None;
    }
    let plain = name.to_lowercase().replace('-', "_");
    READ.into_iter().find(|known| strsim::damerau_levenshtein(&plain, known) <= 1)
}

/// Finds a variable.
pub fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

/// Whether a variable is a secret, which is not kept.
pub fn is_secret(name: &str) -> bool {
    find(name).is_some_and(|variable| variable.secret)
}
