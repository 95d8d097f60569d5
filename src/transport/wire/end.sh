# Ends the process group $1: TERM, $2 seconds of grace, KILL. Says $3:gone or $3:left.
group=$1 grace=$2 prefix=$3
if sleep 0.1 2>/dev/null; then nap=0.1 per_second=10; else nap=1 per_second=1; fi

# A zombie is not alive, but `kill -0` finds it. So /proc is asked where there is one.
alive() {
    if [ ! -r /proc/self/stat ]; then
        kill -0 -"$group" 2>/dev/null
        return
    fi
    for stat in /proc/[0-9]*/stat; do
        { read -r fields <"$stat"; } 2>/dev/null || continue
        # Behind the name, which may hold blanks and brackets: state, parent, group.
        set -- ${fields##*) }
        if [ "$3" = "$group" ] && [ "$1" != Z ] && [ "$1" != X ]; then return 0; fi
    done
    return 1
}

# Waits up to $1 seconds for the group to be gone.
gone_within() {
    naps=$(($1 * per_second))
    while alive; do
        [ "$naps" -gt 0 ] || return 1
        naps=$((naps - 1))
        sleep "$nap"
    done
}

kill -TERM -"$group" 2>/dev/null
kill -CONT -"$group" 2>/dev/null
if ! gone_within "$grace"; then
    kill -KILL -"$group" 2>/dev/null
    if ! gone_within 3; then
        echo "$prefix:left"
        exit 1
    fi
fi
echo "$prefix:gone"
