//! Uploads by root into directories that others can change.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use super::{command, run, skipped};
use planrun::transport::{Body, Exit, File};

/// The user that attacks: `nobody`.
const OTHER: u32 = 65534;

/// A web root of another user and a file of root's beside it; `None` if this is not root.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new(test: &str) -> Option<Self> {
        if !rustix::process::getuid().is_root() {
            skipped(&format!("{test}: not root"));
            return None;
        }
        let site = Self { folder: tempfile::tempdir().unwrap() };
        fs::set_permissions(site.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(site.path("www")).unwrap();
        chown(site.path("www"), Some(OTHER), Some(OTHER)).unwrap();
        fs::write(site.path("victim"), "root:secret").unwrap();
        fs::set_permissions(site.path("victim"), fs::Permissions::from_mode(0o600)).unwrap();
        Some(site)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[track_caller]
    fn victim_is_untouched(&self) {
        let now = self.path("victim").metadata().unwrap();
        assert_eq!((now.uid(), now.gid(), now.mode() & 0o7777), (0, 0, 0o600));
        assert_eq!(fs::read_to_string(self.path("victim")).unwrap(), "root:secret");
    }
}

/// Uploads, and returns the exit status and what was complained of.
async fn upload(to: &Path, owner: Option<&str>) -> (Exit, String) {
    let output = run(&command(Body::Upload(File {
        content: b"<h1>hello</h1>\n".as_slice().into(),
        secret: false,
        to: to.to_str().unwrap().to_owned(),
        mode: Some("0644".to_owned()),
        owner: owner.map(str::to_owned),
    })))
    .await
    .unwrap();
    (output.exit, String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn root_works_in_the_directory_of_another_user_as_that_user() {
    let Some(site) = Site::new("root_works_as_that_user") else {
        return;
    };
    let page = site.path("www/index.html");
    assert_eq!(upload(&page, Some("nobody")).await, (Exit::Code(0), String::new()));
    let now = page.metadata().unwrap();
    assert_eq!((now.uid(), now.mode() & 0o7777), (OTHER, 0o644));
    assert_eq!(fs::read_to_string(&page).unwrap(), "<h1>hello</h1>\n");
    // The old file is that user's, so the new one is, too.
    assert_eq!(upload(&page, None).await, (Exit::Code(0), String::new()));
    assert_eq!(page.metadata().unwrap().uid(), OTHER);
    // A file that would not stay root's is not made.
    let (exit, said) = upload(&site.path("www/new.html"), None).await;
    assert_eq!(exit, Exit::Code(1));
    assert!(said.contains("set `owner: nobody`"), "{said}");
    let (exit, said) = upload(&site.path("www/new.html"), Some("root")).await;
    assert_eq!(exit, Exit::Code(1));
    assert!(said.contains("nobody cannot make root its owner"), "{said}");
    assert_eq!(fs::read_dir(site.path("www")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_link_of_another_user_leads_root_nowhere() {
    let Some(site) = Site::new("a_link_leads_root_nowhere") else {
        return;
    };
    // The file itself, a directory on the way, and a directory on the way of a link of root's.
    symlink(site.path("victim"), site.path("www/index.html")).unwrap();
    symlink(site.folder.path(), site.path("www/sub")).unwrap();
    symlink(site.path("www/sub"), site.path("mine")).unwrap();
    for to in ["www/index.html", "www/sub/victim", "mine/victim", "www/../www/sub/victim"] {
        for owner in [None, Some("nobody")] {
            let (exit, said) = upload(&site.path(to), owner).await;
            assert_eq!(exit, Exit::Code(1), "{to}: {said}");
            site.victim_is_untouched();
        }
    }
}

#[tokio::test]
async fn a_directory_that_a_group_can_write_is_refused_and_a_sticky_one_is_not() {
    let Some(site) = Site::new("a_shared_directory") else {
        return;
    };
    let shared = site.path("shared");
    fs::create_dir(&shared).unwrap();
    for mode in [0o775, 0o757] {
        fs::set_permissions(&shared, fs::Permissions::from_mode(mode)).unwrap();
        let (exit, said) = upload(&shared.join("page"), Some("nobody")).await;
        assert_eq!(exit, Exit::Code(1));
        assert!(said.contains("other users can write there"), "{said}");
        assert!(said.contains("run `chmod go-w "), "{said}");
    }
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(upload(&shared.join("page"), None).await, (Exit::Code(0), String::new()));
    // What another user has put there is not used.
    symlink(site.path("victim"), shared.join("link")).unwrap();
    rustix::fs::chownat(
        rustix::fs::CWD,
        shared.join("link"),
        Some(rustix::fs::Uid::from_raw(OTHER)),
        None,
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
    )
    .unwrap();
    fs::write(shared.join("theirs"), "").unwrap();
    chown(shared.join("theirs"), Some(OTHER), None).unwrap();
    for to in ["link", "theirs"] {
        let (exit, said) = upload(&shared.join(to), None).await;
        assert_eq!(exit, Exit::Code(1));
        assert!(said.contains("belongs to another user"), "{said}");
    }
    site.victim_is_untouched();
}

/// The owner of the directory puts a link to a file of root's in the place of the temporary file, as soon
/// as it is there.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the attacker is part of the test")]
async fn no_race_in_a_directory_makes_root_give_a_file_away() {
    let Some(site) = Site::new("no_race") else {
        return;
    };
    let attack = format!(
        "cd '{}'; while :; do for f in .planrun-*; do [ -e \"$f\" ] && [ ! -h \"$f\" ] && \
         ln -sf '{}' \"$f\"; done; done",
        site.path("www").display(),
        site.path("victim").display()
    );
    let mut attacker = std::process::Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", &attack])
        .spawn()
        .unwrap();
    for _ in 0..10 {
        upload(&site.path("www/index.html"), Some("nobody")).await;
    }
    attacker.kill().unwrap();
    attacker.wait().unwrap();
    site.victim_is_untouched();
}
