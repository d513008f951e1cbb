#!/usr/bin/python3
"""Everything that changes, line by line: python3 watch.py

Needs python3-dbus and python3-gi."""

import dbus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME = "org.smartposd.Pos1"
bus, loop = dbus.SystemBus(mainloop=DBusGMainLoop()), GLib.MainLoop()


def state_changed(old, new, cause):
    print(f"terminal: {old} -> {new} {cause}", flush=True)


def properties_changed(interface, changed, gone, path=None):
    for name in sorted(changed):
        print(f"{path} {name} = {changed[name]}", flush=True)


bus.add_signal_receiver(state_changed, "StateChanged", f"{NAME}.Terminal", NAME)
bus.add_signal_receiver(properties_changed, "PropertiesChanged", "org.freedesktop.DBus.Properties", NAME, path_keyword="path")
loop.run()
