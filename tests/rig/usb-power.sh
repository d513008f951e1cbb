#!/bin/bash
# A card reader that never answers, on a USB serial port of the small virtual machine: the daemon switches its power off and
# on and opens the port that comes back. A daemon that is killed while it is off has its successor switch it on.
set -u
run=$(mktemp -d /tmp/usb-power.XXXXXX)
bus=unix:path=$run/bus
daemon=
fail() { echo "usb-power: $*"; cat "$run"/*.log; ls -l /sys/bus/usb/devices; exit 1; }
until_true() {
    local what=$1; shift
    local end=$((SECONDS + 30))
    while [ $SECONDS -lt $end ]; do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
    fail "waited in vain for $what"
}
launch() { /bin/smartposd --config "$run/smartposd.toml" --bus "$bus" 2>"$run/$1.log" & daemon=$!; }
said() { grep -q "$2" "$run/$1.log"; }
opened_after() { sed -n "/$2/,\$p" "$run/$1.log" | grep -q 'serial line /dev/ttyUSB0 is open'; }

until_true "the USB serial port" test -c /dev/ttyUSB0
device=$(readlink -f /sys/class/tty/ttyUSB0/device/../..)
number=$(cat "$device/devnum")
cat > "$run/bus.conf" <<X
<busconfig><type>custom</type><listen>$bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
X
dbus-daemon --config-file="$run/bus.conf" --nofork 2>"$run/bus.log" &
until_true "the bus" test -S "$run/bus"
cat > "$run/smartposd.toml" <<X
terminal_id = "99000001"
merchant_id = "999000000000001"
profile = "unionpay-example"
profile_dirs = ["/smartposd/src/host/profiles"]
state_dir = "$run/state"
[reader]
path = "/dev/ttyUSB0"
power_cycle = "usb"
X

launch first
switched="power was off and is on: USB device $(basename "$device")"
until_true "the power cycle" said first "$switched"
until_true "the port that comes back" opened_after first "$switched"
[ "$(cat "$device/devnum")" != "$number" ] || fail "the kernel has not set the device up anew"

# The next time the ladder comes to its power, it dies with the power off.
end=$((SECONDS + 60))
until [ -e "$run/state/reader-off" ] && [ ! -e /dev/ttyUSB0 ]; do [ $SECONDS -lt $end ] || fail "no second power cycle"; done
kill -9 $daemon
wait $daemon 2>/dev/null
[ ! -e /dev/ttyUSB0 ] || fail "killed too late to show anything"
launch second
until_true "the power to be restored" said second "had been left without power"
until_true "the port" opened_after second "had been left without power"
[ ! -e "$run/state/reader-off" ] || fail "the note stays"
kill $daemon
