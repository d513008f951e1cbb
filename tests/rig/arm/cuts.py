"""The power goes at random moments under load, again and again; afterwards both ledgers agree."""

import random
import threading
import time

from machine import Trouble
from shop import books_agree, outcome_of

MODES = ("online-only", "prefer-online", "offline-only")
# What the acquirer does now and then, besides answering.
FAULTS = ("fault 0200 drop x1", "fault 0200 ignore x1", "fault 0200 close x1", "fault 0220 drop x1", "fault 0400 drop x1")


def app(stage, name, stop, told):
    """One app: sells without rest, and writes down outside what it was told."""
    dice = random.Random(f"{name}-{stage.counter}")
    while not stop.is_set():
        key, mode = stage.key() + f"-{name}", dice.choice(MODES)
        amount = f"{dice.randrange(100, 900) / 100:.2f}"
        try:
            result = stage.machine.end(stage.till.begin_sale(amount, key, mode), 120)
        except (Trouble, OSError):
            return
        if result is None:
            return
        outcome = outcome_of(result[1])
        if outcome:
            told[key] = outcome


def power_cuts(stage):
    """`--cuts` says how often. QEMU is killed; the disk keeps what the guest had handed over."""
    machine, till, shop = stage.machine, stage.till, stage.shop
    dice = random.Random(20261127)
    told, recovered = {}, []
    for cut in range(stage.cuts):
        shop.card(f"set pan 62000000000{cut % 100:02}000018")
        shop.card("in")
        if cut % 2:
            shop.acquirer_order(dice.choice(FAULTS))
        stop = threading.Event()
        apps = [threading.Thread(target=app, args=(stage, name, stop, told), daemon=True) for name in range(3)]
        for one in apps:
            one.start()
        time.sleep(dice.uniform(0.5, 25))
        machine.cut()
        stop.set()
        for one in apps:
            one.join(150)
        shop.acquirer_order("clear")
        shop.card("out")
        stage.power_on()
        machine.up()
        till.wait("a daemon that answers", lambda s: s["terminal"]["state"], 300)
        recovered.append(time.monotonic() - machine.started)
        if not till.status()["terminal"].get("operator"):
            machine.do("echo 271828 | posctl operator sign-in 01 --password-fd 0")
        till.wait_ready()
        counts = books_agree(till, told)
        machine.do("posctl journal verify", 300)
        print(f"rig: cut {cut + 1}: {counts}, {len(told)} told to apps", flush=True)
    if stage.cuts and counts["approved"] < stage.cuts:
        raise Trouble(f"hardly anything was sold, nothing is shown by that: {counts}")
    stage.facts["power cuts survived"] = f"{stage.cuts}: {counts}, {len(told)} told to apps, none lost, none doubled"
    return f"{stage.cuts} cuts, both ledgers agree after each: {counts}; serving after {max(recovered):.0f} s at most"
