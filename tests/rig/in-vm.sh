#!/bin/bash
# What runs inside the small virtual machine of evdev-vm.sh. Says "test NAME ... ok" or "... FAILED" of each.
export PATH=/bin:/sbin:/usr/bin
here=/smartposd/tests
status=0

check() {
    local name=$1; shift
    if "$@" >/tmp/said 2>&1; then
        grep -E '^(demo|hotplug): ' /tmp/said
        echo "test $name ... ok"
    else
        cat /tmp/said
        echo "test $name ... FAILED"
        status=1
    fi
}

/bin/evdev_rig --test-threads=1 --show-output --color=never || status=1
check a_sale_with_tap_and_pin_is_approved_on_a_keypad_that_the_daemon_finds env BIN=/bin KEYPAD=auto bash $here/demo.sh
check a_mute_reader_on_usb_is_switched_off_and_on bash $here/rig/usb-power.sh
check devices_come_and_go_under_udev_in_any_state_with_changed_numbers bash $here/rig/hotplug.sh "${1:-5}"
exit $status
