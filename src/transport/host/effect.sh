# The runner of one attempt: a process and a session of its own, which no lost connection ends. Its text is
# records.sh, run.sh, become.sh if it is needed, this file and the command. It comes through standard input from a file (serve.sh),
# and after it what the command reads.
#
# It makes the record of the attempt, which only one process can do, and then runs the command. All that
# the command prints goes through a FIFO to a process that keeps the first $pr_most bytes and counts the
# rest: it fills no disk, and dies of no closed pipe. With `become` only the command and its clock run as
# the other user; sudo passes on standard input, output and error, and nothing else.
#
# The lock is on standard input, which also sudo passes on: it is released when the command and all that
# it started with this standard input are gone, even if this process was killed. A command that has
# something to read, or a secret in its environment, has no lock: the file is removed before it starts, as it
# may contain secrets.
#
# Standard output of the runner itself goes to the host session: why nothing was started, or how it ended.

# The maximum number of bytes kept of each stream.
pr_most=1048576

# Gives up: nothing was started.
pr_refuse() {
    echo "$*" >&3
    rm -f "$pr_new" "$pr_new.in" "$pr_new.o" "$pr_new.e" 2>/dev/null
    exit 1
}

# Refuses to start if the lock of the host was lost: file, ID, epoch, owner. Without words there is none.
pr_check_lock() {
    [ $# = 0 ] ||
        { [ "${1##*/}" = "planrun-$pr_boot.lock" ] && pr_has_lock "$1" "$2" "$4" && [ "$pr_epoch" = "$3" ]; } ||
        pr_refuse "lock-lost $1"
}

pr_claim() {
    pr_find_boot
    # shellcheck disable=SC2086 # four words or none
    pr_check_lock $pr_fence
    pr_find_start $$
    pr_record "$pr_id" "$1 $$ $pr_ticks $pr_boot" && return
    pr_owner=
    { read -r pr_owner pr_rest <"$pr_records/$pr_id"; } 2>/dev/null
    if [ "$pr_owner" = given-up ]; then
        pr_refuse given-up
    elif [ -e "$pr_records/$pr_id" ]; then
        pr_refuse taken
    else
        pr_refuse "no-record $pr_records"
    fi
}

# Keeps the first bytes of a stream from the descriptor $1 in the file $2. A daemon can keep the stream open:
# then the file is read before its end, so no byte may stay in a buffer. (Redirections of a function
# would leave copies of the descriptors in some shells.)
pr_keep() {
    exec <&"$1" >"$2" 5>"$2.more" 3>&- 6<&- 7>&- 8<&- 9>&-
    $pr_unbuffered head -c "$pr_most" || rm -f "$2"
    # After nothing there is no rest to count.
    if [ -e "$2" ] && [ ! -s "$2" ]; then echo 0; else exec wc -c; fi >&5
}

# Runs attempt $1 as user $2 (`-`: this user). $3 bytes are the text for that user, $4 bytes what the
# command reads (`-`: nothing, but the text contains secrets). The rest is for pr_command.
pr_attempt() {
    pr_id=$1 pr_user=$2 pr_inner=$3 pr_input=$4 pr_lock=- pr_detached=yes
    shift 4
    pr_at=$pr_records/$pr_id
    pr_new=$pr_records/.new-$pr_number
    umask 077
    set +C
    exec 3>&1 >/dev/null
    trap : HUP PIPE INT QUIT
    trap '' USR1
    mkfifo "$pr_new.o" "$pr_new.e" || pr_refuse "no-record $pr_records"
    # Both ends at once: nothing waits for the other side, which may be killed.
    exec 5<>"$pr_new.o" 6<"$pr_new.o" 7>"$pr_new.o" 5>&-
    exec 5<>"$pr_new.e" 8<"$pr_new.e" 9>"$pr_new.e" 5>&-
    if [ "$pr_input" = 0 ] && command -v flock >/dev/null 2>&1 && flock -n -s 0; then pr_lock=lock; fi
    # This text has been read. A command that opens `/dev/stdin` must not find it.
    [ "$pr_inner$pr_input" != 00 ] || : >"$pr_new.in"
    pr_claim "$pr_user"
    pr_prune
    # Here, not by the processes that keep the streams: the command may end before these run, and without the files
    # its output would count as removed. A result waits until both have a content.
    true >"$pr_at.out.more" >"$pr_at.err.more" || pr_refuse "no-record $pr_records"
    pr_keep 6 "$pr_at.out" &
    pr_keep 8 "$pr_at.err" &
    exec >&7 2>&9 6<&- 7>&- 8<&- 9>&-
    [ "$pr_input" = 0 ] || rm -f "$pr_new.in"
    # Room for the exit code.
    echo '            ' >"$pr_at.begun" || pr_refuse "no-record $pr_records"
    if [ "$pr_user" = - ]; then
        pr_command "$@"
    else
        # shellcheck disable=SC2016 # for the other shell
        (
            umask "$pr_umask"
            exec 3>&-
            pr_as "$pr_user" -c 'eval "$(dd bs="$1" count=1 2>/dev/null)"' planrun "$pr_inner"
        )
        pr_how=$?
        [ "$pr_how" -lt 256 ] || pr_how=$((pr_how - 128))
        pr_how="$pr_how sudo"
    fi
    exec >/dev/null 2>&1
    # In place, which needs no room on the disk.
    echo "$pr_how" 1<>"$pr_at.begun" && mv -f "$pr_at.begun" "$pr_at.exit"
    echo "ended $pr_how" >&3
    {
        rm -f "$pr_new" "$pr_new.in" "$pr_new.o" "$pr_new.e"
        sync "$pr_at.exit" "$pr_records"
    } 3>&- &
    exit 0
}
