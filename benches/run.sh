#!/usr/bin/env bash
# Measures every figure beside its floor, in release, and prints the table. Usage: benches/run.sh [FIGURE …]
set -eu
cd "$(dirname "$0")/.."
bash tests/install.sh dbus gcc libc6-dev
cargo build --release --bins
timeout 400 cargo bench --bench figures -- "$@"
