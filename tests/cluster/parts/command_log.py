"""What came to a host: the log its wrappers and stand-ins write, with begin and end of a command joined.

This log is the witness that no step was sent twice. The cluster's own calls are not in it.
"""

import json


def commands(host):
    """[{at, argv, exit, took_s}] in the order of their begin; exit is None where the end was not seen (yet)."""
    found = {}
    if not host.commands_log.exists():
        return []
    for text in host.commands_log.read_text(errors="replace").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:        # being written at this moment
            continue
        if line["event"] == "begin":
            found[line["id"]] = {"at": line["at"], "argv": line["argv"], "exit": None, "took_s": None}
        elif line["id"] in found:
            command = found[line["id"]]
            command["exit"] = line["exit"]
            command["took_s"] = round(line["at"] - command["at"], 3)
    return list(found.values())
