# What `planrun ping` asks a host. Each line of the answer is a name and a value.
echo "time $(date +%s)"
echo "user $(id -un)"
echo "system $(uname -sr)"
case ${XDG_STATE_HOME-} in
/*) at=$XDG_STATE_HOME/planrun/attempts ;;
*) at=${HOME-/dev/null}/.local/state/planrun/attempts ;;
esac
[ -d "$at" ] && [ -w "$at" ] || echo "no-record $at"
while [ ! -d "$at" ] && [ "$at" != / ]; do at=$(dirname "$at"); done
echo "free $(df -Pk "$at" | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4)"
for tool in setsid flock stdbuf sync sudo doas; do
    ! command -v "$tool" >/dev/null || echo "has $tool"
done
