#!/bin/bash
# The rig: boots a real Debian for arm64 in QEMU, installs the package as a user would, plugs in reader and keypad, loads
# keys, sells, and lets things go wrong. Ends with a table of times and: rig: N passed, N failed
# Usage: tests/rig/run.sh [--short | --long] [--cuts N] [--only NAME,NAME] [--debs DIR] [--keep]
#   --short   first sale, hot-plug, network, panel (the default)
#   --long    also watchdog, restart loop, full disk, upgrade, figures, wrong clock, power cuts
#   --cuts N  how often the power goes in the long form (default 10)
#   --debs    take smartposd_*_arm64.deb from there instead of building it
#   --keep    leave the run's directory
# Needs root, and Debian's mirror the first time; everything that is built is kept in target/rig-cache.
set -eu
cd "$(dirname "$0")/../.."
debs='' arguments=()
while [ $# -gt 0 ]; do
    case $1 in
    --short) ;;
    --long | --keep) arguments+=("$1") ;;
    --cuts | --only) arguments+=("$1" "$2"); shift ;;
    --debs) debs=$2; shift ;;
    *) sed -n '2,11s/^# //p' "$0" >&2; exit 2 ;;
    esac
    shift
done
[ "$(id -u)" -eq 0 ] || { echo "skipped: the rig needs root to make its machine"; exit 0; }
say() { echo "rig: $*" >&2; }
bash tests/install.sh python3 e2fsprogs dpkg || { echo "skipped: packages cannot be installed"; exit 0; }

say "the machine"
image=$(tests/rig/arm/image.sh | tail -n 1) && [ -e "$image/disk.qcow2" ] ||
    { echo "skipped: the arm64 machine cannot be made here"; exit 0; }
say "the simulators"
cargo build --quiet --bin smartpos-sim
simulator=${CARGO_TARGET_DIR:-target}/debug/smartpos-sim
if [ -z "$debs" ]; then
    say "the package"
    debs=$PWD/target/rig-cache/debs
    rm -rf "$debs" && mkdir -p "$debs"
    debian/build.sh arm64 "$debs" >&2
fi
exec python3 tests/rig/arm/run.py --image "$image" --simulator "$simulator" --packages "$debs" "${arguments[@]}"
