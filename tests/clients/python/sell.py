#!/usr/bin/python3
"""A payment: python3 sell.py MINOR-UNITS [KEY]        12800 is CNY 128.00

Needs python3-dbus and python3-gi. The key is the order's own: the same key never charges twice, and a program that has
died in between finds its payment by it."""

import sys
import uuid

import dbus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME = "org.smartposd.Pos1"
bus, loop = dbus.SystemBus(mainloop=DBusGMainLoop()), GLib.MainLoop()


def at(path, interface):
    return dbus.Interface(bus.get_object(NAME, path), f"{NAME}.{interface}")


amount, key = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else str(uuid.uuid4())
terminal = at("/org/smartposd/Pos1/Terminal0", "Terminal")
sale = at(terminal.CreateTransaction("sale", key, dbus.UInt64(amount), "CNY", {}), "Transaction")
sale.connect_to_signal("Prompt", lambda word, zh, en: print(en, flush=True))
sale.connect_to_signal("Finished", lambda outcome: loop.quit())
sale.Start()
loop.run()
result = sale.GetResult()
for name in sorted(result):
    print(f"{name}: {result[name]}")
sale.Acknowledge()
sys.exit(0 if str(result["outcome"]).startswith("approved") else 1)
