#!/bin/bash
# What needs real devices, in a small virtual machine: tests/evdev_rig.rs with uinput keypads, a whole sale typed on one, a
# card reader switched off and on by USB, devices that come and go.
# Usage: evdev-vm.sh [ROUNDS of unplugging]       Ends with "evdev-vm: N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/rig/vm.sh
. tests/rig/vm.sh
trap vm_drop EXIT

end() {
    echo "evdev-vm: $1 passed, $2 failed"
    [ "$1" -gt 0 ] && [ "$2" -eq 0 ]
    exit
}

built=$(cargo test --no-run --message-format=json --test evdev_rig) || end 0 1
binary=$(sed -n 's/.*"name":"evdev_rig".*"executable":"\([^"]*\)".*/\1/p' <<<"$built" | tail -n 1)
# The shipped programs are built along with every test.
built=$(dirname "$binary")/..
[ -x "$binary" ] || { echo "evdev-vm: cargo named no test executable" >&2; end 0 1; }

# udev with Debian's rules for serial and input devices and the product's own.
with_udev() {
    local rule
    vm_add_binary "$(command -v udevadm)" && vm_add_binary "$(command -v socat)" && vm_add_binary "$(command -v setpriv)" &&
        vm_add_binary "$(command -v stat)" || return
    mkdir -p "$VM_ROOT"/{lib/systemd,etc/udev/rules.d} && ln -sf /bin/udevadm "$VM_ROOT/lib/systemd/systemd-udevd" || return
    for rule in 50-udev-default 60-serial 60-input-id 60-persistent-input; do
        vm_add_file "/lib/udev/rules.d/$rule.rules" "/lib/udev/rules.d/$rule.rules" || return
    done
    vm_add_file udev/60-smartposd.rules /lib/udev/rules.d/60-smartposd.rules &&
        vm_add_file udev/60-smartposd.hwdb /lib/udev/hwdb.d/60-smartposd.hwdb &&
        systemd-hwdb --strict --usr --root="$VM_ROOT" update
}

programs() {
    local program
    vm_add_binary "$binary" /bin/evdev_rig || return
    for program in smartposd posctl smartpos-sim; do vm_add_binary "$built/$program" || return; done
    vm_add_binary "$(command -v dbus-daemon)" && vm_add_binary "$(command -v bash)" || return
    vm_add_file tests/demo.sh /smartposd/tests/demo.sh && vm_add_file tests/rig/in-vm.sh /smartposd/tests/rig/in-vm.sh &&
        vm_add_file tests/rig/usb-power.sh /smartposd/tests/rig/usb-power.sh &&
        vm_add_file tests/rig/hotplug.sh /smartposd/tests/rig/hotplug.sh && with_udev &&
        vm_add_file src/host/profiles/unionpay-example.toml /smartposd/src/host/profiles/unionpay-example.toml || return
    echo "root:x:0:0:root:/root:/bin/sh" >"$VM_ROOT/etc/passwd"
    echo "root:x:0:" >"$VM_ROOT/etc/group"
}

bash tests/install.sh udev socat || end 0 1
vm_new && programs && vm_add_module evdev uinput usb-common usbcore xhci-hcd xhci-pci usbserial ftdi_sio || end 0 1
# A reader that never answers; on a hub of their own, two adapters back to back.
vm_add_device -device qemu-xhci,id=mute -chardev file,id=reader,path=/dev/null -device usb-serial,chardev=reader,bus=mute.0 \
    -device qemu-xhci,id=lines \
    -chardev "socket,id=near,path=$VM_HOME/line,server=on,wait=off" -device usb-serial,chardev=near,bus=lines.0,serial=READER01 \
    -chardev "socket,id=far,path=$VM_HOME/line" -device usb-serial,chardev=far,bus=lines.0,serial=FARSIDE1
output=$(vm_run "${EVDEV_VM_SECONDS:-$((400 + 30 * ${1:-5}))}" "/bin/bash /smartposd/tests/rig/in-vm.sh ${1:-5}")
status=$?
echo "$output"
passed=$(grep -c '^test .* \.\.\. ok$' <<<"$output")
failed=$(grep -c '^test .* \.\.\. FAILED$' <<<"$output")
# A test that found no /dev/uinput has shown nothing.
skipped=$(grep -c '^skipped: ' <<<"$output")
if [ "$status" -eq 124 ]; then
    echo "evdev-vm: not finished in time; the machine's console ended with:" >&2
elif [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
    echo "evdev-vm: the test run ended with status $status; the machine's console ended with:" >&2
fi
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
    tail -n 20 "$VM_CONSOLE" >&2
    failed=1
fi
end $((passed - skipped)) $((failed + skipped))
