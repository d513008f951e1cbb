#!/usr/bin/env bash
# Kills the daemon again and again under load and compares its books with the acquirer's.
# Usage: tests/crash.sh [N]        Last line: cuts N, duplicates 0, losses 0
set -u
cd "$(dirname "$0")/.."
bash tests/install.sh dbus gcc libc6-dev
log=$(mktemp)
trap 'rm -f "$log"' EXIT
CRASH_CUTS=${1:-300} cargo test --quiet --test crash -- --nocapture >"$log" 2>&1
status=$?
grep -E '^(skipped: |[0-9]+ payments)' "$log"
[ "$status" -eq 0 ] || tail -n 80 "$log"
grep -E '^cuts [0-9]+, duplicates [0-9]+, losses [0-9]+' "$log" || { echo "crash: no result" >&2; exit 1; }
exit "$status"
