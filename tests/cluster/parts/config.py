"""The texts a cluster is made of: Dovecot's and sshd's configuration, the inventory for planrun.

In: a cluster (names and places). Out: text. Facts behind the settings: docs/dovecot.md, "How to stand up such a cluster".
"""

import json

from parts.layout import IMAP_PORT, LMTP_PORT, MAIL_UID, MARK, PASSWORD, RING_PORT, SSH_PORT


def dovecot_conf(host):
    return common_conf(host) + (director_conf(host) if host.is_director else backend_conf(host)) + f"""
# Further settings, as an administrator adds them; dovecot-reload brings one here.
!include_try {host.conf_d}/*.conf
"""


def common_conf(host):
    return f"""# {host.name}: one real Dovecot instance of planrun's test cluster.
base_dir = {host.run}
state_dir = {host.dir}/state
# Stands in the titles of all its processes, by which they are found when the cluster is taken down.
instance_name = {host.name}-{host.cluster.id}
log_path = {host.dir}/dovecot.log
listen = {host.address}
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no

# Small: many instances share one machine.
default_client_limit = 400
default_process_limit = 64

first_valid_uid = {MAIL_UID}
first_valid_gid = {MAIL_UID}

service imap-login {{
  inet_listener imap {{
    port = {IMAP_PORT}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {LMTP_PORT}
  }}
}}

# By userdb the names of the users are known to `doveadm director map` too.
userdb {{
  driver = passwd-file
  args = username_format=%u {host.cluster.dir}/users
}}
"""


def director_conf(host):
    cluster = host.cluster
    ring = " ".join(f"{d.address}:{RING_PORT + d.number}" for d in cluster.directors)
    backends = " ".join(backend.address for backend in cluster.backends)
    return f"""
# --- director: sends each user to one backend, and tells its neighbours
director_servers = {ring}
director_mail_servers = {backends}
director_user_expire = {cluster.expire}s

passdb {{
  driver = static
  args = proxy=y nopassword=y port={IMAP_PORT}
}}

service director {{
  unix_listener login/director {{
    mode = 0666
  }}
  fifo_listener login/proxy-notify {{
    mode = 0666
  }}
  unix_listener director-userdb {{
    mode = 0600
  }}
  inet_listener {{
    address = {host.address}
    port = {RING_PORT + host.number}
  }}
}}
service imap-login {{
  executable = imap-login director
}}
service ipc {{
  unix_listener ipc {{
    user = dovecot
  }}
}}

lmtp_proxy = yes
protocol lmtp {{
  auth_socket_path = director-userdb
  passdb {{
    driver = static
    args = proxy=y nopassword=y port={LMTP_PORT}
  }}
}}
"""


def backend_conf(host):
    return f"""
# --- backend: serves mail from the store all backends share; the indexes are its own
mail_location = maildir:{host.cluster.store}/%u/Maildir:INDEX={host.index_root}/%u
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {host.cluster.dir}/users
}}

# Told to clients that ask (IMAP ID): so a session through a director knows where it ended up.
imap_id_send = name * host {host.name}

namespace inbox {{
  inbox = yes
  mailbox Sent {{
    auto = subscribe
  }}
}}
"""


def site_conf():
    return """# Settings of this site; the file that dovecot-reload replaces.
mail_max_userip_connections = 20
"""


def sshd_config(host):
    files = host.dir / "ssh"
    environment = " ".join([
        f"PATH={host.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        # A home of its own, as on a machine of its own: what planrun keeps there must not meet another host's.
        f"HOME={host.home}", f"{MARK}={host.cluster.id}", f"PLANRUN_HOST={host.name}",
    ])
    return f"""# {host.name}: one real sshd of planrun's test cluster.
ListenAddress {host.address}
Port {SSH_PORT}
HostKey {files}/host_key
PidFile none
AuthorizedKeysFile {host.cluster.dir}/client_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
PermitUserEnvironment no
PrintMotd no
PrintLastLog no
UseDNS no
X11Forwarding no
MaxStartups 200
MaxSessions 100
LogLevel VERBOSE
Subsystem sftp internal-sftp
SetEnv {environment}
"""


def host_environment(host):
    """What the stand-ins and wrappers know of their host (sourced by bash; all values are plain words)."""
    octets = [int(part) for part in host.address.split(".")]
    listening = "".join(f"{octet:02X}" for octet in reversed(octets)) + f":{IMAP_PORT:04X}"
    values = {
        "host": host.name, "group": host.group, "host_dir": host.dir, "conf": host.conf, "run_dir": host.run,
        "instance": f"{host.name}-{host.cluster.id}", "index_root": host.index_root, "mark": f"{MARK}={host.cluster.id}",
        "imap_listens": f"{listening} 00000000:0000 0A",    # as a line of /proc/net/tcp has it
    }
    return "".join(f"{name}='{value}'\n" for name, value in values.items())


def users_file(cluster):
    names = cluster.users + [backend.probe_user for backend in cluster.backends]
    return "".join(f"{name}:{PASSWORD}:{MAIL_UID}:{MAIL_UID}::{cluster.store}/{name}::\n" for name in names)


def inventory(cluster, user):
    """The inventory for planrun, as Ansible writes one."""
    def group(hosts):
        return "".join(f"        {host.name}: {flow_map(host_vars(host))}\n" for host in hosts)

    return f"""# A real test cluster in {cluster.dir}, made by planrun's tests/cluster.
all:
  vars:
    ansible_port: {SSH_PORT}
    ansible_user: {user}
    ansible_ssh_private_key_file: {cluster.client_key}
    planrun_known_hosts: {cluster.known_hosts}
  children:
    directors:
      hosts:
{group(cluster.directors)}    backends:
      vars:
        drain_for: {max(10, cluster.expire + 5)}s   # director_user_expire is {cluster.expire}s
      hosts:
{group(cluster.backends)}"""


def host_vars(host):
    values = {
        "ansible_host": host.address,
    }
    if not host.is_director:
        values |= {
            "test_user": host.probe_user,
            "metacache_dir": str(host.index_root),
            "path": f"{host.conf_d}/99-site.conf",
        }
    return values


def flow_map(values):
    return "{" + ", ".join(f"{key}: {json.dumps(value)}" for key, value in values.items()) + "}"
