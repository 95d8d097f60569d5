"""Stands a cluster up, and takes it down.

Order: the keeper first, so that a half-built cluster ends with whoever built it; then files; then all sshd and all
Dovecot instances at once; then it waits until the ring is in step and mail can be read through every director.
"""

import imaplib
import os
import pathlib
import pwd
import shutil
import threading
import time

from parts import config, dovecot, keeper, mail, sshd
from parts.layout import IMAP_PORT, PASSWORD, Unusable, load, new_cluster, usable_folder, write_file
from parts.processes import end_all

READY_PATIENCE_S = 40.0   # a busy machine; about 3 s are usual
HOST_FILES = pathlib.Path(__file__).resolve().parent.parent / "host"


def up(folder, octet, directors, backends, users, expire, owner):
    """Makes the cluster and returns it when it is ready; on any failure nothing is left running."""
    check_machine()
    if not 1 <= directors <= 9 or not 1 <= backends <= 9 or not 1 <= users <= 99:
        raise Unusable("1 to 9 directors, 1 to 9 backends and 1 to 99 users can be had")
    if expire < 10:
        raise Unusable("director_user_expire cannot be less than 10 s")
    folder = usable_folder(folder)
    for name in ("hosts", "store", "processes", "client_key", "users"):
        if (folder / name).exists():
            raise Unusable(f"{folder} is in use: it holds {name!r}")
    octet, reservation = keeper.reserve_octet(octet, directors, backends)
    cluster = new_cluster(folder, octet, directors, backends, users, expire, owner)
    cluster.save()
    keeper.spawn(cluster, reservation)
    reservation.close()
    try:
        make_files(cluster)
        start(cluster)
        wait_until_ready(cluster)
    except BaseException:
        end_all(cluster)
        raise
    write_file(cluster.ready, f"{time.time():.3f}\n")
    return cluster


def down(folder):
    """Ends every process of the cluster; the files stay. Returns how many there were."""
    cluster = load(folder)
    ended = end_all(cluster)
    cluster.ready.unlink(missing_ok=True)
    shutil.rmtree(cluster.processes, ignore_errors=True)
    return ended


def check_machine():
    if os.geteuid() != 0:
        raise Unusable("the cluster needs root")
    for program in (sshd.SSHD, dovecot.DOVEADM, "/usr/sbin/dovecot", "/usr/lib/dovecot/imap", "/usr/lib/dovecot/lmtp"):
        if not os.path.exists(program):
            raise Unusable(f"{program} is missing: run `install` beside this program")
    for line in pathlib.Path("/etc/shadow").read_text().splitlines():
        if line.startswith("root:!"):
            raise Unusable("root's account is locked, and sshd without PAM refuses it: "
                           "`usermod -p '*' root` opens it for keys, and gives it no password")


# --- files

def make_files(cluster):
    (cluster.dir / "hosts").mkdir()
    (cluster.dir / "processes").mkdir(exist_ok=True)
    write_file(cluster.dir / "users", config.users_file(cluster))
    sshd.make_key(cluster.client_key)
    for host in cluster.hosts:
        make_host(host)
    mail.make_store(cluster)
    write_file(cluster.known_hosts, "".join(sshd.known_hosts_line(host) for host in cluster.hosts))
    write_file(cluster.inventory, config.inventory(cluster, pwd.getpwuid(os.geteuid()).pw_name))


def make_host(host):
    for folder in (host.dir, host.conf_d, host.faults, host.dir / "state"):
        folder.mkdir()
    host.home.mkdir(mode=0o700)
    shutil.copytree(HOST_FILES / "bin", host.bin)
    shutil.copytree(HOST_FILES / "standins", host.dir / "standins")
    write_file(host.dir / "host.env", config.host_environment(host))
    write_file(host.conf, config.dovecot_conf(host))
    write_file(host.conf_d / "99-site.conf", config.site_conf())
    sshd.make_files(host)


# --- processes

def start(cluster):
    for host in cluster.hosts:
        sshd.start(host)
    on_all(cluster.hosts, start_dovecot)


def start_dovecot(host):
    exit_status, said = dovecot.systemctl(host, "start")
    if exit_status != 0:
        raise Unusable(f"Dovecot of {host.name} does not start: {said}\n{dovecot.log_tail(host)}")


def wait_until_ready(cluster):
    deadline = time.monotonic() + READY_PATIENCE_S
    on_all(cluster.hosts, sshd.wait_until_it_answers)
    on_all(cluster.directors, lambda director: wait_until(dovecot.ring_is_synced, director, "ring synced", deadline))
    # A login through each director, and one to each backend: listeners, authentication, proxying, mail.
    for director, user in zip(cluster.directors, cluster.users * len(cluster.directors)):
        read_mail(director, user, deadline)
    on_all(cluster.backends, lambda backend: read_mail(backend, backend.probe_user, deadline))
    # Those logins have mapped their users. Nobody is connected, so they can be forgotten at once.
    exit_status, _, error = dovecot.doveadm(cluster.directors[0], "director", "flush", "-F", "all")
    if exit_status != 0:
        raise Unusable(f"the directors do not forget the first users: {error}")


def wait_until(true_of, host, what, deadline):
    while not true_of(host):
        if time.monotonic() > deadline:
            raise Unusable(f"{host.name}: not {what}\n{dovecot.log_tail(host)}")
        time.sleep(0.1)


def read_mail(host, user, deadline):
    while True:
        try:
            with imaplib.IMAP4(host.address, IMAP_PORT, timeout=10) as session:
                session.login(user, PASSWORD)
                status, counts = session.select("INBOX", readonly=True)
                if status == "OK" and int(counts[0]) == mail.MAILS:
                    return
                error = f"{status} {counts}"
        except (OSError, imaplib.IMAP4.error) as failure:
            error = failure
        if time.monotonic() > deadline:
            raise Unusable(f"{host.name}: {user} cannot read mail: {error}\n{dovecot.log_tail(host)}")
        time.sleep(0.1)


def on_all(hosts, work):
    """Does the work for all hosts at once; the first failure is raised when all have ended."""
    failures = []

    def one(host):
        try:
            work(host)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=one, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
