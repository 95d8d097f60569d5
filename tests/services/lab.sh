# What the labs of tests with real servers share. Sourced by bash; needs $dir, the folder of a lab.

# Prints a port that nothing listens on. It is below those that the system gives to connections, and no other lab counts in
# the same ones at the same time.
free_port() {
    local port first=$((12000 + PPID % 1000 * 20))
    port=$(cat "$dir/port" 2>/dev/null || echo "$first")
    while [ -n "$(ss -Hltn "sport = :$port")" ]; do
        port=$((port + 1))
    done
    echo $((port + 1)) >"$dir/port"
    echo "$port"
}

# make_sshd HOST PORT [VARIABLE=VALUE...]: a real sshd whose commands find $dir/HOST/bin first.
make_sshd() {
    local host=$1 port=$2 files=$dir/$1
    shift 2
    mkdir -p "$files/bin" "$files/home" /run/sshd
    [ -e "$dir/client_key" ] || ssh-keygen -q -t ed25519 -N "" -C planrun-test -f "$dir/client_key"
    ssh-keygen -q -t ed25519 -N "" -C planrun-test -f "$files/host_key"
    cat >"$files/sshd_config" <<CONF
ListenAddress 127.0.0.1
Port $port
HostKey $files/host_key
PidFile $files/sshd.pid
AuthorizedKeysFile $dir/client_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
PrintMotd no
PrintLastLog no
UseDNS no
MaxStartups 200
MaxSessions 100
SetEnv PATH=$files/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=$files/home XDG_STATE_HOME=$files/home LAB_HOST=$files $*
CONF
    start_sshd "$host"
    echo "[127.0.0.1]:$port $(cut -d ' ' -f 1,2 "$files/host_key.pub")" >>"$dir/known_hosts"
}

start_sshd() {
    /usr/sbin/sshd -f "$dir/$1/sshd_config" -E "$dir/$1/sshd.log"
}

# Ends a process of the lab: the pid is in FILE, and MARK is in its command line.
end_process() {
    local file=$1 mark=$2 pid
    [ -e "$file" ] || return 0
    pid=$(cat "$file")
    if grep -qa -- "$mark" "/proc/$pid/cmdline" 2>/dev/null; then
        kill "$pid"
    fi
}

# Calls `LAB down DIR` when the process OWNER is gone.
ends_with() {
    local owner=$1 lab=$2
    setsid sh -c "while kill -0 $owner 2>/dev/null; do sleep 2; done; [ ! -e '$dir' ] || '$lab' down '$dir'" >/dev/null 2>&1 </dev/null &
}

# await PROBLEM COMMAND...: waits half a minute until the command succeeds.
await() {
    local problem=$1 end=$((SECONDS + 30))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { echo "$problem; see $dir" >&2; exit 1; }
        sleep 0.2
    done
}
