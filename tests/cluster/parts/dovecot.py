"""What the cluster itself asks of Dovecot: past the wrappers, so that it leaves no trace in a host's log of commands."""

import os
import subprocess

from parts.layout import MARK
from parts.processes import master_pid

DOVEADM = "/usr/bin/doveadm"
CONTROL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(host):
    """The environment in which a host's own programs are started."""
    return {"PATH": CONTROL_PATH, "HOME": str(host.home), "LC_ALL": "C",
            MARK: host.cluster.id, "PLANRUN_HOST": host.name}


def doveadm(host, *words, timeout=45):
    """Runs the real doveadm for this host's instance; (exit, stdout, stderr)."""
    conf = host.run / "config" if master_pid(host) else host.conf
    try:
        done = subprocess.run([DOVEADM, "-c", str(conf), *words], env=environment(host), timeout=timeout,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        return 124, "", f"no answer within {timeout} s"
    return done.returncode, done.stdout, done.stderr.strip()


def table(host, *words, timeout=45):
    """A table of doveadm as a list of maps: (rows, error); one of the two is None."""
    exit_status, out, error = doveadm(host, "-f", "tab", *words, timeout=timeout)
    if exit_status != 0:
        return None, f"exit {exit_status}: {error}"
    lines = out.splitlines()
    if not lines:
        return [], None
    header = lines[0].split("\t")
    return [dict(zip(header, line.split("\t"))) for line in lines[1:]], None


def backends_seen_by(director, timeout=8):
    """`director status` with numbers as numbers, and the name of each host."""
    rows, error = table(director, "director", "status", timeout=timeout)
    names = {backend.address: backend.name for backend in director.cluster.backends}
    for row in rows or ():
        row["vhosts"] = int(row["vhosts"])
        row["users"] = int(row["users"])
        row["host"] = names.get(row["mail server ip"])
    return rows, error


def ring_is_synced(director):
    rows, error = table(director, "director", "ring", "status", timeout=8)
    if error:
        return False
    neighbours = {row["director ip"] for row in rows if row["type"] in ("left", "right")}
    expected = {other.address for other in director.cluster.directors} - {director.address}
    # In a ring of more than three nobody has all others beside it; two neighbours are enough then.
    complete = neighbours == expected if len(expected) <= 2 else len(neighbours) == 2
    return complete and all(row["status"] in ("ring synced", "synced") for row in rows)


def systemctl(host, verb, timeout=60):
    """The systemctl stand-in, called by the cluster itself: not logged, and no fault applies."""
    done = subprocess.run([str(host.bin / "systemctl"), verb, "dovecot"], timeout=timeout,
                          env=environment(host) | {"PLANRUN_CLUSTER_ITSELF": "1"},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout.strip()


def log_tail(host, lines=8):
    path = host.dir / "dovecot.log"
    if not os.path.exists(path):
        return "(no log)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
