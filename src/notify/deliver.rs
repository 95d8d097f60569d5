//! Delivers a message to a target: to the standard input of a program, or as a request over HTTP.
//!
//! Redirects are not followed: the message would go to an address that the user did not configure.
//! Addresses and headers may be secrets, so they are in no error.

use std::path::Path;

use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::duration;
use crate::inventory::program::Programs as _;
use crate::notify::{Target, To, Value};
use crate::printable::printable;
use crate::quote::shortened;
use crate::secret::Redactor;
use crate::transport::program::{LocalPrograms, Running};

/// Maximum length of an error, in bytes.
const MAX_ERROR: usize = 300;
/// Maximum size of a secret that a command prints, in bytes.
const MAX_SECRET: usize = 64 * 1024;
/// The variable that names the certificates that are trusted, as for OpenSSL.
const CERTIFICATES: &str = "SSL_CERT_FILE";
/// Where systems keep the certificates that they trust.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Delivers the messages of one target, one after the other.
pub(super) struct Courier {
    target: Target,
    running: Running,
    request: Option<Request>,
    /// Finds the addresses and the secrets of all targets that are known by now.
    redactor: Redactor,
}

/// A request without its body.
struct Request {
    agent: Agent,
    url: String,
    headers: Vec<(String, String)>,
}

impl Courier {
    pub(super) fn new(target: Target, running: Running, redactor: Redactor) -> Self {
        Self { target, running, request: None, redactor }
    }

    /// Runs the commands that print secrets.
    pub(super) fn prepare(&mut self) -> Result<(), String> {
        if let To::Webhook { url, headers } = self.target.to.clone()
            && self.request.is_none()
        {
            let url = self.value("the address", &url)?;
            let headers = headers.iter().map(|(name, value)| {
                Ok((name.clone(), self.value(&format!("the header `{name}`"), value)?))
            });
            let headers = headers.collect::<Result<_, String>>()?;
            let agent = self.agent()?;
            self.redactor.add([("address", &url)]);
            self.request = Some(Request { agent, url, headers });
        }
        Ok(())
    }

    /// Delivers a message, and returns what the target replied; an error is a sentence.
    pub(super) fn deliver(&mut self, message: &str) -> Result<String, String> {
        let delivered = match &self.target.to {
            To::Command(words) => self.feed(words, message),
            To::Webhook { .. } => self.prepare().and_then(|()| self.post(message)),
        };
        delivered.map_err(|why| {
            let why = printable(self.redactor.text(why.trim()).trim());
            shortened(&why, MAX_ERROR)
        })
    }

    fn feed(&self, words: &[String], message: &str) -> Result<String, String> {
        let Some((program, arguments)) = words.split_first() else { return Ok(String::new()) };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let programs = LocalPrograms::with(self.target.timeout, self.running.clone());
        let fed = programs.feed(Path::new(program), &arguments, &format!("{message}\n"));
        fed.map(|()| "exit code 0".to_owned()).map_err(|failure| format!("`{program}` {failure}"))
    }

    fn post(&self, message: &str) -> Result<String, String> {
        let Some(Request { agent, url, headers }) = &self.request else {
            return Err("there is no address".to_owned());
        };
        let mut request = agent.post(url);
        let is_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
        if !headers.iter().any(is_type) {
            request = request.header("Content-Type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send(message).map_err(|error| self.why(&error))?;
        let status = response.status();
        if status.is_success() {
            Ok(format!("HTTP {}", status.as_u16()))
        } else if status.is_redirection() {
            Err(format!(
                "HTTP {}: redirects are not followed; use the new address",
                status.as_u16()
            ))
        } else {
            Err(format!("HTTP {status}"))
        }
    }

    /// Says why a request failed, without its address.
    fn why(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::Timeout(_) => {
                format!("no reply within {}", duration::show(self.target.timeout))
            }
            ureq::Error::Io(error) => error.to_string(),
            ureq::Error::HostNotFound => "the name of the host is unknown".to_owned(),
            ureq::Error::Rustls(error) => format!("no secure connection: {error}"),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                "the address or a header is invalid".to_owned()
            }
            error => error.to_string(),
        }
    }

    fn agent(&self) -> Result<Agent, String> {
        let tls = TlsConfig::builder().root_certs(trusted()?).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(self.target.timeout))
            .user_agent(concat!("planrun/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls);
        Ok(config.build().into())
    }

    /// Returns a part of the request; a secret is never shown from now on.
    fn value(&self, what: &str, value: &Value) -> Result<String, String> {
        let (command, prefix) = match value {
            Value::Plain(text) => return Ok(text.clone()),
            Value::Secret { command, prefix } => (command, prefix),
        };
        let Some((program, arguments)) = command.split_first() else { return Ok(prefix.clone()) };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut programs = LocalPrograms::with(self.target.timeout, self.running.clone());
        let printed = programs.run(Path::new(program), &arguments);
        let printed =
            printed.map_err(|failure| format!("no value for {what}: `{program}` {failure}"))?;
        if printed.len() > MAX_SECRET {
            return Err(format!("no value for {what}: `{program}` printed too much"));
        }
        let text = String::from_utf8(printed)
            .map_err(|_| format!("no value for {what}: `{program}` did not print UTF-8"))?;
        let text = text.trim_end_matches(['\r', '\n']);
        self.redactor.add([("notify", text)]);
        Ok(format!("{prefix}{text}"))
    }
}

/// Returns the certificates that are trusted: those that the environment names, those of the system, or else those
/// of Mozilla.
fn trusted() -> Result<RootCerts, String> {
    let named = std::env::var_os(CERTIFICATES).filter(|path| !path.is_empty());
    let pem = match &named {
        Some(path) => std::fs::read(path).map_err(|error| {
            format!("cannot read {CERTIFICATES} `{}`: {error}", Path::new(path).display())
        })?,
        None => BUNDLES.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default(),
    };
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<Certificate<'static>> = certificates.collect();
    Ok(match (certificates.is_empty(), named) {
        (true, None) => RootCerts::WebPki,
        _ => RootCerts::from(certificates),
    })
}
