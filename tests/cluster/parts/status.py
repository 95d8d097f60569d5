"""What a cluster looks like now, and two conveniences for work by hand."""

import os
import threading

from parts import dovecot, faults, sessions, sshd
from parts.layout import SSH_PORT, Unusable
from parts.processes import living_pid, master_pid, ours, recorded


def status(cluster):
    """See README.md for the shape. A director that does not answer costs some seconds and shows its error."""
    entries = recorded(cluster)
    seen = {}

    def look(director):
        rows, error = dovecot.backends_seen_by(director)
        seen[director.name] = {"backends": rows, "error": error}

    threads = [threading.Thread(target=look, args=(director,)) for director in cluster.directors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "dir": str(cluster.dir),
        "octet": cluster.octet,
        "ready": cluster.ready.exists() and living_pid(entries.get("keeper")) is not None,
        "processes": len(ours(cluster)),
        "keeper_pid": living_pid(entries.get("keeper")),
        "sessions_pid": sessions.pid(cluster),
        "hosts": {host.name: host_status(host, entries) for host in cluster.hosts},
        "directors": {director.name: seen[director.name] for director in cluster.directors},
    }


def host_status(host, entries):
    return {
        "group": host.group,
        "address": host.address,
        "sshd_pid": living_pid(entries.get(sshd.name_of(host))),
        "dovecot_pid": master_pid(host),
        "unit": dovecot.systemctl(host, "is-active")[1],
        "faults": faults.in_force(host),
    }


def set_vhosts(cluster, backend, count):
    director, backend = cluster.directors[0], cluster.backend(backend)
    exit_status, _, error = dovecot.doveadm(director, "director", "update", backend.address, str(count))
    if exit_status != 0:
        raise Unusable(f"director update: exit {exit_status}: {error}")


def ssh(cluster, host, words):
    """Becomes an ssh client; ends with its exit status."""
    arguments = ssh_arguments(cluster, cluster.host(host))
    os.execvp("ssh", arguments + words)


def ssh_arguments(cluster, host):
    return ["ssh", "-F", "none", "-i", str(cluster.client_key), "-p", str(SSH_PORT), "-l", "root",
            "-o", f"UserKnownHostsFile={cluster.known_hosts}", "-o", "GlobalKnownHostsFile=none",
            "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
            host.address]
