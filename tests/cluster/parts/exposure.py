"""How long a backend was stopped while the directors still sent users to it: the harm that a restart does.

Measured by looking, from outside of planrun, about every 50 ms: the backend's master process is gone, and the first
director that answers still has users mapped to it.
"""

import select
import sys
import time

from parts import dovecot
from parts.processes import master_pid

POLL_S = 0.05


def measure(cluster, name):
    """Watches until standard input ends; the report as a mapping."""
    backend = cluster.backend(name)
    exposed = longest = current = 0.0
    looks = 0
    last = time.monotonic()
    print("watching", file=sys.stderr, flush=True)
    while not select.select([sys.stdin], [], [], POLL_S)[0]:
        harm = master_pid(backend) is None and users_on(cluster, name) > 0
        now = time.monotonic()
        current = current + now - last if harm else 0.0
        exposed += now - last if harm else 0.0
        longest = max(longest, current)
        last = now
        looks += 1
    return {"exposed_s": round(exposed, 2), "longest_s": round(longest, 2), "looks": looks}


def users_on(cluster, name):
    for director in cluster.directors:
        rows, error = dovecot.backends_seen_by(director, timeout=3)
        if error is None:
            return sum(row["users"] for row in rows if row["host"] == name)
    return 0
