"""Reads a contactless payment card with nfcpy through a PN532 on a serial port.

usage: nfcpy_card.py PORT

Activates the card, selects the payment system environment and its first application, gets the processing options and
reads every record that the file locator names; all over raw ISO 14443-4 blocks, which nfcpy makes itself.
Prints one line for each step. Card numbers are not printed.
"""

import sys

import nfc.clf
import nfc.clf.pn532
import nfc.clf.transport
import nfc.tag


def objects(octets):
    """Splits BER-TLV into (tag, value) pairs."""
    octets = bytes(octets)
    while octets:
        end = 1
        if octets[0] & 0x1F == 0x1F:
            while octets[end] & 0x80:
                end += 1
            end += 1
        tag, octets = octets[:end], octets[end:]
        length, octets = octets[0], octets[1:]
        if length & 0x80:
            count = length & 0x7F
            length, octets = int.from_bytes(octets[:count], "big"), octets[count:]
        yield tag.hex().upper(), octets[:length]
        octets = octets[length:]


def find(octets, *path):
    """The value at the end of a path of nested tags."""
    for tag in path:
        octets = dict(objects(octets))[tag]
    return octets


def zeros_for(dol):
    """What a terminal without any data sends for a data object list."""
    length, dol = 0, bytes(dol)
    while dol:
        end = 2 if dol[0] & 0x1F == 0x1F else 1
        length, dol = length + dol[end], dol[end + 1:]
    return bytes(length)


def main(port):
    device = nfc.clf.pn532.init(nfc.clf.transport.TTY(port))
    device._path = port
    frontend = nfc.clf.ContactlessFrontend()
    frontend.device = device
    try:
        print("reader", device.chipset_name)
        target = frontend.sense(nfc.clf.RemoteTarget("106A"), iterations=5, interval=0.2)
        if target is None:
            print("no card")
            return
        print("uid", target.sdd_res.hex().upper())
        tag = nfc.tag.activate(frontend, target)
        print("tag", tag.type)
        if tag.type != "Type4Tag":
            return
        ppse = tag.send_apdu(0x00, 0xA4, 0x04, 0x00, b"2PAY.SYS.DDF01", 256)
        aid = find(ppse, "6F", "A5", "BF0C", "61", "4F")
        print("aid", aid.hex().upper())
        about = tag.send_apdu(0x00, 0xA4, 0x04, 0x00, aid, 256)
        values = zeros_for(dict(objects(find(about, "6F", "A5"))).get("9F38", b""))
        options = tag.send_apdu(0x80, 0xA8, 0x00, 0x00, bytes([0x83, len(values)]) + values, 256)
        options = dict(objects(find(options, "77")))
        print("options", " ".join(sorted(options)))
        locator = options.get("94", b"")
        for entry in range(0, len(locator), 4):
            file, first, last, _ = locator[entry:entry + 4]
            for number in range(first, last + 1):
                record = tag.send_apdu(0x00, 0xB2, number, file | 0x04, None, 256)
                tags = sorted(dict(objects(find(record, "70"))))
                print("record", file >> 3, number, len(record), " ".join(tags))
    finally:
        frontend.close()


if __name__ == "__main__":
    main(sys.argv[1])
