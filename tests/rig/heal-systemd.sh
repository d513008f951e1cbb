#!/bin/bash
# The shipped unit under real systemd, in a User Mode Linux: killed, hanging (WatchdogSec), in a restart loop.
# Ends with: heal-systemd: N passed, N failed
set -u
# Another test in the same machine: the script that runs inside, and its name.
INNER=${INNER:-heal-in-systemd.sh} NAME=${NAME:-heal-systemd}
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/rig/uml.sh
. tests/rig/uml.sh
uml_alone "$0" "$@"
bash tests/install.sh user-mode-linux systemd dbus || { echo "skipped: user-mode-linux, systemd or dbus cannot be installed"; exit 0; }
cargo build --quiet --bins || exit 1
UML_WORK=$(mktemp -d) && mount -t tmpfs -o size=1200m uml "$UML_WORK" || { echo "skipped: no file system in memory"; exit 0; }
trap 'umount -l "$UML_WORK"; rmdir "$UML_WORK"' EXIT
here=$PWD built=${CARGO_TARGET_DIR:-target}/debug
for program in smartposd posctl smartpos-sim; do strip -o "$UML_WORK/$program" "$built/$program" || exit 1; done
cp "tests/rig/$INNER" "$UML_WORK/"

cat >"$UML_WORK/init" <<INIT
#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
insmod /usr/lib/uml/modules/\$(uname -r)/kernel/fs/overlayfs/overlay.ko
mount -t tmpfs tmp /mnt
mkdir -p /mnt/up /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work none /mnt/root
cd /mnt/root
mount -t hostfs -o "$UML_WORK" none mnt
for place in etc/systemd/system lib/systemd/system/sysinit.target.wants lib/systemd/system/multi-user.target.wants; do
    rm -rf \$place; mkdir -p \$place
done
rm -f etc/fstab; : >etc/fstab; echo 0123456789abcdef0123456789abcdef >etc/machine-id
cp mnt/smartposd usr/sbin/smartposd; cp mnt/posctl mnt/smartpos-sim usr/bin/
chmod 755 usr/sbin/smartposd usr/bin/posctl usr/bin/smartpos-sim
mkdir -p etc/smartposd usr/share/smartposd/profiles usr/share/dbus-1/system.d usr/share/dbus-1/system-services
cp "$here/debian/smartposd.toml" etc/smartposd/
cp "$here"/src/host/profiles/*.toml usr/share/smartposd/profiles/
cp "$here/systemd/org.smartposd.Pos1.conf" usr/share/dbus-1/system.d/
cp "$here/systemd/org.smartposd.Pos1.service" usr/share/dbus-1/system-services/
cp "$here"/systemd/smartposd*.service lib/systemd/system/
grep -q '^smartposd:' etc/passwd || echo 'smartposd:x:971:971::/:/usr/sbin/nologin' >>etc/passwd
for group in smartposd:971 smartpos:972 dialout:20 input:973; do
    grep -q "^\${group%:*}:" etc/group || echo "\${group%:*}:x:\${group#*:}:" >>etc/group
done
cat >etc/systemd/system/heal.target <<UNIT
[Unit]
Requires=basic.target dbus.service smartposd.service test.service
After=basic.target
AllowIsolate=yes
UNIT
cat >etc/systemd/system/test.service <<UNIT
[Unit]
After=smartposd.service
[Service]
Type=oneshot
ExecStart=/bin/bash /mnt/$INNER
ExecStopPost=/bin/systemctl --force --force poweroff
StandardOutput=file:/mnt/output
StandardError=file:/mnt/errors
TimeoutStartSec=200
UNIT
ln -s heal.target etc/systemd/system/default.target
mkdir -p etc/systemd/system/smartposd.service.d
printf '[Service]\nWatchdogSec=3\n' >etc/systemd/system/smartposd.service.d/test.conf
for unit in systemd-udevd.service systemd-logind.service systemd-networkd.service systemd-resolved.service systemd-timesyncd.service; do
    ln -sf /dev/null etc/systemd/system/\$unit
done
umount /proc
# Not only chroot: the kernel makes no user namespace (PrivateUsers=) for a process whose root is not the machine's.
mkdir -p .old && pivot_root . .old && exec chroot . /bin/sh -c 'umount -l /.old; exec /lib/systemd/systemd --log-level=warning'
INIT
chmod +x "$UML_WORK/init"
TMPDIR=$UML_WORK timeout --kill-after=5 240 linux.uml mem=384M rootfstype=hostfs ro init="$UML_WORK/init" \
    con=null con0=null,fd:1 quiet panic=1 </dev/null >"$UML_WORK/console" 2>&1
cat "$UML_WORK/output" 2>/dev/null || { tail -n 30 "$UML_WORK/console"; echo "$NAME: it never came up" >&2; }
[ ! -s "$UML_WORK/errors" ] || tail -n 20 "$UML_WORK/errors" >&2
passed=$(grep -c '^test .* ok' "$UML_WORK/output" 2>/dev/null) failed=$(grep -c '^test .* FAILED' "$UML_WORK/output" 2>/dev/null)
[ "${passed:-0}" -gt 0 ] || failed=1
echo "$NAME: ${passed:-0} passed, ${failed:-1} failed"
[ "${failed:-1}" -eq 0 ]
