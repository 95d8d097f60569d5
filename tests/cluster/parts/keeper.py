"""The keeper: one small process a cluster, from the first moment of `up` until the end.

1. It holds the cluster's octet: a bound socket, which the kernel gives back when the keeper ends.
2. It ends the cluster when its owner (`up --owner PID`) is gone, when `up` died half way, or when the folder was removed.
It ends by `down`, as everything else does.
"""

import os
import pathlib
import socket
import subprocess
import sys
import time

from parts.layout import IMAP_PORT, LMTP_PORT, MARK, RING_PORT, SSH_PORT, Unusable
from parts.processes import end_all, record, recorded, start_time

POLL_S = 1.0              # how soon the end of the owner is noticed
OCTETS = range(0, 250)


def reserve_octet(wanted, directors, backends):
    """(octet, bound socket): the octet asked for, or the first that is free."""
    for octet in OCTETS if wanted is None else [wanted]:
        reservation = bind(f"127.{octet}.3.1", SSH_PORT)
        if reservation is None:
            continue
        if all_free(octet, directors, backends):
            return octet, reservation
        reservation.close()
    which = "no octet is free" if wanted is None else f"octet {wanted} is not free"
    raise Unusable(f"{which}: another cluster, or another program, listens there")


def bind(address, port):
    """A socket that holds the address without listening, or None when it is taken."""
    held = socket.socket()
    try:
        held.bind((address, port))
        return held
    except OSError:
        held.close()
        return None


def all_free(octet, directors, backends):
    addresses = [(f"127.{octet}.1.{i + 1}", RING_PORT + i + 1) for i in range(directors)]
    addresses += [(f"127.{octet}.2.{i + 1}", IMAP_PORT) for i in range(backends)]
    wanted = {(address, port) for address, extra in addresses for port in (extra, IMAP_PORT, LMTP_PORT, SSH_PORT)}
    for address, port in sorted(wanted):
        probe = socket.socket()
        # As the servers do it: connections that are just being forgotten do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        finally:
            probe.close()
    return True


def spawn(cluster, reservation):
    """Starts the keeper as a process of its own; it watches this process until the cluster is ready."""
    with open(cluster.dir / "keeper.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__).resolve().parent.parent / "cluster"), "keep",
             str(cluster.dir), "--builder", str(os.getpid())],
            env={**os.environ, MARK: cluster.id}, cwd="/", pass_fds=[reservation.fileno()],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    record(cluster, "keeper", process.pid)


def keep(cluster, builder):
    """The keeper's life."""
    watched = {"up": (builder, start_time(builder))}
    if cluster.owner is not None:
        watched["the owner"] = (cluster.owner, start_time(cluster.owner))
    entries = recorded(cluster)
    while True:
        if cluster.ready.exists():
            watched.pop("up", None)
        why = reason_to_end(cluster, watched)
        if why:
            break
        # Added, never replaced: the folder may be removed while we read, and what was recorded must still be ended.
        entries |= recorded(cluster)
        time.sleep(POLL_S)
    print(f"{time.time():.3f} {why}: ending the cluster", flush=True)
    # What was recorded is kept in mind, as the folder may be gone.
    ended = end_all(cluster, {**entries, **recorded(cluster)})
    cluster.ready.unlink(missing_ok=True)
    print(f"{time.time():.3f} ended {ended} processes", flush=True)


def reason_to_end(cluster, watched):
    if not (cluster.dir / "cluster.json").exists():
        return "the folder was removed"
    for name, (pid, started) in watched.items():
        if started is None or start_time(pid) != started:
            return f"{name} (pid {pid}) is gone"
    return None
