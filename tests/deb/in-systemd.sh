#!/bin/bash
# What runs inside the machine of tests/deb.sh: a Debian with systemd, D-Bus, polkit, and the packages in /mnt/debs. Says
# "test NAME ... ok" or "... FAILED" of each, with times.
bus=org.smartposd.Pos1 state=/var/lib/smartposd rig=/run/rig
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
now() { date +%s%N; }
said() {
    if [ "$2" = 0 ]; then echo "test $1 ... ok ${3:-}"; else
        echo "test $1 ... FAILED ${3:-}"
        { echo "--- $1"; tail -n 12 /tmp/log; systemctl status --no-pager -n 15 smartposd; } >&2 2>/dev/null
    fi
}
# Waits until a condition holds, at most so many seconds; prints the milliseconds it took.
await() {
    local start seconds=$1; start=$(now); shift
    until "$@" >/dev/null 2>&1; do
        [ $(($(now) - start)) -lt $((seconds * 1000000000)) ] || { echo "never"; return 1; }
        sleep 0.2
    done
    echo "$((($(now) - start) / 1000000)) ms"
}
property() { busctl --auto-start=no get-property $bus "/org/smartposd/Pos1$1" "$bus.$2" "$3" 2>/dev/null; }
answers() { [ -n "$(property /Terminal0 Terminal State)" ]; }
ready() { [ "$(property /Terminal0 Terminal State)" = 's "ready"' ]; }
depth() { [ "$(property /Terminal0 Queue Depth)" = "u $1" ]; }
prompt_is() { [ "$(property /Terminal0 Terminal Prompt)" = "s \"$1\"" ]; }
pid() { systemctl show -p MainPID --value smartposd; }
is_other() { local p; p=$(pid); [ "$p" != 0 ] && [ "$p" != "$1" ] && answers; }
version() { dpkg-query -W -f '${Version}' smartposd 2>/dev/null; }
install_debs() { dpkg -i /mnt/debs/smartposd{,-sim}_"$1"_*.deb >/tmp/log 2>&1; }
order() { smartpos-sim "$1" --send "$rig/$1.sock" "$2" >/dev/null; }
list() { find / -xdev \( -path /tmp -o -path /var/log -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/tmp -o -path /root \) -prune -o -print | sort; }
# A sale, with the card put onto the reader when it is asked for.
sell() {
    local code
    posctl sale "$@" >/tmp/sale 2>&1 & local sale=$!
    await 30 prompt_is present-card >/dev/null && order reader "card in"
    wait "$sale"; code=$?
    order reader "card out"
    return $code
}
acquirer() {
    smartpos-sim acquirer --listen 127.0.0.1:5600 --terminal 99000001 --merchant 999000000000001 --ledger $rig/ledger.jsonl \
        --control $rig/acquirer.sock >$rig/acquirer.out 2>&1 & acquirer=$!
    await 20 grep -q ^ready $rig/acquirer.out >/dev/null
}

cp -r /var/lib/dpkg/info /tmp/info
list >/tmp/before
start=$(now); install_debs "$OLD"; code=$?
said it_installs $code "$((($(now) - start) / 1000000)) ms"
took=$(await 30 answers); systemctl is-active --quiet smartposd && systemctl is-enabled --quiet smartposd; code=$?; said the_service_runs_after_it $code "$took"
[ $code = 0 ] || { journalctl --no-pager -n 60 >&2; exit 1; }

# --- whose files, which modes
owner() { [ "$(stat -c '%U:%G %a' "$2" 2>/dev/null)" = "$1" ] || { echo "$2 is $(stat -c '%U:%G %a' "$2" 2>&1), not $1" >>/tmp/log; return 1; }; }
: >/tmp/log; ok=0
owner "smartposd:smartposd 700" $state || ok=1
owner "smartposd:smartposd 600" $state/pos.db || ok=1
owner "smartposd:smartposd 600" $state/sealing.key || ok=1
owner "root:root 644" /etc/smartposd/smartposd.toml || ok=1
owner "root:root 755" /usr/sbin/smartposd || ok=1
[ -z "$(dpkg -L smartposd smartposd-sim | xargs -d '\n' stat -L -c '%U:%G %A %n' 2>/dev/null | grep -vE '^root:root .{5}-..-' )" ] || ok=1
grep -q '^smartposd:.*nologin$' /etc/passwd && getent group smartpos >/dev/null || ok=1
said files_belong_to_whom_they_should $ok

# --- what the process may do, and what could be read from outside
p=$(pid); field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$p/status"; }
[ "$(field CapEff)$(field CapBnd)$(field CapAmb)" = "$(printf '%048d' 0)" ] && [ "$(field NoNewPrivs)" = 1 ] && [ "$(field Seccomp)" = 2 ] &&
    [ "$(ps -o user= -p "$p")" = smartposd ]; said it_has_no_privilege_at_all $? "CapEff $(field CapEff), seccomp $(field Seccomp)"
grep -q 'Max core file size *0 *0 ' "/proc/$p/limits" && [ "$(stat -c %U "/proc/$p/environ")" = root ]
said its_memory_is_never_dumped_nor_read_by_its_own_user $? "$(grep -c . "/proc/$p/limits") limits"
score=$(systemd-analyze security --no-pager smartposd.service | tail -n1 | grep -oE '[0-9]+\.[0-9]+')
[ -n "$score" ] && [ "${score/./}" -le "${MOST/./}" ]; said the_live_unit_scores_as_well_as_the_file $? "$score"

# --- first steps of a rig
mkdir -p $rig; acquirer
smartpos-sim reader --link $rig/ttyReader --control $rig/reader.sock >$rig/reader.out 2>&1 &
smartpos-sim keypad --socket $rig/keys.sock --control $rig/keypad.sock >$rig/keypad.out 2>&1 &
await 20 grep -q ^ready $rig/reader.out >/dev/null; await 20 grep -q ^ready $rig/keypad.out >/dev/null
touch $rig/event0; chown smartposd $rig/event0; chmod 666 $rig/keys.sock
chgrp smartposd "$(readlink -f $rig/ttyReader)"; chmod 660 "$(readlink -f $rig/ttyReader)"
mkdir -p /etc/systemd/system/smartposd.service.d /etc/smartposd/profiles
printf '[Service]\nEnvironment=LD_PRELOAD=/mnt/fake_evdev.so FAKE_EVDEV=%s\n' "$rig/event0=$rig/keys.sock" >/etc/systemd/system/smartposd.service.d/rig.conf
printf 'base = "unionpay-example"\naddresses = ["127.0.0.1:5600"]\n[offline]\nenabled = true\nper_card_per_day = 9\n' >/etc/smartposd/profiles/rig.toml
sed -i "s|^profile = .*|profile = \"rig\"|; s|^language = .*|language = \"en\"|; 0,/^path = \"auto\"/s||path = \"$rig/ttyReader\"|; s|^path = \"auto\"|path = \"$rig/event0\"|" /etc/smartposd/smartposd.toml
sha256sum /etc/smartposd/smartposd.toml >/tmp/conffile
systemctl daemon-reload; systemctl restart smartposd
{ posctl config check; echo 271828 | posctl operator set 01 --role supervisor --password-fd 0; echo 271828 | posctl operator sign-in 01 --password-fd 0
  echo A1B2C3D4E5F60718293A4B5C6D7E8F90 | posctl keys load --component 1 --custodian Li --component-fd 0
  echo A09186B36C5DCAF7D7E6F1C41B2ABD80 | posctl keys load --component 2 --custodian Wang --component-fd 0; } >/tmp/log 2>&1
took=$(await 40 ready); code=$?; posctl status >>/tmp/log 2>&1; said the_hardened_unit_signs_in $code "$took"
start=$(now); sell 128.00; code=$?; cat /tmp/sale >>/tmp/log; said and_sells $code "$((($(now) - start) / 1000000)) ms"
p=$(pid); ! tr '\0' '\n' <"/proc/$p/environ" | cat - <(tr '\0' ' ' <"/proc/$p/cmdline") |
    grep -qiE '271828|A1B2C3D4|A09186B3|6200000000000000018|password|key='; said no_secret_in_environment_or_arguments $?
python3 /usr/share/doc/smartposd/examples/status.py --introspect >/tmp/log 2>&1 && grep -q 'Terminal: .*CreateTransaction' /tmp/log && grep -q 'terminal: ready' /tmp/log
said the_python_client_sees_every_object $?
useradd -M app; useradd -M -G smartpos till
! setpriv --reuid app --regid app --clear-groups busctl get-property $bus /org/smartposd/Pos1/Terminal0 $bus.Terminal State >/tmp/log 2>&1 &&
    setpriv --reuid till --regid till --init-groups busctl get-property $bus /org/smartposd/Pos1/Terminal0 $bus.Terminal State >>/tmp/log 2>&1
said the_bus_lets_in_the_group_smartpos_and_nobody_else $?

# --- an order to stop, and an upgrade, in the middle of a sale
keys=$(posctl --json keys status | tr -d ' \n')
posctl sale 7.20 --key restarted >/tmp/sale 2>&1 & sale=$!
await 30 prompt_is present-card >/dev/null; p=$(pid)
systemctl restart --no-block smartposd; sleep 1; order reader "card in"; wait $sale; code=$?; order reader "card out"; cp /tmp/sale /tmp/log
took=$(await 60 is_other "$p"); [ $code = 0 ]; said a_restart_lets_the_sale_at_hand_end $? "$took after it"
await 40 ready >/dev/null
posctl sale 7.30 --key upgraded >/tmp/sale 2>&1 & sale=$!
await 30 prompt_is present-card >/dev/null; p=$(pid)
install_debs "$NEW" & upgrade=$!
await 60 grep -q 'waiting for the payment' /tmp/log >/dev/null; code=$?; [ "$(pid)" = "$p" ] || code=1
order reader "card in"; wait $sale || code=1; order reader "card out"; wait $upgrade || code=1
took=$(await 60 is_other "$p") || code=1; [ "$(version)" = "$NEW" ] || code=1; cat /tmp/sale >>/tmp/log
said an_upgrade_lets_the_sale_at_hand_end $code "restarted $took after it"
took=$(await 40 ready); code=$?; [ "$(posctl --json keys status | tr -d ' \n')" = "$keys" ] || code=1
said keys_survive_an_upgrade $code "ready $took after it"
posctl transactions >/tmp/log 2>&1; grep -q '7.30' /tmp/log && grep -q '128.00' /tmp/log; said payments_survive_an_upgrade $?
sha256sum -c /tmp/conffile >/tmp/log 2>&1; said a_changed_configuration_survives_an_upgrade $?
! dpkg -i /mnt/debs/smartposd_"$OLD"_*.deb >/tmp/log 2>&1 && grep -q 'downgrade refused' /tmp/log && [ "$(version)" = "$NEW" ] && answers
said a_downgrade_is_refused $?
! dpkg -i /mnt/debs/short_*.deb >/tmp/log 2>&1 && grep -q 'has schema' /tmp/log && [ "$(version)" = "$NEW" ] && answers
said a_version_that_does_not_know_the_database_is_refused $?

# --- something unsent
kill $acquirer; wait $acquirer 2>/dev/null
sell 12.80 --mode offline-only; code=$?; cp /tmp/sale /tmp/log; depth 1 || code=1; said a_sale_is_queued $code
! dpkg -i /mnt/debs/smartposd_"$NEWER"_*.deb >/tmp/log 2>&1 && grep -q 'upgrade refused' /tmp/log && answers; said an_upgrade_is_refused_with_a_queue $?
! dpkg -r smartposd >/tmp/log 2>&1 && grep -q 'removal refused' /tmp/log && answers; said a_removal_is_refused_with_a_queue $?
! dpkg -P smartposd >/tmp/log 2>&1 && [ -e $state/pos.db ] && answers; said a_purge_is_refused_with_a_queue $?
echo 'Li Lei: the acquirer moves' >/etc/smartposd/set-aside
install_debs "$NEWER" && await 40 depth 1 >/dev/null && [ "$(version)" = "$NEWER" ] && grep -q 'Li Lei' $state/set-aside.log
said set_aside_on_record_the_queue_survives_an_upgrade $?
acquirer; took=$(await 60 depth 0); said what_was_queued_is_sent_then $? "$took"

# --- training, then away and back
posctl training start >/tmp/log 2>&1; code=$?
batch() { [ "$(property /Terminal0 Terminal Batch)" = "u 2" ]; }
took=$(await 60 batch) || code=1; said training_signs_in_with_its_own_host $code "$took"
p=$(systemctl show -p MainPID --value smartposd-training); [ "$(field CapEff)" = 0000000000000000 ] && [ "$(field Seccomp)" = 2 ]
said training_has_no_privilege_either $?
posctl training stop >/tmp/log 2>&1; await 40 ready >/dev/null
await 40 depth 0 >/dev/null
dpkg -r smartposd smartposd-sim >/tmp/log 2>&1; code=$?
[ ! -e /usr/sbin/smartposd ] && [ -e $state/pos.db ] && [ -e /etc/smartposd/smartposd.toml ] && [ "$(pid)" = 0 ] || code=1
said removed_it_leaves_books_and_configuration $code
install_debs "$NEWER"; code=$?; await 40 answers >/dev/null || code=1; [ "$(posctl --json keys status | tr -d ' \n')" = "$keys" ] || code=1
sha256sum -c /tmp/conffile >>/tmp/log 2>&1 || code=1
said reinstalled_it_has_keys_and_configuration_again $code
rm -rf /etc/systemd/system/smartposd.service.d /etc/smartposd/profiles/rig.toml
dpkg -P smartposd smartposd-sim >/tmp/log 2>&1; said purged_with_nothing_unsent $?
userdel app; userdel till; systemctl daemon-reload
# What systemd and the account tools keep for themselves; the account stays, as Debian wants it.
list | comm -13 /tmp/before - | grep -vE '^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|^/etc/\.pwd\.lock$|^/var/lib/systemd/|^/etc/udev/hwdb\.bin$|^/var/lib/polkit-1' >/tmp/log
[ ! -s /tmp/log ]; said a_purge_leaves_nothing_behind $? "$(tr '\n' ' ' </tmp/log)"
list | comm -23 /tmp/before - >/tmp/log; [ ! -s /tmp/log ]; said and_takes_nothing_else_away $? "$(tr '\n' ' ' </tmp/log)"
