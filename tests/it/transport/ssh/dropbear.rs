//! Another server than OpenSSH's, as small machines have it; and accounts that are not for commands.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::server::{Server, keygen};
use super::{CUT, argv, command, run, script, transport};
use planrun::inventory::{Connection, Host, HostName, Link};
use planrun::transport::{AttemptId, Body, Exit, File, Transport, TransportError};

struct Dropbear {
    folder: tempfile::TempDir,
    port: u16,
    process: Child,
}

impl Dropbear {
    /// Starts one in a mount namespace of its own, in which root's home has the key of the test.
    #[expect(clippy::disallowed_methods, reason = "the server is part of the test")]
    fn start() -> Option<Self> {
        if !Path::new("/usr/sbin/dropbear").exists() || !rustix::process::getuid().is_root() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display().to_string();
        keygen(folder.path(), "user_key", "ed25519", "");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let mut make = Command::new("dropbearkey");
        make.args(["-t", "ed25519", "-f"]).arg(folder.path().join("host"));
        let made = make.output().unwrap();
        let printed = String::from_utf8_lossy(&made.stdout).into_owned();
        let key = printed.lines().find(|line| line.starts_with("ssh-ed25519")).unwrap();
        let known = format!("[127.0.0.1]:{port} {key}\n");
        fs::write(folder.path().join("known_hosts"), known).unwrap();
        drop(free);
        let script = format!(
            "mount --make-rprivate /; mount -t tmpfs -o mode=700 none /root\n\
             mkdir -m 700 /root/.ssh; cp {at}/user_key.pub /root/.ssh/authorized_keys\n\
             exec dropbear -F -r {at}/host -p 127.0.0.1:{port} -P {at}/pid"
        );
        let mut server = Command::new("/usr/bin/unshare");
        server.args(["--mount", "/bin/sh", "-ec", &script]).stdin(Stdio::null());
        let process = server.stderr(Stdio::null()).spawn().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { folder, port, process })
    }

    fn host(&self, connection: Connection) -> Host {
        let file = |name: &str| Some(self.folder.path().join(name).to_str().unwrap().to_owned());
        Host {
            name: HostName::new("router"),
            link: Link {
                connection,
                address: "127.0.0.1".to_owned(),
                port: Some(self.port),
                user: Some("root".to_owned()),
                identity_file: file("user_key"),
                known_hosts: file("known_hosts"),
                ..Link::default()
            },
            vars: indexmap::IndexMap::new(),
            encrypted: indexmap::IndexMap::new(),
            groups: Vec::new(),
        }
    }
}

impl Drop for Dropbear {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test]
async fn dropbear_is_a_server_like_any_other() {
    let Some(server) = Dropbear::start() else {
        return;
    };
    for connection in [Connection::Ssh, Connection::OpenSsh] {
        let (transport, host) = (transport(), server.host(connection));
        transport.log_in(&host, Some("nobody")).await.unwrap();
        let output =
            transport.look(&host, &script("echo out; echo err >&2; exit 7")).await.unwrap();
        assert_eq!(
            (output.exit, output.stdout, output.stderr),
            (Exit::Code(7), b"out\n".to_vec(), b"err\n".to_vec())
        );
        let killed = transport.look(&host, &script("kill -9 $$")).await.unwrap();
        assert_eq!(killed.exit, Exit::Signal("KILL".to_owned()));

        let to = server.folder.path().join("file");
        let content: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
        let upload = command(Body::Upload(File {
            content: content.clone().into(),
            secret: false,
            to: to.to_str().unwrap().to_owned(),
            mode: None,
            owner: None,
        }));
        assert_eq!(transport.look(&host, &upload).await.unwrap().exit, Exit::Code(0));
        assert_eq!(fs::read(&to).unwrap(), content);

        let counted = server.folder.path().join(format!("{connection:?}"));
        let id = AttemptId(format!("dropbear-{}", uuid::Uuid::now_v7().simple()));
        let effect =
            script(&format!("echo 1 >>'{0}'; sleep 2; echo end >>'{0}'", counted.display()));
        let cut = script(&CUT.replace("sshd*", "dropbear*"));
        let other = super::transport();
        let (sent, _) = tokio::join!(transport.attempt(&host, &id, &effect), async {
            super::wait_for(&counted).await;
            // The connection of the effect ends with its server process; the runner does not.
            other.look(&host, &cut).await
        });
        drop(sent);
        let asked = super::transport();
        loop {
            let found = asked.recover(&host, &id, planrun::clock::Clock::Real.now()).await.unwrap();
            if found != planrun::transport::Recovered::Running {
                break;
            }
            planrun::clock::Clock::Real.sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(fs::read_to_string(&counted).unwrap(), "1\nend\n");
    }
}

#[tokio::test]
async fn an_account_for_files_only_is_a_refusal() {
    for (force, words) in [
        ("ForceCommand internal-sftp", "before `/bin/sh` started"),
        ("ForceCommand /bin/false", "with status 1 before `/bin/sh` started"),
    ] {
        let Some(server) = Server::start("files_only", force) else {
            return;
        };
        let error = run(&server.host(), &argv(&["true"])).await.unwrap_err();
        assert!(matches!(error, TransportError::Denied { .. }), "{force}: {error:?}");
        assert!(error.to_string().contains(words), "{force}: {error}");
    }
}
