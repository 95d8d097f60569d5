"""Mail users: real IMAP sessions through the directors, and how long each user was locked out.

All users log in once. Then K of them stay connected (IDLE) and log in again at once when they are dropped; the others go,
and stay mapped to a backend until they expire. The K are spread over the backends, so that each has some of both kinds:
which user belongs to which backend depends on the addresses. One process with a thread a user writes what happens to
DIR/sessions.log, one JSON line an event; reports are made from that file alone.

A lock-out begins with a drop or a failed login and ends with the next good login of that user.
"""

import imaplib
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

from parts.layout import IMAP_PORT, MARK, PASSWORD, Unusable
from parts.processes import forget, living_pid, record, recorded, send

NAME = "sessions"
LOGIN_TIMEOUT_S = 45      # a director lets a login hang for 30 s when no backend is usable
RETRY_PAUSE_S = 0.2       # between a failed login and the next: an impatient mail program
START_PATIENCE_S = 20
FIRST_LOGINS_S = 8        # until it is decided who stays; whoever could not log in by then counts as of no backend


# --- commands

def start(cluster, idle):
    if pid(cluster):
        raise Unusable("sessions are running already")
    idle = len(cluster.users) // 2 if idle is None else idle
    if not 0 <= idle <= len(cluster.users):
        raise Unusable(f"there are {len(cluster.users)} users")
    cluster.sessions_log.unlink(missing_ok=True)
    with open(cluster.dir / "sessions.err", "ab") as errors:
        process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__).resolve().parent.parent / "cluster"), "hold-sessions",
             str(cluster.dir), "--idle", str(idle)],
            env={**os.environ, MARK: cluster.id}, cwd="/",
            stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True)
    record(cluster, NAME, process.pid)
    # Ready when every user has logged in once, or has been refused, and knows whether to stay.
    deadline = time.monotonic() + START_PATIENCE_S
    while True:
        users = report(cluster)["users"]
        if len(users) == len(cluster.users) and all(user["kind"] for user in users.values()):
            return
        if time.monotonic() > deadline or pid(cluster) is None:
            raise Unusable(f"the sessions do not begin; see {cluster.dir}/sessions.err and {cluster.sessions_log}")
        time.sleep(0.05)


def stop(cluster):
    entry = recorded(cluster).get(NAME)
    running = living_pid(entry) if entry else None
    if running is None:
        return
    send(running, entry["start"], signal.SIGTERM)
    deadline = time.monotonic() + 5
    while living_pid(entry) is not None:
        if time.monotonic() > deadline:
            send(running, entry["start"], signal.SIGKILL)
        time.sleep(0.02)
    forget(cluster, NAME)


def pid(cluster):
    entry = recorded(cluster).get(NAME)
    return living_pid(entry) if entry else None


def report(cluster):
    """The figures so far; README.md has the shape."""
    running = pid(cluster) is not None
    users, last = {}, time.time()
    for event in events(cluster):
        last = event["at"] if not running else last
        note(users, event)
    for user in users.values():
        close_open_lockout(user, last)
    return {
        "running": running,
        "users": users,
        "totals": {
            "logins": sum(user["logins"] for user in users.values()),
            "failures": sum(user["failures"] for user in users.values()),
            "drops": sum(user["drops"] for user in users.values()),
            "longest_lockout_s": max((user["longest_lockout_s"] for user in users.values()), default=0),
            "locked_out_now": sorted(name for name, user in users.items() if user["locked_out_now"]),
        },
    }


def events(cluster):
    if not cluster.sessions_log.exists():
        return
    for text in cluster.sessions_log.read_text().splitlines(keepends=True):
        if text.endswith("\n"):             # else it is being written at this moment
            yield json.loads(text)


def note(users, event):
    """Adds one event to the figures."""
    if event["event"] == "user":
        users[event["user"]] = {
            "kind": None, "director": None, "backend": None, "logins": 0, "drops": 0, "failures": 0,
            "longest_lockout_s": 0, "locked_out_now": False, "lockouts": [], "last_error": None,
        }
        return
    if event["event"] == "stopped":
        return
    user = users[event["user"]]
    if event["event"] == "kind":
        user["kind"] = event["kind"]
        return
    if event["event"] == "login":
        user["logins"] += 1
        user["director"], user["backend"] = event["director"], event["backend"]
        if user["locked_out_now"]:
            end_lockout(user, event["at"])
            user["locked_out_now"] = False
        return
    # A drop or a failure.
    if not user["locked_out_now"]:
        user["locked_out_now"] = True
        user["lockouts"].append({"from": event["at"], "s": None, "failures": 0})
    user["last_error"] = event["why"]
    if event["event"] == "dropped":
        user["drops"] += 1
        user["backend"] = None
    else:
        user["failures"] += 1
        user["lockouts"][-1]["failures"] += 1


def end_lockout(user, at):
    lockout = user["lockouts"][-1]
    lockout["s"] = round(at - lockout["from"], 3)
    user["longest_lockout_s"] = max(user["longest_lockout_s"], lockout["s"])


def close_open_lockout(user, now):
    """One that has not ended counts up to now."""
    if user["locked_out_now"]:
        end_lockout(user, now)


# --- the process that holds the sessions

def hold(cluster, idle):
    log = Log(cluster.sessions_log)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    users = [User(cluster, name, number, log, stopping) for number, name in enumerate(cluster.users)]
    for user in users:
        log.write(event="user", user=user.name)
        user.thread.start()
    deadline = time.monotonic() + FIRST_LOGINS_S
    while not all(user.backend for user in users) and time.monotonic() < deadline and not stopping.is_set():
        time.sleep(0.02)
    staying = spread(users, idle)
    for user in users:
        user.kind = "idle" if user in staying else "once"
        log.write(event="kind", user=user.name, kind=user.kind)
        user.has_kind.set()
    while not stopping.wait(1):
        pass
    deadline = time.monotonic() + 1
    for user in users:
        user.thread.join(max(0, deadline - time.monotonic()))
    log.write(event="stopped")


def spread(users, count):
    """So many of the users: the same part of each backend's, and of each at least one."""
    groups = {}
    for user in users:
        groups.setdefault(user.backend or "", []).append(user)
    ranked = [(place / len(group), name, user.name, user)
              for name, group in groups.items() for place, user in enumerate(group)]
    return [user for *_, user in sorted(ranked)[:count]]


class Log:
    """Events, one line each, whole lines only."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")
        self.lock = threading.Lock()

    def write(self, **event):
        with self.lock:
            self.file.write(json.dumps({"at": round(time.time(), 3), **event}) + "\n")
            self.file.flush()


class Dropped(ConnectionError):
    """The server ended the session."""


class User:
    """One mail user at his mail program."""

    def __init__(self, cluster, name, number, log, stopping):
        self.directors = cluster.directors
        self.director = number % len(cluster.directors)
        self.name, self.log, self.stopping = name, log, stopping
        self.kind = self.backend = None
        self.has_kind = threading.Event()
        # A daemon: one that hangs in a login does not keep the process.
        self.thread = threading.Thread(target=self.live, daemon=True)

    def live(self):
        session = self.log_in_until_done()
        self.has_kind.wait()
        if self.kind == "once":
            if session:
                log_out(session)
            return
        while session:
            try:
                self.idle(session)
            except (Dropped, OSError, imaplib.IMAP4.error) as end:
                self.note("dropped", why=str(end) or type(end).__name__)
                close(session)
                session = self.log_in_until_done()
            else:
                log_out(session)
                return

    def log_in_until_done(self):
        """A session that is logged in; None when we are to stop."""
        while not self.stopping.is_set():
            director = self.directors[self.director]
            session, began = None, time.monotonic()
            try:
                session = imaplib.IMAP4(director.address, IMAP_PORT, timeout=LOGIN_TIMEOUT_S)
                session.login(self.name, PASSWORD)
                self.backend = who_answers(session)
                session.select("INBOX", readonly=True)
            except (OSError, imaplib.IMAP4.error) as failure:
                self.note("failed", director=director.name, why=str(failure) or type(failure).__name__,
                          s=round(time.monotonic() - began, 3))
                close(session)
                if isinstance(failure, OSError):
                    # This director is away: the next one, as the balancer in front of them does it.
                    self.director = (self.director + 1) % len(self.directors)
                self.stopping.wait(RETRY_PAUSE_S)
            else:
                self.note("login", director=director.name, backend=self.backend, s=round(time.monotonic() - began, 3))
                return session
        return None

    def idle(self, session):
        """Stays in IDLE until the session is dropped or we are to stop."""
        session.send(session._new_tag() + b" IDLE\r\n")
        if not session.readline().startswith(b"+"):
            raise Dropped("IDLE was refused")
        # From here past imaplib: its buffered reader cannot wait for a while only.
        while not self.stopping.is_set():
            readable, _, _ = select.select([session.sock], [], [], 0.25)
            if not readable:
                continue
            data = session.sock.recv(4096)
            if not data:
                raise Dropped("eof")
            bye = re.search(rb"^\* BYE.*$", data, re.MULTILINE)
            if bye:
                raise Dropped(bye.group().decode("latin-1").strip())
        session.send(b"DONE\r\n")
        session.readline()

    def note(self, event, **more):
        if not self.stopping.is_set():      # what our own end does to sessions is no lock-out
            self.log.write(event=event, user=self.name, **more)


def who_answers(session):
    """The backend's name, as it tells in answer to ID."""
    session.send(session._new_tag() + b" ID NIL\r\n")
    name = None
    while True:
        line = session.readline()
        if not line:
            raise Dropped("eof")
        found = re.search(rb'"host" "([^"]*)"', line)
        if found:
            name = found.group(1).decode()
        if not line.startswith(b"*"):
            return name


def log_out(session):
    try:
        session.sock.settimeout(2)
        session.logout()
    except (OSError, imaplib.IMAP4.error):
        close(session)


def close(session):
    if session is not None:
        try:
            session.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        try:
            session.sock.close()
        except OSError:
            pass
