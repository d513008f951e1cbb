#!/bin/bash
# Cuts the power at POINTS moments of a day of the real store on a disk that loses and tears what was not flushed.
# Usage: tests/rig/power-cuts.sh [POINTS]      (default 1000; all there are, but for chance: some 2800)
#
# The day runs in User Mode Linux on ext4 on dm-log-writes, which records every write, flush and acknowledged commit. Then
# tests/power_store.rs makes of the recording the disk of each cut, mounts it here, and lets the real store start from it.
# Two controls go through the same: a store with `synchronous=NORMAL` has to lose acknowledged commits, one with its journal
# in memory has to damage databases. If they do not, nothing is shown.
# The last line says: power-cuts: N points, N acknowledged commits lost, N databases damaged
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/rig/uml.sh
. tests/rig/uml.sh
uml_alone tests/rig/power-cuts.sh "$@"
points=${1:-1000}
control_points=60
SECTORS=98304 # 48 MiB

fail() {
    echo "power-cuts: $*" >&2
    exit 1
}

# fail_with errors|result WORDS: also shows the end of that file.
fail_with() {
    tail -n 20 "$UML_WORK/$1" >&2
    fail "$2"
}

# Builds tests/power_store in this directory; prints the program's path.
program() {
    local built
    built=$(cargo test --quiet --no-run --message-format=json --manifest-path "$1/Cargo.toml" --target-dir target \
        --test power_store) || return
    sed -n 's/.*"name":"power_store".*"executable":"\([^"]*\)".*/\1/p' <<<"$built" | tail -n 1
}

# A copy of the sources in which two words come from outside; prints its place. Without the binaries, which would replace
# the real ones in target/, and of another version, or cargo would take the one's objects for the other's.
control_sources() {
    local copy=target/rig-cache/power-control schema=src/store/schema.rs
    rm -rf "$copy.new" && mkdir -p "$copy.new" && cp -a Cargo.toml Cargo.lock src tests benches "$copy.new" || return
    rm -r "$copy.new/src/bin" && sed -i '/^default-run/d; s/^version = .*/version = "0.0.0"/' "$copy.new/Cargo.toml"
    sed -i 's/"synchronous", "FULL"/"synchronous", std::env::var("CONTROL_SYNCHRONOUS").unwrap()/
        s/"journal_mode", "WAL"/"journal_mode", std::env::var("CONTROL_JOURNAL_MODE").unwrap()/' "$copy.new/$schema"
    [ "$(diff "$schema" "$copy.new/$schema" | grep -c '^>')" -eq 2 ] || return
    # Where nothing changed the files keep their times, and cargo its objects.
    diff -r "$copy" "$copy.new" >/dev/null 2>&1 || { rm -rf "$copy" && mv "$copy.new" "$copy"; } || return
    rm -rf "$copy.new"
    echo "$copy"
}

# Records a day of this program: killed twice and closed twice in good order, with the log copied into the database now
# and then by itself and at each close.
record() {
    rm -f "$UML_WORK"/{disk,recording}
    cp "$UML_WORK/base" "$UML_WORK/disk" && truncate -s 900M "$UML_WORK/recording" || return
    uml_run 240 "
        set -e
        export CONTROL_SYNCHRONOUS=${2:-} CONTROL_JOURNAL_MODE=${3:-} POWER_DIRECTORY=/mnt/disk/pos
        dmsetup create --noudevsync lies --table '0 $SECTORS log-writes /dev/ubda /dev/ubdb'
        mkdir /mnt/disk
        mount -t ext4 /dev/dm-0 /mnt/disk
        mkdir /mnt/disk/pos
        python3 '$PWD/tests/rig/power_day.py' lies '$1' 150-kill 320-kill 480-end
        umount /mnt/disk
        dmsetup remove --noudevsync lies" ubd0="$UML_WORK/disk" ubd1="$UML_WORK/recording"
}

# Cuts this many times and lets the real store start from what is left. Sets $checked, $lost, $damaged.
cut_and_check() {
    POWER_BASE=$UML_WORK/base POWER_RECORDING=$UML_WORK/recording POWER_IMAGE=$UML_WORK/image POWER_MOUNT=$UML_WORK/mount \
        POWER_POINTS=$1 "$real" --exact cut_and_check --ignored --nocapture --test-threads=1 >"$UML_WORK/result" 2>&1 ||
        fail_with result "not everything was checked"
    grep '^recording: ' "$UML_WORK/result"
    read -r _ checked lost damaged < <(grep '^result: ' "$UML_WORK/result")
}

# control SYNCHRONOUS JOURNAL_MODE
control() {
    record "$control" "$1" "$2"
    local status=$?
    if [ "$status" -eq 125 ]; then
        tail -n 3 "$UML_WORK/console" >&2
        echo "skipped: User Mode Linux with the device mapper does not come up here"
        exit 0
    fi
    [ "$status" -eq 0 ] || fail_with errors "the control's day ended with status $status"
    cut_and_check "$control_points"
    echo "power-cuts: control with synchronous=$1 journal_mode=$2: $checked points, $lost acknowledged commits lost," \
        "$damaged databases damaged"
}

uml_new || exit 0
trap uml_drop EXIT
mkdir -p target/rig-cache
real=$(program .) && [ -x "$real" ] || fail "the program was not built"
copy=$(control_sources) || fail "the control was not made: the store sets synchronous or journal_mode in another way now"
control=$(program "$copy") && [ -x "$control" ] || fail "the control was not built"

mkdir "$UML_WORK/mount"
truncate -s $((SECTORS * 512)) "$UML_WORK/base"
mke2fs -q -t ext4 -b 4096 -J size=4 -E lazy_itable_init=0,lazy_journal_init=0 "$UML_WORK/base" || fail "mke2fs"
mount -o loop,ro "$UML_WORK/base" "$UML_WORK/mount" && umount "$UML_WORK/mount" ||
    { echo "skipped: no image can be mounted here"; exit 0; }

control NORMAL WAL
[ "$lost" -gt 0 ] || fail "the control lost nothing, so nothing would be shown"

record "$real" || fail_with errors "the day was not recorded"
kept=target/rig-cache/power-cuts
rm -rf "$kept" && mkdir "$kept"
POWER_KEEP=$PWD/$kept cut_and_check "$points"
if [ "$lost" -ne 0 ] || [ "$damaged" -ne 0 ]; then
    grep '^cut ' "$UML_WORK/result" | head -n 20
    echo "power-cuts: the first images are in $kept"
fi
echo "power-cuts: $checked points, $lost acknowledged commits lost, $damaged databases damaged"
[ "$lost" -eq 0 ] && [ "$damaged" -eq 0 ]
