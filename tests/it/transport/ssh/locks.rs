//! Locks of a host: two runs, two users, another boot, and files that another user has put in the place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::server::Server;
use super::shells::{SHELLS, accounts, is_installed};
use super::{argv, script, transport};
use planrun::inventory::{Host, Locking};
use planrun::transport::local::LocalTransport;
use planrun::transport::lock::{Found, Holder, LockReply, LockRequest, ReleasedBy};
use planrun::transport::{AttemptId, Exit, Transport, TransportError};

fn holder(run: &str, epoch: u64) -> Holder {
    Holder {
        id: format!("id-of-{run}"),
        epoch,
        run: run.to_owned(),
        by: format!("{run}@ops"),
        since: "2026-11-30T10:00:00Z".parse().unwrap(),
        plan: "a plan: 100% \"*\"".to_owned(),
        host: "web1".to_owned(),
    }
}

fn take(run: &str, epoch: u64) -> LockRequest {
    LockRequest::Take(holder(run, epoch))
}

fn release(run: &str) -> LockRequest {
    LockRequest::Release { id: format!("id-of-{run}"), by: None }
}

/// Returns the host with a directory of locks.
fn locked_in(mut host: Host, dir: &Path) -> Host {
    host.link.locking = Locking::Dir(dir.to_str().unwrap().to_owned());
    host
}

async fn found(transport: &dyn Transport, host: &Host) -> Option<Holder> {
    match transport.lock(host, &LockRequest::Show).await.unwrap() {
        LockReply::Held(Found { holder, .. }) => holder,
        reply => {
            assert_eq!(reply, LockReply::Free);
            None
        }
    }
}

/// Tries to make a file, with the lock that this transport has taken.
async fn touches(
    transport: &dyn Transport,
    host: &Host,
    mark: &Path,
) -> Result<bool, TransportError> {
    let id = AttemptId(format!("touch-{}", uuid::Uuid::now_v7().simple()));
    let touch = argv(&["touch", mark.to_str().unwrap()]);
    let output = transport.attempt(host, &id, &touch).await;
    let exists = mark.exists();
    fs::remove_file(mark).ok();
    assert_eq!(exists, output.is_ok(), "{output:?}");
    output.map(|output| output.exit == Exit::Code(0))
}

#[track_caller]
fn refused(result: Result<impl std::fmt::Debug, TransportError>) -> String {
    match result {
        Err(TransportError::Locked { host, why }) => format!("{host} {why}"),
        other => panic!("{other:?}"),
    }
}

/// The life of a lock, with two processes of a run and one of another.
async fn is_kept(host: &Host, mark: &Path) {
    let (one, two, other) = (transport(), transport(), transport());
    for is_kept in [false, true] {
        let reply = one.lock(host, &take("one", 1)).await.unwrap();
        let LockReply::Taken { is_kept: kept, boot } = reply else { panic!("{reply:?}") };
        assert_eq!((kept, boot.is_some()), (is_kept, true));
    }
    assert_eq!(found(&other, host).await, Some(holder("one", 1)));
    let words = "is locked by run one of plan a plan: 100% \"*\", by one@ops since \
                 2026-11-30T10:00:00Z (lock id-of-one)";
    let why = refused(other.lock(host, &take("other", 9)).await);
    assert!(why.ends_with(words), "{why}");
    assert!(touches(&one, host, mark).await.unwrap());

    // The second process of the run takes over, and the first one sends nothing more.
    let reply = two.lock(host, &take("one", 2)).await.unwrap();
    assert!(matches!(reply, LockReply::Taken { is_kept: true, .. }), "{reply:?}");
    assert!(refused(touches(&one, host, mark).await).ends_with(words));
    assert!(refused(one.lock(host, &take("one", 1)).await).ends_with(words));
    assert!(touches(&two, host, mark).await.unwrap());

    // An operator needs the name of the lock, and is named to the run that had it.
    let by = |id: &str| LockRequest::Release {
        id: id.to_owned(),
        by: Some(ReleasedBy {
            by: "eve@desk".to_owned(),
            at: "2026-11-30T11:00:00Z".parse().unwrap(),
            reason: "it's gone; really `gone`\n".to_owned(),
        }),
    };
    for id in ["id", "id-of-other", "id-of-one x", "*", ""] {
        let reply = other.lock(host, &by(id)).await.unwrap();
        assert!(matches!(reply, LockReply::Held(_)), "{id}: {reply:?}");
    }
    assert_eq!(other.lock(host, &by("id-of-one")).await, Ok(LockReply::Released));
    let why = refused(touches(&two, host, mark).await);
    let words = "eve@desk released it at 2026-11-30T11:00:00Z (it's gone; really `gone`\n)";
    assert!(why.ends_with(words), "{why}");

    // It is free, and so is the next run, which releases it itself.
    assert_eq!(found(&two, host).await, None);
    let reply = other.lock(host, &take("other", 1)).await.unwrap();
    assert!(matches!(reply, LockReply::Taken { is_kept: false, .. }), "{reply:?}");
    assert!(touches(&other, host, mark).await.unwrap());
    assert!(matches!(two.lock(host, &release("one")).await.unwrap(), LockReply::Held(_)));
    for reply in [LockReply::Released, LockReply::Free] {
        assert_eq!(other.lock(host, &release("other")).await, Ok(reply));
    }
    let why = refused(touches(&other, host, mark).await);
    assert!(why.contains("is no longer locked for this run"), "{why}");
}

#[tokio::test]
async fn every_sh_of_a_host_keeps_its_lock() {
    for shell in SHELLS.into_iter().filter(|shell| is_installed(shell)) {
        let over = format!("mount --bind /usr/bin/{shell} $(readlink -f /bin/sh)");
        let Some(server) = Server::start_on("every_sh_locks", "", &over) else {
            return;
        };
        let dir = server.path("locks");
        let host = locked_in(server.host(), &dir);
        is_kept(&host, &server.path("mark")).await;
        let left: Vec<_> =
            fs::read_dir(&dir).unwrap().map(|one| one.unwrap().file_name()).collect();
        let is_note = |name: &std::ffi::OsString| name.to_str().unwrap().ends_with(".released");
        assert!(left.len() == 1 && is_note(&left[0]), "{shell}: {left:?}");
        assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o7777, 0o1777, "{shell}");
    }
}

#[tokio::test]
async fn all_users_of_a_host_meet_in_one_place() {
    for (place, made) in [
        ("/run/planrun", "mkdir -p -m 1777 /run/planrun"),
        ("/run/lock", "true"),
        ("/tmp", "mount -t tmpfs -o mode=755 lock /run/lock"),
    ] {
        let script_of = format!(
            "{}mount -t tmpfs -o mode=755 run /run; mkdir -p -m 1777 /run/lock; mkdir /run/sshd\n\
             {made}\n",
            accounts()
        );
        let Some(server) = Server::start_on("users_meet", "", &script_of) else {
            return;
        };
        let (root, plain) = (server.host(), server.host_as("plain"));
        let (one, two) = (transport(), transport());
        let reply = one.lock(&root, &take("one", 1)).await.unwrap();
        assert!(matches!(reply, LockReply::Taken { .. }), "{reply:?}");
        let list = script(&format!("ls {place}/planrun-*.lock"));
        assert_eq!(one.look(&root, &list).await.unwrap().exit, Exit::Code(0), "{place}");
        assert_eq!(found(&two, &plain).await, Some(holder("one", 1)), "{place}");
        refused(two.lock(&plain, &take("two", 1)).await);
        // The file of another user can be released by that user and by root.
        let error = two.lock(&plain, &release("one")).await.unwrap_err();
        assert!(error.to_string().contains("the user with the number 0"), "{error}");
        assert_eq!(one.lock(&root, &release("one")).await, Ok(LockReply::Released));
        two.lock(&plain, &take("two", 1)).await.unwrap();
        refused(one.lock(&root, &take("one", 1)).await);
        assert_eq!(one.lock(&root, &release("two")).await, Ok(LockReply::Released));
    }
}

#[tokio::test]
async fn a_host_that_cannot_keep_a_lock_is_refused_and_says_what_to_do() {
    let Some(server) = Server::start_on("no_lock", "", &accounts()) else {
        return;
    };
    let closed = server.path("closed");
    fs::create_dir(&closed).unwrap();
    for dir in [closed.as_path(), &closed.join("missing")] {
        let host = locked_in(server.host_as("plain"), dir);
        let error = transport().lock(&host, &take("one", 1)).await.unwrap_err();
        assert!(matches!(error, TransportError::Impossible { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("cannot keep a lock in {}:", dir.display())), "{text}");
        assert!(text.contains("`planrun_locks: none`"), "{text}");
    }
}

#[tokio::test]
async fn what_another_user_puts_there_only_blocks_and_is_named() {
    let Some(server) = Server::start_on("squatters", "", &accounts()) else {
        return;
    };
    let dir = server.path("locks");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o1777)).unwrap();
    let (target, victim) = (server.path("target"), server.path("victim"));
    fs::create_dir(&target).unwrap();
    fs::write(&victim, "mine").unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let file = dir.join(format!("planrun-{}.lock", boot.trim()));
    let (root, plain) = (locked_in(server.host(), &dir), locked_in(server.host_as("plain"), &dir));
    let (one, two) = (transport(), transport());
    let at = file.display();
    for (what, make) in [
        ("a link to a directory", format!("ln -s '{}' '{at}'", target.display())),
        ("a link to a file of root", format!("ln -s '{}' '{at}'", victim.display())),
        ("a link to nothing", format!("ln -s /no/such '{at}'")),
        ("a directory", format!("mkdir '{at}'")),
        ("a pipe", format!("mkfifo '{at}'")),
        ("garbage", format!("printf 'planrun:\\033[2J\\n\\\\c%s' '$(touch /x)' >'{at}'")),
        ("a long line", format!("head -c 300000 /dev/zero | tr '\\0' x >'{at}'")),
    ] {
        assert_eq!(two.look(&plain, &script(&make)).await.unwrap().exit, Exit::Code(0), "{what}");
        let why = refused(one.lock(&root, &take("one", 1)).await);
        assert!(why.contains("a file of the user with the number 64321"), "{what}: {why}");
        assert!(!why.contains('\u{1b}'), "{what}: {why:?}");
        // Nothing was made in a directory that is not the place.
        assert!(fs::read_dir(&target).unwrap().next().is_none(), "{what}");
        fs::remove_dir(&file).or_else(|_| fs::remove_file(&file)).unwrap();
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    // A forged file does not let a process go on that has lost its lock.
    one.lock(&root, &take("one", 1)).await.unwrap();
    let mark = server.path("mark");
    assert!(touches(&one, &root, &mark).await.unwrap());
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let forge = script(&format!("echo '{}' >'{at}'", text.trim()));
    assert_eq!(two.look(&plain, &forge).await.unwrap().exit, Exit::Code(0));
    refused(touches(&one, &root, &mark).await);
}

#[tokio::test]
async fn a_restart_of_the_host_releases_its_lock_and_the_run_can_tell() {
    let boots = "echo 11111111-aaaa >$at/first; echo 22222222-bbbb >$at/second\n\
                 mount --bind $at/first /proc/sys/kernel/random/boot_id\n";
    let Some(server) = Server::start_on("restart", "", boots) else {
        return;
    };
    let host = locked_in(server.host(), &server.path("locks"));
    let mark = server.path("mark");
    let (one, other) = (transport(), transport());
    one.lock(&host, &take("one", 1)).await.unwrap();
    assert!(touches(&one, &host, &mark).await.unwrap());
    let restart = format!(
        "mount --bind '{}' /proc/sys/kernel/random/boot_id",
        server.path("second").display()
    );
    assert_eq!(other.look(&host, &script(&restart)).await.unwrap().exit, Exit::Code(0));
    let error = touches(&one, &host, &mark).await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("it was restarted, and has lost its lock"), "{error}");
    let boot = Some("22222222-bbbb".to_owned());
    let reply = one.lock(&host, &take("one", 1)).await;
    assert_eq!(reply, Ok(LockReply::Taken { is_kept: false, boot }));
    assert!(touches(&one, &host, &mark).await.unwrap());
}

#[tokio::test]
async fn of_many_runs_that_start_at_once_one_gets_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let here = super::super::host("here", planrun::inventory::Connection::Local);
    for round in 0..5 {
        let host = locked_in(here.clone(), &folder.path().join(round.to_string()));
        let tries = (0..12).map(|run| {
            let host = host.clone();
            async move {
                let transport = LocalTransport::new();
                transport.reach(&host).await.unwrap();
                transport.lock(&host, &take(&format!("run{run}"), 1)).await
            }
        });
        let replies = futures_util::future::join_all(tries).await;
        let won = replies.iter().filter(|reply| reply.is_ok()).count();
        assert_eq!(won, 1, "{replies:?}");
        let lost = replies.into_iter().filter(Result::is_err).map(refused);
        assert!(lost.into_iter().all(|why| why.contains("is locked by run run")));
    }
}

#[tokio::test]
async fn a_machine_with_two_names_and_two_users_has_one_lock_for_a_run() {
    let Some(server) = Server::start_on("two_users", "", &accounts()) else {
        return;
    };
    let dir = server.path("locks");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o1777)).unwrap();
    let hosts = ["plain", "log-dash"].map(|user| locked_in(server.host_as(user), &dir));
    let (mark, work) = (server.path("work/mark"), server.path("work"));
    fs::create_dir(&work).unwrap();
    fs::set_permissions(&work, fs::Permissions::from_mode(0o777)).unwrap();
    let (one, two, other) = (transport(), transport(), transport());
    for (transport, epoch) in [(&one, 1), (&two, 2)] {
        for host in &hosts {
            transport.lock(host, &take("one", epoch)).await.unwrap();
            refused(other.lock(host, &take("other", 1)).await);
            assert!(touches(transport, host, &mark).await.unwrap());
        }
    }
    for host in &hosts {
        refused(touches(&one, host, &mark).await);
        assert!(touches(&two, host, &mark).await.unwrap());
    }
    let left = planrun::run::locks::release(&two, hosts.iter().rev(), "id-of-one").await;
    assert_eq!(left, []);
    assert_eq!(found(&other, &hosts[0]).await, None);
}
