#!/bin/bash
# The Debian packages: built, looked at by lintian, and installed, upgraded, removed, purged in a Debian of their own under
# real systemd (User Mode Linux). Usage: tests/deb.sh [--native]        Ends with: deb: N passed, N failed
# --native: this machine's architecture only; cargo builds what is not fresh in target/release.
set -u
# shellcheck source=tests/rig/uml.sh
cd "$(dirname "$0")/.." && . tests/rig/uml.sh || exit 1
own=$(dpkg --print-architecture 2>/dev/null) || { echo "skipped: no dpkg"; exit 0; }
architectures=("$own")
case ${1:-} in
    "") for arch in amd64 arm64; do [ "$arch" = "$own" ] || architectures+=("$arch"); done ;;
    --native) ;;
    *) echo "usage: tests/deb.sh [--native]" >&2; exit 2 ;;
esac
passed=0 failed=0
say() {
    if [ "$2" = 0 ]; then passed=$((passed + 1)); echo "test $1 ... ok ${3:-}"; else failed=$((failed + 1)); echo "test $1 ... FAILED ${3:-}"; fi
}
end() { echo "deb: $passed passed, $failed failed"; [ "$failed" -eq 0 ]; exit; }
out=$(mktemp -d) root=target/deb-cache/root
trap 'rm -rf "$out"' EXIT
bash tests/install.sh lintian systemd mmdebstrap debian-archive-keyring user-mode-linux gcc libc6-dev >/dev/null ||
    { echo "skipped: lintian, mmdebstrap or user-mode-linux cannot be installed"; exit 0; }

# --- build; lintian looks at every tag but those about a distribution that this is not part of
rm -f target/debs/*.deb
for arch in "${architectures[@]}"; do
    bash debian/build.sh "$arch" >"$out/build" 2>&1; code=$?
    [ $code = 0 ] || tail -n 30 "$out/build"
    say "it_builds_for_$arch" $code
    lintian --fail-on error,warning,info --tag-display-limit 0 target/debs/*_"$arch".deb >"$out/lintian" 2>&1; code=$?
    [ -s "$out/lintian" ] && cat "$out/lintian"
    say "lintian_finds_nothing_in_$arch" $code
done
[ -e "$(echo target/debs/smartposd_*_"$own".deb)" ] || end
for deb in target/debs/*.deb; do
    size=$(stat -c %s "$deb"); installed=$(dpkg-deb -f "$deb" Installed-Size)
    awk -v n="$(basename "$deb")" -v s="$size" -v i="$installed" 'BEGIN { printf "%s: %.2f MB, installed %.1f MB\n", n, s/1e6, i*1024/1e6 }'
done

# --- the units, as files
most=1.3
for unit in systemd/smartposd*.service; do
    score=$(systemd-analyze security --offline=true --no-pager "$unit" 2>/dev/null | tail -n1 | grep -oE '[0-9]+\.[0-9]+')
    limit=$most; [ "$unit" = systemd/smartposd.service ] || limit=0.7
    [ -n "$score" ] && [ "${score/./}" -le "${limit/./}" ]
    say "$(basename "$unit" .service)_is_hardened" $? "score $score, at most $limit"
done
mkdir -p "$out/verify"
for unit in systemd/smartposd*.service; do sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$unit" >"$out/verify/$(basename "$unit")"; done
# Two settings of systemd 254 are said to be unknown by older ones, and D-Bus and udev need not be here.
systemd-analyze verify --man=no "$out"/verify/*.service 2>&1 | grep "$out" | grep -vE 'Restart(Steps|MaxDelaySec)' >"$out/verified"
[ ! -s "$out/verified" ]; say the_units_are_in_order $? "$(head -n 3 "$out/verified")"

# --- the same packages under higher versions, and one that knows less of the database
version=$(dpkg-deb -f target/debs/smartposd_*_"$own".deb Version)
# A package under another version, with a script changed perhaps.
again() {
    local to=$1 from package; shift
    for package in smartposd smartposd-sim; do
        from=$(echo target/debs/"$package"_"$version"_"$own".deb)
        rm -rf "$out/tree"; dpkg-deb -R "$from" "$out/tree"
        sed -i "s/^Version: .*/Version: $to/; s/(= $version)/(= $to)/" "$out/tree/DEBIAN/control"
        [ $# -eq 0 ] || sed -i "$1" "$out/tree/DEBIAN/preinst" 2>/dev/null
        dpkg-deb --root-owner-group -Zgzip -z1 -b "$out/tree" "$out/${2:-}${package}_${to}_$own.deb" >/dev/null
    done
}
mkdir -p "$out/debs"; cp target/debs/*_"$own".deb "$out/debs/"
again "$version+1" && again "$version+2" && again "$version+9" "s/^known=.*/known='1'/" short_ && rm -f "$out"/short_smartposd-sim*
mv "$out"/*.deb "$out/debs/"

# --- a Debian of its own, made once
stamp=bookworm-1
if [ "$(cat target/deb-cache/stamp 2>/dev/null)" != $stamp ]; then
    rm -rf target/deb-cache && mkdir -p target/deb-cache
    mmdebstrap --quiet --mode=root --variant=apt \
        --include=systemd,systemd-sysv,udev,dbus,polkitd,python3-dbus,python3-gi,procps,kmod \
        bookworm $root http://deb.debian.org/debian 2>"$out/bootstrap" ||
        { tail -n 5 "$out/bootstrap"; echo "skipped: no Debian can be made here"; end; }
    echo $stamp >target/deb-cache/stamp
fi
uml_alone_here() { [ -n "$(command -v linux.uml)" ]; }
uml_alone_here || { echo "skipped: no user-mode-linux"; end; }
work=$out/work here=$PWD
mkdir "$work" && mount -t tmpfs -o size=600m deb "$work" || { echo "skipped: no file system in memory"; end; }
trap 'umount -l "$work"; rm -rf "$out"' EXIT
cp -r "$out/debs" "$work/debs"; cp tests/deb/in-systemd.sh "$work/"
cc -shared -fPIC -O1 -o "$work/fake_evdev.so" tests/rig/fake_evdev.c || say the_fake_keypad_compiles 1
cat >"$work/init" <<INIT
#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
insmod /usr/lib/uml/modules/\$(uname -r)/kernel/fs/overlayfs/overlay.ko
mount -t tmpfs -o size=400m tmp /mnt
mkdir -p /mnt/up /mnt/work /mnt/root
mount -t overlay -o lowerdir=$here/$root,upperdir=/mnt/up,workdir=/mnt/work none /mnt/root
cd /mnt/root
mount -t hostfs -o "$work" none mnt
echo 0123456789abcdef0123456789abcdef >etc/machine-id
: >etc/fstab
cat >etc/systemd/system/deb.target <<UNIT
[Unit]
Requires=basic.target dbus.service test.service
After=basic.target
AllowIsolate=yes
UNIT
cat >etc/systemd/system/test.service <<UNIT
[Unit]
After=basic.target dbus.service
[Service]
Type=oneshot
Environment=OLD=$version NEW=$version+1 NEWER=$version+2 MOST=$most
ExecStart=/bin/bash /mnt/in-systemd.sh
ExecStopPost=/bin/systemctl --force --force poweroff
StandardOutput=file:/mnt/output
StandardError=file:/mnt/errors
TimeoutStartSec=500
UNIT
ln -sf deb.target etc/systemd/system/default.target
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-logind.service systemd-networkd.service \
    systemd-resolved.service systemd-timesyncd.service systemd-firstboot.service systemd-hwdb-update.service; do
    ln -sf /dev/null etc/systemd/system/\$unit
done
umount /proc
# Not only chroot: the kernel makes no user namespace (PrivateUsers=) for a process whose root is not the machine's.
mkdir -p .old && pivot_root . .old && exec chroot . /bin/sh -c 'umount -l /.old; exec /lib/systemd/systemd --log-level=warning'
INIT
chmod +x "$work/init"
start=$SECONDS
TMPDIR=$work timeout --kill-after=5 600 unshare --mount --pid --fork --kill-child --mount-proc \
    linux.uml mem=640M rootfstype=hostfs ro init="$work/init" con=null con0=null,fd:1 quiet panic=1 </dev/null >"$work/console" 2>&1
if [ ! -s "$work/output" ]; then tail -n 30 "$work/console"; echo "deb: the machine never came up" >&2; say the_machine_comes_up 1; end; fi
cat "$work/output"
[ ! -s "$work/errors" ] || tail -n 80 "$work/errors" >&2
passed=$((passed + $(grep -c '^test .* ok' "$work/output"))) failed=$((failed + $(grep -c '^test .* FAILED' "$work/output")))
grep -q '^test and_takes_nothing_else_away' "$work/output" || say it_went_to_its_end 1
echo "in the machine: $((SECONDS - start)) s"
end
