#!/usr/bin/python3
"""What can be paid now, and what each object offers: python3 status.py [--introspect]

Needs python3-dbus. Whoever runs it is in the group smartpos, or root."""

import sys
import xml.etree.ElementTree as tree

import dbus

NAME = "org.smartposd.Pos1"
bus = dbus.SystemBus()


def properties(path, interface):
    found = dbus.Interface(bus.get_object(NAME, path), "org.freedesktop.DBus.Properties").GetAll(f"{NAME}.{interface}")
    return {str(name): value for name, value in found.items()}


def introspect(path):
    node = tree.fromstring(dbus.Interface(bus.get_object(NAME, path), "org.freedesktop.DBus.Introspectable").Introspect())
    for interface in node.findall("interface"):
        if interface.get("name").startswith(NAME):
            members = sorted(member.get("name") for member in interface if member.get("name"))
            print(f"{path} {interface.get('name')}: {', '.join(members)}")
    for child in node.findall("node"):
        introspect(f"{path.rstrip('/')}/{child.get('name')}")


if "--introspect" in sys.argv[1:]:
    introspect("/org/smartposd/Pos1")
terminal = properties("/org/smartposd/Pos1/Terminal0", "Terminal")
print(f"terminal: {terminal['State']}" + (f", {terminal['Cause']}" if terminal.get("Cause") else ""))
for name in sorted(terminal):
    print(f"  {name} = {terminal[name]}")
