//! What a run sees of commands on hosts: on this machine, and on real OpenSSH servers.

mod local;
mod ssh;
