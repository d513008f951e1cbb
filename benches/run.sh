#!/usr/bin/env bash
# Measures every figure beside its floor, in release, and prints the table. Usage: benches/run.sh [FIGURE …]
# Figures: codec commit tap calls crowd idle start
set -eu
cd "$(dirname "$0")/.."
bash tests/install.sh dbus gcc libc6-dev
cargo bench --bench figures --no-run
timeout 600 cargo bench --bench figures -- "$@"
