#!/usr/bin/env bash
# Builds the Debian packages from a clean checkout. Usage: debian/build.sh [amd64|arm64|armhf] …   (none: this machine's)
# The packages are put into target/debs/. What is missing is installed (Debian 12 or newer; needs root or sudo for that).
# For another architecture the toolchain is Debian's (rustc-web), because it has the standard library for it.
set -eu
cd "$(dirname "$0")/.."
own=$(dpkg --print-architecture)
[ $# -gt 0 ] || set -- "$own"
sudo=; [ "$(id -u)" -eq 0 ] || sudo=sudo
jobs=${JOBS:-$(nproc)}
mkdir -p target/debs

# Whether the cargo in PATH is new enough.
new_enough() {
    local found; found=$(cargo --version 2>/dev/null | cut -d' ' -f2) || return 1
    [ -n "$found" ] && dpkg --compare-versions "$found" ge 1.95
}

for arch in "$@"; do
    case $arch in
    amd64) triple=x86-64-linux-gnu ;;
    arm64) triple=aarch64-linux-gnu ;;
    armhf) triple=arm-linux-gnueabihf ;;
    *) echo "usage: debian/build.sh [amd64|arm64|armhf] ..." >&2; exit 2 ;;
    esac
    packages=(build-essential dpkg-dev debhelper fakeroot cargo-web rustc-web)
    path=$PATH options=()
    if [ "$arch" != "$own" ]; then
        if ! dpkg --print-foreign-architectures | grep -qx "$arch"; then
            $sudo dpkg --add-architecture "$arch"; $sudo apt-get update -qq
        fi
        packages+=("libstd-rust-web-dev:$arch" "gcc-$triple" "libc6-dev-$arch-cross" "libc6:$arch" "libgcc-s1:$arch" qemu-user-static)
        # Debian's programs first, whatever else is in PATH.
        path=/usr/bin:/bin:/usr/sbin:/sbin
        options=(--host-arch "$arch" --build-profiles=cross,nocheck)
    elif ! new_enough; then
        path=/usr/bin:/bin:/usr/sbin:/sbin
    fi
    bash tests/install.sh "${packages[@]}"
    PATH=$path DEB_DEST=target/debs DEB_BUILD_OPTIONS="parallel=$jobs ${DEB_BUILD_OPTIONS:-}" \
        nice -n 5 dpkg-buildpackage --build=binary --no-sign --post-clean "${options[@]}" \
        --buildinfo-option=-utarget/debs --buildinfo-file="target/debs/smartposd_$arch.buildinfo" \
        --changes-option=-utarget/debs --changes-file="target/debs/smartposd_$arch.changes"
done
ls -l target/debs/*.deb
