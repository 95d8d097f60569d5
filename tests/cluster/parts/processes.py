"""Which processes belong to a cluster, and their end.

A process is ours when one of these holds, each looked at again just before a signal is sent:

1. it was recorded in DIR/processes when we started it (pid, start time, boot id), and still is that process;
2. it carries the cluster's random id: in its environment (whatever was started over ssh, however detached, as sshd's
   `SetEnv` puts it there), or in its title (Dovecot's processes, by `instance_name`; they clear their environment);
   or its title names a configuration file of the cluster (Dovecot's masters, listening sshds);
3. it descends from such a process: connections of sshd, which writes its title over its environment.

Signals go through a pidfd, so a pid that was used again meanwhile is never met.
"""

import json
import os
import pathlib
import signal
import time

from parts.layout import MARK, Unusable, write_file


def start_time(pid):
    """When the process began, in ticks since boot; None when it is gone or only waits to be reaped."""
    stat = read_stat(pid)
    return None if stat is None or stat["state"] in "ZX" else stat["start"]


def read_stat(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_bytes().decode("latin-1")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the name in parentheses, and may itself hold blanks and parentheses.
    fields = text[text.rindex(")") + 2:].split()
    return {"state": fields[0], "parent": int(fields[1]), "start": int(fields[19])}


def boot_id():
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def read_words(pid, name):
    """`cmdline` or `environ` of a process as a list; empty when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/{name}").read_bytes().decode("latin-1")
    except OSError:
        return []
    return text.rstrip("\0").split("\0") if text.strip("\0") else []


# --- recorded processes

def record(cluster, name, pid):
    """Writes down a process that was just started."""
    started = start_time(pid)
    if started is None:
        raise Unusable(f"{name} ended as soon as it was started")
    cluster.processes.mkdir(exist_ok=True)
    entry = {"name": name, "pid": pid, "start": started, "boot": boot_id()}
    write_file(cluster.processes / f"{name}.json", json.dumps(entry) + "\n")


def forget(cluster, name):
    (cluster.processes / f"{name}.json").unlink(missing_ok=True)


def recorded(cluster):
    """All that were recorded, by name; whether they live is another question."""
    entries = {}
    try:
        for name in sorted(os.listdir(cluster.processes)):
            if name.endswith(".json") and not name.startswith("."):
                entry = json.loads((cluster.processes / name).read_text())
                entries[entry["name"]] = entry
    except FileNotFoundError:
        pass                    # the folder, or an entry, is being removed
    return entries


def living_pid(entry):
    """The pid of a recorded process, or None when it is no longer that process."""
    if entry is None or entry["boot"] != boot_id():
        return None
    return entry["pid"] if start_time(entry["pid"]) == entry["start"] else None


def recorded_pid(cluster, name):
    return living_pid(recorded(cluster).get(name))


def master_pid(host):
    """The pid of the host's Dovecot master, or None."""
    try:
        pid = int((host.run / "master.pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    is_it = start_time(pid) is not None and str(host.conf) in read_words(pid, "cmdline")
    return pid if is_it else None


# --- all processes of a cluster

def ours(cluster, entries=None):
    """{pid: start time} of all living processes of the cluster, without this one and those above it.

    `entries` are recorded processes that were read earlier, for the time when the folder is gone.
    """
    table = all_processes()
    found = {living_pid(entry) for entry in (recorded(cluster) if entries is None else entries).values()}
    found |= {pid for pid in table if carries_id(cluster, pid)}
    found.discard(None)
    found |= descendants(table, found)
    found -= myself_and_above(table)
    return {pid: table[pid]["start"] for pid in found if pid in table and table[pid]["state"] not in "ZX"}


def all_processes():
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = read_stat(int(name))
            if stat is not None:
                table[int(name)] = stat
    return table


def carries_id(cluster, pid):
    words = read_words(pid, "cmdline")
    if not words:
        return False
    if words[0].startswith("dovecot-") and f"-{cluster.id}/" in words[0]:
        return True
    # The title of a Dovecot master, and of a listening sshd, is how it was called.
    if words[0] == "/usr/sbin/dovecot" and any(str(host.conf) in words for host in cluster.hosts):
        return True
    if words[0].startswith(f"sshd: /usr/sbin/sshd -D -e -f {cluster.dir}/hosts/"):
        return True
    return f"{MARK}={cluster.id}" in read_words(pid, "environ")


def descendants(table, roots):
    """All below the roots, the roots not counted."""
    children = {}
    for pid, stat in table.items():
        children.setdefault(stat["parent"], []).append(pid)
    below, waiting = set(), list(roots)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in below:
                below.add(child)
                waiting.append(child)
    return below


def myself_and_above(table):
    chain, pid = set(), os.getpid()
    while pid in table:
        chain.add(pid)
        pid = table[pid]["parent"]
    return chain


# --- signals

def send(pid, started, number):
    """Sends a signal to the process that began at `started`; False when it is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if start_time(pid) != started:
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)


def end_tree(pid, patience=10.0):
    """Kills a process of ours and all below it, and waits until they are gone."""
    started = start_time(pid)
    if started is None:
        return
    # Stopped first, so that it cannot start another child while we count them.
    send(pid, started, signal.SIGSTOP)
    table = all_processes()
    victims = {child: table[child]["start"] for child in descendants(table, {pid})}
    victims[pid] = started
    kill_and_wait(victims, patience)


def kill_and_wait(victims, patience):
    for pid, started in victims.items():
        send(pid, started, signal.SIGKILL)
    deadline = time.monotonic() + patience
    while any(start_time(pid) == started for pid, started in victims.items()):
        if time.monotonic() > deadline:
            raise Unusable(f"processes {sorted(victims)} do not end")
        time.sleep(0.01)


def end_all(cluster, entries=None, patience=20.0):
    """Ends every process of the cluster but this one. Returns how many there were.

    It looks again after each round: a process may have started another one meanwhile.
    """
    ended, deadline = 0, time.monotonic() + patience
    while victims := ours(cluster, entries):
        if time.monotonic() > deadline:
            raise Unusable(f"processes {sorted(victims)} do not end")
        for pid, started in victims.items():
            send(pid, started, signal.SIGSTOP)      # nobody starts anything while the others are ended
        for pid, started in ours(cluster, entries).items():
            victims[pid] = started
        kill_and_wait(victims, patience)
        ended += len(victims)
    return ended
