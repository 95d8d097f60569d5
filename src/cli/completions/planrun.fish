# Completion of planrun for fish; `planrun completions --help` says where to put it.
function __planrun_complete
    set -l program planrun
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l token (commandline --current-token --cut-at-cursor)
    if string match --quiet '*/*' -- $words[1]
        set program (string replace --regex '^~/' "$HOME/" -- $words[1])
    end
    PLANRUN_COMPLETE=fish $program "$token" $words 2>/dev/null
end
complete --command planrun --no-files --keep-order --arguments '(__planrun_complete)'
