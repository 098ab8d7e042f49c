#!/bin/bash
# Writes every hour how many days are left of the certificate that a server shows, as one line of JSON; nothing while it
# shows none that its clients trust.
set -uo pipefail
host=$1
port=$2
authority=$3

shown_end() {
  openssl s_client -connect "$host:$port" -servername "$host" -CAfile "$authority" \
    -verify_return_error -verify_hostname "$host" </dev/null 2>/tmp/refusal | openssl x509 -noout -enddate 2>/dev/null
}

while true; do
  pause=3600
  if end=$(shown_end) && seconds=$(date -d "${end#notAfter=}" +%s); then
    echo "{\"certificateDays\": $(((seconds - $(date +%s)) / 86400)), \"server\": \"$host\"}"
    touch /tmp/answered
  else
    echo "$host:$port shows no certificate that clients trust: $(tail -n 1 /tmp/refusal)" >&2
    pause=60
  fi
  sleep "$pause"
done
