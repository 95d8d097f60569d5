# Installs Debian packages for tests, where they are missing. Sourced by bash.
#
# In: $purpose, what they are for, for messages. Out: the functions `cannot` and `install_missing`. They ask nothing, start
# no service, and take no time when all is there.
#
# No service may start because of us: tests run their own instances. Debian asks /usr/sbin/policy-rc.d for that; ours stands
# there while apt works, and what stood there before is put back, at the latest by the next call.

policy=/usr/sbin/policy-rc.d
kept=/usr/sbin/policy-rc.d.kept-by-planrun
mark="# put here by planrun's tests, for the time of an installation"

# cannot WHY: exit 3, with one line.
cannot() {
    echo "$purpose cannot be had here: $1" >&2
    exit 3
}

put_back_policy() {
    if [ -e "$policy" ] && grep -qF "$mark" "$policy"; then
        rm -f "$policy"
    fi
    if [ -e "$kept" ] && [ ! -e "$policy" ]; then
        mv "$kept" "$policy"
    fi
}

forbid_services() {
    if [ -e "$policy" ]; then
        mv "$policy" "$kept"
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy.new"
    chmod 755 "$policy.new"
    mv "$policy.new" "$policy"
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get --yes --quiet -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" >>"$log" 2>&1 </dev/null
}

# install_missing WHY-ROOT PACKAGE...: installs what is not there.
install_missing() {
    local why_root=$1 installed missing="" package
    shift
    [ -r /etc/debian_version ] || cannot "this is not Debian or made from it"
    command -v dpkg-query >/dev/null 2>&1 || cannot "there is no dpkg-query"
    [ "$(id -u)" = 0 ] || cannot "it needs root: $why_root"
    put_back_policy

    installed=$(dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
    for package in "$@"; do
        grep -qx "$package installed" <<<"$installed" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 || cannot "missing:$missing, and there is no apt-get"
    log=$(mktemp)
    trap 'put_back_policy; rm -f "$log"' EXIT
    trap 'exit 3' HUP INT TERM
    forbid_services
    # The lists at hand may be missing or old: fetch them once, and only then.
    # shellcheck disable=SC2086  # a list of names
    if ! apt install --no-install-recommends $missing; then
        apt update || true
        # shellcheck disable=SC2086
        if ! apt install --no-install-recommends $missing; then
            tail -n 20 "$log" >&2
            cannot "apt-get could not install$missing"
        fi
    fi
    put_back_policy
}
