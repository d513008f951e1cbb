#!/usr/bin/env bash
# Shows that the simulation sees the rules broken: each patch in tests/mutants breaks one, in a copy of the tree, and must
# be found out. Usage: tests/mutants.sh [NAME …]   Ends with: mutations N, caught N
# The copies are built where the tree is, so nothing else may be built there meanwhile.
set -eu
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
tree=$target/mutants
seeds=4000
if [ $# -eq 0 ]; then set -- tests/mutants/*.patch; else set -- "${@/#/tests/mutants/}"; set -- "${@/%/.patch}"; fi
# Always at the same place, so that little has to be built for each.
mkdir -p "$tree"
tar cf - --exclude=./target --exclude=./.git . | tar xf - -C "$tree" --recursive-unlink
# Whatever comes: what lies there afterwards is the unbroken program again.
trap 'rm -rf "$tree"; cargo build --quiet --profile sim --bin smartpos-sim 2>/dev/null || true' EXIT
applied=0 caught=0 missed=()
for patch in "$@"; do
    name=$(basename "$patch" .patch)
    if ! patch --quiet --strip=1 --directory="$tree" <"$patch" >/dev/null; then
        echo "mutants: $patch no longer applies" >&2
        exit 1
    fi
    if ! CARGO_TARGET_DIR=$target cargo build --quiet --manifest-path "$tree/Cargo.toml" --profile sim \
        --bin smartpos-sim >"$tree/build.log" 2>&1; then
        cat "$tree/build.log" >&2
        echo "mutants: $patch does not build" >&2
        exit 1
    fi
    applied=$((applied + 1))
    found=$(timeout 300 "$target/sim/smartpos-sim" run --seeds $seeds --stop 2>/dev/null | grep -m1 -E '^  seed [0-9]+: ' || true)
    if [ -n "$found" ]; then
        caught=$((caught + 1))
        printf '%-32s %s\n' "$name" "${found:2:100}"
    else
        missed+=("$name")
        printf '%-32s NOT CAUGHT: %s\n' "$name" "$(head -n1 "$patch")"
    fi
    patch --quiet --strip=1 --reverse --directory="$tree" <"$patch" >/dev/null
done
[ ${#missed[@]} -eq 0 ] || echo "not caught: ${missed[*]}" >&2
echo "mutations $applied, caught $caught"
[ "$applied" -eq "$caught" ]
