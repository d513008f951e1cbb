#!/usr/bin/env bash
# Everything that must hold. Usage: tests/run.sh [--long]        Ends with: N passed, N failed, N skipped
# --long: more seeds and power cuts, hundreds of kill -9, and the proof that the simulation can fail.
set -u
long= seeds=20000 cuts=200 plugs=5
case ${1:-} in
    "") ;;
    --long) long=yes seeds=200000 cuts=5000 plugs=50 ;;
    *) echo "usage: tests/run.sh [--long]" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
bash tests/install.sh locales dbus gcc libc6-dev systemd libnfc-bin python3-venv python3-dbus python3-gi polkitd strace \
    qemu-system-x86 busybox-static cpio kmod user-mode-linux dmsetup e2fsprogs udev socat || echo "run: some packages could not be installed; what needs them is skipped" >&2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=0 failed=0 skipped=0 failures=()

# One check by its exit code.
check() {
    local name=$1; shift
    echo "--- $name"
    if "$@" >"$out/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1)); failures+=("$name"); tail -n 60 "$out/log"
    fi
}

check "format" cargo fmt --check
check "lints" cargo clippy --quiet --all-targets -- -D warnings
check "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --lib

echo "--- tests"
cargo test --quiet --no-fail-fast -- --show-output >"$out/tests" 2>&1
status=$?
counts=$(grep -E '^test result:' "$out/tests" || true)
ran=$(echo "$counts" | grep -oE '[0-9]+ passed' | awk '{s+=$1} END {print s+0}')
broke=$(echo "$counts" | grep -oE '[0-9]+ failed' | awk '{s+=$1} END {print s+0}')
left=$(grep -c '^skipped: ' "$out/tests" || true)
if [ "$status" -ne 0 ] && [ "$broke" -eq 0 ]; then broke=1; fi
if [ "$broke" -gt 0 ]; then failures+=("tests"); grep -vE '^(test .* ok|skipped: )' "$out/tests" | tail -n 200; fi
grep '^skipped: ' "$out/tests" || true
passed=$((passed + ran - left)) failed=$((failed + broke)) skipped=$((skipped + left))

# What ships is linked for minutes on one core; what needs the other builds waits for nobody meanwhile.
{ cargo build --release --bins && cargo build --profile sim --bin smartpos-sim; } >"$out/built" 2>&1 &
built=$!

# A script that runs tests in a machine of its own and ends with "NAME: N passed, N failed".
machine() {
    local name=$1 line broke; shift
    if "$@" >"$out/log" 2>&1; then :; else tail -n 40 "$out/log"; fi
    line=$(grep -E "^$name: [0-9]+ passed, [0-9]+ failed" "$out/log" | tail -n1)
    if [ -n "$line" ]; then
        echo "$line"
        passed=$((passed + $(echo "$line" | grep -oE '[0-9]+ passed' | cut -d' ' -f1)))
        broke=$(echo "$line" | grep -oE '[0-9]+ failed' | cut -d' ' -f1)
        failed=$((failed + broke)); [ "$broke" -eq 0 ] || failures+=("$name")
    elif grep -q '^skipped: ' "$out/log"; then
        grep '^skipped: ' "$out/log"; skipped=$((skipped + 1))
    else
        failed=$((failed + 1)); failures+=("$name")
    fi
}

echo "--- keypad, a whole sale, USB power and hot-plug on a real kernel"
machine evdev-vm bash tests/rig/evdev-vm.sh $plugs

# A script that proves one thing and ends with a line of this form.
proof() {
    local name=$1 form=$2 status; shift 2
    echo "--- $name"
    "$@" >"$out/log" 2>&1; status=$?
    if [ "$status" -eq 0 ] && grep -q '^skipped: ' "$out/log"; then
        grep '^skipped: ' "$out/log"; skipped=$((skipped + 1))
    elif [ "$status" -eq 0 ] && tail -n1 "$out/log" | grep -qE "^$form\$"; then
        tail -n1 "$out/log"; passed=$((passed + 1))
    else
        failed=$((failed + 1)); failures+=("$name"); tail -n 60 "$out/log"
    fi
}

proof "power cuts on a disk that loses what was not flushed" \
    'power-cuts: [0-9]+ points, 0 acknowledged commits lost, 0 databases damaged' bash tests/rig/power-cuts.sh "$cuts"
echo "--- unit, watchdog and safe mode under real systemd"
machine heal-systemd bash tests/rig/heal-systemd.sh
machine training-systemd bash tests/rig/training-systemd.sh

wait "$built" || tail -n 60 "$out/built"
check "demo: sign in and sell" bash tests/demo.sh
if grep -q '^demo: approved ' "$out/log"; then grep '^demo: ' "$out/log"; fi
proof "the whole terminal under $seeds seeds" 'seeds [0-9]+, faults [0-9]+, violations 0' bash tests/sim.sh "$seeds"
proof "faults that mend themselves" 'faults ([0-9]+), healed \1' bash tests/heal.sh
if [ "$long" ]; then
    echo "--- Debian packages: build, lintian, install, upgrade, remove, purge under real systemd"
    machine deb bash tests/deb.sh
    echo "--- daemon on a disk that is full or refuses writes"
    machine disk-faults bash tests/rig/disk-faults.sh
    proof "kill -9 under load" 'cuts [0-9]+, duplicates 0, losses 0' bash tests/crash.sh 300
    proof "who is blamed for which fault" 'faults [0-9]+, right [0-9]+, confusions 0' bash tests/blame.sh
    proof "rules broken on purpose" 'mutations ([0-9]+), caught \1' bash tests/mutants.sh
fi

[ ${#failures[@]} -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
