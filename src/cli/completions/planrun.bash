# Completion of planrun for bash 4 or later; `planrun completions --help` says where to put it.
# planrun gets the line up to the cursor and returns words as they must be typed, with their space.
_planrun() {
    local program=planrun line
    case $1 in
        */*) program=${1/#\~\//$HOME/} ;;
    esac
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(PLANRUN_COMPLETE=bash "$program" "${COMP_LINE:0:COMP_POINT}" "$COMP_TYPE" "$COMP_WORDBREAKS" "${COLUMNS:-80}" 2>/dev/null)
}
complete -o nospace -o nosort -F _planrun planrun 2>/dev/null || complete -o nospace -F _planrun planrun
