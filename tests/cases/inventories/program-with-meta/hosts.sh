#!/bin/sh
# The variables of all hosts come with the list: the program is asked once.
[ "$1" = --list ] || exit 9
cat <<'END'
{
  "_meta": {"hostvars": {
    "web1": {"ansible_host": "192.0.2.1", "n": 1e3, "yes": "no", "date": "2001-12-14"},
    "db1": {"raw": {"__ansible_unsafe": "{{ text }}"}, "list": [1, null, true, "\ud83d\ude00"]},
    "nowhere": {"a": 1}
  }},
  "web": {"hosts": ["web1", "web2"], "vars": {"port": 80}},
  "db": ["db1"],
  "site": {"children": ["web", "db"], "vars": {"where": "here"}},
  "ungrouped": {"hosts": ["web2", "loose"]}
}
END
