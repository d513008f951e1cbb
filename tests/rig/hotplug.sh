#!/bin/bash
# Devices that come and go, in the small virtual machine: real kernel drivers, real udev with the product's rules, the daemon
# as a user of its own. Prints "hotplug: WHAT" with what it measured.
#
# Two USB serial adapters lie back to back: the daemon has READER01, the simulated reader talks through FARSIDE1.
set -u
run=$(mktemp -d /tmp/hotplug.XXXXXX)
chmod 0755 "$run"
bus=unix:path=$run/bus
rounds=${1:-5}
fail() { echo "hotplug: $*"; tail -n 40 "$run"/*.log; ls -l /dev/smartpos /dev/ttyUSB* /dev/input; exit 1; }
until_true() {
    local what=$1; shift
    local end=$((SECONDS + ${WITHIN:-30}))
    while [ $SECONDS -lt $end ]; do "$@" >/dev/null 2>&1 && return 0; sleep 0.05; done
    fail "waited in vain for $what"
}
milliseconds() { local up; read -r up _ </proc/uptime; echo $((${up/./} * 10)); }
posctl() { /bin/posctl --bus "$bus" "$@"; }
order() { /bin/smartpos-sim "$1" --send "$run/$1.sock" "$2" >/dev/null; }
# The USB device with this serial number, and its tty.
usb() { local file; for file in /sys/bus/usb/devices/*/serial; do [ "$(cat "$file")" = "$1" ] && dirname "$file"; done; }
tty() { basename "$(echo "$(usb "$1")"/*:1.0/ttyUSB*)"; }
state_is() { posctl --json status | grep -o "\"$1\":{[^}]*}" | grep -q "\"state\":\"$2\""; }
prompt_is() { posctl --json status | grep -q "\"prompt\": *\"$1\""; }

# udev as in the product.
printf 'root:x:0:0:root:/root:/bin/sh\nsmartposd:x:990:990::/:/bin/sh\n' >/etc/passwd
printf 'root:x:0:\ntty:x:5:\ndialout:x:20:\ninput:x:104:\nsmartposd:x:990:\n' >/etc/group
/lib/systemd/systemd-udevd --daemon 2>"$run/udevd.log" || fail "no udevd"
udevadm trigger --action=add && udevadm settle --timeout=20 || fail "udev does not settle"
[ -c "/dev/$(tty READER01)" ] && [ -c "/dev/$(tty FARSIDE1)" ] || fail "the adapters are missing"

# What is there is explained before anything is set up.
/bin/smartpos-sim keypad --uinput --control "$run/keypad.sock" >"$run/keypad.out" 2>"$run/keypad.log" &
keypad=$!
until_true "the keypad" grep -q ^ready "$run/keypad.out"
udevadm settle
LANG=en_US.UTF-8 posctl devices | tee "$run/devices.log" >/dev/null
grep -q "○ /dev/$(tty READER01)" "$run/devices.log" || fail "a port without a role is no candidate"
grep -q "● /dev/input/event.*keypad" "$run/devices.log" || fail "the keypad is not taken"
posctl devices mark /dev/ttyUSB99 reader 2>"$run/refused.log" && fail "a device that is not there has got a role"
grep -q "InvalidArgument" "$run/refused.log" || fail "the refusal has no name"

# A role, and with it a name and rights.
posctl devices mark "/dev/$(tty READER01)" reader >"$run/mark.log" || fail "no role"
posctl devices mark "/dev/$(tty FARSIDE1)" none >>"$run/mark.log" || fail "nothing left alone"
until_true "the reader's name" test -e /dev/smartpos/reader
[ "$(readlink -f /dev/smartpos/reader)" = "/dev/$(tty READER01)" ] || fail "the name leads elsewhere"
[ "$(stat -Lc '%a %g' /dev/smartpos/reader)" = "660 990" ] || fail "rights $(stat -Lc '%a %g' /dev/smartpos/reader)"
LANG=en_US.UTF-8 posctl devices >"$run/devices.log"
grep -q "● /dev/$(tty READER01)" "$run/devices.log" || fail "the role is not seen"

# The world, and the daemon as its own user.
cat > "$run/bus.conf" <<X
<busconfig><type>custom</type><listen>$bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
X
dbus-daemon --config-file="$run/bus.conf" --nofork 2>"$run/bus.log" &
until_true "the bus" test -S "$run/bus"
chmod 0777 "$run/bus"
/bin/smartpos-sim acquirer --listen 127.0.0.1:0 --terminal 99000001 --merchant 999000000000001 --ledger "$run/ledger.jsonl" \
    --control "$run/acquirer.sock" >"$run/acquirer.out" 2>"$run/acquirer.log" &
/bin/smartpos-sim reader --link "$run/ttyFar" --control "$run/reader.sock" >"$run/reader.out" 2>"$run/reader.log" &
until_true "the acquirer" grep -q ^ready "$run/acquirer.out"
until_true "the reader" grep -q ^ready "$run/reader.out"
socat "/dev/$(tty FARSIDE1),raw,echo=0,b115200" "$run/ttyFar,raw,echo=0,b115200" 2>"$run/socat.log" &
mkdir "$run/profiles" "$run/state"
chown 990:990 "$run/state"
cat > "$run/profiles/rig.toml" <<X
base = "unionpay-example"
addresses = ["$(sed -n 's/^ready //p' "$run/acquirer.out")"]
[limits]
pin_above = 1000000
X
cat > "$run/smartposd.toml" <<X
terminal_id = "99000001"
merchant_id = "999000000000001"
profile = "rig"
profile_dirs = ["/smartposd/src/host/profiles", "$run/profiles"]
state_dir = "$run/state"
operator_required = false
[reader]
path = "auto"
baud_max = 115200
[keypad]
path = "auto"
X
setpriv --reuid=990 --regid=990 --groups=104 /bin/smartposd --config "$run/smartposd.toml" --bus "$bus" 2>"$run/smartposd.log" &
until_true "the daemon" posctl status
echo 271828 | posctl operator set 01 --role supervisor --password-fd 0 || fail "no operator"
echo A1B2C3D4E5F60718293A4B5C6D7E8F90 | posctl keys load --component 1 --custodian Li --component-fd 0 || fail "no key"
echo A09186B36C5DCAF7D7E6F1C41B2ABD80 | posctl keys load --component 2 --custodian Wang --component-fd 0 || fail "no key"
ready() { posctl status | grep -q ready; }
WITHIN=60 until_true "the sign-in" ready
until_true "the reader" state_is reader ready
until_true "the keypad" state_is keypad ready

# The reader goes and comes, every other time with another number: somebody still has the old one open.
device=$(usb READER01)
out() { echo 0 >"$device/authorized"; }
in_again() { echo 1 >"$device/authorized"; until_true "the port" test -e /dev/smartpos/reader; }
numbers= slowest_gone=0 slowest_back=0
for round in $(seq "$rounds"); do
    # shellcheck disable=SC2093
    [ $((round % 2)) -eq 0 ] || exec 9<>"/dev/$(tty READER01)"
    began=$(milliseconds)
    out
    until_true "the reader to be missed, round $round" state_is reader absent
    took=$(($(milliseconds) - began)); [ $took -le $slowest_gone ] || slowest_gone=$took
    began=$(milliseconds)
    in_again
    until_true "the reader to be back, round $round" state_is reader ready
    took=$(($(milliseconds) - began)); [ $took -le $slowest_back ] || slowest_back=$took
    exec 9>&-
    numbers="$numbers $(tty READER01)"
done
[ "$(tr ' ' '\n' <<<"$numbers" | sort -u | grep -c ttyUSB)" -gt 1 ] || fail "the number never changed: $numbers"
echo "hotplug: reader replugged $rounds times: missed within $slowest_gone ms, ready within $slowest_back ms, as$(tr ' ' '\n' <<<"$numbers" | sort -u | tr '\n' ' ')"

# The keypad, too.
slowest=0
for round in $(seq "$rounds"); do
    kill $keypad; wait $keypad 2>/dev/null
    until_true "the keypad to be missed, round $round" state_is keypad absent
    began=$(milliseconds)
    /bin/smartpos-sim keypad --uinput --control "$run/keypad.sock" >"$run/keypad.out" 2>>"$run/keypad.log" &
    keypad=$!
    until_true "the keypad to be back, round $round" state_is keypad ready
    took=$(($(milliseconds) - began)); [ $took -le $slowest ] || slowest=$took
done
echo "hotplug: keypad replugged $rounds times: ready within $slowest ms"

# In the middle of a sale: gone for a moment while a card is awaited, and the sale goes on.
sell() { posctl sale "$1" --key "$2" >"$run/sale.out" 2>&1; }
approved() { grep -q approved "$run/sale.out"; }
sell 1.00 moment & sale=$!
until_true "the request for a card" prompt_is present-card
out && in_again
until_true "the reader in use again" state_is reader active
order reader "card in"
wait $sale || fail "a reader that was gone for a moment cost the sale: $(cat "$run/sale.out")"
approved || fail "$(cat "$run/sale.out")"
order reader "card out"
echo "hotplug: unplugged while a card was awaited: approved"

# Gone for good while a card is awaited: the sale ends with a reason, nothing is charged, and the next one works.
sell 2.00 gone & sale=$!
until_true "the request for a card" prompt_is present-card
out
wait $sale && fail "a sale without a reader was approved"
grep -q H01 "$run/sale.out" || fail "no reason: $(cat "$run/sale.out")"
in_again
until_true "the reader" state_is reader ready

# Gone after the request has left: the answer counts all the same.
order acquirer "fault 0200 delay 3000"
sell 3.00 later & sale=$!
until_true "the request for a card" prompt_is present-card
order reader "card in"
until_true "the request to leave" prompt_is wait
out
wait $sale || fail "a reader that went after the request cost the sale: $(cat "$run/sale.out")"
approved || fail "$(cat "$run/sale.out")"
in_again
order reader "card out"
until_true "the reader" state_is reader ready
sell 4.00 after & sale=$!
until_true "the request for a card" prompt_is present-card
order reader "card in"
wait $sale || fail "no sale after all that: $(cat "$run/sale.out")"
echo "hotplug: unplugged after the request had left: approved"
[ "$(grep -c '"status":"charged"' "$run/ledger.jsonl")" -eq 3 ] || fail "charged otherwise: $(cat "$run/ledger.jsonl")"
kill %% 2>/dev/null
exit 0
