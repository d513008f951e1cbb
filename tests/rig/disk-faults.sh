#!/bin/bash
# Runs tests/disk_faults.rs in User Mode Linux: the shipped daemon on a disk that is full or refuses writes.
# Ends with "disk-faults: N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/rig/uml.sh
. tests/rig/uml.sh
uml_alone tests/rig/disk-faults.sh "$@"
SECTORS=49152 # 24 MiB
UML_MODULES="dm-mod dm-flakey"

end() {
    echo "disk-faults: $1 passed, $2 failed"
    [ "$1" -gt 0 ] && [ "$2" -eq 0 ]
    exit
}

bash tests/install.sh dbus gcc libc6-dev || true
uml_new || exit 0
trap uml_drop EXIT
built=$(cargo test --quiet --no-run --message-format=json --test disk_faults) || end 0 1
binary=$(sed -n 's/.*"name":"disk_faults".*"executable":"\([^"]*\)".*/\1/p' <<<"$built" | tail -n 1)
[ -x "$binary" ] || end 0 1

truncate -s $((SECTORS * 512)) "$UML_WORK/disk"
uml_run "${DISK_FAULTS_SECONDS:-400}" "
    dmsetup create --noudevsync flaky --table '0 $SECTORS linear /dev/ubda 0'
    mkdir -p /dev/pts /dev/shm && mount -t devpts pts /dev/pts && mount -t tmpfs shm /dev/shm
    ip link set lo up
    cd '$PWD'
    export RUST_BACKTRACE=0 DISK_SECTORS=$SECTORS
    '$binary' --ignored --test-threads=1 --show-output --color=never ${*@Q}" ubd0="$UML_WORK/disk"
status=$?
if [ "$status" -eq 125 ]; then
    echo "skipped: User Mode Linux with the device mapper does not come up here"
    exit 0
fi
cat "$UML_WORK/output"
passed=$(grep -c '^test .* \.\.\. ok$' "$UML_WORK/output")
failed=$(grep -c '^test .* \.\.\. FAILED$' "$UML_WORK/output")
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
    echo "disk-faults: the test run ended with status $status" >&2
    failed=1
fi
[ "$failed" -eq 0 ] || tail -n 40 "$UML_WORK/errors" >&2
end "$passed" "$failed"
