# Says what became of the attempt whose folder is $d: absent, running, over or unknown.
if mkdir "$d" 2>/dev/null; then
    echo absent
    exit 0
fi
if [ ! -d "$d" ]; then
    echo unknown
    exit 0
fi
group=$(cat "$d/leader" 2>/dev/null) || group=
if [ -z "$group" ]; then
    # Asked about before: then it never began. Else its leader is being written this very moment.
    sleep 1
    group=$(cat "$d/leader" 2>/dev/null) || group=
    if [ -z "$group" ]; then
        echo absent
        exit 0
    fi
fi
if [ ! -r /proc/self/stat ]; then
    if kill -0 -"$group" 2>/dev/null; then echo running; else echo over; fi
    exit 0
fi
for stat in /proc/[0-9]*/stat; do
    { read -r fields <"$stat"; } 2>/dev/null || continue
    # Behind the name, which may hold blanks and brackets: state, parent, group.
    set -- ${fields##*) }
    if [ "$3" = "$group" ] && [ "$1" != Z ] && [ "$1" != X ]; then
        echo running
        exit 0
    fi
done
echo over
