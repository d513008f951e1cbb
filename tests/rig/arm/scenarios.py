"""What happens to a terminal in its first days, and what has to come of it."""

import time

from machine import Trouble, wait_for
from stage import Skip


def first_boot_to_first_sale(stage):
    """A rig builder's Saturday: install the package, plug in reader and keypad, load keys, sell."""
    machine, till, facts = stage.machine, stage.till, stage.facts
    machine.start()
    facts["power on → root shell, first boot"] = machine.up()
    machine.do("mkdir -p /media/stick && mount -o ro /dev/vdb /media/stick", 60)
    begun = time.monotonic()
    machine.do("DEBIAN_FRONTEND=noninteractive apt-get install -y /media/stick/smartposd_*_arm64.deb", 600)
    facts["apt install of the package"] = time.monotonic() - begun
    till.wait("the daemon that the installation has started", lambda s: s["version"], 120)
    stage.configure()
    till.wait("the daemon with its configuration", lambda s: s["terminal"]["state"], 120)
    stage.plug_reader()
    till.wait("the reader", lambda s: s["reader"]["state"] == "ready", 120)
    stage.plug_keypad()
    till.wait("the keypad", lambda s: s["keypad"]["state"] == "ready", 120)
    machine.do("echo 271828 | posctl operator set 01 --role supervisor --password-fd 0")
    stage.load_key_at_keypad(1, "Li")
    stage.load_key_at_keypad(2, "Wang")
    sign_in = machine.begin("posctl operator sign-in --keypad")
    till.wait_prompt("enter-operator")
    till.type("01")
    till.wait_prompt("enter-password")
    till.type("271828")
    status, printed = machine.end(sign_in)
    if status != 0:
        raise Trouble(f"operator at the keypad: {printed}")
    till.wait_ready()
    # Above the profile's limit, so with a PIN on the keypad.
    till.sell("1280.00", stage.key(), pin=True)
    facts["power on → first sale, first boot with installation and keys"] = time.monotonic() - machine.started
    return f"approved {time.monotonic() - machine.started:.0f} s after power on"


def reader_gone_in_a_sale(stage):
    """The reader's cable is pulled while a card is asked for; another adapter takes its tty number."""
    machine, till = stage.machine, stage.till
    before = machine.do("ls /dev/ttyUSB*").split()
    number = till.begin_sale("2.00", stage.key())
    till.wait_prompt("present-card")
    stage.unplug_reader()
    gone = time.monotonic()
    till.wait("H01", lambda s: s["reader"].get("last_cause") == "H01" or s["terminal"]["cause"] == "H01", 60)
    named = time.monotonic() - gone
    machine.plug("other", "usb-serial", chardev="nobody", **{"always-plugged": True})
    wait_for("the other adapter's tty", lambda: machine.run("test -e /dev/ttyUSB0")[0] == 0, 60)
    back = time.monotonic()
    stage.plug_reader()
    till.wait("the reader at its new number", lambda s: s["reader"]["state"] == "ready", 180)
    healed = time.monotonic() - back
    after = machine.do("ls /dev/ttyUSB*").split()
    how = "went on"
    try:
        till.wait("the prompt for a card", lambda s: s["terminal"]["prompt"] in ("present-card", "present-again"), 10)
        stage.shop.card("in")
        till.end_sale(number)
    except Trouble:
        status, printed = machine.end(number, 300)
        how = f"ended with posctl's exit code {status}"
        if status not in (3,):
            raise Trouble(f"the sale under way {how}: {printed[-400:]}") from None
        till.quick_sale("2.00", stage.key())
    stage.shop.card("out")
    machine.unplug("other")
    return f"H01 after {named:.1f} s, ready {healed:.1f} s after plugging in ({' '.join(before)} → {' '.join(after)}), the sale {how}"


def keypad_gone_in_a_sale(stage):
    """The keypad's cable is pulled while a PIN is typed."""
    machine, till = stage.machine, stage.till
    number = till.begin_sale("1500.00", stage.key())
    till.wait_prompt("present-card")
    stage.shop.card("in")
    till.wait_prompt("enter-pin")
    machine.press("1", "2")
    stage.unplug_keypad()
    gone = time.monotonic()
    till.wait("H05", lambda s: s["keypad"].get("last_cause") == "H05" or s["keypad"]["state"] != "ready", 60)
    named = time.monotonic() - gone
    back = time.monotonic()
    stage.plug_keypad()
    till.wait("the keypad again", lambda s: s["keypad"]["state"] == "ready", 60)
    healed = time.monotonic() - back
    if till.status()["terminal"]["prompt"] == "enter-pin":
        machine.press("delete")
        till.type("123456")
    status, printed = machine.end(number, 300)
    stage.shop.card("out")
    if status not in (0, 3):
        raise Trouble(f"the sale under way ended with posctl's exit code {status}: {printed[-400:]}")
    till.sell("1500.00", stage.key(), pin=True)
    how = "went on" if status == 0 else "was cancelled"
    return f"H05 after {named:.1f} s, ready {healed:.1f} s after plugging in, the sale {how}, the next one with PIN approved"


def cable_pulled(stage):
    """The network cable is pulled and plugged in again; one sale meanwhile is taken offline."""
    machine, till = stage.machine, stage.till
    machine.cable(False)
    wait_for("the carrier to be gone", lambda: machine.run("ip -br link | grep -q '^e.*NO-CARRIER'")[0] == 0, 60)
    # A request that goes into a line still open has to be reversed; this is about a line that is known to be down.
    port = stage.shop.port
    wait_for("the idle line to be closed", lambda: str(port) not in machine.do("ss -tn"), 90)
    begun = time.monotonic()
    till.quick_sale("3.00", stage.key(), wanted="approved-offline", mode="prefer-online")
    sold = time.monotonic() - begun
    till.wait("the cause N01", lambda s: s["terminal"]["cause"] == "N01", 120)
    named = time.monotonic() - begun
    status, doctor = machine.run("posctl --json doctor", 120)
    if status != 10 or "N01" not in doctor:
        raise Trouble(f"the doctor (exit code {status}) does not say N01: {doctor[-600:]}")
    machine.cable(True)
    begun = time.monotonic()
    till.wait("a queue that is sent", lambda s: s["queue"]["depth"] == 0 and s["terminal"]["state"] == "ready", 240)
    took = time.monotonic() - begun
    return f"a sale taken offline in {sold:.1f} s, N01 named after {named:.1f} s, all sent {took:.1f} s after plugging in"


def network_cause(status):
    """The cause why no card payment goes online now."""
    return (status["capabilities"].get("card-online") or {}).get("cause", "")


def host_down_and_back(stage):
    """The acquirer ends and comes back; one sale meanwhile is taken offline and sent later."""
    till, shop = stage.till, stage.shop
    shop.close_acquirer()
    key = stage.key()
    till.quick_sale("4.00", key, wanted="approved-offline", mode="prefer-online")
    till.wait("one payment in the queue", lambda s: s["queue"]["depth"] == 1, 60)
    status, doctor = stage.machine.run("posctl --json doctor", 120)
    if "N05" not in doctor:
        raise Trouble(f"the doctor (exit code {status}) does not say N05: {doctor[-600:]}")
    shop.open_acquirer()
    begun = time.monotonic()
    till.wait("a queue that is sent", lambda s: s["queue"]["depth"] == 0 and s["terminal"]["state"] == "ready", 240)
    took = time.monotonic() - begun
    till.quick_sale("4.00", stage.key())
    return f"N05, a sale taken offline, sent {took:.1f} s after the host was back"


def frozen_daemon(stage):
    """The daemon stops (SIGSTOP): systemd's watchdog kills it, and it is started again."""
    before = stage.pid()
    stage.machine.do(f"kill -STOP {before}")
    begun = time.monotonic()
    stage.till.wait("another process that answers", lambda s: stage.pid() not in ("0", before), 240)
    took = time.monotonic() - begun
    if "watchdog" not in stage.machine.do("journalctl -b -u smartposd --no-pager -o cat | grep -i watchdog | tail -3").lower():
        raise Trouble("the journal says nothing of the watchdog")
    stage.till.wait_ready()
    stage.till.quick_sale("5.00", stage.key())
    return f"answering again {took:.1f} s after it froze (WatchdogSec=30)"


def restart_loop(stage):
    """Killed again and again: safe mode, until a person ends it."""
    machine, till = stage.machine, stage.till
    begun = time.monotonic()
    kills = 0
    while kills < 8:
        status = till.status()
        if status and status["terminal"]["cause"] == "S01":
            break
        before = stage.pid()
        if before != "0":
            machine.run(f"kill -9 {before}")
            kills += 1
        till.wait("another process that answers", lambda s: stage.pid() not in ("0", before), 120)
    till.wait("safe mode (S01)", lambda s: s["terminal"]["cause"] == "S01", 60)
    took = time.monotonic() - begun
    status, printed = machine.run(f"posctl sale 1.00 --key {stage.key()}", 60)
    if status != 1:
        raise Trouble(f"a sale in safe mode ended with {status}: {printed}")
    machine.do("posctl heal leave-safe-mode")
    till.wait_ready()
    stage.settle()
    till.quick_sale("6.00", stage.key())
    return f"safe mode after {kills} kills and {took:.0f} s, refuses sales, left by posctl, sells again"


def disk_full(stage):
    """No room on the disk: no sale is taken that could not be kept; with room it goes on by itself."""
    machine, till = stage.machine, stage.till
    machine.do("fallocate -l $(($(df --output=avail -B1 /var/lib | tail -1) - 65536)) /var/lib/filler; df /var/lib >&2; sync")
    try:
        status, printed = machine.run(f"posctl sale 7.00 --key {stage.key()} --mode prefer-online", 120)
        if status in (0,):
            raise Trouble(f"a sale was approved on a full disk: {printed}")
        till.wait("P02", lambda s: "P02" in (s["terminal"]["cause"], network_cause(s)), 120)
    finally:
        machine.do("rm -f /var/lib/filler; sync")
    begun = time.monotonic()
    till.wait_ready()
    took = time.monotonic() - begun
    stage.settle()
    till.quick_sale("7.00", stage.key())
    return f"refused with P02, ready {took:.1f} s after there was room, sells again"


def upgrade_with_a_queue(stage):
    """A higher version is installed while a payment is unsent: refused; set aside on record: queue and keys survive."""
    machine, till, shop = stage.machine, stage.till, stage.shop
    keys = till.json("keys status")
    shop.close_acquirer()
    till.quick_sale("8.00", stage.key(), wanted="approved-offline", mode="prefer-online")
    install = "DEBIAN_FRONTEND=noninteractive apt-get install -y /media/stick/higher/smartposd_*_arm64.deb"
    machine.run("mountpoint -q /media/stick || mount -o ro /dev/vdb /media/stick")
    status, printed = machine.run(install, 600)
    if status == 0 or "set-aside" not in printed:
        raise Trouble(f"the upgrade was not refused (status {status}): {printed[-600:]}")
    till.wait("the old version, still at work", lambda s: s["queue"]["depth"] == 1, 120)
    machine.do("echo 'Zhang: upgrade with the host down' >/etc/smartposd/set-aside")
    begun = time.monotonic()
    machine.do(install, 600)
    took = time.monotonic() - begun
    if "+rig1" not in machine.do("dpkg-query -W -f '${Version}' smartposd"):
        raise Trouble("the higher version is not installed")
    till.wait("the queue in the new version", lambda s: s["queue"]["depth"] == 1, 120)
    if till.json("keys status").get("master_key_check") != keys.get("master_key_check"):
        raise Trouble("the master key is another one")
    shop.open_acquirer()
    till.wait("a queue that is sent", lambda s: s["queue"]["depth"] == 0 and s["terminal"]["state"] == "ready", 240)
    stage.settle()
    till.quick_sale("8.00", stage.key())
    return f"refused with an unsent payment; on record installed in {took:.0f} s, queue and keys there, sent"


def morning(stage):
    """Shut down in order, switched on: how long until it is ready, and until a waiting customer has paid."""
    machine, till, facts = stage.machine, stage.till, stage.facts
    machine.shut_down()
    stage.power_on()
    facts["power on → root shell"] = machine.up()
    machine.run("for n in $(seq 600); do systemctl is-active -q smartposd && break; sleep 0.1; done", 240)
    till.wait("a daemon that answers", lambda s: s["terminal"]["state"], 240)
    till.wait_ready()
    facts["power on → terminal ready (signed in)"] = time.monotonic() - machine.started
    if not till.status()["terminal"].get("operator"):
        machine.do("echo 271828 | posctl operator sign-in 01 --password-fd 0")
    till.quick_sale("9.00", stage.key())
    facts["power on → first sale"] = time.monotonic() - machine.started
    show = lambda name: int(machine.do(f"systemctl show -p {name} --value smartposd") or 0) / 1e6
    facts["kernel's start → unit active"] = show("ActiveEnterTimestampMonotonic")
    facts["unit's own start → READY=1"] = show("ActiveEnterTimestampMonotonic") - show("InactiveExitTimestampMonotonic")
    facts["systemd-analyze"] = machine.do("systemd-analyze 2>&1 | head -1 || true").strip()
    memory = machine.do("grep -E '^(VmRSS|RssAnon|VmHWM)' /proc/$(systemctl show -p MainPID --value smartposd)/status")
    facts["resident memory"] = " ".join(memory.split())
    facts["systemd-analyze security"] = machine.do("systemd-analyze security --no-pager smartposd | tail -1").strip()
    facts["installed size"] = machine.do("dpkg-query -W -f '${Installed-Size} KiB' smartposd")
    return f"ready {facts['power on → terminal ready (signed in)']:.0f} s, sold {facts['power on → first sale']:.0f} s after power on"


def wrong_clock(stage):
    """The clock's battery is empty: another year at power on. Named, and offline sales are refused meanwhile."""
    machine, till, shop = stage.machine, stage.till, stage.shop
    machine.shut_down()
    shop.close_acquirer()
    stage.power_on(clock="2031-03-01T12:00:00")
    machine.up()
    till.wait("a daemon that answers", lambda s: s["terminal"]["state"], 240)
    seen = till.wait("P01", lambda s: "P01" in str(s), 180)
    status, printed = machine.run(f"posctl --json sale 9.50 --key {stage.key()} --mode offline-only", 120)
    if status == 0:
        raise Trouble(f"an offline sale was approved under a clock that nobody trusts: {printed}")
    shop.open_acquirer()
    till.wait("a sign-in", lambda s: s["terminal"]["state"] == "ready", 240)
    cause = (seen["capabilities"].get("card-offline") or {}).get("cause", "")
    machine.shut_down()
    stage.power_on()
    machine.up()
    till.wait_ready()
    stage.settle()
    till.quick_sale("9.60", stage.key())
    return f"P01 named (offline: {cause}), offline sale refused, online again after sign-in, right clock: sells"


def display_and_lines(stage):
    """Lamps, buzzer, tamper line and display on the kernel's own GPIO simulator and an I²C bus."""
    raise Skip("the package has no panel yet")
