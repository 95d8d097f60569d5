# The host session: what planrun runs on a host, as the login user. It serves many requests over one
# channel. Its text is records.sh, run.sh, lock.sh, become.sh and this file.
#
# The login shell gets one constant line, `exec /bin/sh`. The text goes to that `sh` over standard input, so
# no value ever meets a login shell. It prints `ready`. Nothing of a plan is sent before that: a host that
# never prints it has received nothing. Then it reads requests, one line each:
#
#     look NUMBER USER LENGTH REST            a command that changes nothing
#     run NUMBER ID USER LENGTH MORE CRC      the attempt ID at a command that changes something
#     ask NUMBER ID                           the outcome of the attempt ID
#     forget ID...                            what these attempts printed is recorded; has no answer
#     lock NUMBER DIR ID EPOCH WORD...        take the lock of the host (lock.sh)
#     unlock NUMBER DIR ID [USER WORD...]     release it
#     holder NUMBER DIR                       who has it
#
# USER is `-` for the login user. LENGTH bytes follow the line: a program for `sh`, made by planrun, with
# every value in single quotes.
#
# Probes. The program is one compound command and ends with the number of the request, so half of it never
# runs. Its output goes through `cat`: what a command leaves running may keep its pipes, but not the
# channel. If REST is `rest`, the rest of standard input belongs to the command, and the session ends with it.
#
# Effects. The program and MORE bytes that it reads are received into a file, and the file is checked by
# length and checksum. Only then a runner is started with it (effect.sh), in a session of its own. The
# runner makes the record, keeps the time, the output and the exit code, and needs neither this
# process nor the connection. This process waits for it and prints the result. After a lost connection
# another session is asked for the same attempt, and prints the same.
#
# Questions. A question about an attempt that has no record makes one with `given-up`: the attempt never
# started and cannot start any more. A runner that is gone without an exit code was killed. Its command may
# still run: it does if its lock is taken, or if a process carries the mark. If neither is the case, and this
# user could see it, the command is over, and its outcome is unknown.
#
# Answers. Lines for planrun start with $pr_prefix, which contains the number of the request. The number
# cannot be guessed, and no other request has it. `done` on standard output and on standard error is the end
# of an answer. The result of an effect has lengths in its line and follows it.
#
# The name of each variable starts with `pr_`: a variable of the login's environment must reach the command
# unchanged.
#
# Works in dash, bash, busybox, ksh and zsh as sh. Needs cat, cksum, dd, grep, head, ln, ls, mkdir, mkfifo, mv, rm,
# sleep, tr, wc; to tell whether a command has ended flock; for sessions setsid.

# How `dd` takes exactly $1 bytes from a pipe. POSIX has only one at a time.
pr_find_exact() {
    pr_exact="bs=$1 count=1 iflag=fullblock"
    [ -n "$pr_full" ] || pr_exact="ibs=1 obs=65536 count=$1"
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
        (pr_as "$2" -c "$pr_text" planrun "$1")
    fi </dev/null 2>/dev/null
}

# Sets `$pr_busy`: whether the lock of a command is taken. Empty if that is unknown.
pr_find_busy() {
    pr_busy=
    [ "$pr_lock" = lock ] && [ -e "$pr_records/.new-$pr_by.in" ] || return 0
    flock -n 9 9<>"$pr_records/.new-$pr_by.in" 2>/dev/null
    case $? in
    0) pr_busy=no ;;
    1) pr_busy=yes ;;
    esac
}

# Sets $pr_left: whether attempt $1, whose runner was killed, has left something running.
pr_find_left() {
    pr_find_busy
    pr_left=$pr_busy
    [ "$pr_left" != yes ] || return 0
    case $(pr_look_for "$1" "$pr_owner") in
    yes) pr_left=yes ;;
    no) pr_left=no ;;
    esac
}

# Sets $pr_alive: whether the runner exists.
pr_find_alive() {
    pr_alive=no
    if [ "$pr_in_boot" != - ] && [ "$pr_in_boot" != "$pr_boot" ]; then
        return
    elif [ -r /proc/self/stat ]; then
        pr_find_start "$pr_pid" && [ "$pr_ticks" = "$pr_start" ] && pr_alive=yes
    elif kill -0 "$pr_pid" 2>/dev/null; then
        pr_alive=yes
    fi
}

# Prints the outcome of attempt $1. Waits for its end, at most $2 times a tenth of a second.
pr_report() {
    pr_at=$pr_records/$1 pr_waits=$2
    pr_by=
    { read -r pr_owner pr_pid pr_start pr_in_boot && read -r pr_made && read -r pr_by pr_lock; } \
        <"$pr_at" 2>/dev/null
    if [ "${pr_owner:-nobody-knows}" = nobody-knows ]; then
        pr_say unknown
        return
    elif [ "$pr_owner" = given-up ]; then
        pr_find_since
        pr_say "absent $pr_since $pr_memory"
        return
    fi
    pr_find_boot
    while :; do
        pr_find_alive
        # The runner writes the status before it ends: if no runner was found above and it is missing, it stays so.
        { read -r pr_how <"$pr_at.exit"; } 2>/dev/null && break
        pr_how=
        [ "$pr_alive" = yes ] && [ "$pr_waits" -gt 0 ] || break
        pr_waits=$((pr_waits - 1))
        sleep 0.1 2>/dev/null || sleep 1
    done
    if [ -n "$pr_how" ]; then
        pr_result
    elif [ "$pr_alive" = yes ]; then
        pr_say running
    elif [ "$pr_in_boot" != - ] && [ "$pr_in_boot" != "$pr_boot" ]; then
        pr_say over
    elif [ -n "$pr_by" ] && [ ! -e "$pr_at.begun" ]; then
        pr_say unbegun
    else
        pr_find_busy
        while [ "$pr_busy" = yes ] && [ "$pr_waits" -gt 0 ]; do
            pr_waits=$((pr_waits - 1))
            sleep 0.1 2>/dev/null || sleep 1
            pr_find_busy
        done
        pr_find_left "$1"
        case $pr_left in
        yes) pr_say running ;;
        no) pr_say over ;;
        *) pr_say unknown ;;
        esac
    fi
}

# Prints how an attempt ended, and what it printed. Something that it started may keep the streams
# open: then they are left after three seconds.
pr_result() {
    # `sudo` ended with this status.
    case $pr_how in *' sudo') pr_how=${pr_how% sudo}/sudo ;; esac
    if [ -z "$pr_by" ] || { [ ! -e "$pr_at.out" ] && [ ! -e "$pr_at.out.more" ]; }; then
        pr_say "ended $pr_how"
        return
    fi
    pr_waits=60
    until [ -s "$pr_at.out.more" ] && [ -s "$pr_at.err.more" ] || [ "$pr_waits" = 0 ]; do
        pr_waits=$((pr_waits - 1))
        if [ "$pr_waits" -gt 50 ]; then sleep 0.01; else sleep 0.06; fi 2>/dev/null || sleep 1
    done
    pr_lengths=
    for pr_stream in out err; do
        pr_size=0 pr_rest=-
        if [ ! -e "$pr_at.$pr_stream" ]; then
            pr_rest=lost
        else
            [ ! -s "$pr_at.$pr_stream" ] || pr_size=$(($(wc -c <"$pr_at.$pr_stream")))
            { read -r pr_rest <"$pr_at.$pr_stream.more"; } 2>/dev/null || pr_rest=-
        fi
        pr_lengths="$pr_lengths $pr_size ${pr_rest:--}"
    done
    pr_say "ended $pr_how $pr_by$pr_lengths"
    # shellcheck disable=SC2086 # four words
    set -- $pr_lengths
    [ "$1" = 0 ] || dd bs="$1" count=1 <"$pr_at.out" 2>/dev/null
    [ "$3" = 0 ] || dd bs="$3" count=1 <"$pr_at.err" 2>/dev/null
}

pr_ask() {
    pr_find_records
    pr_lock=-
    if pr_record "$1" given-up; then
        pr_find_since
        pr_say "absent $pr_since $pr_memory"
    else
        pr_report "$1" 20
    fi
    rm -f "$pr_new" 2>/dev/null
}

# Runs a probe: $1 user, $2 length of the program.
pr_look() {
    pr_find_exact "$2"
    # shellcheck disable=SC2086 # words of dd
    pr_program=$(dd $pr_exact 2>/dev/null)
    case $pr_program in
    *"# $pr_prefix") ;;
    *)
        pr_say damaged
        return
        ;;
    esac
    { { pr_look_as "$1" "$2" | cat >&2 3>&-; } 3>&1 | cat; }
}

pr_look_as() {
    exec 2>&1 >&3 3>&-
    [ "$pr_rest" = rest ] || exec </dev/null
    if [ "$1" = - ]; then
        eval "$pr_program"
        exit
    fi
    {
        printf '%s' "$pr_program"
        [ "$pr_rest" != rest ] || exec cat
    } | (pr_as "$1" -c "eval \"\$(dd $pr_exact 2>/dev/null)\"")
}

# Receives attempt $1 of user $2: $3 bytes for the runner, $4 more, checksum $5.
pr_run() {
    pr_new=$pr_records/.new-$pr_request
    [ -d "$pr_records" ] || pr_find_records
    pr_find_exact $(($3 + $4))
    # shellcheck disable=SC2086 # words of dd
    if ! (umask 077 && set +C && exec dd $pr_exact >"$pr_new.in") 2>/dev/null; then
        rm -f "$pr_new.in" 2>/dev/null
        pr_say "no-record ${pr_records#/dev/null}"
        # The rest of a partly received request would be read as requests.
        pr_what=end
        return
    fi
    # shellcheck disable=SC2046 # two words
    set -- "$@" $(cksum <"$pr_new.in")
    if [ "$6 $7" != "$5 $(($3 + $4))" ]; then
        rm -f "$pr_new.in"
        pr_say damaged
        return
    fi
    # The password goes through a pipe, not through the file.
    pr_said=$(
        # What waits here must not keep the channel.
        exec </dev/null 2>/dev/null
        printf '%s\n' "$pr_password" | {
            exec 4<&0 <"$pr_new.in"
            # shellcheck disable=SC2016 # for the other shell
            exec ${pr_setsid:+"$pr_setsid"} /bin/sh -c 'IFS= read -r pr_password <&4
                exec 4<&-
                # Without more bytes, the file is the program.
                [ "$7" != 0 ] || . "$8"
                eval "$(dd bs="$1" count=1 2>/dev/null)"' \
                planrun "$3" "$pr_records" "$pr_umask" "$pr_setsid" "$pr_unbuffered" "$pr_method" \
                "$4" "$pr_new.in"
        }
    )
    case $pr_said in
    ended*) pr_ended "$1" "${pr_said#ended }" ;;
    lock-lost*) pr_say_lost "${pr_said#* }" ;;
    '') pr_report "$1" 0 ;;
    *) pr_say "$pr_said" ;;
    esac
}

# Reports attempt $1, which ended with $2. If its record was deleted meanwhile, the attempt must not count as
# never started.
pr_ended() {
    if [ -e "$pr_records/$1" ]; then
        pr_report "$1" 0
        return
    fi
    pr_lock=-
    [ -d "$pr_records" ] || pr_find_records
    # The runner removes its own files at this moment.
    pr_new=$pr_records/.new-$pr_request.end
    pr_record "$1" nobody-knows
    rm -f "$pr_new" 2>/dev/null
    case $2 in
    *' sudo') pr_how=${2% sudo}/sudo ;;
    *) pr_how=$2 ;;
    esac
    pr_say "ended $pr_how $pr_request 0 lost 0 lost"
}

pr_forget() {
    for pr_id in "$@"; do
        set -- "$@" "$pr_records/$pr_id.out" "$pr_records/$pr_id.err" \
            "$pr_records/$pr_id.out.more" "$pr_records/$pr_id.err.more"
        shift
    done
    rm -f "$@" 2>/dev/null
}

pr_serve() {
    trap : HUP PIPE USR1
    # A program would show the password to other users.
    [ "$(command -v printf)" = printf ] || pr_password=
    pr_umask=$(umask)
    pr_setsid=$(command -v setsid)
    pr_unbuffered='stdbuf -o0'
    $pr_unbuffered true >/dev/null 2>&1 || pr_unbuffered=
    pr_full=
    ! dd bs=1 count=1 iflag=fullblock </dev/null >/dev/null 2>&1 || pr_full=yes
    pr_request=$pr_number
    pr_find_records
    pr_prefix=planrun:$pr_number
    pr_say ready
    while read -r pr_what pr_request pr_words; do
        pr_prefix=planrun:$pr_request
        pr_rest=
        # shellcheck disable=SC2086 # words without spaces
        set -- $pr_words
        case $pr_what in
        look)
            pr_rest=${3-}
            pr_look "$1" "$2"
            ;;
        run) pr_run "$@" ;;
        ask) pr_ask "$1" ;;
        lock) pr_take "$@" ;;
        unlock) pr_release "$@" ;;
        holder) pr_show "$1" ;;
        forget)
            pr_forget "$pr_request" "$@" >/dev/null 2>&1 &
            continue
            ;;
        esac
        pr_say "done"
        pr_say "done" >&2
        [ "$pr_what$pr_rest" != end ] && [ "$pr_rest" != rest ] || exit 0
    done
    exit 99
}
