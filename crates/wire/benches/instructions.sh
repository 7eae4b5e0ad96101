#!/usr/bin/env bash
# Instructions per certificate, counted by valgrind's callgrind: the same on any day and whatever
# else the machine does, so a change of one percent shows. Needs valgrind.
#
#   bash crates/wire/benches/instructions.sh
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(cargo bench --quiet -p wire --bench render --no-run --message-format json |
  grep -o '"executable":"[^"]*"' | tail -n 1 | cut -d'"' -f4)

count() { # work, rounds
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$binary" --exactly "$1" "$2" 2>&1 |
    sed -n 's/^==[0-9]*== Collected : //p'
}
certificates=$("$binary" --exactly nothing 0 | grep -o '^[0-9]* certificates' | cut -d' ' -f1)
for work in digests 'read, digests included' 'read + calidog Lite' 'read + calidog Full'; do
  # What the two runs share, start-up and preparation, drops out of the difference.
  few=$(count "$work" 10) many=$(count "$work" 60)
  printf '%-28s %8d instructions per certificate\n' "$work" $(((many - few) / 50 / certificates))
done
