# Puts standard input in place of a file in one step, or leaves everything as it was. Part of the host
# session (serve.sh). Arguments: this text, path, length, sha256 or nothing, mode or nothing, owner or
# nothing, a name that cannot be guessed, the mode of a new file; and, if root continues as another user,
# `owner`.
#
# A user who may write a directory can replace any file there by a link, at any time. So the path is
# walked from the root one directory at a time; each is entered, checked, and only then is something looked
# up in it. The work is done in the last one by plain names, and on the open file. root never works in a
# directory that another user can change: it continues as the owner of that directory, who gains nothing by
# an attack, or it refuses if a group or everyone can write there. In a directory with the sticky bit, as
# /tmp, others cannot replace what belongs to root: there, entries of others are refused.
text=$1 to=$2 length=$3 digest=$4 mode=$5 owner=$6 name=$7 new=$8 as=${9-}
fail() {
    echo "upload to $to: $1" >&2
    exit 1
}

# Prints mode, user and group of $1, and does not follow a link.
stats() {
    stat -c '%a %u %g' -- "$1" 2>/dev/null || stat -f '%Mp%Lp %u %g' -- "$1" 2>/dev/null
}

# Checks the current directory. Sets $shared if others can make files in it.
check() {
    here=$(pwd -P)
    shared=
    [ "$me" = 0 ] || return 0
    # shellcheck disable=SC2046 # three words
    set -- $(stats .)
    [ $# = 3 ] || fail "the mode of the directory $here cannot be read"
    [ "$2" = 0 ] || go_on_as "$2" "$3"
    [ $((0$1 & 0022)) != 0 ] || return 0
    shared=yes
    [ $((0$1 & 01000)) != 0 ] ||
        fail "root cannot work safely in $here, because other users can write there (mode $1): run \`chmod go-w $here\`"
}

# Refuses what another user has put into a shared directory.
check_owner() {
    [ -z "$shared" ] || [ "$1" = 0 ] ||
        fail "$part in $here belongs to another user, and everyone can write there"
}

# Starts again as the user $1.
go_on_as() {
    user=$1
    group=$(id -g "$user" 2>/dev/null) || group=$2
    cd / || exit 1
    set -- /bin/sh -c 'eval "$1"' planrun \
        "$text" "$to" "$length" "$digest" "$mode" "$owner" "$name" "$new" owner
    if ! command -v setpriv >/dev/null 2>&1; then
        exec sudo -n -u "#$user" -- "$@"
    elif setpriv --reuid "$user" --regid "$group" --init-groups true 2>/dev/null; then
        exec setpriv --reuid "$user" --regid "$group" --init-groups "$@"
    else
        exec setpriv --reuid "$user" --regid "$group" --clear-groups "$@"
    fi
}

me=$(id -u) || fail 'the user is not known'
case $to in
*/) fail 'it is a directory' ;;
/*) ;;
*) to=$(pwd -P)/$to ;;
esac

# A link is followed: the file it leads to is replaced, the link stays.
cd / || exit 1
rest=$to
links=0
while check; do
    while [ "${rest#/}" != "$rest" ]; do rest=${rest#/}; done
    part=${rest%%/*}
    [ -n "$part" ] || fail 'it is a directory'
    if [ -h "./$part" ]; then
        # shellcheck disable=SC2046 # three words
        set -- $(stats "./$part")
        check_owner "${2-}"
        links=$((links + 1))
        [ "$links" -le 16 ] || fail 'too many symbolic links'
        link=$(readlink -- "./$part" && echo .) || fail 'the symbolic link cannot be read'
        link=${link%?.}
        case $link in /*) cd / || exit 1 ;; esac
        rest=$link${rest#"$part"}
        continue
    fi
    case $rest in */*) ;; *) break ;; esac
    cd -P "./$part" 2>/dev/null || fail "there is no directory ${here%/}/$part"
    case $part in
    . | ..) ;;
    *) [ "$(pwd -P)" = "${here%/}/$part" ] || fail "${here%/}/$part was replaced just now" ;;
    esac
    rest=${rest#*/}
done
file=./$part
[ ! -d "$file" ] || fail 'it is a directory'
if [ -e "$file" ]; then
    [ -f "$file" ] || fail 'it is not a regular file'
    # shellcheck disable=SC2046 # three words
    set -- $(stats "$file")
    [ $# = 3 ] || fail 'the mode of the old file cannot be read'
    check_owner "$2"
    mode=${mode:-$1}
    owner=${owner:-$2:$3}
fi
[ -z "$as" ] || [ -n "$owner" ] ||
    fail "$here belongs to the user $(id -un), who can change every file there, so a file of root would not stay one: set \`owner: $(id -un)\`"

# Fills the new file, which is open as descriptor 8, and makes it what it is to be.
fill() {
    cat >&8 || fail 'the content cannot be written'
    [ "$(wc -c <"$temporary")" -eq "$length" ] || fail 'the content came in part only'
    if [ -n "$digest" ] && command -v sha256sum >/dev/null 2>&1; then
        sum=$(sha256sum <"$temporary") || fail 'the content cannot be read back'
        [ "${sum%% *}" = "$digest" ] || fail 'the content came damaged'
    fi
    opened=/proc/self/fd/8
    [ -e "$opened" ] || opened=$temporary
    if [ -n "$owner" ]; then
        chown -- "$owner" "$opened" 2>/dev/null || {
            id -u "${owner%%:*}" >/dev/null 2>&1 || fail "there is no user ${owner%%:*}"
            fail "$(id -un) cannot make $owner its owner"
        }
    fi
    chmod -- "${mode:-$new}" "$opened" 2>/dev/null || fail "the mode cannot be made ${mode:-$new}"
    sync -- "$temporary" 2>/dev/null || :
}

[ -w . ] || fail "$(id -un) cannot write in the directory $here"
temporary=./.planrun-$name
trap 'rm -f -- "$temporary"' EXIT
trap 'exit 1' HUP INT PIPE TERM
umask 077
set -C
fill 8>"$temporary" || fail 'no file can be made in the directory'
# -T: whatever has the name now is replaced, and never moved into.
mv -fT -- "$temporary" "$file" 2>/dev/null || {
    [ ! -d "$file" ] && mv -f -- "$temporary" "$file"
} || fail 'the new file cannot be put in place'
