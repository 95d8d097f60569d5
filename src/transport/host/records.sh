# What a host remembers of attempts. Part of the host session (serve.sh) and of each runner (effect.sh).
#
# All files are in $pr_records, a directory of the login user (0700). ID is the name of an attempt; no ID
# has a dot.
#
#     `ID`            the record, made by a hard link: one process can do that, once, and it is complete
#                     from the start. Line 1: the user, and the number, start time and boot of the
#                     runner; or `given-up`. Line 2: the day ($pr_day). Line 3: the number of the request,
#                     and `lock` if the command inherits a lock on .new-NUMBER.in. Earlier versions of
#                     planrun wrote two lines
#     `ID.begun`      the command may have started. Renamed to ID.exit with the exit code in it
#     `ID.out`        its standard output, up to a limit; `ID.out.more`: how many more bytes
#     `ID.err`        its standard error, likewise
#     `.new-NUMBER*`  temporary files of a request
#     `.memory`       the name of this directory: the number of the request (or session) that made it. If it
#                     is deleted, the next request makes it, with a number that is newer than the lost records
#     `.since`        no record made on this day or later was removed
#
# A record is kept for at least 90 days, by the clock of the machine that planrun runs on: $pr_day is in
# days since 1970. What a command printed is kept until planrun has recorded it (`forget`), or for 10 days.

# Finds the directory and its name.
pr_find_records() {
    # Nothing can be made there.
    pr_records=/dev/null
    case ${XDG_STATE_HOME-} in
    /*) pr_records=$XDG_STATE_HOME/planrun/attempts ;;
    *) case ${HOME-} in /?*) pr_records=$HOME/.local/state/planrun/attempts ;; esac ;;
    esac
    pr_memory=-
    [ -d "$pr_records" ] || (umask 077 && mkdir -p "$pr_records") 2>/dev/null
    pr_new=$pr_records/.new-$pr_request
    if [ ! -s "$pr_records/.memory" ]; then
        pr_write "$pr_new.memory" "$pr_request" && ln "$pr_new.memory" "$pr_records/.memory" 2>/dev/null
        rm -f "$pr_new.memory" 2>/dev/null
        sync "$pr_records/.memory" "$pr_records" 2>/dev/null || :
    fi
    { read -r pr_memory <"$pr_records/.memory"; } 2>/dev/null || pr_memory=-
}

# Writes the lines $2 to the file $1.
pr_write() {
    (umask 077 && set +C && echo "$2" >"$1") 2>/dev/null && [ -s "$1" ]
}

# Makes the record of attempt $1 with the line $2, so that it survives a power failure. Fails if it
# exists already, or cannot be written.
pr_record() {
    if [ ! -e "$pr_records/$1" ] && pr_write "$pr_new" "$2
$pr_day
$pr_number $pr_lock" && ln "$pr_new" "$pr_records/$1" 2>/dev/null; then
        sync "$pr_records/$1" "$pr_records" 2>/dev/null || :
        return 0
    fi
    return 1
}

# Finds when process $1 started, in ticks since boot. Fails if it does not exist.
pr_find_start() {
    pr_ticks=-
    { read -r pr_fields <"/proc/$1/stat"; } 2>/dev/null || return 1
    # shellcheck disable=SC2086 # words without spaces
    set -- ${pr_fields##*\) }
    pr_ticks=${20}
}

pr_find_boot() {
    { read -r pr_boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || pr_boot=-
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
    pr_write "$pr_new.since" "$pr_oldest" && mv -f "$pr_new.since" "$pr_records/.since" 2>/dev/null || return 0
    sync "$pr_records" 2>/dev/null || :
    find "$pr_records" -name '.new-*' -mtime +10 -exec rm -f {} + 2>/dev/null
    set --
    for pr_file in "$pr_records"/*; do
        case ${pr_file##*/} in *.*) continue ;; esac
        pr_made=
        { { read -r pr_owner && read -r pr_made; } <"$pr_file"; } 2>/dev/null
        case $pr_made in '' | *[!0-9]*) continue ;; esac
        [ "$pr_made" -lt $((pr_day - 10)) ] || continue
        set -- "$@" "$pr_file.out" "$pr_file.err" "$pr_file.out.more" "$pr_file.err.more"
        [ "$pr_made" -ge "$pr_oldest" ] || set -- "$@" "$pr_file" "$pr_file.begun" "$pr_file.exit"
        [ $# -lt 500 ] || { rm -f "$@" && set --; }
    done
    rm -f "$@"
}

# Prints the number of the user who owns $1. Fails if it does not exist.
pr_owner_of() {
    ls -ldn "$1" 2>/dev/null | { read -r pr_mode pr_links pr_uid pr_fields && echo "$pr_uid"; }
}

# Whether the file $1 is a lock with the ID $2 (lock.sh) of this user, or of the user with the number $3. Sets
# $pr_epoch.
pr_has_lock() {
    [ -f "$1" ] && [ ! -h "$1" ] &&
        { [ -O "$1" ] || { [ "${3:--}" != - ] && [ "$(pr_owner_of "$1")" = "$3" ]; }; } &&
        { read -r pr_lock_id pr_epoch pr_fields <"$1"; } 2>/dev/null && [ "$pr_lock_id" = "$2" ]
}
