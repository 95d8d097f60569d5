"""The sshd of each host: its keys, its start, its end."""

import os
import pathlib
import signal
import socket
import subprocess
import time

from parts.config import sshd_config
from parts.dovecot import environment
from parts.layout import SSH_PORT, Unusable, write_file
from parts.processes import (all_processes, descendants, forget, record, recorded_pid, send, start_time)

SSHD = "/usr/sbin/sshd"


def make_key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "planrun-test-cluster", "-f", str(path)],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def make_files(host):
    folder = host.dir / "ssh"
    folder.mkdir()
    make_key(folder / "host_key")
    write_file(folder / "sshd_config", sshd_config(host))


def known_hosts_line(host):
    kind, key = (host.dir / "ssh" / "host_key.pub").read_text().split()[:2]
    return f"[{host.address}]:{SSH_PORT} {kind} {key}\n"


def start(host):
    """Starts the host's sshd; it may need a moment until it answers."""
    if recorded_pid(host.cluster, name_of(host)):
        return
    # Compiled into Debian's sshd; without systemd nobody has made it.
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    files = host.dir / "ssh"
    with open(files / "sshd.log", "ab") as log:
        process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(files / "sshd_config")], env=environment(host), cwd="/",
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    record(host.cluster, name_of(host), process.pid)


def stop(host):
    """Ends the host's sshd and all its connections: the host can no longer be reached.

    Commands begun over a connection belong to the host, not to sshd: they go on, as they would after a cut.
    """
    pid = recorded_pid(host.cluster, name_of(host))
    if pid:
        cut_connections(host, and_listener=True)
    forget(host.cluster, name_of(host))


def cut_connections(host, and_listener=False):
    listener = recorded_pid(host.cluster, name_of(host))
    if listener is None:
        return 0
    # Stopped while we count, so that no connection begins meanwhile.
    started = start_time(listener)
    send(listener, started, signal.SIGSTOP)
    victims = connections(listener)
    for pid, began in victims.items():
        send(pid, began, signal.SIGKILL)
    if and_listener:
        end_listener(listener, started)
    else:
        send(listener, started, signal.SIGCONT)
    return len(victims)


def end_listener(pid, started):
    send(pid, started, signal.SIGKILL)
    while start_time(pid) == started:
        time.sleep(0.01)


def connections(listener):
    """{pid: start time} of the sshd processes below the listener; what they run for users is not among them."""
    table = all_processes()
    return {pid: table[pid]["start"] for pid in descendants(table, {listener}) if is_sshd(pid)}


def is_sshd(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip().startswith("sshd")
    except (FileNotFoundError, ProcessLookupError):
        return False


def pause(host, stopped=True):
    """Stops (or continues) sshd and its connections where they are: the host is silent, no connection is refused."""
    listener = recorded_pid(host.cluster, name_of(host))
    if listener is None:
        return
    number = signal.SIGSTOP if stopped else signal.SIGCONT
    send(listener, start_time(listener), number)
    for pid, began in connections(listener).items():
        send(pid, began, number)


def change_key(host):
    """Gives the host another key, as if another machine had taken its address."""
    stop(host)
    kept = host.dir / "ssh" / "first_key"
    if not kept.exists():
        kept.mkdir()
        for name in ("host_key", "host_key.pub"):
            (host.dir / "ssh" / name).rename(kept / name)
        make_key(host.dir / "ssh" / "host_key")
    start(host)


def restore_key(host):
    kept = host.dir / "ssh" / "first_key"
    if kept.exists():
        stop(host)
        for name in ("host_key", "host_key.pub"):
            (kept / name).rename(host.dir / "ssh" / name)
        kept.rmdir()
    start(host)


def wait_until_it_answers(host, patience=10.0):
    """Waits for the banner."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with socket.create_connection((host.address, SSH_PORT), timeout=2) as connection:
                connection.settimeout(2)
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise Unusable(f"sshd of {host.name} does not answer; see {host.dir}/ssh/sshd.log")
        time.sleep(0.03)


def name_of(host):
    return f"{host.name}.sshd"
