#!/bin/bash
# What runs inside the machine of heal-systemd.sh. Says "test NAME ... ok" or "... FAILED" of each, with times.
bus=org.smartposd.Pos1
now() { date +%s%N; }
cause() { busctl get-property $bus /org/smartposd/Pos1/Terminal0 $bus.Terminal Cause 2>/dev/null; }
state() { busctl get-property $bus /org/smartposd/Pos1/Terminal0 $bus.Terminal State 2>/dev/null; }
pid() { systemctl show -p MainPID --value smartposd; }
said() { if [ "$2" = 0 ]; then echo "test $1 ... ok $3"; else echo "test $1 ... FAILED $3"; fi; }
# Waits until a condition holds, at most so many seconds; prints the milliseconds it took.
await() {
    local start seconds=$1; start=$(now); shift
    until "$@"; do
        [ $(($(now) - start)) -lt $((seconds * 1000000000)) ] || { echo "never"; return 1; }
        sleep 0.1
    done
    echo "$((($(now) - start) / 1000000)) ms"
}
answers() { [ -n "$(state)" ]; }
is_other() { local p; p=$(pid); [ "$p" != 0 ] && [ "$p" != "$1" ] && answers; }
in_safe_mode() { [ "$(cause)" = 's "S01"' ]; }
not_in_safe_mode() { local c; c=$(cause); [ -n "$c" ] && [ "$c" != 's "S01"' ]; }

took=$(await 60 answers); said a_unit_as_shipped_comes_up $? "$took"
p=$(pid); kill -9 "$p"
took=$(await 30 is_other "$p"); said killed_it_is_started_again $? "$took"
p=$(pid); kill -STOP "$p"
took=$(await 40 is_other "$p"); said hanging_it_is_killed_by_the_watchdog_and_started_again $? "$took"
for _ in 1 2 3; do
    p=$(pid); kill -9 "$p"
    await 60 is_other "$p" >/dev/null
done
took=$(await 60 in_safe_mode); said a_restart_loop_ends_in_safe_mode $? "$took"
p=$(pid); sleep 5; [ "$p" = "$(pid)" ] && systemctl is-active --quiet smartposd; said safe_mode_stays_up $? ""
busctl call $bus /org/smartposd/Pos1 $bus.Manager LeaveSafeMode 'a{sv}' 0 >/dev/null 2>&1
refused=$?
# Without polkit everything is refused; a restart by hand is an orderly end, and leaves safe mode, too.
[ $refused -ne 0 ]; said without_polkit_nobody_leaves_safe_mode $? ""
systemctl restart smartposd
took=$(await 60 not_in_safe_mode); said an_orderly_restart_leaves_safe_mode $? "$took"
