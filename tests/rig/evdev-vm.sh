#!/bin/bash
# Runs tests/evdev_rig.rs in a small virtual machine with real uinput keypads. Ends with "evdev-vm: N passed, N failed".
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
[ -x "$binary" ] || { echo "evdev-vm: cargo named no test executable" >&2; end 0 1; }

vm_new && vm_add_binary "$binary" /bin/evdev_rig && vm_add_module evdev uinput || end 0 1
output=$(vm_run "${EVDEV_VM_SECONDS:-100}" "/bin/evdev_rig --test-threads=1 --show-output --color=never")
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
