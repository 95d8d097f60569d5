# How a command becomes another user: by $pr_method, with $pr_password if there is one.
#
# The password came over standard input of the session, and is in a variable of this shell that is not exported.
# `sudo -A` runs the program in SUDO_ASKPASS with its prompt as the argument. Here this is `cat` with the name
# of a FIFO. So the password is in no file, no argument and no environment, and standard input remains that of
# the command. The FIFO has no name any more when it is read: a wrong password is tried once.

# Runs `/bin/sh` as user $1, with the other arguments. Called in a subshell.
pr_as() {
    pr_to=$1
    shift
    if command -v id >/dev/null 2>&1 && ! id -u "$pr_to" >/dev/null 2>&1; then
        pr_say no-user
        exit 1
    fi
    case $pr_method in
    doas) exec doas -n -u "$pr_to" /bin/sh "$@" ;;
    su)
        # Otherwise it would read a password from standard input.
        [ "$(id -u)" = 0 ] && exec su -s /bin/sh "$pr_to" "$@"
        echo 'su: the login user is not root' >&2
        exit 1
        ;;
    esac
    [ -n "$pr_password" ] || exec sudo -n -u "$pr_to" -- /bin/sh "$@"
    pr_fifo=$pr_records/.new-${pr_prefix#planrun:}.pw
    (umask 077 && mkfifo "$pr_fifo") || exit 1
    (
        exec </dev/null >/dev/null 2>&1
        exec 8>"$pr_fifo"
        rm -f "$pr_fifo"
        printf '%s\n' "$pr_password" >&8
    ) &
    pr_writer=$!
    SUDO_ASKPASS=$(command -v cat) sudo -A -p "$(printf '%s\n' "$pr_fifo" | sed 's/%/%%/g')" \
        -u "$pr_to" -- /bin/sh "$@"
    pr_to=$?
    # It may not have been asked for.
    { kill "$pr_writer" && wait "$pr_writer"; } 2>/dev/null
    rm -f "$pr_fifo"
    return "$pr_to"
}
