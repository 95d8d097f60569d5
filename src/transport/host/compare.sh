# Prints whether the file $1 is as an upload would leave it: `same`, `other`, or `unsure`.
# $2 length, $3 sha256 or nothing (then standard input is the content), $4 mode or nothing,
# $5 owner or nothing
to=$1 length=$2 digest=$3 mode=$4 owner=$5
say() {
    echo "$1"
    exit 0
}

[ -f "$to" ] || say other
[ -r "$to" ] || say unsure
[ "$(wc -c <"$to")" -eq "$length" ] || say other
if [ -n "$digest" ]; then
    command -v sha256sum >/dev/null 2>&1 || say unsure
    sum=$(sha256sum <"$to") || say unsure
    [ "${sum%% *}" = "$digest" ] || say other
else
    command -v cmp >/dev/null 2>&1 || say unsure
    cmp -s - "$to" || say other
fi
[ -n "$mode$owner" ] || say same

# A link is followed, as an upload follows it.
is=$(stat -L -c '%a %U %u %G %g' -- "$to" 2>/dev/null) ||
    is=$(stat -L -f '%Mp%Lp %Su %u %Sg %g' -- "$to" 2>/dev/null) ||
    say unsure
# shellcheck disable=SC2086 # five words without spaces
set -- $is
if [ -n "$mode" ]; then
    [ "$((0$mode))" -eq "$((0$1))" ] || say other
fi
user=${owner%%:*}
group=${owner#"$user"}
group=${group#:}
[ -z "$user" ] || [ "$user" = "$2" ] || [ "$user" = "$3" ] || say other
[ -z "$group" ] || [ "$group" = "$4" ] || [ "$group" = "$5" ] || say other
say same
