#!/bin/sh
echo '{"web": {"hosts": ["web2"], "vars": {"b": 2}}, "_meta": {"hostvars": {"web2": {"a": "program"}}}}'
