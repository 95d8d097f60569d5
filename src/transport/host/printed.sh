# Prints the last $2 bytes that the running attempt $1 has printed, of the stream that it wrote to last. Before them
# comes a line with the number of its request: in the stream are also lines of the session, which start with it.
case ${XDG_STATE_HOME-} in
/*) pr_at=$XDG_STATE_HOME/planrun/attempts/$1 ;;
*) pr_at=$HOME/.local/state/planrun/attempts/$1 ;;
esac
[ -e "$pr_at.begun" ] || exit 0
{ read -r pr_owner && read -r pr_made && read -r pr_by pr_lock; } <"$pr_at" || exit 0
echo "$pr_by"
if [ -s "$pr_at.err" ] && { [ ! -s "$pr_at.out" ] || [ "$pr_at.err" -nt "$pr_at.out" ]; }; then
    tail -c "$2" "$pr_at.err"
elif [ -e "$pr_at.out" ]; then
    tail -c "$2" "$pr_at.out"
fi
