#!/bin/bash
# What runs inside the machine of training-systemd.sh. Says "test NAME ... ok" or "... FAILED" of each, with times.
bus=org.smartposd.Pos1
now() { date +%s%N; }
said() { if [ "$2" = 0 ]; then echo "test $1 ... ok $3"; else echo "test $1 ... FAILED $3"; fi; }
property() { busctl --auto-start=no get-property $bus "/org/smartposd/Pos1$1" "$bus.$2" "$3" 2>/dev/null; }
# Waits until a condition holds, at most so many seconds; prints the milliseconds it took.
await() {
    local start seconds=$1; start=$(now); shift
    until "$@"; do
        [ $(($(now) - start)) -lt $((seconds * 1000000000)) ] || { echo "never"; return 1; }
        sleep 0.1
    done
    echo "$((($(now) - start) / 1000000)) ms"
}
trains() { [ "$(property '' Manager Training)" = "b $1" ]; }
pid() { systemctl show -p MainPID --value smartposd-training; }
signed_in() { [ "$(property /Terminal0 Terminal Batch)" = "u 2" ]; }
other_trains() { local p; p=$(pid); [ "$p" != 0 ] && [ "$p" != "$1" ] && trains true; }
active() { systemctl is-active --quiet "$1"; }

took=$(await 60 trains false); said the_machine_comes_up_for_real_payments $? "$took"
start=$(now); posctl training start >/tmp/start 2>&1; code=$?; cat /tmp/start >&2
trains true && ! active smartposd && [ $code = 0 ]; said posctl_changes_to_training $? "$((($(now) - start) / 1000000)) ms"
took=$(await 60 signed_in); said it_signs_in_with_the_training_host $? "$took"
links=$(tail -n +3 "/proc/$(pid)/net/dev" | cut -d: -f1 | tr -d ' ')
[ "$links" = lo ] && [ "$(readlink "/proc/$(pid)/ns/net")" != "$(readlink /proc/1/ns/net)" ]
said its_network_is_of_its_own_and_leads_nowhere $? "$links"
[ -s /var/lib/smartposd/sealing.key ] && [ ! -s "/proc/$(pid)/root/var/lib/smartposd/sealing.key" ]
said the_live_sealing_key_is_out_of_its_reach $? ""
systemctl start smartposd; trains true && ! active smartposd; said the_live_daemon_is_not_started_beside_it $? ""
p=$(pid); kill -9 "$p"
# An app that calls meanwhile has the bus start the live one.
for _ in 1 2 3 4 5; do timeout 1 busctl get-property $bus /org/smartposd/Pos1 $bus.Manager Training >/dev/null 2>&1; done
took=$(await 60 other_trains "$p"); code=$?; ! active smartposd && [ $code = 0 ]
said killed_it_is_started_again_though_an_app_calls $? "$took"
start=$(now); posctl training stop >/tmp/stop 2>&1; code=$?; cat /tmp/stop >&2
trains false && ! active smartposd-training && ! active smartposd-training-host && [ $code = 0 ]
said posctl_changes_back_to_real_payments $? "$((($(now) - start) / 1000000)) ms"
[ -e /var/lib/smartposd/training/pos.db ] && [ -e /var/lib/smartposd/pos.db ]; said each_has_its_own_books $? ""
