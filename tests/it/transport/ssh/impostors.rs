//! What answers at an SSH port and is not a usable SSH server: each is an error of bounded length, of the
//! right kind, and takes no more than its time.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use indexmap::IndexMap;

use super::server::keygen;
use super::{argv, options};
use planrun::inventory::{Connection, Host, HostName, Link};
use planrun::transport::ssh::SshOptions;
use planrun::transport::ssh::SshTransport;
use planrun::transport::{Transport, TransportError};

const VERSION: &[u8] = b"SSH-2.0-x\r\n";

/// Control sequences that a terminal must not get.
const HOSTILE: &str = "\x1b]0;owned\x07\x1b[2J\u{9b}31m\u{202e}";

/// The same as the name of an algorithm.
const NAME: &str = "a\x1b]0;owned\x07\x1b[2J";

/// A string of the protocol.
fn string(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap();
    [&length.to_be_bytes(), text].concat()
}

/// A packet that is not encrypted.
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 16 - (payload.len() + 5) % 8;
    let length = u32::try_from(payload.len() + padding + 1).unwrap();
    let head = [&length.to_be_bytes()[..], &[u8::try_from(padding).unwrap()]].concat();
    [&head, payload, &vec![0; padding]].concat()
}

/// The offer of a server, with some other names in place of the usual ones.
fn offer(other: &[(usize, &str)]) -> Vec<u8> {
    let mut lists = [
        "curve25519-sha256",
        "ssh-ed25519",
        "aes128-gcm@openssh.com",
        "aes128-gcm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-256",
        "none",
        "none",
        "",
        "",
    ];
    for (at, name) in other {
        lists[*at] = name;
    }
    let lists: Vec<u8> = lists.iter().flat_map(|list| string(list.as_bytes())).collect();
    packet(&[&[20_u8; 17][..], &lists, &[0; 5]].concat())
}

/// Sends something, once or without end, until the other side has gone.
fn send(mut stream: TcpStream, first: &[u8], forever: &[u8]) {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut sent = stream.write_all(first);
    while sent.is_ok() && !forever.is_empty() {
        sent = stream.write_all(forever);
    }
    while sent.is_ok() && stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
}

/// Returns what is reported about a host that sends this.
async fn reported(first: Vec<u8>, forever: Vec<u8>) -> TransportError {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (first, forever) = (first.clone(), forever.clone());
            std::thread::spawn(move || send(stream.unwrap(), &first, &forever));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), "key", "ed25519", "");
    let known = folder.path().join("known_hosts");
    let key = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    std::fs::write(&known, format!("* ssh-ed25519 {key}\n")).unwrap();
    let host = Host {
        name: HostName::new("imap1"),
        link: Link {
            connection: Connection::Ssh,
            address: "127.0.0.1".to_owned(),
            port: Some(port),
            identity_file: Some(folder.path().join("key").to_str().unwrap().to_owned()),
            known_hosts: Some(known.to_str().unwrap().to_owned()),
            ..Link::default()
        },
        vars: IndexMap::new(),
        encrypted: IndexMap::new(),
        groups: Vec::new(),
    };
    let connect_timeout = Duration::from_secs(3);
    let quick = SshTransport::new(SshOptions { connect_timeout, ..options() });
    let error = quick.look(&host, &argv(&["true"])).await.unwrap_err();
    assert!(error.to_string().chars().count() < 2000, "{error}");
    error
}

#[tokio::test]
async fn what_is_no_ssh_server_is_not_reached() {
    let disconnect = [&[1, 0, 0, 0, 2][..], &string(HOSTILE.as_bytes()), &string(b"")].concat();
    let huge = [&0x7fff_ffff_u32.to_be_bytes()[..], &[4], &vec![b'x'; 100_000]].concat();
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let ignored = packet(&[&[2][..], &string(&vec![b'y'; 30_000])].concat());
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n<html>";
    for (first, forever) in [
        (Vec::new(), Vec::new()),
        (Vec::new(), b"hello hello\r\n".repeat(100)),
        (Vec::new(), vec![b'x'; 64 * 1024]),
        ([http, HOSTILE.as_bytes()].concat(), Vec::new()),
        (b"SSH-1.5-old\r\n".to_vec(), Vec::new()),
        ([b"SSH-2.0-", HOSTILE.as_bytes(), b"\r\n"].concat(), Vec::new()),
        ([VERSION, &packet(&disconnect)].concat(), Vec::new()),
        ([VERSION, &huge].concat(), Vec::new()),
        ([VERSION, &noise].concat(), Vec::new()),
        ([VERSION, &offer(&[])].concat(), ignored),
    ] {
        let start = String::from_utf8_lossy(&first[..first.len().min(40)]).into_owned();
        let error = reported(first, forever).await;
        assert!(matches!(error, TransportError::Unreachable { .. }), "{start:?}: {error:?}");
    }
}

#[tokio::test]
async fn names_that_a_server_invents_are_refused() {
    for (at, is_key) in [(2, false), (1, true)] {
        let error = reported([VERSION, &offer(&[(at, NAME)])].concat(), Vec::new()).await;
        assert!(matches!(error, TransportError::Denied { .. }) || is_key, "{error:?}");
        assert!(matches!(error, TransportError::HostKey { .. }) || !is_key, "{error:?}");
    }
}
