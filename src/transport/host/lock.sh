# The lock of a host: one run at a time may change it. Part of the host session (serve.sh).
#
# The lock is a file with one line, `ID EPOCH RUN BY SINCE PLAN HOST`. It is made by a hard link, which only
# one process can do, so it is complete from the start. A process that continues a run takes the lock of the
# run over with a larger epoch. The name of the file contains the boot of the host: a restart releases it.
#
# All users must find the same place, so it depends on the host only: the directory that the inventory names;
# else /run/planrun, if it exists; else the first of /run/lock and /tmp with the sticky bit. There no one can
# remove or replace the file of another user. (In /dev/shm, systemd-logind may remove the files of a user who
# logs out.) A file, a link or a directory that another user puts there can only block the host, and its
# owner is reported. Only a regular file of the user who took the lock counts as that lock (pr_has_lock).

# Finds the place and the file. $1 is a directory, or `-`.
pr_find_lock() {
    pr_find_boot
    pr_place=$1
    if [ "$1" != - ]; then
        [ -d "$1" ] || mkdir -m 1777 "$1" 2>/dev/null
    else
        for pr_place in /run/planrun /run/lock /tmp /dev/null; do
            [ ! -k "$pr_place" ] || break
            [ "$pr_place" != /run/planrun ] || [ ! -d "$pr_place" ] || break
        done
    fi
    pr_lock_file=$pr_place/planrun-$pr_boot.lock
    pr_made=$pr_place/.planrun-$pr_request
}

# Writes a new file with the words of a line, which all users can read.
pr_make() {
    (umask 022 && set -C && echo "$*" >"$pr_made") 2>/dev/null || return 1
    # systemd-tmpfiles does not remove a file with the sticky bit.
    [ "$pr_place" != /tmp ] || chmod 1644 "$pr_made" 2>/dev/null || :
}

# Prints the first line of the file $1, which anyone may have made.
pr_first_line() {
    if [ -f "$1" ] && [ ! -h "$1" ]; then
        head -c 1000 "$1" 2>/dev/null | head -n 1 | tr -cd 'A-Za-z0-9 %@._:+-'
    fi
}

# Sets $pr_holder: the number of the user who has the lock, and its line. Fails if no one has it.
pr_find_holder() {
    pr_holder=$(pr_owner_of "$pr_lock_file") || return 1
    pr_holder="$pr_holder $(pr_first_line "$pr_lock_file")"
}

# Takes the lock, or takes it over. $1 is the directory, the rest the line.
pr_take() {
    pr_find_lock "$1"
    shift
    pr_is="no-lock $pr_place"
    if pr_make "$@"; then
        # It can be released between two looks.
        for pr_try in 1 2 3; do
            pr_is=kept
            # `ln` would make the link in a directory that has this name.
            if [ ! -e "$pr_lock_file" ] && [ ! -h "$pr_lock_file" ]; then
                ! ln "$pr_made" "$pr_lock_file" 2>/dev/null || pr_is=new
            fi
            if pr_has_lock "$pr_lock_file" "$1" && [ "$pr_epoch" -le "$2" ]; then
                pr_is="locked $pr_is $pr_boot $pr_lock_file -"
                [ "$pr_epoch" = "$2" ] || mv -f "$pr_made" "$pr_lock_file" 2>/dev/null || pr_is="no-lock $pr_place"
                break
            elif pr_find_holder; then
                case "${pr_holder#* } " in
                # The run has taken it as another user of this host.
                "$1 $2 "*) pr_is="locked kept $pr_boot $pr_lock_file ${pr_holder%% *}" ;;
                *) pr_is="taken $pr_holder" ;;
                esac
                break
            fi
            pr_is="no-lock $pr_place"
        done
    fi
    rm -f "$pr_made" 2>/dev/null
    pr_say "lock $pr_is"
}

# Releases the lock with the ID $2 in the directory $1. If an operator wants that, $3 is a user that may
# remove the file (or `-`), and the rest says who, when and why, for the run that had it.
pr_release() {
    pr_find_lock "$1"
    if ! pr_find_holder; then
        pr_say "lock free"
        return
    fi
    case "${pr_holder#* } " in
    "$2 "*) ;;
    *)
        pr_say "lock taken $pr_holder"
        return
        ;;
    esac
    rm -f "$pr_lock_file" 2>/dev/null
    [ ! -e "$pr_lock_file" ] || [ "${3:--}" = - ] ||
        (pr_as "$3" -c 'rm -f "$1"' planrun "$pr_lock_file") </dev/null 2>/dev/null
    if [ -e "$pr_lock_file" ]; then
        pr_say "lock not-released $pr_holder"
        return
    fi
    if [ $# -gt 3 ]; then
        pr_released=$2
        shift 3
        pr_make "$pr_released" "$@" && mv -f "$pr_made" "${pr_lock_file%.lock}.released" 2>/dev/null
        rm -f "$pr_made" 2>/dev/null
    fi
    pr_say "lock released"
}

# Prints who has the lock.
pr_show() {
    pr_find_lock "$1"
    if pr_find_holder; then pr_say "lock taken $pr_holder"; else pr_say "lock free"; fi
}

# Reports why an attempt was not started: the file $1 is not the lock of its run any more.
pr_say_lost() {
    pr_find_boot
    pr_lock_file=$1
    if [ "${1##*/}" = "planrun-$pr_boot.lock" ] && pr_find_holder; then
        pr_say "lock taken $pr_holder"
    else
        pr_say "lock lost $pr_boot $(pr_first_line "${1%.lock}.released")"
    fi
}
