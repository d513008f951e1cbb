#!/usr/bin/env bash
# Runs the whole terminal under many seeds, optimised. Usage: tests/sim.sh [SEEDS]
# Ends with: seeds N, faults N, violations N
set -eu
cd "$(dirname "$0")/.."
seeds=${1:-20000}
cargo build --quiet --profile sim --bin smartpos-sim
exec "${CARGO_TARGET_DIR:-target}/sim/smartpos-sim" run --seeds "$seeds"
