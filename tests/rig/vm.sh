# Functions to build and run a small virtual machine: a Debian kernel, an initramfs, a command. To be sourced by bash.
#
#   vm_new                        begin an empty machine ($VM_ROOT is its root directory until vm_drop)
#   vm_add_binary FILE [DEST]     an executable with every shared library that ldd names (DEST: /bin/<name>)
#   vm_add_file FILE DEST         any other file
#   vm_add_module NAME...         kernel modules without dependencies of their own, loaded in this order
#   vm_add_device ARGUMENT...     more of QEMU's arguments
#   vm_run SECONDS COMMAND        boot, run COMMAND with sh, print what it prints; returns its exit status, 124 when
#                                 the time is over, 125 when the machine died ($VM_CONSOLE holds the kernel's console)
#   vm_drop                       remove the machine's files
#
# The machine has busybox, /proc, /sys, /dev (devtmpfs, pts, shm), /run, /tmp and lo; no network, no disk, no KVM.
# Kernel and modules are kept in $VM_CACHE by package version. What is missing on the host is installed when root.

VM_CACHE=${VM_CACHE:-$(pwd)/target/rig-cache}

vm_fail() {
    echo "vm: $*" >&2
    return 1
}

vm_install() {
    local missing=()
    command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
    dpkg-query -W -f '${Status}' busybox-static 2>/dev/null | grep -q 'ok installed' || missing+=(busybox-static)
    [ ${#missing[@]} -eq 0 ] && return 0
    [ "$(id -u)" -eq 0 ] || vm_fail "install ${missing[*]} first (not root)" || return
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null ||
        { apt-get update >/dev/null &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null; }
}

# Sets VM_KERNEL to a directory with vmlinuz and modules/, downloaded once for each package version.
vm_kernel() {
    local package version
    package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
    if [ -z "$package" ] && [ "$(id -u)" -eq 0 ]; then
        apt-get update >/dev/null
        package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
    fi
    [ -n "$package" ] || vm_fail "apt knows no kernel package; run apt-get update" || return
    version=$(apt-cache policy "$package" | sed -n 's/^ *Candidate: //p')
    VM_KERNEL=$VM_CACHE/${package}_${version//[^A-Za-z0-9.+-]/_}
    mkdir -p "$VM_CACHE"
    (
        flock 9
        [ -e "$VM_KERNEL/vmlinuz" ] && exit 0
        work=$(mktemp -d "$VM_CACHE/kernel.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        cd "$work"
        # As root apt reads through its own user, who may not write here; the copy is checked all the same.
        apt-get -o APT::Sandbox::User=root download "$package" >&2 && dpkg -x ./*.deb unpacked
        mkdir ready
        mv unpacked/boot/vmlinuz-* ready/vmlinuz
        mv unpacked/lib/modules/*/kernel ready/modules
        mv ready "$VM_KERNEL"
    ) 9>"$VM_CACHE/lock" || vm_fail "cannot get the kernel package $package"
}

vm_new() {
    vm_install && vm_kernel || return
    VM_HOME=$(mktemp -d "$VM_CACHE/vm.XXXXXX")
    VM_ROOT=$VM_HOME/root
    VM_CONSOLE=$VM_HOME/console
    mkdir -p "$VM_ROOT"/{bin,sbin,dev,proc,sys,run,tmp,root,etc,var,usr/bin,lib/modules}
    cp "$(command -v busybox)" "$VM_ROOT/bin/busybox"
    : >"$VM_ROOT/lib/modules/order"
    VM_DEVICES=()
    cat >"$VM_ROOT/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /dev/shm
mount -t tmpfs tmp /run
mount -t tmpfs tmp /tmp
ip link set lo up
while read -r module; do insmod "/lib/modules/$module"; done </lib/modules/order
stty -F /dev/ttyS1 raw -echo
# A child of its own session: what the command does to its terminal or process group does not reach init.
setsid sh /command </dev/null >/dev/ttyS1 2>&1
echo "vm-exit $?" >/dev/ttyS1
sync
reboot -f
INIT
    chmod +x "$VM_ROOT/init"
}

vm_add_file() {
    mkdir -p "$VM_ROOT$(dirname "$2")" && cp -L "$1" "$VM_ROOT$2"
}

vm_add_binary() {
    local destination=${2:-/bin/$(basename "$1")} library
    vm_add_file "$1" "$destination" || return
    # Debug sections only make the machine slower to boot.
    strip --strip-debug "$VM_ROOT$destination" 2>/dev/null || true
    ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
        [ -e "$VM_ROOT$library" ] || vm_add_file "$library" "$library"
    done
}

vm_add_module() {
    local name file
    for name in "$@"; do
        file=$(find "$VM_KERNEL/modules" -name "$name.ko*" | head -n 1)
        [ -n "$file" ] || vm_fail "this kernel has no module $name" || return
        case $file in
            *.xz) xz -dc "$file" >"$VM_ROOT/lib/modules/$name.ko" ;;
            *) cp "$file" "$VM_ROOT/lib/modules/$name.ko" ;;
        esac || return
        echo "$name.ko" >>"$VM_ROOT/lib/modules/order"
    done
}

vm_add_device() {
    VM_DEVICES+=("$@")
}

vm_run() {
    local seconds=$1 output=$VM_HOME/output status
    printf '%s\n' "$2" >"$VM_ROOT/command"
    (cd "$VM_ROOT" && find . | busybox cpio -o -H newc 2>/dev/null) >"$VM_HOME/initramfs" || return 125
    : >"$output"
    # With icount the machine's time stands still while this one is too busy to run it, and jumps to the next timer while
    # nothing is to be done: what has a deadline inside does not depend on what else runs outside.
    timeout --kill-after=5 "$seconds" qemu-system-x86_64 -accel tcg -icount shift=0,sleep=off -rtc clock=vm -cpu max -smp 1 -m 512 -nodefaults -nographic \
        -no-reboot -kernel "$VM_KERNEL/vmlinuz" -initrd "$VM_HOME/initramfs" \
        -append "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off nokaslr audit=0 random.trust_cpu=on" \
        -serial "file:$VM_CONSOLE" -serial "file:$output" "${VM_DEVICES[@]}" </dev/null >&2
    status=$?
    sed '/^vm-exit [0-9]*$/d' "$output"
    [ "$status" -eq 124 ] || [ "$status" -eq 137 ] && return 124
    status=$(sed -n 's/^vm-exit \([0-9]*\)$/\1/p' "$output" | tail -n 1)
    return "${status:-125}"
}

vm_drop() {
    [ -n "${VM_HOME:-}" ] && rm -rf "$VM_HOME"
    VM_HOME=
}
