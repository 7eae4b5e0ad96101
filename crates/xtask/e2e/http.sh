#!/usr/bin/env bash
# curl: the SSE stream, the JSON routes, statuses and headers.
set -euo pipefail
base="http://$ADDRESS"

fail() { echo "$*" >&2; exit 1; }
status() { curl --silent --output /dev/null --write-out '%{http_code}' --max-time 10 "$@"; }
expect() { # status, curl arguments
  local want=$1 got; shift
  got=$(status "$@"); [ "$got" = "$want" ] || fail "$* answers $got instead of $want"
}

# SSE: an id with every message, offsets without a hole, Last-Event-ID resumes.
events=$(curl --silent --no-buffer --max-time 30 "$base/sse?stream=lite" | head -n 40 || true)
ids=$(grep -cE '^id: [0-9]+@[!-~]+$' <<<"$events")
[ "$ids" -ge 12 ] || fail "only $ids events with an id"
grep -q '^data: {"data":{"cert_index":' <<<"$events" || fail "no lite message in the SSE stream"
last=$(grep -m 5 '^id: ' <<<"$events" | tail -n 1 | cut -d' ' -f2)
following="$((${last%@*} + 1))@${last#*@}"
next=$(curl --silent --no-buffer --max-time 30 -H "Last-Event-ID: $last" "$base/sse" | head -n 1 || true)
[ "$next" = "id: $following" ] || fail "after $last comes '$next'"
# A browser that reconnects sends the URL it began with: the header is newer than it.
next=$(curl --silent --no-buffer --max-time 30 -H "Last-Event-ID: $last" "$base/sse?since=7" | head -n 1 || true)
[ "$next" = "id: $following" ] || fail "after $last, since=7, comes '$next'"
first_data() { # stream; curl is cut off once the line is there
  curl --silent --no-buffer --max-time 30 "$base/sse?stream=$1" | grep -m 1 '^data: ' || true
}
[[ $(first_data domains) == 'data: {"data":["'* ]] || fail "no names in the domains stream"
[[ $(first_data full) == *'"as_der":"'* ]] || fail "no DER in the full stream"

# Health keeps the bytes that monitors look for.
[[ $(curl --silent "$base/health/deep") == *'"status":"healthy"'* ]] || fail "not healthy"
[ "$(curl --silent "$base/health")" = OK ] || fail "/health"
[ "$(curl --silent "$base/health/ready")" = '{"ready":true}' ] || fail "/health/ready"
metrics=$(curl --silent "$base/metrics")
grep -q '^certstream_certificates_total{update_type="PrecertLogEntry"} [1-9]' <<<"$metrics" ||
  fail "metrics count no certificates"

for path in /example.json /full-stream/example.json /domains-only/example.json /latest.json; do
  curl --silent --fail "$base$path" | python3 -m json.tool >/dev/null || fail "$path is not JSON"
  expect 200 --head "$base$path"
done
[[ $(curl --silent "$base/full-stream/example.json") == *'"chain":[{'* ]] || fail "example without chain"

expect 200 "$base/"
expect 404 "$base/nothing-here"
expect 405 -X POST "$base/latest.json"
expect 426 "$base/full-stream"
expect 400 "$base/sse?since=yesterday"
expect 200 -X OPTIONS "$base/latest.json"
headers=$(curl --silent --head "$base/latest.json")
grep -qi '^access-control-allow-origin: \*' <<<"$headers" || fail "no CORS"
[ "$(curl --silent "$base/nothing-here")" = '{"error":"Not Found"}' ] || fail "404 body"
