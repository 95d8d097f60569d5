# Puts standard input in place of the file $1 in one step, or leaves everything as it was.
# $2 length, $3 sha256 or nothing, $4 mode or nothing, $5 owner or nothing, $6 a name nobody guesses,
# $7 the mode of a new file
to=$1 length=$2 digest=$3 mode=$4 owner=$5 name=$6 new=$7
fail() {
    echo "upload to $to: $1" >&2
    exit 1
}

# A link is followed: the file it leads to is replaced, the link stays.
links=0
while [ -h "$to" ]; do
    links=$((links + 1))
    [ "$links" -le 16 ] || fail 'too many symbolic links'
    link=$(readlink -- "$to" && echo .) || fail 'the symbolic link cannot be read'
    link=${link%?.}
    case $link in
    /*) to=$link ;;
    *) to=${to%/*}/$link ;;
    esac
done
case $to in
*/) fail 'it is a directory' ;;
esac
[ ! -d "$to" ] || fail 'it is a directory'
[ ! -e "$to" ] || [ -f "$to" ] || fail 'it is not a regular file'
dir=${to%/*}/
[ -d "$dir" ] || fail "there is no directory $dir"

if [ -e "$to" ]; then
    old=$(stat -c '%a %u:%g' -- "$to" 2>/dev/null) ||
        old=$(stat -f '%Mp%Lp %u:%g' -- "$to" 2>/dev/null) ||
        fail 'the mode of the old file cannot be read'
    mode=${mode:-${old% *}}
    owner=${owner:-${old#* }}
fi

temporary=$dir.planrun-$name
trap 'rm -f -- "$temporary"' EXIT
trap 'exit 1' HUP INT PIPE TERM
umask 077
set -C
cat >"$temporary" || fail 'the content cannot be written'
set +C
[ "$(wc -c <"$temporary")" -eq "$length" ] || fail 'the content came in part only'
if [ -n "$digest" ] && command -v sha256sum >/dev/null 2>&1; then
    sum=$(sha256sum <"$temporary") || fail 'the content cannot be read back'
    [ "${sum%% *}" = "$digest" ] || fail 'the content came damaged'
fi
if [ -n "$owner" ]; then
    chown -- "$owner" "$temporary" || fail "the owner cannot be made $owner"
fi
chmod -- "${mode:-$new}" "$temporary" || fail "the mode cannot be made ${mode:-$new}"
sync -- "$temporary" 2>/dev/null || :
mv -f -- "$temporary" "$to" || fail 'the new file cannot be put in place'
