"""The rig's machine: QEMU, its monitor (QMP), and a hand inside it (the agent of guest/agent.sh)."""

import base64
import json
import os
import socket
import subprocess
import threading
import time


class Trouble(Exception):
    """What a scenario expected did not come."""


def wait_for(what, condition, seconds, pause=0.25):
    """Asks again and again until the condition gives something true, which it returns."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Trouble(f"waited {seconds} s in vain for {what}")
        time.sleep(pause)


class Qmp:
    """QEMU's monitor: commands with their answers, and the events that came."""

    def __init__(self, path):
        self.stream = wait_for("QEMU's monitor", lambda: self._connect(path), 30)
        self.lines = self.stream.makefile("r")
        self.events = []
        self.changed = threading.Condition()
        self.answers = []
        self.lock = threading.Lock()
        self.lines.readline()
        threading.Thread(target=self._read, daemon=True).start()
        self.ask("qmp_capabilities")

    @staticmethod
    def _connect(path):
        stream = socket.socket(socket.AF_UNIX)
        try:
            stream.connect(path)
            return stream
        except OSError:
            stream.close()
            return None

    def _read(self):
        try:
            for line in self.lines:
                message = json.loads(line)
                with self.changed:
                    (self.events if "event" in message else self.answers).append(message)
                    self.changed.notify_all()
        except (OSError, ValueError):
            pass

    def ask(self, command, **arguments):
        with self.lock:
            self.stream.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
            with self.changed:
                if not self.changed.wait_for(lambda: self.answers, 60):
                    raise Trouble(f"QEMU does not answer to {command}")
                answer = self.answers.pop(0)
        if "error" in answer:
            raise Trouble(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def wait_event(self, name, device, seconds=60):
        def there():
            return any(e["event"] == name and e.get("data", {}).get("device") == device for e in self.events)

        with self.changed:
            if not self.changed.wait_for(there, seconds):
                raise Trouble(f"QEMU never said {name} of {device}")
            self.events = [e for e in self.events if e.get("data", {}).get("device") != device]


class Machine:
    """One arm64 machine with its disk; started and killed as often as wanted."""

    def __init__(self, image, directory, stick, memory=1024):
        self.image, self.directory, self.stick, self.memory = image, directory, stick, memory
        self.disk = os.path.join(directory, "disk.qcow2")
        self.process = self.qmp = self.link = None
        self.console = os.path.join(directory, "console.log")
        self.started = 0.0
        self.boots = 0
        self.waiting, self.results, self.number = threading.Condition(), {}, 0
        self.said_hello = threading.Event()
        base = os.path.join(image, "disk.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, self.disk], check=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self._path("agent.sock"))
        self.listener.listen(4)

    def _path(self, name):
        return os.path.join(self.directory, name)

    def start(self, clock="utc"):
        """Power on. The agent may be waited for with `up`."""
        self.said_hello.clear()
        self.boots += 1
        monitor = self._path("qmp.sock")
        if os.path.exists(monitor):
            os.unlink(monitor)
        reader = self._path("ttyReader")
        words = [
            "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", str(self.memory),
            "-accel", "tcg,thread=multi", "-nodefaults", "-nographic", "-no-reboot",
            "-kernel", os.path.join(self.image, "vmlinuz"), "-initrd", os.path.join(self.image, "initrd"),
            "-append", "console=ttyAMA0 root=/dev/vda rw quiet audit=0 mitigations=off",
            "-rtc", f"base={clock}",
            "-drive", f"file={self.disk},if=none,id=disk,cache=writeback", "-device", "virtio-blk-pci,drive=disk",
            "-drive", f"file={self.stick},if=none,id=stick,format=raw,readonly=on",
            "-device", "virtio-blk-pci,drive=stick",
            "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,id=nic,romfile=",
            "-device", "virtio-rng-pci", "-device", "qemu-xhci,id=usb",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={self._path('agent.sock')}",
            "-device", "virtserialport,chardev=agent,name=rig",
            "-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console",
            "-chardev", f"serial,id=reader,path={reader}", "-chardev", "null,id=nobody",
            "-qmp", f"unix:{monitor},server=on,wait=off",
        ]
        with open(self._path("qemu.log"), "a", encoding="utf-8") as log:
            self.started = time.monotonic()
            self.process = subprocess.Popen(["nice", "-n", "10", *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.listener.settimeout(60)
        self.link, _ = self.listener.accept()
        threading.Thread(target=self._read, args=(self.link,), daemon=True).start()
        self.qmp = Qmp(monitor)

    def up(self, seconds=600):
        """Waits until the agent answers; gives the seconds since power on."""
        end = time.monotonic() + seconds
        while not self.said_hello.wait(1):
            if self.process.poll() is not None:
                raise Trouble(f"QEMU ended with status {self.process.returncode}, see qemu.log")
            if time.monotonic() > end:
                raise Trouble(f"the machine was not up after {seconds} s")
        return time.monotonic() - self.started

    def _read(self, link):
        try:
            for line in link.makefile("r"):
                number, status, printed = (line.rstrip("\n").split(" ", 2) + ["", ""])[:3]
                if number == "hello":
                    self.said_hello.set()
                    continue
                with self.waiting:
                    self.results[number] = (int(status), base64.b64decode(printed).decode("utf-8", "replace"))
                    self.waiting.notify_all()
        except (OSError, ValueError):
            pass
        with self.waiting:
            self.waiting.notify_all()

    def begin(self, script):
        """Starts a script inside and gives its number for `end`."""
        with self.waiting:
            self.number += 1
            number = str(self.number)
            text = base64.b64encode(script.encode()).decode()
            self.link.sendall(f"{number} {text}\n".encode())
        return number

    def end(self, number, seconds=120):
        """Waits for a script begun; its status and what it printed. None when the machine is gone."""
        process = self.process
        with self.waiting:
            self.waiting.wait_for(lambda: number in self.results or process.poll() is not None, seconds)
            if number in self.results:
                return self.results.pop(number)
        if process.poll() is not None:
            return None
        raise Trouble(f"a command was not done after {seconds} s")

    def run(self, script, seconds=120):
        """Status and output of a script run inside as root."""
        result = self.end(self.begin(script), seconds)
        if result is None:
            raise Trouble("the machine is gone")
        return result

    def do(self, script, seconds=120):
        """The same for one that has to succeed; its output."""
        status, printed = self.run(script, seconds)
        if status != 0:
            raise Trouble(f"{script.strip().splitlines()[0]}: status {status}: {printed.strip()[-600:]}")
        return printed

    def plug(self, device, driver, **properties):
        """Plugs a USB device in."""
        self.qmp.ask("device_add", driver=driver, id=device, bus="usb.0", **properties)

    def unplug(self, device):
        self.qmp.ask("device_del", id=device)
        self.qmp.wait_event("DEVICE_DELETED", device)

    def cable(self, plugged):
        self.qmp.ask("set_link", name="nic", up=plugged)

    def press(self, *keys):
        """Presses keys of the USB keyboard, one after the other, with QEMU's names for them."""
        for key in keys:
            self.qmp.ask("send-key", keys=[{"type": "qcode", "data": key}], **{"hold-time": 60})
            time.sleep(0.15)

    def cut(self):
        """The power goes: nothing inside or in QEMU is told."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.link.close()
        with self.waiting:
            self.waiting.notify_all()

    def shut_down(self, seconds=180):
        """An orderly end."""
        self.begin("systemctl poweroff")
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Trouble(f"no orderly end within {seconds} s") from None
        self.link.close()

    def drop(self):
        self.cut()
        self.listener.close()
