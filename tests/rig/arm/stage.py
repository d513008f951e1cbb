"""One run of the rig: the machine with its shop, the list of scenarios, the table."""

import glob
import os
import re
import shutil
import subprocess
import time
import traceback

from machine import Machine, Trouble
from shop import COMPONENTS, Shop, Till

CONFIGURE = r"""
set -e
cd /etc/smartposd
sed -i 's/^profile = .*/profile = "rig"/; s/^language = .*/language = "en"/; s/^keyboards = .*/keyboards = true/' smartposd.toml
sed -i 's|^# control_hosts = .*|control_hosts = ["@CONTROL@"]|' smartposd.toml
mkdir -p profiles
cat >profiles/rig.toml <<END
base = "unionpay-example"
addresses = ["10.0.2.2:@PORT@"]
[timers]
answer = 20
[offline]
enabled = true
sum = 99999999
count = 100000
per_card_per_day = 100
END
posctl config check
systemctl restart smartposd
"""


class Skip(Exception):
    """Why a scenario cannot be played here."""


class Stage:
    """Everything the scenarios share."""

    def __init__(self, image, simulator, packages, directory):
        self.directory = directory
        self.packages = packages
        self.shop = Shop(simulator, directory)
        self.machine = Machine(image, directory, self._stick())
        self.till = Till(self.machine, self.shop)
        self.facts = {}
        self.counter = 0
        self.plugged = set()

    def _stick(self):
        """A memory stick with the package, and with the same under a higher version."""
        content = os.path.join(self.directory, "stick")
        os.makedirs(content)
        for package in self.packages:
            shutil.copy(package, content)
        main = self.package()
        tree = os.path.join(self.directory, "tree")
        subprocess.run(["dpkg-deb", "-R", main, tree], check=True)
        control = os.path.join(tree, "DEBIAN", "control")
        text = open(control, encoding="utf-8").read()
        text = re.sub(r"^Version: (.*)$", r"Version: \1+rig1", text, flags=re.MULTILINE)
        open(control, "w", encoding="utf-8").write(text)
        os.makedirs(os.path.join(content, "higher"))
        subprocess.run(
            ["dpkg-deb", "-b", "--root-owner-group", "-Zgzip", tree, os.path.join(content, "higher")],
            check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(tree)
        stick = os.path.join(self.directory, "stick.img")
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", content, stick, "160M"], check=True)
        return stick

    def package(self):
        for package in self.packages:
            if re.match(r"smartposd_.*\.deb$", os.path.basename(package)):
                return package
        raise Trouble(f"no smartposd_*.deb among {self.packages}")

    def key(self):
        """A fresh idempotency key."""
        self.counter += 1
        return f"rig-{os.getpid()}-{self.counter}"

    def plug_reader(self):
        self.machine.plug("reader0", "usb-serial", chardev="reader")
        self.plugged.add("reader")

    def unplug_reader(self):
        self.machine.unplug("reader0")
        self.plugged.discard("reader")

    def plug_keypad(self):
        self.machine.plug("keypad0", "usb-kbd")
        self.plugged.add("keypad")

    def unplug_keypad(self):
        self.machine.unplug("keypad0")
        self.plugged.discard("keypad")

    def power_on(self, clock="utc"):
        """Starts the machine with its devices plugged in, as a shop does in the morning."""
        self.plugged.clear()
        self.machine.start(clock)
        self.plug_keypad()
        self.plug_reader()

    def configure(self):
        script = CONFIGURE.replace("@PORT@", str(self.shop.port)).replace("@CONTROL@", self.shop.control_address())
        self.machine.do(script)

    def pid(self):
        return self.machine.do("systemctl show -p MainPID --value smartposd").strip()

    def settle(self):
        """Before a scenario: everything is plugged in and works, whatever the one before has left."""
        if self.machine.process is None or self.machine.process.poll() is not None:
            self.power_on()
            self.machine.up()
        self.machine.cable(True)
        if self.shop.acquirer.poll() is not None:
            self.shop.open_acquirer()
        self.shop.acquirer_order("clear")
        self.shop.card("out")
        if "reader" not in self.plugged:
            self.plug_reader()
        if "keypad" not in self.plugged:
            self.plug_keypad()
        try:
            self.till.wait_ready(120)
        except Trouble:
            self.machine.run("systemctl reset-failed smartposd; systemctl restart smartposd; posctl heal leave-safe-mode")
            self.till.wait_ready(240)
        status = self.till.status()
        if not status["terminal"].get("operator"):
            self.machine.do("echo 271828 | posctl operator sign-in 01 --password-fd 0")

    def load_key_at_keypad(self, index, custodian):
        number = self.machine.begin(f"posctl keys load --component {index} --custodian {custodian} --keypad")
        self.till.wait("the keypad to be asked", lambda s: s["keys"]["asking_component"] == index)
        self.till.type(COMPONENTS[index - 1])
        status, printed = self.machine.end(number, 120)
        if status != 0:
            raise Trouble(f"component {index}: {printed}")
        return printed

    def drop(self):
        self.machine.drop()
        self.shop.drop()


def play(stage, scenarios, say):
    """Runs them in order; gives rows of (name, result, seconds, what was seen)."""
    rows = []
    for name, scenario, needs_settling in scenarios:
        begun = time.monotonic()
        try:
            if needs_settling:
                stage.settle()
                begun = time.monotonic()
            seen = scenario(stage)
            result = "ok"
        except Skip as skip:
            result, seen = "skipped", str(skip)
        except Exception as trouble:  # noqa: BLE001 - one scenario's trouble is not the others'
            result, seen = "FAILED", str(trouble) or traceback.format_exc()
            if not isinstance(trouble, Trouble):
                traceback.print_exc()
            keep_evidence(stage, name)
        seconds = time.monotonic() - begun
        rows.append((name, result, seconds, seen))
        if result == "skipped":
            say(f"skipped: {seen}")
        say(f"test {name} ... {result} ({seconds:.0f} s) {seen}")
        if result == "FAILED" and not needs_settling:
            say("rig: everything else stands on that, so it is not played")
            break
    return rows


def keep_evidence(stage, name):
    """The end of the journal inside, beside the logs of this run."""
    try:
        status, journal = stage.machine.run("journalctl -b -n 200 --no-pager -o short-precise", 60)
    except Exception as trouble:  # noqa: BLE001 - the machine may be gone, that is the evidence then
        status, journal = 1, str(trouble)
    with open(os.path.join(stage.directory, f"{name}.journal"), "w", encoding="utf-8") as file:
        file.write(journal)


def packages_in(directory):
    found = sorted(glob.glob(os.path.join(directory, "smartposd_*_arm64.deb")))
    sims = sorted(glob.glob(os.path.join(directory, "smartposd-sim_*_arm64.deb")))
    if not found:
        raise Trouble(f"no smartposd_*_arm64.deb in {directory}")
    return found[-1:] + sims[-1:]
