"""The mail of the users: one Maildir each, shared by all backends as an object store would be.

In: a cluster. Out: files in DIR/store. Also takes a probe user's mail away and gives it back.
"""

import os
import shutil

from parts.layout import MAIL_UID

MAILS = 4                 # in each INBOX


def make_store(cluster):
    cluster.store.mkdir()
    os.chown(cluster.store, MAIL_UID, MAIL_UID)
    for user in cluster.users + [backend.probe_user for backend in cluster.backends]:
        make_maildir(cluster, user)
    for backend in cluster.backends:
        backend.index_root.mkdir(mode=0o700)
        os.chown(backend.index_root, MAIL_UID, MAIL_UID)


def make_maildir(cluster, user):
    home = cluster.store / user
    for folder in (home, home / "Maildir", *(home / "Maildir" / name for name in ("cur", "new", "tmp"))):
        folder.mkdir(mode=0o700)
        os.chown(folder, MAIL_UID, MAIL_UID)
    for number in range(1, MAILS + 1):
        path = home / "Maildir" / "cur" / f"10000000{number:02}.M{number}P1.cluster:2,S"
        path.write_text(
            f"From: sender@example.org\nTo: {user}@example.org\nSubject: mail {number} of {user}\n"
            f"Date: Mon, 02 Jan 2023 03:04:0{number % 10} +0000\nMessage-ID: <{user}.{number}@example.org>\n\n"
            f"This is mail {number} of {user}.\n")
        os.chown(path, MAIL_UID, MAIL_UID)


def take_mail_away(backend):
    """As if the backend's probe user had never got a mail: not even an INBOX is there."""
    maildir = backend.cluster.store / backend.probe_user / "Maildir"
    kept = maildir.with_name("Maildir.kept")
    if not kept.exists():
        maildir.rename(kept)
    forget_indexes(backend)


def give_mail_back(backend):
    maildir = backend.cluster.store / backend.probe_user / "Maildir"
    kept = maildir.with_name("Maildir.kept")
    if kept.exists():
        shutil.rmtree(maildir, ignore_errors=True)      # the empty one Dovecot has made meanwhile
        kept.rename(maildir)
    forget_indexes(backend)


def forget_indexes(backend):
    shutil.rmtree(backend.index_root / backend.probe_user, ignore_errors=True)
