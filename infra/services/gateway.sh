#!/bin/bash
# Runs HAProxy, which reads its certificate when it starts and when it is told, and tells it when there is another. What
# is under way is finished by the process that it began with.
set -euo pipefail
configuration=$1
certificate=$2

known=$(sha256sum "$certificate")
haproxy -W -f "$configuration" &
master=$!
trap 'kill -USR1 "$master"' TERM

while kill -0 "$master" 2>/dev/null; do
  sleep 5 &
  # A signal ends the wait, as the end of one of the two does.
  wait -n "$!" "$master" || true
  now=$(sha256sum "$certificate") || continue
  if [[ $now != "$known" ]]; then
    known=$now
    kill -USR2 "$master"
  fi
done
wait "$master"
