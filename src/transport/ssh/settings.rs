//! How a host is reached: its link from the inventory, and OpenSSH's configuration below it.
//!
//! Variables of the inventory take precedence. A jump host has no link: everything about it comes from
//! the configuration, as for `ssh -J`.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::Algorithm;
use russh::{cipher, kex, mac};

use super::config::{Asked, Config};
use super::{SshOptions, openssh};
use crate::inventory::{Connection, Link, SecretFrom};

/// All that is needed to connect to a host.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    /// How long a connection may take to be made; a run may have less time for a host later.
    pub(super) patience: Cell<Duration>,
    /// The same, if the inventory and the run say nothing.
    pub(super) usual: Duration,
    /// How often a host that is silent is asked for a sign of life, and after how many it is given up.
    pub(super) alive: Option<(Duration, usize)>,
    pub(super) way: Way,
    /// The private keys, if any are named; otherwise the usual files.
    pub(super) keys: Option<Vec<String>>,
    pub(super) certificates: Vec<String>,
    /// Whether no other key of the agent is offered.
    pub(super) is_exclusive: bool,
    /// The socket of the agent.
    pub(super) agent: Option<PathBuf>,
    pub(super) password: Option<SecretFrom>,
    pub(super) passphrase: Option<SecretFrom>,
    /// The files of known hosts; a named one must exist.
    pub(super) known_hosts: Vec<PathBuf>,
    pub(super) is_known_hosts_named: bool,
    /// The one of them that new keys belong in.
    pub(super) own_known_hosts: Option<PathBuf>,
    /// The name in them, if it is not the address.
    pub(super) alias: Option<String>,
    pub(super) algorithms: Algorithms,
    /// The options that are set, and where.
    pub(super) config: Config,
}

/// How the first byte gets to a host.
#[derive(Clone, Debug, Default)]
pub(super) enum Way {
    #[default]
    Direct,
    /// Through these hosts, the nearest first.
    Jump(Vec<Asked>),
    /// Through a program.
    Command(String),
    /// By `ssh` itself, with these arguments.
    OpenSsh(Arc<[String]>),
}

/// The algorithms that are set, strongest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Algorithms {
    pub(super) kex: Option<Vec<kex::Name>>,
    pub(super) cipher: Option<Vec<cipher::Name>>,
    pub(super) mac: Option<Vec<mac::Name>>,
    pub(super) host_key: Option<Vec<Algorithm>>,
}

impl Settings {
    /// Returns what `ssh` is asked about a host.
    pub(super) fn asked(link: &Link) -> Asked {
        Asked {
            address: link.address.clone(),
            port: link.port,
            user: link.user.clone(),
            key: link.identity_file.clone(),
            words: link.ssh_args.clone(),
        }
    }

    /// Combines what the inventory and the configuration say; an error is a sentence.
    pub(super) fn new(
        asked: &Asked,
        link: Option<&Link>,
        config: Config,
        options: &SshOptions,
    ) -> Result<Self, String> {
        let common = Self::common(asked, link, &config, options);
        if let Some(link) = link.filter(|link| link.connection == Connection::OpenSsh) {
            if config.words().is_empty() {
                return Err(
                    "the connection `openssh` needs `ssh`: install OpenSSH's client".to_owned()
                );
            }
            let arguments =
                openssh::arguments(asked, link, &config, common.patience.get(), common.alive);
            return Ok(Self { way: Way::OpenSsh(arguments.into()), config, ..common });
        }
        let (address, port, user) = (&common.address, common.port, common.user.as_deref());
        config.check()?;
        let alias = config.one("HostKeyAlias").map(str::to_owned);
        let home = options.home.as_deref().and_then(|home| home.to_str());
        let names = Names {
            home,
            pairs: [
                ('%', "%"),
                ('d', home.unwrap_or_default()),
                ('h', address.as_str()),
                ('n', asked.address.as_str()),
                ('p', &port.to_string()),
                ('r', user.unwrap_or_default()),
                ('k', alias.as_deref().unwrap_or(&asked.address)),
                ('u', options.user.as_deref().unwrap_or_default()),
                ('i', &rustix::process::getuid().as_raw().to_string()),
            ]
            .map(|(letter, text)| (letter, text.to_owned())),
        };
        let files = |name: &str| -> Result<Option<Vec<String>>, String> {
            let Some(values) = config.all(name) else { return Ok(None) };
            let values = values.iter().filter(|value| !value.eq_ignore_ascii_case("none"));
            values.map(|value| names.expand(name, value)).collect::<Result<_, _>>().map(Some)
        };
        let named = asked.key.clone().map(|key| vec![key]);
        let is = |name: &str, word: &str| config.one(name).is_some_and(|value| value == word);
        let named_known = link.and_then(|link| link.known_hosts.as_deref());
        let (known_hosts, own_known_hosts) = known_hosts(named_known, &config, &names)?;
        Ok(Self {
            way: way(asked, &config, &names)?,
            is_exclusive: named.is_some() || is("IdentitiesOnly", "yes"),
            keys: match named {
                Some(named) => Some(named),
                None => files("IdentityFile")?,
            },
            certificates: files("CertificateFile")?.unwrap_or_default(),
            agent: agent(&config, &names, options)?,
            password: link.and_then(|link| link.password.clone()),
            passphrase: link.and_then(|link| link.passphrase.clone()),
            is_known_hosts_named: named_known.is_some(),
            known_hosts,
            own_known_hosts,
            algorithms: Algorithms::of(&config)?,
            alias,
            config,
            ..common
        })
    }

    /// Returns what all ways to a host need.
    fn common(asked: &Asked, link: Option<&Link>, config: &Config, options: &SshOptions) -> Self {
        let number = |name: &str| config.one(name).and_then(|text| text.parse::<u64>().ok());
        let user = asked.user.clone().or_else(|| config.one("User").map(str::to_owned));
        let usual = number("ConnectTimeout").map(Duration::from_secs);
        let usual = usual.unwrap_or(options.connect_timeout);
        let interval = number("ServerAliveInterval").filter(|&seconds| seconds > 0);
        let most = number("ServerAliveCountMax").and_then(|most| usize::try_from(most).ok());
        Self {
            address: config.one("HostName").unwrap_or(&asked.address).to_owned(),
            port: asked.port.or_else(|| config.one("Port")?.parse().ok()).unwrap_or(22),
            user: user.or_else(|| options.user.clone()),
            patience: Cell::new(link.and_then(|link| link.connect_timeout).unwrap_or(usual)),
            usual,
            alive: interval.map(|seconds| (Duration::from_secs(seconds), most.unwrap_or(3))),
            ..Self::default()
        }
    }

    /// Whether a method of login is tried, by the name of its option.
    pub(super) fn accepts(&self, method: &str) -> bool {
        !matches!(self.config.one(method), Some("no" | "false"))
    }

    /// Returns name and port in the files of known hosts. An alias has no port.
    pub(super) fn known_as(&self) -> (&str, u16) {
        self.alias.as_deref().map_or((&self.address, self.port), |alias| (alias, 22))
    }
}

/// Returns the socket of the agent.
fn agent(
    config: &Config,
    names: &Names<'_>,
    options: &SshOptions,
) -> Result<Option<PathBuf>, String> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    Ok(match config.all("IdentityAgent").and_then(|values| values.first()) {
        None => options.agent.then(|| variable("SSH_AUTH_SOCK")).flatten(),
        Some(value) if value.eq_ignore_ascii_case("none") => None,
        Some(value) => match value.strip_prefix('$') {
            Some(name) if !name.starts_with('{') => variable(name),
            None if value == "SSH_AUTH_SOCK" => variable(value),
            _ => Some(names.expand("IdentityAgent", value)?.into()),
        },
    })
}

impl Algorithms {
    fn of(config: &Config) -> Result<Self, String> {
        Ok(Self {
            kex: chosen(config, "KexAlgorithms", |name| kex::Name::try_from(name).ok())?,
            cipher: chosen(config, "Ciphers", |name| cipher::Name::try_from(name).ok())?,
            mac: chosen(config, "MACs", |name| mac::Name::try_from(name).ok())?,
            host_key: chosen(config, "HostKeyAlgorithms", |name| {
                // Certificates of hosts are not supported.
                Algorithm::new(name).ok().filter(|_| !name.contains("-cert-"))
            })?,
        })
    }
}

fn way(asked: &Asked, config: &Config, names: &Names<'_>) -> Result<Way, String> {
    if let Some(command) = config.one("ProxyCommand") {
        return Ok(Way::Command(names.expand("ProxyCommand", command)?));
    }
    let Some(list) = config.one("ProxyJump") else { return Ok(Way::Direct) };
    // Of the options of the host, a jump host only has the file: as by `ssh -J`.
    let at = asked.words.iter().position(|word| word == "-F");
    let words = at.and_then(|at| asked.words.get(at..at + 2)).unwrap_or_default();
    let hops = list.split(',').map(|hop| {
        let hop = hop.trim();
        let hop = hop.strip_prefix("ssh://").unwrap_or(hop).trim_end_matches('/');
        let (user, place) = hop.rsplit_once('@').map_or((None, hop), |(user, at)| (Some(user), at));
        let (address, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, port)) => (address, port.strip_prefix(':')),
            None if place.matches(':').count() == 1 => {
                place.split_once(':').map_or((place, None), |(at, port)| (at, Some(port)))
            }
            None => (place, None),
        };
        let port = port.map(str::parse).transpose();
        match (port, address.is_empty() || address.starts_with('-')) {
            (Ok(port), false) => Ok(Asked {
                address: address.to_owned(),
                port,
                user: user.map(str::to_owned),
                key: None,
                words: words.to_vec(),
            }),
            _ => Err(format!("invalid jump host `{hop}`{}", config.origin())),
        }
    });
    Ok(Way::Jump(hops.collect::<Result<_, _>>()?))
}

/// Returns the files of known hosts: those that are set, else OpenSSH's own; and the first of the user's.
fn known_hosts(
    named: Option<&str>,
    config: &Config,
    names: &Names<'_>,
) -> Result<(Vec<PathBuf>, Option<PathBuf>), String> {
    if let Some(named) = named {
        let file = PathBuf::from(names.in_home(named));
        return Ok((vec![file.clone()], Some(file)));
    }
    let read = |option: &str, usual: &str| -> Result<Vec<PathBuf>, String> {
        let set = config.all(option).map_or_else(|| usual.to_owned(), |set| set.join(" "));
        let files = set.split_whitespace().filter(|file| !file.eq_ignore_ascii_case("none"));
        files.map(|file| names.expand(option, file).map(PathBuf::from)).collect()
    };
    let usual = names.home.map_or("", |_| "~/.ssh/known_hosts ~/.ssh/known_hosts2");
    let user = read("UserKnownHostsFile", usual)?;
    let usual = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2";
    let global = read("GlobalKnownHostsFile", usual)?;
    let own = user.first().cloned();
    Ok(([user, global].concat(), own))
}

/// Returns those algorithms of a list that planrun has; `None` if the option is not set.
fn chosen<T>(
    config: &Config,
    option: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<Vec<T>>, String> {
    let Some(list) = config.one(option) else { return Ok(None) };
    let known: Vec<T> = list.split(',').filter_map(read).collect();
    if known.is_empty() {
        let origin = config.origin();
        return Err(format!("planrun has no algorithm of the ssh option `{option}`{origin}"));
    }
    Ok(Some(known))
}

/// What the tokens of an option mean.
struct Names<'a> {
    home: Option<&'a str>,
    pairs: [(char, String); 9],
}

impl Names<'_> {
    fn in_home(&self, path: &str) -> String {
        match (path.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => format!("{home}/{rest}"),
            _ => path.to_owned(),
        }
    }

    /// Replaces `~/`, `%h` and the like, and `${NAME}`: the environment of a command belongs to its shell.
    fn expand(&self, option: &str, text: &str) -> Result<String, String> {
        let text = self.in_home(text);
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['%', '$']) {
            out.push_str(&rest[..at]);
            let token = &rest[at..];
            let name = token.strip_prefix("${").and_then(|name| name.split_once('}'));
            rest = match (token[1..].chars().next(), name) {
                (_, Some((name, after))) if option != "ProxyCommand" => {
                    let value = std::env::var(name);
                    out.push_str(&value.map_err(|_| format!("`{option}` needs ${{{name}}}"))?);
                    after
                }
                _ if token.starts_with('$') => {
                    out.push('$');
                    &token[1..]
                }
                (Some(letter), _) => {
                    let known = self.pairs.iter().find(|(known, _)| *known == letter);
                    let unknown = || format!("`%{letter}` in `{option}` is not supported");
                    out.push_str(&known.ok_or_else(unknown)?.1);
                    &token[1 + letter.len_utf8()..]
                }
                (None, _) => return Err(format!("`{option}` ends with `%`")),
            };
        }
        out.push_str(rest);
        Ok(out)
    }
}
