"""What stands around the machine: the acquirer, the reader with a card and a hand, the keypad's fingers, the books."""

import json
import os
import socket
import subprocess
import time

from machine import Trouble, wait_for

TERMINAL = "99000001"
MERCHANT = "999000000000001"
# The simulator's master key in two components, and what it shows of them.
COMPONENTS = ("A1B2C3D4E5F60718293A4B5C6D7E8F90", "A09186B36C5DCAF7D7E6F1C41B2ABD80")
PIN = "123456"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def order(path, line, seconds=60):
    """One order to a simulator's control socket."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(seconds)
        stream.connect(path)
        stream.sendall(line.encode() + b"\n")
        answer = stream.makefile("r").readline().strip()
    if not answer.startswith("ok"):
        raise Trouble(f"{line}: {answer}")
    return answer[2:].strip()


class Shop:
    """The simulators on this machine. The guest reaches them at 10.0.2.2."""

    def __init__(self, simulator, directory):
        self.simulator, self.directory = simulator, directory
        self.port = free_port()
        self.ledger = os.path.join(directory, "ledger.jsonl")
        self.acquirer = self.reader = None
        self.control_host = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.open_acquirer()
        self.reader = self._spawn("reader", "--link", self._path("ttyReader"), "--control", self._path("reader.sock"))

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _spawn(self, name, *words):
        said = open(self._path(f"{name}.out"), "w+", encoding="utf-8")
        log = open(self._path(f"{name}.log"), "a", encoding="utf-8")
        process = subprocess.Popen([self.simulator, name, *words], stdin=subprocess.DEVNULL, stdout=said, stderr=log)
        path = said.name
        wait_for(f"the {name}", lambda: open(path, encoding="utf-8").read().startswith("ready"), 30, 0.05)
        return process

    def open_acquirer(self):
        self.acquirer = self._spawn(
            "acquirer", "--listen", f"127.0.0.1:{self.port}", "--terminal", TERMINAL, "--merchant", MERCHANT,
            "--ledger", self.ledger, "--control", self._path("acquirer.sock"))

    def close_acquirer(self):
        self.acquirer.terminate()
        self.acquirer.wait(30)

    def acquirer_order(self, line):
        return order(self._path("acquirer.sock"), line)

    def card(self, line):
        return order(self._path("reader.sock"), f"card {line}")

    def control_address(self):
        return f"10.0.2.2:{self.control_host.getsockname()[1]}"

    def charged(self):
        """What stands charged: (batch, trace) with how often and how much."""
        standing = {}
        if not os.path.exists(self.ledger):
            return standing
        with open(self.ledger, encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                number = (entry["batch"], entry["trace"])
                times, amount = standing.get(number, (0, 0))
                change = {"charged": 1, "reversed": -1}.get(entry["status"], 0)
                standing[number] = (times + change, entry.get("amount", amount))
        return {number: what for number, what in standing.items() if what[0] != 0}

    def drop(self):
        for process in (self.acquirer, self.reader):
            if process is not None:
                process.kill()
                process.wait()
        self.control_host.close()


class Till:
    """posctl inside the machine, and the people who use it."""

    def __init__(self, machine, shop):
        self.machine, self.shop = machine, shop

    def json(self, words, seconds=120):
        return json.loads(self.machine.do(f"posctl --json {words}", seconds))

    def status(self):
        """None while the daemon does not answer."""
        status, printed = self.machine.run("posctl --json status", 120)
        if status != 0:
            return None
        return json.loads(printed)

    def state(self):
        status = self.status()
        return status["terminal"]["state"] if status else ""

    def wait(self, what, condition, seconds=180):
        """Waits for a condition of the status."""
        seen = {}

        def holds():
            status = self.status()
            seen["last"] = status
            return status is not None and condition(status) and status

        try:
            return wait_for(what, holds, seconds, 0.5)
        except Trouble as trouble:
            last = seen.get("last")
            short = last and {k: last[k] for k in ("terminal", "reader", "keypad", "queue") if k in last}
            raise Trouble(f"{trouble}; last: {json.dumps(short, ensure_ascii=False)[:1500]}") from None

    def wait_ready(self, seconds=240):
        return self.wait("a terminal that is ready", lambda s: s["terminal"]["state"] == "ready", seconds)

    def wait_prompt(self, prompt, seconds=120):
        return self.wait(f"the prompt {prompt}", lambda s: s["terminal"]["prompt"] == prompt, seconds)

    def type(self, text):
        self.machine.press(*[character.lower() for character in text], "ret")

    def begin_sale(self, amount, key, mode="online-only", options=""):
        return self.machine.begin(f"posctl --json sale {amount} --key {key} --mode {mode} {options}")

    def end_sale(self, number, wanted="approved", seconds=300):
        result = self.machine.end(number, seconds)
        if result is None:
            raise Trouble("the machine is gone")
        outcome = outcome_of(result[1])
        if outcome != wanted:
            raise Trouble(f"the sale ended {outcome or 'without an outcome'} instead of {wanted}: {result[1][-800:]}")
        return result[1]

    def sell(self, amount, key, wanted="approved", mode="online-only", pin=False, seconds=300):
        """A whole sale: a card as soon as one is asked for, and its PIN where that is wanted."""
        number = self.begin_sale(amount, key, mode)
        self.wait_prompt("present-card")
        self.shop.card("in")
        if pin:
            self.wait_prompt("enter-pin")
            self.type(PIN)
        printed = self.end_sale(number, wanted, seconds)
        self.shop.card("out")
        return printed

    def quick_sale(self, amount, key, wanted="approved", mode="online-only", seconds=300):
        """A sale with a card that lies on the reader already."""
        self.shop.card("in")
        printed = self.end_sale(self.begin_sale(amount, key, mode), wanted, seconds)
        self.shop.card("out")
        return printed

    def transactions(self):
        rows, before = [], ""
        while True:
            page = self.json(f"transactions --all --limit 500 {before}", 300)
            page = page if isinstance(page, list) else page["transactions"]
            if not page:
                return rows
            rows += page
            before = f"--before {page[-1]['id']}"


def outcome_of(printed):
    """The outcome in what posctl --json sale printed, one object a line."""
    outcome = ""
    for line in printed.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and row.get("outcome"):
            outcome = row["outcome"]
    return outcome


def books_agree(till, told=None, seconds=600):
    """Waits until nothing is open, then holds both ledgers against each other. Gives counts."""
    shop = till.shop

    def settled():
        status = till.status()
        if status is None or status["queue"].get("depth", 1) != 0:
            till.machine.run("posctl queue drain")
            return None
        rows = till.transactions()
        if any(row.get("outcome") in ("", "unknown") and row["state"] not in ("finished", "created") for row in rows):
            return None
        if any(row.get("outcome") == "unknown" for row in rows):
            return None
        return rows

    rows = wait_for("the end of every payment and an empty queue", settled, seconds, 2)
    good = ("approved", "approved-offline")
    wanted = {(r["batch"], r["trace"]): r for r in rows if r.get("outcome") in good}
    held = {(r["batch"], r["trace"]) for r in rows if r.get("forwarding") == "held"}
    charged = shop.charged()
    faults = []
    for number, (times, _) in charged.items():
        if times > (1 if number in wanted else 0):
            faults.append(f"{number} is charged {times} times, here: {wanted.get(number)}")
    for number, row in wanted.items():
        if number in held:
            continue
        if number not in charged:
            faults.append(f"{number} {row['key']} is {row['outcome']} and not charged")
        elif charged[number][1] != row["amount"]:
            faults.append(f"{number} {row['key']}: {row['amount']} here, {charged[number][1]} there")
    by_key = {row["key"]: row.get("outcome") for row in rows}
    for key, outcome in (told or {}).items():
        if (outcome in good) != (by_key.get(key) in good):
            faults.append(f"{key} was told {outcome} and is {by_key.get(key)}")
    if faults:
        raise Trouble("the books do not agree: " + "; ".join(faults[:5]))
    return {"payments": len(rows), "approved": len(wanted), "charged": len(charged), "held": len(held)}


def now():
    return time.monotonic()
