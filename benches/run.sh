#!/usr/bin/env bash
# Measures every figure beside its floor, in release, and prints the table. Usage: benches/run.sh [--big] [FIGURE …]
# Figures: codec commit wear tap calls crowd idle start volume rate drain
# --big: also a million payments on file and a hundred thousand queued; needs two gigabytes and half an hour.
set -eu
cd "$(dirname "$0")/.."
bash tests/install.sh dbus gcc libc6-dev
cargo bench --bench figures --no-run
timeout 3600 cargo bench --bench figures -- "$@"
