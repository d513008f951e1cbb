#!/bin/bash
# Makes the rig's machine: Debian trixie for arm64 with its kernel, and modules for GPIO and I²C that Debian does not build.
# Kept in target/rig-cache/arm64-KEY; KEY stands for everything in this script and beside it, the package list above all.
# Usage: tests/rig/arm/image.sh        The last line is the directory with disk.qcow2, vmlinuz and initrd.
# As root; needs Debian's mirror the first time, and about 5 minutes on two cores.
set -eu
cd "$(dirname "$0")/../../.."
suite=trixie
mirror=http://deb.debian.org/debian
packages=systemd,systemd-sysv,udev,dbus,polkitd,iproute2,iputils-ping,kmod,e2fsprogs,procps
here=tests/rig/arm
key=$(find "$here/image.sh" "$here/guest" "$here/modules" -type f | sort | xargs cat | sha256sum | cut -c1-12)
made=$PWD/target/rig-cache/arm64-$key
mkdir -p target/rig-cache
exec 9>target/rig-cache/arm64.lock
flock 9
[ -e "$made/disk.qcow2" ] && { echo "$made"; exit 0; }
[ "$(id -u)" -eq 0 ] || { echo "rig: making the image needs root" >&2; exit 1; }
say() { echo "rig: $*" >&2; }

bash tests/install.sh qemu-system-arm qemu-user-static qemu-utils mmdebstrap arch-test e2fsprogs kmod cpio xz-utils make \
    gcc-aarch64-linux-gnu debian-archive-keyring
# A machine that runs systemd has registered the interpreter already.
binfmt=/proc/sys/fs/binfmt_misc
[ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt"
[ -e "$binfmt/qemu-aarch64" ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf >"$binfmt/register"

work=$(mktemp -d "$PWD/target/rig-cache/arm64.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# An apt of its own: the suite's packages of two architectures, whatever this machine runs.
mkdir -p apt/lists/partial apt/cache/archives/partial apt/etc/apt.conf.d apt/etc/preferences.d apt/etc/trusted.gpg.d
: >apt/status
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >apt/etc/sources.list
cat >apt/conf <<END
Dir::State "$work/apt"; Dir::State::status "$work/apt/status"; Dir::State::lists "$work/apt/lists"; Dir::Cache "$work/apt/cache";
Dir::Etc "$work/apt/etc"; Dir::Etc::sourcelist "$work/apt/etc/sources.list"; Dir::Etc::sourceparts "/dev/null";
APT::Architecture "arm64"; APT::Architectures { "arm64"; "amd64"; }; APT::Sandbox::User "root"; Acquire::Languages "none";
END
own_apt() { APT_CONFIG=$work/apt/conf "$@"; }
own_apt apt-get update -qq >&2
image=$(own_apt apt-cache depends linux-image-arm64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p')
version=${image#linux-image-}
kbuild=linux-kbuild-${version%-arm64}
host=$(dpkg --print-architecture)
say "kernel $version, packages $packages"
own_apt apt-get download -qq "$image" "linux-headers-$version" "linux-headers-${version%-arm64}-common" linux-source-6.12 \
    "$kbuild:$host" "libc6:$host" busybox-static:arm64 >&2
# (the source package is named after the series; another suite needs another number here)

unpack() { mkdir -p "$2" && for file in $1; do dpkg-deb -x "$file" "$2"; done; }
unpack "linux-image-*.deb" kernel
unpack "busybox-static_*.deb" busybox
unpack "linux-headers-*.deb linux-kbuild-*.deb" build
unpack "libc6_*.deb" libc

say "modules"
headers=$work/build/usr/src/linux-headers-$version
common=$work/build/usr/src/linux-headers-${version%-arm64}-common
scripts=$work/build/usr/lib/$kbuild/scripts
cp -r "$OLDPWD/$here/modules" modules
dpkg-deb --fsys-tarfile linux-source-*.deb | tar xO ./usr/src/linux-source-6.12.tar.xz | xz -dc |
    tar x --strip-components=1 linux-source-6.12/drivers/gpio/gpio-sim.c linux-source-6.12/kernel/irq/irq_sim.c
mv drivers/gpio/gpio-sim.c modules/gpio-sim-core.c
# The kernel keeps irq_to_desc to itself; this is the same by what it gives to modules.
sed 's/irq_to_desc(irqnum)/irq_data_to_desc(irq_get_irq_data(irqnum))/' kernel/irq/irq_sim.c >modules/irq_sim.c
sed -i "s#^include .*#include $common/Makefile#" "$headers/Makefile"
sed -i 's/gcc-[0-9]*$/gcc/' "$headers/.kernelvariables"
# What this compiler may not know, and type information that needs pahole.
sed -i '/CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT/d; /CONFIG_DEBUG_INFO_BTF_MODULES/d' "$headers/include/config/auto.conf"
# The suite's programs with the suite's C library, which may be newer than this machine's.
for program in mod/modpost.real-lsb-64 basic/fixdep; do
    mv "$scripts/$program" "$scripts/$program.own"
    printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$(find "$work/libc" -name 'ld-linux-*' | head -n 1)" \
        "$(dirname "$(find "$work/libc" -name libc.so.6)")" "$scripts/$program.own" >"$scripts/$program"
    chmod +x "$scripts/$program"
done
printf '#!/bin/sh\nexec %s.real-lsb-64 "$@"\n' "$scripts/mod/modpost" >modpost && chmod +x modpost && mv modpost "$scripts/mod/"
make -s -C "$headers" "M=$work/modules" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- modules >&2

say "root file system"
nice mmdebstrap --quiet --mode=root --variant=minbase --arch=arm64 --aptopt='APT::Sandbox::User "root"' \
    --include="$packages" "$suite" root "$mirror" >&2
mkdir -p "root/usr/lib/modules/$version/extra"
cp -r "kernel/usr/lib/modules/$version/." "root/usr/lib/modules/$version/"
(cd "root/usr/lib/modules/$version/kernel" && rm -rf sound drivers/{gpu,media,infiniband,scsi,iio,net/wireless,net/ethernet})
cp modules/*.ko "root/usr/lib/modules/$version/extra/"
depmod -b root -F "kernel/boot/System.map-$version" "$version" 2>/dev/null || depmod -b root "$version"
guest=$OLDPWD/$here/guest
install -m 755 "$guest/agent.sh" root/usr/local/sbin/rig-agent
install -m 644 "$guest/rig-agent.service" root/etc/systemd/system/
install -m 644 "$guest/rig.rules" root/etc/udev/rules.d/99-rig.rules
install -m 644 "$guest/rig.network" root/etc/systemd/network/
echo rig >root/etc/hostname
echo "127.0.0.1 localhost rig" >root/etc/hosts
rm -f root/etc/resolv.conf && echo "nameserver 10.0.2.3" >root/etc/resolv.conf
echo "/dev/vda / ext4 errors=remount-ro 0 1" >root/etc/fstab
echo 00112233445566778899aabbccddeeff >root/etc/machine-id
mkdir -p root/var/log/journal root/etc/systemd/system/multi-user.target.wants
ln -s /usr/lib/systemd/system/systemd-networkd.service root/etc/systemd/system/multi-user.target.wants/
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    systemd-networkd-wait-online.service getty@.service serial-getty@.service systemd-pstore.service; do
    ln -sf /dev/null "root/etc/systemd/system/$unit"
done

say "initrd and disk"
mkdir -p initrd/{bin,dev,proc,root,modules}
install -m 755 busybox/usr/bin/busybox initrd/bin/busybox
install -m 755 "$guest/init" initrd/init
for module in virtio_pci virtio_blk crc32c_generic ext4; do
    modprobe -d "$work/root" -S "$version" --show-depends "$module" 2>/dev/null
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r file; do
    name=$(basename "${file%.xz}")
    case $file in *.xz) xz -dc "$file" >"initrd/modules/$name" ;; *) cp "$file" "initrd/modules/$name" ;; esac
    echo "$name" >>initrd/modules/order
done
mkdir ready
(cd initrd && find . | cpio -o -H newc --quiet | gzip -1) >ready/initrd
# QEMU starts a kernel that is not packed sooner.
cp "kernel/boot/vmlinuz-$version" ready/vmlinuz
mke2fs -q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 -d root disk.raw 1500M
qemu-img convert -O qcow2 disk.raw ready/disk.qcow2
echo "$version" >ready/kernel-version
mv ready "$made"
say "made $made"
echo "$made"
