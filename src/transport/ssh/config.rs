//! What OpenSSH's configuration says about a host.
//!
//! `ssh -G` is asked: so a host is reached as `ssh` reaches it, with `Host`, `Match`, `Include` and all
//! defaults. It prints every option of a host. Those that differ from what it prints without a
//! configuration are set; the file and line of each block that applied are in its debug output. The
//! options of the inventory come first on its command line, so they take precedence.
//!
//! `Match exec` runs a command of the operator's own configuration, as it does for `ssh`.
//!
//! An option that changes how a host is reached, and that planrun cannot follow, is an error. Options for
//! terminals, forwardings and logging, and methods of login that planrun does not have, are ignored.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::files;
use crate::transport::local::program;

/// How long `ssh -G` may take. `Match exec` and the canonical form of a name may need the network.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much it may print.
const MAX_PRINTED: u64 = 256 * 1024;

/// The options that planrun uses, as `ssh_config(5)` writes them.
const USED: [&str; 24] = [
    "HostName",
    "User",
    "Port",
    "ProxyJump",
    "ProxyCommand",
    "IdentityFile",
    "IdentitiesOnly",
    "IdentityAgent",
    "CertificateFile",
    "UserKnownHostsFile",
    "GlobalKnownHostsFile",
    "HostKeyAlias",
    "HostKeyAlgorithms",
    "KexAlgorithms",
    "Ciphers",
    "MACs",
    "ConnectTimeout",
    "ServerAliveInterval",
    "ServerAliveCountMax",
    "AddressFamily",
    "PubkeyAuthentication",
    "PubkeyAcceptedAlgorithms",
    "PasswordAuthentication",
    "KbdInteractiveAuthentication",
];

/// The options that planrun cannot follow, and must not ignore.
const REFUSED: [&str; 6] = [
    "BindAddress",
    "BindInterface",
    "KnownHostsCommand",
    "PKCS11Provider",
    "ProxyUseFdpass",
    "RevokedHostKeys",
];

/// What `ssh` is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) address: String,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) key: Option<String>,
    /// More options, as words.
    pub(super) words: Vec<String>,
}

/// The options that are set for a host.
#[derive(Clone, Debug, Default)]
pub(super) struct Config {
    /// By their names in lower case. One that may be repeated has several values.
    set: IndexMap<String, Vec<String>>,
    /// The blocks of files that applied, as `FILE line N`.
    places: Vec<String>,
    /// The home folder of the user, for `ssh`.
    home: Option<PathBuf>,
    /// The arguments of `ssh` for the host.
    words: Vec<String>,
}

impl Config {
    /// Asks for the options of `ssh` itself, without a configuration.
    pub(super) async fn defaults() -> Result<Self, String> {
        let printed = run(&["-F", "none", "--", "planrun"].map(str::to_owned)).await?;
        let printed = printed.unwrap_or_default();
        let known = printed.one("UserKnownHostsFile").and_then(|files| files.split(' ').next());
        let home = known.and_then(|file| file.strip_suffix("/.ssh/known_hosts")).map(PathBuf::from);
        Ok(Self { home, ..printed })
    }

    /// Asks for the options that are set for a host; an error is a sentence.
    pub(super) async fn of(
        asked: &Asked,
        home: Option<&Path>,
        defaults: &Self,
    ) -> Result<Self, String> {
        let mut words = Vec::new();
        let mut add = |letter: &str, value: &Option<String>| {
            words.extend(value.iter().flat_map(|value| [letter.to_owned(), value.clone()]));
        };
        add("-p", &asked.port.map(|port| port.to_string()));
        add("-l", &asked.user);
        add("-i", &asked.key);
        words.extend(asked.words.iter().cloned());
        if !asked.words.iter().any(|word| word == "-F") {
            words.extend(
                file(home, defaults).await.into_iter().flat_map(|file| ["-F".into(), file]),
            );
        }
        words.extend(["--".to_owned(), asked.address.clone()]);
        let Some(Self { mut set, places, .. }) = run(&words).await? else {
            return without_ssh(asked, home).await;
        };
        set.retain(|name, values| defaults.set.get(name) != Some(values));
        if set.get("hostname").is_some_and(|name| name[0].eq_ignore_ascii_case(&asked.address)) {
            set.shift_remove("hostname");
        }
        Ok(Self { set, places, home: None, words })
    }

    /// Refuses what planrun cannot follow.
    pub(super) fn check(&self) -> Result<(), String> {
        match REFUSED.iter().find(|name| self.one(name).is_some()) {
            Some(name) => Err(format!(
                "the ssh option `{name}` is not supported{}; `planrun_connection: openssh` follows it",
                self.origin()
            )),
            None => Ok(()),
        }
    }

    /// Returns the values of an option, if it is set.
    pub(super) fn all(&self, name: &str) -> Option<&[String]> {
        self.set.get(&name.to_ascii_lowercase()).map(Vec::as_slice)
    }

    /// Returns the value of an option, if it is set and not `none`.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        let value = self.all(name)?.first()?;
        (!value.eq_ignore_ascii_case("none")).then_some(value)
    }

    /// Returns the options that planrun uses and that are set, for people.
    pub(super) fn shown(&self) -> Vec<(String, String)> {
        let set = USED.iter().filter_map(|&name| Some((name, self.all(name)?)));
        set.map(|(name, values)| (name.to_owned(), values.join(", "))).collect()
    }

    /// Returns the places that the options come from.
    pub(super) fn places(&self) -> &[String] {
        &self.places
    }

    /// Returns the arguments of `ssh` for the host.
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// Returns the places, as the end of a message.
    pub(super) fn origin(&self) -> String {
        if self.places.is_empty() {
            return String::new();
        }
        format!(" (see {})", self.places.join(", "))
    }
}

/// Returns the file that `ssh` must be given. It reads that of the user's home by itself; it ignores HOME,
/// which planrun follows.
async fn file(home: Option<&Path>, defaults: &Config) -> Option<String> {
    if home.is_some() && home == defaults.home.as_deref() {
        return None;
    }
    let own = home.map(|home| home.join(".ssh/config"));
    let system = home.map(|_| PathBuf::from("/etc/ssh/ssh_config"));
    for path in [own, system].into_iter().flatten() {
        if files::read(&path).await.is_ok() {
            return Some(path.display().to_string());
        }
    }
    Some("none".to_owned())
}

/// Without the program there must be no configuration either.
async fn without_ssh(asked: &Asked, home: Option<&Path>) -> Result<Config, String> {
    if !asked.words.is_empty() {
        return Err("options of ssh need the program `ssh`: install OpenSSH's client".to_owned());
    }
    for path in home.map(|home| home.join(".ssh/config")).into_iter().chain([
        // Distributions install it with options that change nothing here.
        PathBuf::from("/etc/ssh/ssh_config"),
    ]) {
        let text = files::read(&path).await.unwrap_or_default();
        let is_used = |line: &str| {
            let name = line.trim().split([' ', '\t', '=']).next().unwrap_or_default();
            USED.iter().chain(&REFUSED).any(|used| used.eq_ignore_ascii_case(name))
                || name.eq_ignore_ascii_case("match")
        };
        if text.lines().any(is_used) {
            let path = path.display();
            return Err(format!("to read {path}, planrun needs `ssh`: install OpenSSH's client"));
        }
    }
    Ok(Config::default())
}

async fn read_of(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(MAX_PRINTED).read_to_end(&mut bytes).await.ok();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs `ssh -G`; `None` if there is no such program.
async fn run(words: &[String]) -> Result<Option<Config>, String> {
    let spawned = program("ssh")
        .args(["-v", "-T", "-G"])
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot run `ssh -G`: {error}")),
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        let (printed, said) = tokio::join!(read_of(stdout), read_of(stderr));
        (printed, said, child.wait().await)
    };
    let Ok((printed, said, status)) = timeout(PATIENCE, ended).await else {
        return Err(format!(
            "`ssh -G` takes longer than {} s: a `Match exec` or a name server does not answer",
            PATIENCE.as_secs()
        ));
    };
    if !status.is_ok_and(|status| status.success()) {
        let said = said.lines().filter(|line| {
            let is_noise = ["debug", "OpenSSH_"].iter().any(|start| line.starts_with(start));
            !is_noise && !line.trim().is_empty()
        });
        let said: Vec<&str> = said.take(3).map(str::trim).collect();
        return Err(format!("cannot read the ssh configuration: {}", said.join("; ")));
    }
    let mut config = Config::default();
    for (name, value) in printed.lines().filter_map(|line| line.split_once(' ')) {
        config.set.entry(name.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
    }
    let applied = said.lines().filter_map(|line| line.strip_prefix("debug1: "));
    let applied = applied.filter_map(|line| line.split_once(": Applying options for "));
    config.places.extend(applied.map(|(place, _)| place.to_owned()));
    config.places.dedup();
    Ok(Some(config))
}
