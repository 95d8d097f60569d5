# The host session: what planrun runs on a host, as the login user.
#
# The login shell gets one constant line, `exec /bin/sh`. This file goes to that `sh` over standard input,
# so no value ever meets a login shell. It prints `ready` and then reads one request:
#
#     run ID USER LENGTH CRC        a command; ID is `-` if it only looks
#     ask ID                        what became of the attempt ID
#
# Nothing of a plan is sent before `ready`: a host that never prints it has received nothing. LENGTH bytes
# follow the line of `run`: a program for `sh`, made by planrun, with every value in single quotes. It is
# one compound command and is checked by length and checksum, so half of it never runs. Everything after
# it is the command's own standard input.
#
# Lines for planrun begin with $pr_prefix, which holds a number nobody can guess. All variables begin with
# `pr_`: a variable of the login's environment must reach the command unchanged.
#
# Records. Before an effect starts, the file $pr_records/ID is made by a hard link: one process can do that,
# once, and it is complete from the beginning. It names the user and this process. Whoever asks about an
# attempt that has no record makes one that says `given-up`: the attempt never started and cannot start any
# more. ID.exit holds the exit status. A host that cannot keep a record gets no effect.
#
# A record is kept for at least 90 days, by the clock of the machine that planrun runs on: $pr_day, in days
# since 1970, is the second line of each record. Before old ones are removed, `.since` gets the day of the oldest that is
# kept. `absent` is printed with that day: it says nothing about an attempt from before.
#
# Works in dash, bash, busybox, ksh and zsh as sh. Needs cat, cksum, dd, grep, ln, mkdir, mv, rm, sleep.

# Prints when process $1 started, in ticks since boot; nothing if it does not exist.
pr_started() {
    { read -r pr_fields <"/proc/$1/stat"; } 2>/dev/null || return 1
    # shellcheck disable=SC2086 # words without blanks
    set -- ${pr_fields##*\) }
    echo "${20}"
}

pr_boot() {
    cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo -
}

# Finds the folder of the records, and its name: a folder that was emptied gets another one.
pr_find_records() {
    pr_records=
    case ${XDG_STATE_HOME-} in
    /*) pr_records=$XDG_STATE_HOME/planrun/attempts ;;
    *) case ${HOME-} in /?*) pr_records=$HOME/.local/state/planrun/attempts ;; esac ;;
    esac
    pr_memory=-
    [ -n "$pr_records" ] || return 1
    (umask 077 && mkdir -p "$pr_records") 2>/dev/null
    pr_new=$pr_records/.new-$pr_number
    if [ ! -s "$pr_records/.memory" ]; then
        pr_write "$pr_number" && ln "$pr_new" "$pr_records/.memory" 2>/dev/null
        rm -f "$pr_new" 2>/dev/null
    fi
    { read -r pr_memory <"$pr_records/.memory"; } 2>/dev/null || pr_memory=-
}

# Writes the lines $1 to the new file, so that it survives a power failure.
pr_write() {
    (umask 077 && set +C && echo "$1" >"$pr_new") 2>/dev/null && [ -s "$pr_new" ] || return 1
    sync "$pr_new" 2>/dev/null || :
}

# Makes the record of attempt $1 with the line $2. Fails if there is one, or if it cannot be kept.
pr_record() {
    pr_made=1
    if [ ! -d "$pr_records/$1" ] && pr_write "$2
$pr_day" && ln "$pr_new" "$pr_records/$1" 2>/dev/null; then
        sync "$pr_records" 2>/dev/null || :
        pr_made=0
    fi
    rm -f "$pr_new" 2>/dev/null
    return "$pr_made"
}

# Keeps the exit status $2 of attempt $1.
pr_keep_exit() {
    pr_write "$2" && mv -f "$pr_new" "$pr_records/$1.exit" 2>/dev/null
}

# Finds the day since which records are kept; `-` if that is not known.
pr_find_since() {
    pr_since=0
    [ ! -e "$pr_records/.since" ] || { read -r pr_since <"$pr_records/.since"; } 2>/dev/null || pr_since=-
    case $pr_since in '' | *[!0-9]*) pr_since=- ;; esac
}

# Removes old records, every tenth day.
pr_prune() {
    pr_find_since
    pr_oldest=$((pr_day - 90))
    [ "$pr_since" = - ] || [ $((pr_since + 10)) -le "$pr_oldest" ] || return 0
    pr_write "$pr_oldest" && mv -f "$pr_new" "$pr_records/.since" 2>/dev/null || return 0
    sync "$pr_records" 2>/dev/null || :
    set --
    for pr_file in "$pr_records"/*; do
        case $pr_file in *.exit) continue ;; esac
        pr_made=
        { { read -r pr_owner && read -r pr_made; } <"$pr_file"; } 2>/dev/null
        case $pr_made in '' | *[!0-9]*) continue ;; esac
        [ "$pr_made" -lt "$pr_oldest" ] || continue
        set -- "$@" "$pr_file" "$pr_file.exit"
        [ $# -lt 500 ] || { rm -f "$@" && set --; }
    done
    rm -f "$@"
}

pr_claim() {
    pr_record "$1" "$2 $$ $(pr_started $$ || echo -) $(pr_boot)" && return
    pr_owner=
    { read -r pr_owner pr_rest <"$pr_records/$1"; } 2>/dev/null
    if [ "$pr_owner" = given-up ]; then
        pr_say given-up
    elif [ -e "$pr_records/$1" ]; then
        pr_say taken
    else
        pr_say "no-record $pr_records"
    fi
    exit 1
}

# Prints whether a process carries the mark $1: `yes`, `no` or nothing. $2 is the user it runs as.
pr_look_for() {
    # shellcheck disable=SC2016 # for the other shell
    pr_text='if grep -qsF "PLANRUN_MARK=$1" /proc/[0-9]*/environ; then
            echo yes
        elif command -v grep >/dev/null && [ -r /proc/self/environ ] &&
            { [ "$(id -u)" = 0 ] || [ -r /proc/1/stat ]; }; then
            echo no
        fi'
    if [ "$2" = - ]; then
        /bin/sh -c "$pr_text" planrun "$1"
    else
        sudo -n -u "$2" -- /bin/sh -c "$pr_text" planrun "$1"
    fi </dev/null 2>/dev/null
}

pr_ask() {
    if pr_record "$1" given-up; then
        pr_find_since
        pr_say "absent $pr_since"
        return
    fi
    { read -r pr_owner pr_pid pr_start pr_in_boot <"$pr_records/$1"; } 2>/dev/null ||
        pr_owner=nobody-knows
    pr_alive=no
    if [ -r /proc/self/stat ]; then
        [ "$(pr_started "$pr_pid")" != "$pr_start" ] || pr_alive=yes
    elif kill -0 "$pr_pid" 2>/dev/null; then
        pr_alive=yes
    fi
    # The status is written before the process ends: after the look above, what is missing stays so.
    if [ "$pr_owner" = given-up ]; then
        pr_find_since
        pr_say "absent $pr_since"
    elif { read -r pr_status <"$pr_records/$1.exit"; } 2>/dev/null; then
        pr_say "ended $pr_status"
    elif [ "$pr_owner" = nobody-knows ]; then
        pr_say unknown
    elif [ "$pr_in_boot" != - ] && [ "$pr_in_boot" != "$(pr_boot)" ]; then
        pr_say over
    elif [ "$pr_alive" = yes ]; then
        pr_say running
    else
        # This process was killed. The command may live on without it.
        case $(pr_look_for "$1" "$pr_owner") in
        yes) pr_say running ;;
        no) pr_say over ;;
        *) pr_say unknown ;;
        esac
    fi
}

# Runs a program of $3 bytes with checksum $4 as user $2, for attempt $1.
pr_run() {
    # POSIX has nothing else that takes exactly so many bytes from a pipe.
    pr_program=$(dd bs=1 count="$3" 2>/dev/null)
    # shellcheck disable=SC2046 # two words
    set -- "$@" $(printf '%s\n' "$pr_program" | cksum)
    if [ "$5 $6" != "$4 $3" ]; then
        pr_say damaged
        exit 1
    fi
    trap : HUP PIPE
    if [ "$1" != - ]; then
        pr_claim "$1" "$2"
        pr_prune
    fi
    if [ "$2" = - ]; then
        pr_attempt=$1
        eval "$pr_program"
        exit 1
    fi
    {
        printf '%s\n' "$pr_program"
        exec cat
    } | sudo -n -u "$2" -- /bin/sh -c 'eval "$(dd bs=1 count="$1" 2>/dev/null)"' planrun "$3"
    pr_status=$?
    # A greater status may be the end of sudo, and not that of the command.
    [ "$1" = - ] || [ "$pr_status" -gt 128 ] || pr_keep_exit "$1" "$pr_status"
    exit "$pr_status"
}

pr_serve() {
    pr_find_records
    pr_say "ready $pr_memory"
    read -r pr_what pr_id pr_user pr_length pr_sum || exit 99
    case $pr_what in
    run) pr_run "$pr_id" "$pr_user" "$pr_length" "$pr_sum" ;;
    ask) pr_ask "$pr_id" ;;
    esac
    exit 0
}
