#!/usr/bin/env bash
# Injects faults into the shipped daemon and takes the time until it works again.
# Usage: tests/heal.sh [PART OF A FAULT'S NAME]        Ends with a table and: faults N, healed N
set -u
cd "$(dirname "$0")/.."
bash tests/install.sh dbus gcc libc6-dev iproute2 util-linux
log=$(mktemp)
trap 'rm -f "$log"' EXIT
HEAL_ONLY=${1:-} cargo test --quiet --test heal -- --nocapture >"$log" 2>&1
status=$?
grep '^skipped: ' "$log"
[ "$status" -eq 0 ] || grep -vE '^ +([0-9]+:|at )' "$log" | tail -n 60
echo "load $(cut -d' ' -f1-3 /proc/loadavg)"
grep '^idle: ' "$log"
sed -n '/^fault  .*measures$/,/^faults [0-9]*, healed [0-9]*$/p' "$log"
grep -qE '^faults ([0-9]+), healed \1$' "$log" || exit 1
exit "$status"
