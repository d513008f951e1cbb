# Functions to run commands as root of a User Mode Linux that sees this machine's files. To be sourced by bash.
#
#   uml_alone "$0" "$@"           run the script again in namespaces of its own: mounts and processes end with it
#   uml_new                       begin: $UML_WORK is a directory in memory, seen at /mnt/work inside, until uml_drop
#   uml_run SECONDS COMMANDS [ubdN=FILE...]
#                                 boot, load the device mapper modules in $UML_MODULES, run COMMANDS with bash; returns
#                                 their status, 124 when the time is over, 125 when it never came up;
#                                 $UML_WORK holds their output and errors, and console with what the kernel said
#   uml_drop                      remove the directory
#
# Inside, this machine's root is there read-only and the present directory as it is; /run, /tmp and /mnt are empty and in
# memory; /dev/ubda and so on are the given files; there is no network. It needs no KVM: it is an ordinary process here.

UML_MODULES=${UML_MODULES:-dm-mod dm-log-writes}

uml_alone() {
    [ -z "${UML_ALONE:-}" ] || return 0
    unshare --mount --pid --fork true 2>/dev/null || { echo "skipped: namespaces need root"; exit 0; }
    export UML_ALONE=1
    exec unshare --mount --pid --fork --kill-child --mount-proc bash "$@"
}

uml_new() {
    bash tests/install.sh user-mode-linux busybox-static dmsetup e2fsprogs kmod python3 ||
        { echo "skipped: user-mode-linux or what it needs cannot be installed"; return 1; }
    UML_WORK=$(mktemp -d) && mount -t tmpfs -o size=1500m uml "$UML_WORK" ||
        { echo "skipped: no file system in memory can be mounted"; return 1; }
}

uml_drop() {
    [ -n "${UML_WORK:-}" ] || return 0
    umount "$UML_WORK" && rmdir "$UML_WORK"
    UML_WORK=
}

uml_run() {
    local seconds=$1 commands=$2 status
    shift 2
    rm -f "$UML_WORK"/{ready,status,output,errors}
    cat >"$UML_WORK/init" <<INIT
#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run
mount -t proc proc /proc
mount -t sysfs sys /sys
for place in /run /tmp /mnt; do mount -t tmpfs tmp \$place; done
mkdir /mnt/work && mount -t hostfs -o "$UML_WORK" none /mnt/work
mkdir -p "$PWD" && mount -t hostfs -o "$PWD" none "$PWD"
for module in $UML_MODULES; do
    insmod "/usr/lib/uml/modules/\$(uname -r)/kernel/drivers/md/\$module.ko" || busybox poweroff -f
done
touch /mnt/work/ready
bash /mnt/work/commands </dev/null >/mnt/work/output 2>/mnt/work/errors
echo \$? >/mnt/work/status
busybox poweroff -f
INIT
    printf '%s\n' "$commands" >"$UML_WORK/commands"
    chmod +x "$UML_WORK/init"
    TMPDIR=$UML_WORK timeout --kill-after=5 "$seconds" linux.uml mem=256M rootfstype=hostfs ro init="$UML_WORK/init" "$@" \
        con=null con0=null,fd:1 quiet panic=1 </dev/null >"$UML_WORK/console" 2>&1
    status=$?
    [ -e "$UML_WORK/ready" ] || return 125
    [ "$status" -ne 124 ] && [ "$status" -ne 137 ] || return 124
    return "$(cat "$UML_WORK/status" 2>/dev/null || echo 1)"
}
