"""Faults: bringing them about and taking them away.

Two kinds. Those of the stand-ins and wrappers are files in the host's `faults` folder, which these programs look for;
they can be limited to a number of times. The others are done to the real thing: a broken configuration, a stopped
process, an sshd that is gone, mail that is not there.
"""

import hashlib
import signal

from parts import dovecot, mail, sshd
from parts.layout import Unusable, write_file
from parts.processes import all_processes, descendants, master_pid, read_words, recorded_pid, send

# Faults of the programs in a host's bin, with the seconds they take unless told otherwise.
ON_CALL = {
    "start_fails": 0.2,
    "stop_fails": 0.2,
    "stop_slow": 20,
    "lives_on": 3,
    "metacache_fails": 0,
    "metacache_slow": 20,
    "rescan_fails": 0,
    "no_doveadm": 0,
}

# The same, for doveadm commands that begin with certain words: NAME:WORDS.
ON_WORDS = {
    "refuse": 0,          # exit 75, nothing was done
    "refuse_late": 0,     # exit 75, though it was done
    "slow": 20,           # done, later
}


def fault(cluster, host_name, name, times=None, seconds=None):
    host = cluster.host(host_name)
    kind, _, words = name.partition(":")
    if kind in ON_CALL and not words:
        write_fault(host.faults / kind, times, ON_CALL[kind] if seconds is None else seconds, "")
    elif kind in ON_WORDS and words:
        write_fault(fault_file(host, name), times, ON_WORDS[kind] if seconds is None else seconds, words)
    elif name in REAL:
        if times is not None or seconds is not None:
            raise Unusable(f"{name} is done to the real thing: it lasts until it is healed")
        do, undo = REAL[name]
        do(host)
        if undo is not None:
            write_file(host.dir / f"real-fault.{name}", "")
    else:
        names = [*ON_CALL, *(f"{kind}:WORDS" for kind in ON_WORDS), *REAL]
        raise Unusable(f"no fault {name!r}; there are {', '.join(names)}")


def heal(cluster, host_name, name=None):
    """Takes one fault away, or all; one that is not there is no matter."""
    host = cluster.host(host_name)
    if name is None:
        for each in in_force(host):
            heal(cluster, host_name, each)
    elif name in REAL:
        _, undo = REAL[name]
        if undo is not None:
            undo(host)
        (host.dir / f"real-fault.{name}").unlink(missing_ok=True)
    else:
        fault_file(host, name).unlink(missing_ok=True)


def in_force(host):
    """The names of the faults a host has now, as `fault` was given them."""
    names = [path.name.removeprefix("real-fault.") for path in sorted(host.dir.glob("real-fault.*"))]
    for path in sorted(host.faults.iterdir()) if host.faults.is_dir() else ():
        if ":" in path.name and not path.name.endswith(".new"):
            words = path.read_text().splitlines()[2]
            names.append(f"{path.name.partition(':')[0]}:{words}")
        elif path.name in ON_CALL:
            names.append(path.name)
    return names


# --- faults of the programs in the host's bin

def write_fault(path, times, seconds, words):
    if times is not None and times < 1:
        raise Unusable("--times must be at least 1")
    if "\n" in words:
        raise Unusable("the words of a fault stand in one line")
    write_file(path, f"{'always' if times is None else times}\n{seconds:g}\n{words}\n")


def fault_file(host, name):
    """Words may hold anything, a file's name may not: KIND:DIGEST."""
    kind, _, words = name.partition(":")
    if not words:
        return host.faults / kind
    return host.faults / f"{kind}:{hashlib.sha256(words.encode()).hexdigest()[:16]}"


# --- faults of the real thing

def break_config(host):
    write_file(host.conf_d / "98-broken.conf", "this_is_not_a_setting = 1\n")


def mend_config(host):
    (host.conf_d / "98-broken.conf").unlink(missing_ok=True)


def stop_director(host):
    signal_director(host, signal.SIGSTOP)


def continue_director(host):
    signal_director(host, signal.SIGCONT)


def signal_director(host, number):
    """Signals the process that keeps the ring; login processes and the master go on."""
    host.cluster.director(host.name)
    master = master_pid(host)
    table = all_processes()
    found = [pid for pid in descendants(table, {master} - {None}) if is_director(pid)]
    if not found and number == signal.SIGSTOP:
        raise Unusable(f"{host.name} has no director process: Dovecot starts it with the first question or login")
    for pid in found:
        send(pid, table[pid]["start"], number)


def is_director(pid):
    words = read_words(pid, "cmdline")
    return bool(words) and words[0].endswith("/director")


def take_mail_away(host):
    mail.take_mail_away(host.cluster.backend(host.name))


def give_mail_back(host):
    mail.give_mail_back(host.cluster.backend(host.name))


def stop_dovecot(host):
    exit_status, said = dovecot.systemctl(host, "stop", timeout=120)
    if exit_status != 0:
        raise Unusable(f"{host.name}: {said}")


def start_dovecot(host):
    exit_status, said = dovecot.systemctl(host, "start")
    if exit_status != 0:
        raise Unusable(f"{host.name}: {said}")


def kill_dovecot(host):
    """As a crash: the master and all below it, at once."""
    master = master_pid(host)
    if master is not None:
        table = all_processes()
        for pid in [master, *descendants(table, {master})]:
            send(pid, table[pid]["start"], signal.SIGKILL)


def cut(host):
    if recorded_pid(host.cluster, sshd.name_of(host)) is None:
        raise Unusable(f"sshd of {host.name} does not run")
    sshd.cut_connections(host)


# NAME: (do, undo); no undo where it is over as soon as it is done.
REAL = {
    "broken_config": (break_config, mend_config),
    "director_stopped": (stop_director, continue_director),
    "no_mail": (take_mail_away, give_mail_back),
    "dovecot_down": (stop_dovecot, start_dovecot),
    "dovecot_killed": (kill_dovecot, start_dovecot),
    "sshd_down": (sshd.stop, sshd.start),
    "sshd_pause": (sshd.pause, lambda host: sshd.pause(host, stopped=False)),
    "sshd_cut": (cut, None),
    "hostkey_changed": (sshd.change_key, sshd.restore_key),
}
