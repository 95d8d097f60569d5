"""Where everything of a cluster is: its hosts, their addresses, ports and files.

In: the folder of a cluster and the few numbers it was made with. Out: `Cluster` and `Host`, which only name things.
The numbers are kept in DIR/cluster.json, so that every later command knows the cluster by its folder alone.
Nothing is started or looked at here.
"""

import json
import os
import pathlib
import re
import tempfile
import uuid

IMAP_PORT = 10143
LMTP_PORT = 10024
SSH_PORT = 2222
RING_PORT = 9090          # director i listens for its neighbours on 9090 + i: ring ports must differ
PASSWORD = "labpass"      # of every mail user; the cluster is reachable from this machine alone
MAIL_UID = 5000           # owner of all mail; Dovecot refuses root, and needs no entry in /etc/passwd
MARK = "PLANRUN_CLUSTER"  # environment variable that holds the cluster's id

# The longest socket Dovecot makes below a host's folder, and what a socket's path may hold (108 bytes with its NUL).
LONGEST_SOCKET = "/run/token-login/imap-urlauth"
SOCKET_PATH_LIMIT = 107


class Unusable(Exception):
    """What was asked cannot be done; the text is for the person who asked."""


class Host:
    """One host of the cluster: its name, its address, its files."""

    def __init__(self, cluster, group, number):
        self.cluster = cluster
        self.group = group                      # "directors" or "backends"
        self.number = number                    # from 1
        self.name = f"{group[:-1]}{number}"
        block = {"directors": 1, "backends": 2}[group]
        self.address = f"127.{cluster.octet}.{block}.{number}"
        self.dir = cluster.dir / "hosts" / self.name
        self.bin = self.dir / "bin"             # first in PATH of whoever logs in
        self.home = self.dir / "home"           # HOME of whoever logs in: a host of its own has one of its own
        self.conf = self.dir / "dovecot.conf"
        self.conf_d = self.dir / "conf.d"
        self.run = self.dir / "run"             # Dovecot's base_dir
        self.index_root = self.dir / "vmail"    # INDEX root of mail_location, in the metacache's part
        self.faults = self.dir / "faults"
        self.commands_log = self.dir / "commands.log"

    @property
    def is_director(self):
        return self.group == "directors"

    @property
    def probe_user(self):
        """The user for checks through this backend alone."""
        return f"probe{self.number}"


class Cluster:
    """A cluster, known by its folder."""

    def __init__(self, folder, settings):
        self.dir = folder
        self.id = settings["id"]                # drawn at random; stands in processes
        self.octet = settings["octet"]
        self.expire = settings["expire"]        # director_user_expire in seconds
        self.owner = settings["owner"]          # pid with whose end the cluster ends, or None
        self.user_count = settings["users"]
        self.directors = [Host(self, "directors", i + 1) for i in range(settings["directors"])]
        self.backends = [Host(self, "backends", i + 1) for i in range(settings["backends"])]
        self.settings = settings
        self.store = folder / "store"           # the mail of all users, shared by the backends
        self.client_key = folder / "client_key"
        self.known_hosts = folder / "known_hosts"
        self.inventory = folder / "inventory.yaml"
        self.processes = folder / "processes"   # one file for each recorded process
        self.ready = folder / "ready"           # is there when `up` has ended well
        self.sessions_log = folder / "sessions.log"

    @property
    def hosts(self):
        return self.directors + self.backends

    @property
    def users(self):
        return [f"user{i + 1:02}" for i in range(self.user_count)]

    def host(self, name):
        for host in self.hosts:
            if host.name == name:
                return host
        raise Unusable(f"no host {name!r}; there are {', '.join(host.name for host in self.hosts)}")

    def backend(self, name):
        host = self.host(name)
        if host.is_director:
            raise Unusable(f"{name} is a director; this is for backends")
        return host

    def director(self, name):
        host = self.host(name)
        if not host.is_director:
            raise Unusable(f"{name} is a backend; this is for directors")
        return host

    def save(self):
        text = json.dumps(self.settings, indent=2) + "\n"
        write_file(self.dir / "cluster.json", text)


def new_cluster(folder, octet, directors, backends, users, expire, owner):
    """Names a new cluster; makes nothing yet."""
    return Cluster(folder, {
        "id": uuid.uuid4().hex[:12], "octet": octet, "directors": directors, "backends": backends,
        "users": users, "expire": expire, "owner": owner,
    })


def load(folder):
    """The cluster whose folder this is."""
    folder = pathlib.Path(folder).resolve()
    try:
        settings = json.loads((folder / "cluster.json").read_text())
    except FileNotFoundError:
        raise Unusable(f"{folder} holds no cluster (no cluster.json)") from None
    return Cluster(folder, settings)


def usable_folder(text):
    """The folder as `up` may use it: made where missing, and fit for sockets and for the mail users."""
    folder = pathlib.Path(os.path.realpath(text))
    if not re.fullmatch(r"[A-Za-z0-9/._+-]+", str(folder)):
        raise Unusable(f"{folder}: only letters, digits and / . _ + - may stand in the path (it goes into many files)")
    limit = SOCKET_PATH_LIMIT - len("/hosts/director99" + LONGEST_SOCKET)
    if len(str(folder)) > limit:
        raise Unusable(f"{folder}: the path has {len(str(folder))} characters and may have {limit}, "
                       "as a socket's path is limited to 108 bytes")
    if (folder / "cluster.json").exists():
        raise Unusable(f"{folder} holds a cluster already; `down` it and remove the folder, or take another")
    folder.mkdir(parents=True, exist_ok=True)
    # Dovecot's unprivileged users and the mail user must come through. A test's temporary folder is usually closed; it
    # is opened for passing through, not for reading. Other folders are not ours to open.
    temporary = pathlib.Path(tempfile.gettempdir()).resolve()
    for each in (folder, *folder.parents):
        mode = each.stat().st_mode
        if not mode & 0o001:
            if each != folder and temporary not in each.parents:
                raise Unusable(f"{each} does not let other users through, and Dovecot's users must come to {folder}")
            each.chmod(mode | 0o011)
    return folder


def write_file(path, text, mode=0o644):
    """Writes a file as a whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(beside, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    beside.rename(path)
