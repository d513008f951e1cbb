#!/usr/bin/env bash
# Makes faults one after the other around the shipped daemon, and compares what its doctor names with what is right.
# Usage: tests/blame.sh [N]    the first N faults (default: all; then the table in src/diagnose/BLAME.md is written anew)
# As root for the faults of the network. Last line: faults N, right N, confusions 0
set -u
cd "$(dirname "$0")/.."
bash tests/install.sh dbus gcc libc6-dev iproute2 nftables python3
log=$(mktemp)
trap 'rm -f "$log"' EXIT
[ $# -gt 0 ] || export BLAME_TABLE="$PWD/src/diagnose/BLAME.md"
BLAME=${1:-999} cargo test --quiet --test blame whole_shop -- --nocapture 2>&1 | tee "$log" | grep -E '^(skipped: |\| )'
status=${PIPESTATUS[0]}
[ "$status" -eq 0 ] || tail -n 60 "$log"
grep -E '^faults [0-9]+, right [0-9]+, confusions [0-9]+' "$log" || { echo "blame: no result" >&2; exit 1; }
exit "$status"
