#!/usr/bin/env bash
# The main job on one machine: private bus, simulated acquirer, reader and keypad, the real daemon; signs in and sells
# with tap and PIN. Usage: tests/demo.sh [AMOUNT]        Last line: demo: approved <transaction code> <amount>
# BIN=DIRECTORY takes programs that are built already; KEYPAD=auto lets the daemon look for the keypad by itself.
set -eu
amount=${1:-128.00}
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
say() { printf '\n== %s\n' "$*"; }

if [ -n "${BIN:-}" ]; then
    bin=$BIN
else
    say "install what is missing, build"
    bash tests/install.sh dbus gcc libc6-dev
    command -v cargo >/dev/null || { echo "demo: no Rust toolchain; see https://rustup.rs" >&2; exit 1; }
    cargo build --release --bins
    bin=${CARGO_TARGET_DIR:-target}/release
fi

run=$(mktemp -d /tmp/smartpos-demo.XXXXXX)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    if [ -n "${KEEP:-}" ]; then echo "kept: $run" >&2; else rm -rf "$run"; fi
}
trap cleanup EXIT
fail() { echo "demo: $*" >&2; tail -n 30 "$run"/*.log >&2 || true; exit 1; }
# Waits for a condition, at most 30 s.
until_true() {
    local what=$1; shift
    local end=$((SECONDS + 30))
    while [ $SECONDS -lt $end ]; do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
    fail "waited in vain for $what"
}

say "start a private bus"
bus=unix:path=$run/bus
cat > "$run/bus.conf" <<X
<busconfig><type>custom</type><listen>$bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
X
dbus-daemon --config-file="$run/bus.conf" --nofork 2>"$run/bus.log" & pids+=($!)
until_true "the bus" test -S "$run/bus"

say "start the simulated acquirer, card reader and keypad"
"$bin/smartpos-sim" acquirer --listen 127.0.0.1:0 --terminal 99000001 --merchant 999000000000001 \
    --ledger "$run/ledger.jsonl" --control "$run/acquirer.sock" >"$run/acquirer.out" 2>"$run/acquirer.log" & pids+=($!)
"$bin/smartpos-sim" reader --link "$run/ttyReader" --control "$run/reader.sock" >"$run/reader.out" 2>"$run/reader.log" & pids+=($!)
until_true "the acquirer" grep -q ^ready "$run/acquirer.out"
until_true "the reader" grep -q ^ready "$run/reader.out"
address=$(sed -n 's/^ready //p' "$run/acquirer.out")
if [ -w /dev/uinput ]; then
    "$bin/smartpos-sim" keypad --uinput --control "$run/keypad.sock" >"$run/keypad.out" 2>"$run/keypad.log" & pids+=($!)
    until_true "the keypad" grep -q ^ready "$run/keypad.out"
    keypad=${KEYPAD:-$(sed -n 's/^ready //p' "$run/keypad.out")}
    preload=()
else
    # No uinput in this kernel: the input device is faked below the daemon's system calls.
    cc -shared -fPIC -O1 -o "$run/fake_evdev.so" tests/rig/fake_evdev.c
    "$bin/smartpos-sim" keypad --socket "$run/keys.sock" --control "$run/keypad.sock" >"$run/keypad.out" 2>"$run/keypad.log" & pids+=($!)
    until_true "the keypad" grep -q ^ready "$run/keypad.out"
    keypad=$run/event0
    touch "$keypad"
    preload=(env LD_PRELOAD="$run/fake_evdev.so" FAKE_EVDEV="$keypad=$run/keys.sock")
fi

say "configure and start smartposd"
mkdir "$run/profiles"
cat > "$run/profiles/demo.toml" <<X
base = "unionpay-example"
addresses = ["$address"]
[limits]
pin_above = 0
X
cat > "$run/smartposd.toml" <<X
terminal_id = "99000001"
merchant_id = "999000000000001"
profile = "demo"
profile_dirs = ["$root/src/host/profiles", "$run/profiles"]
state_dir = "$run/state"
confirm_amount = true
language = "en"
[reader]
path = "$run/ttyReader"
[keypad]
path = "$keypad"
X
posctl() { "$bin/posctl" --bus "$bus" "$@"; }
posctl config check --config "$run/smartposd.toml"
"${preload[@]}" "$bin/smartposd" --config "$run/smartposd.toml" --bus "$bus" 2>"$run/smartposd.log" & pids+=($!)
until_true "the daemon" posctl status

say "first run: set a supervisor, sign in as operator"
echo 271828 | posctl operator set 01 --role supervisor --password-fd 0
echo 271828 | posctl operator sign-in 01 --password-fd 0

say "two people load the master key, one component each"
echo A1B2C3D4E5F60718293A4B5C6D7E8F90 | posctl keys load --component 1 --custodian Li --component-fd 0
echo A09186B36C5DCAF7D7E6F1C41B2ABD80 | posctl keys load --component 2 --custodian Wang --component-fd 0

say "the terminal signs in with the acquirer by itself"
ready() { posctl status | grep -q ready; }
until_true "the sign-in" ready
posctl status

say "sell for CNY $amount: confirm on the keypad, tap, PIN"
order() { "$bin/smartpos-sim" "$1" --send "$run/$1.sock" "$2" >/dev/null; }
prompt_is() { posctl --json status | grep -q "\"prompt\": *\"$1\""; }
customer() {
    until_true "the amount on the display" prompt_is confirm-amount && order keypad enter
    until_true "the request for a card" prompt_is present-card && order reader "card in"
    until_true "the request for the PIN" prompt_is enter-pin && order keypad "type 123456 enter"
    order reader "card out"
}
customer & customer=$!
posctl sale "$amount" --key "demo-$$" | tee "$run/sale.out" || fail "the sale was not approved"
wait "$customer"

say "what the acquirer charged"
"$bin/smartpos-sim" acquirer --send "$run/acquirer.sock" ledger
say "what the daemon kept"
posctl transactions
say "what the journal says"
cat "$run/smartposd.log"
if grep -rqs 6200000000000000018 "$run"/*.log "$run/sale.out" "$run/state"; then fail "a card number was written in clear"; fi

code=$(posctl --json transactions | grep -o '"code": *"[^"]*"' | head -n1 | cut -d'"' -f4)
echo
echo "demo: approved $code $amount"
