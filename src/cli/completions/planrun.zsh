#compdef planrun
# Completion of planrun for zsh; `planrun completions --help` says where to put it.
_planrun() {
    local program=planrun line result=1
    local -a lines spaced bare
    [[ $words[1] == */* ]] && program=${${(Q)words[1]}/#\~\//$HOME/}
    lines=("${(@f)$(PLANRUN_COMPLETE=zsh $program "${(Q)PREFIX}" "${(@Q)words[1,CURRENT-1]}" 2>/dev/null)}")
    # The first line says whether the others are paths below the folder that is typed already. Each of them
    # begins with what follows the word: a space, or `=` for nothing.
    [[ $lines[1] == paths ]] && compset -P '*/'
    for line in "${(@)lines[2,-1]}"; do
        case $line in
            '='*) bare+=("${line#=}") ;;
            ' '*) spaced+=("${line# }") ;;
        esac
    done
    (( $#spaced )) && _describe -V 'planrun' spaced && result=0
    (( $#bare )) && _describe -V 'planrun' bare -S '' && result=0
    return result
}
if [[ $funcstack[1] == _planrun ]]; then
    _planrun "$@"
else
    compdef _planrun planrun
fi
