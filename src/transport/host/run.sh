# Runs one command with a time limit, as the user it is for. Part of the host session (serve.sh), and of the
# runners (effect.sh).
#
# The command gets a session of its own and a mark in its environment. When its time is up, everything in
# that session, everything with the mark, and all children of these are ended: TERM, some grace, KILL.
# `timeout` in a script makes a process group of its own, `setsid` a session, `env -i` loses the mark, a
# daemon loses its parent: only a process that does the last three at once gets away.
# It counts as ended only if nothing is left and this user could see everything. Otherwise this shell prints
# `left` and waits until nothing more is found, so that the host continues to report it as running.
#
# The command runs in the foreground (in the background its INT and QUIT would be ignored) and the clock
# next to it. The clock does the ending; this shell learns of it by ALRM once the command is over.

pr_say() {
    echo "$pr_prefix:$*"
}

# Finds the number of this process. `$$` is that of the shell it was forked from.
pr_find_self() {
    { read -r pr_self pr_fields </proc/self/stat; } 2>/dev/null ||
        pr_self=$(exec /bin/sh -c 'echo $PPID')
}

# Whether the shell that started this clock still exists. After its death its number may be that of
# another process, which must be left alone.
pr_is_attended() {
    if [ -r /proc/self/stat ]; then
        read -r pr_fields </proc/self/stat
        # shellcheck disable=SC2086 # words without spaces
        set -- ${pr_fields##*\) }
    else
        pr_fields=$(exec /bin/sh -c 'echo $PPID')
        # shellcheck disable=SC2046 # one number
        set -- - $(ps -o ppid= -p "$pr_fields" 2>/dev/null)
    fi
    [ "${2-}" = "$pr_self" ]
}

# Lists in $pr_members what belongs to the command. Fails if there is nothing.
pr_find_members() {
    pr_members=
    pr_shell=-
    ! pr_is_attended || pr_shell=$pr_self
    if [ ! -r /proc/self/stat ]; then
        pr_find_descendants
    else
        # shellcheck disable=SC2046 # paths without spaces, in one line
        pr_marked=" $(echo $(grep -lsF "PLANRUN_MARK=$pr_mark" /proc/[0-9]*/environ)) "
        for pr_stat in /proc/[0-9]*/stat; do
            { read -r pr_fields <"$pr_stat"; } 2>/dev/null || continue
            # After the name, which may contain anything: state, parent, group, session.
            # shellcheck disable=SC2086 # words without spaces
            set -- "${pr_stat%/stat}" ${pr_fields##*\) }
            case $2 in Z | X) continue ;; esac
            # A child of this shell that leads a session is the command itself.
            [ "$3" != "$pr_shell" ] || [ "/proc/$5" != "$1" ] || pr_session=$5
            case "$pr_marked$pr_known" in
            *" $1/environ "* | *" ${1#/proc/} "* | *" $3 "*) ;;
            *) [ "$5" = "$pr_session" ] || continue ;;
            esac
            pr_members="$pr_members ${1#/proc/}"
            case $pr_known in
            *" ${1#/proc/} "*) ;;
            *) pr_known="$pr_known${1#/proc/} " ;;
            esac
        done
    fi
    [ -n "$pr_members" ]
}

# Without /proc: the descendants of this shell, but not the clock and its own.
pr_find_descendants() {
    pr_clock=$(exec /bin/sh -c 'echo $PPID')
    pr_family=" $pr_shell "
    pr_before=
    while [ "$pr_before" != "$pr_family" ]; do
        pr_before=$pr_family
        # shellcheck disable=SC2046 # pairs of numbers
        set -- $(ps -A -o pid= -o ppid= 2>/dev/null)
        while [ $# -ge 2 ]; do
            case "$pr_family" in
            *" $1 "*) ;;
            *" $2 "*) [ "$1" = "$pr_clock" ] || pr_family="$pr_family$1 " pr_members="$pr_members $1" ;;
            esac
            shift 2
        done
    done
}

# Whether this user would see everything that is left.
pr_sees_all() {
    [ -n "$pr_setsid" ] && [ -r /proc/self/stat ] && { [ -r /proc/1/stat ] || [ "$(id -u)" = 0 ]; }
}

# Sends a signal to all members.
pr_signal() {
    # shellcheck disable=SC2086 # numbers
    kill "-$1" $pr_members 2>/dev/null
}

# Waits up to $1 seconds for the members to be gone. To look for them takes long if the host is busy.
pr_gone_within() {
    sleep "$1" >/dev/null &
    pr_alarm=$!
    while pr_find_members; do
        kill -0 "$pr_alarm" || return 1
        sleep "$pr_nap"
    done
    kill -KILL "$pr_alarm"
    return 0
}

# Ends the command, unless it is over before. Returns 0 if it is ended, 1 if that is unknown and `left` was
# printed.
pr_end() {
    pr_session=none pr_known=' '
    while
        # A child may come before its parent: until no more are found.
        pr_size=
        while [ "$pr_size" != "$pr_known" ]; do
            pr_size=$pr_known
            pr_find_members
        done
        [ -z "$pr_over" ] || return
        ! pr_find_members && pr_sees_all
    do
        # As long as this shell waits for it, it has only not started yet.
        pr_is_attended || return
    done
    ! pr_is_attended || kill -ALRM "$pr_self"
    if sleep 0.1 2>/dev/null; then pr_nap=0.1; else pr_nap=1; fi
    pr_signal TERM
    pr_signal CONT
    if ! pr_gone_within "$pr_grace"; then
        pr_signal KILL
        if ! pr_gone_within 3; then
            pr_say left
            while pr_find_members; do sleep 1; done
        fi
    fi
    pr_sees_all && return 0
    pr_say left
    return 1
}

# Ends the sleep of the clock. A signal may come right after its start: by then only `$!` is set, and a
# process that is not yet `sleep` may lose a TERM.
pr_wake() {
    case $! in
    '' | 0) ;;
    *) kill -KILL "$!" ;;
    esac
}

# Waits for $1 seconds, or $2 if `sleep` takes whole numbers only, and then ends the command. USR1
# means that no one waits for the command any more: it is ended at once, unless it is an effect.
pr_clock() {
    # zsh would leave it the input of the command, and with it the lock of the effect.
    exec </dev/null 3>&- 4>&-
    pr_now= pr_over=
    [ -n "${pr_detached-}" ] || trap 'pr_now=yes; pr_wake' USR1
    trap 'pr_wake; exit 0' TERM
    for pr_seconds in "$1" "$2"; do
        [ -z "$pr_now" ] || break
        sleep "$pr_seconds" >/dev/null &
        wait "$!" && break
    done
    trap 'pr_over=yes' TERM
    trap '' USR1
    pr_end
}

pr_begin() {
    [ -z "${pr_umask-}" ] || umask "$pr_umask"
    exec 2>&4 3>&- 4>&-
    pr_start "$@"
}

# Runs `pr_start ARGUMENT...`, which planrun has defined: SECONDS WHOLE-SECONDS GRACE MARK ARGUMENT...
# Sets $pr_how: the exit code, or `timeout`. Ends this shell if it is not certain that the command ended.
# If $pr_input is not 0, the command reads the rest of a file, which is standard input.
pr_command() {
    pr_time=$1 pr_whole=$2 pr_grace=$3 pr_mark=$4
    shift 4
    [ -n "${pr_setsid-}" ] || pr_setsid=$(command -v setsid)
    pr_find_self
    pr_late=
    trap 'pr_late=yes' ALRM
    # A lost connection ends the command at most, and not this shell, which has to keep the status. (ksh
    # would also follow its command in a death by INT or QUIT.)
    trap : HUP PIPE INT QUIT
    trap '' USR1
    # What this shell itself prints about a death by signal is not output of the command.
    exec 4>&2 2>/dev/null
    pr_clock "$pr_time" "$pr_whole" &
    pr_clock=$!
    [ -n "${pr_detached-}" ] || trap : USR1
    if [ "${pr_input:-0}" = 0 ]; then
        (pr_begin "$@")
    else
        # A pipe, because opening `/dev/stdin` would read the file from its start. Nothing waits for `cat`.
        { cat <&5 3>&- 4>&- 5<&- & } 5<&0 | (pr_begin "$@")
    fi
    pr_how=$?
    # Some shells add 256 for a signal, the others 128.
    [ "$pr_how" -lt 256 ] || pr_how=$((pr_how - 128))
    if [ -n "$pr_late" ]; then
        wait "$pr_clock" || exit 142
        pr_how=timeout
    else
        kill "$pr_clock"
    fi
    exec 2>&4 4>&-
}

# Prints how the command ended, last in both streams. sudo passes on the exit code, but has some of its own.
pr_print_end() {
    pr_say "end $pr_how"
    pr_say "end $pr_how" >&2
    [ "$pr_how" != timeout ] || pr_how=142
    exit "$pr_how"
}
