"""A second opinion on the host messages: pyiso8583 packs and unpacks, pyDes enciphers, nothing of the daemon is used.

usage: iso8583_host.py check CAPTURE     decode and re-encode what `smartpos-sim acquirer --capture` wrote
       iso8583_host.py serve PIN [script]  a small acquirer on a free port: prints `ready ADDRESS`, then a line per request;
                                           with `script` it has something to say to the card of every sale

Both print `<type> <what was found>` for each message and no card data.
"""

import datetime
import os
import socket
import struct
import sys

import iso8583
import pyDes

MASTER = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


def digits(count, length_bytes=0, pad="left_pad"):
    """BCD digits, counted in digits; `length_bytes` is the size of a variable field's length."""
    return {"data_enc": "b", "len_enc": "bcd", "len_type": length_bytes, "max_len": count, "len_count": "nibbles",
            pad: "0", "desc": "digits"}


def octets(count, length_bytes=0, encoding="b"):
    return {"data_enc": encoding, "len_enc": "bcd", "len_type": length_bytes, "max_len": count, "desc": "octets"}


def text(count, length_bytes=0):
    return octets(count, length_bytes, "gb18030")


SPEC = {"h": octets(11), "t": octets(2), "p": octets(8), "1": octets(8)}
SPEC |= {str(n): digits(c) for n, c in {3: 6, 4: 12, 11: 6, 12: 6, 13: 4, 14: 4, 15: 4, 23: 3, 25: 2, 26: 2, 53: 16}.items()}
SPEC |= {"22": digits(3, pad="right_pad")}
SPEC |= {str(n): digits(c, l, "right_pad") for n, c, l in [(2, 19, 1), (32, 11, 1), (35, 37, 1), (36, 104, 2), (48, 322, 2), (60, 17, 2), (61, 29, 2)]}
SPEC |= {str(n): text(c) for n, c in {37: 12, 38: 6, 39: 2, 41: 8, 42: 15, 43: 40, 49: 3}.items()}
SPEC |= {str(n): text(c, l) for n, c, l in [(44, 25, 1), (54, 20, 2), (58, 100, 2), (59, 600, 2), (63, 163, 2)]}
SPEC |= {"52": octets(8), "64": octets(8), "55": octets(255, 2), "62": octets(512, 2)}


def encipher(key, block):
    cipher = pyDes.des(key) if len(key) == 8 else pyDes.triple_des(key)
    return cipher.encrypt(block)


def decipher(key, block):
    cipher = pyDes.des(key) if len(key) == 8 else pyDes.triple_des(key)
    return cipher.decrypt(block)


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def mac(key, message):
    """UnionPay's ECB method over everything from the type to before field 64."""
    message += bytes(-len(message) % 8)
    folded = bytes(8)
    for at in range(0, len(message), 8):
        folded = xor(folded, message[at:at + 8])
    letters = folded.hex().upper().encode()
    result = encipher(key, xor(encipher(key, letters[:8]), letters[8:]))
    return result.hex().upper().encode()[:8]


def check(path):
    for line in open(path):
        direction, _, frame = line.split()
        frame = bytes.fromhex(frame)
        size, body = struct.unpack(">H", frame[:2])[0], frame[2:]
        assert size == len(body), "length"
        decoded, encoded = iso8583.decode(body, SPEC)
        again, _ = iso8583.encode(decoded, SPEC)
        assert bytes(again) == body, f"{decoded['t']} is not the same again"
        fields = " ".join(sorted((f for f in encoded if f.isdigit()), key=int))
        print(direction, decoded["t"], "same", fields)


class Host:
    def __init__(self, pin, script):
        self.pin, self.script, self.rrn, self.uploaded = pin, script, 0, set()
        self.pik, self.mak, self.tdk = os.urandom(16), os.urandom(8), os.urandom(16)

    def key_block(self):
        block = b""
        for key in (self.pik, self.mak, self.tdk):
            wrapped = b"".join(encipher(MASTER, key[i:i + 8]) for i in range(0, len(key), 8))
            block += wrapped.ljust(16, b"\0") + encipher(key, bytes(8))[:4]
        return block

    def pin_of(self, asked):
        block, pan = decipher(self.pik, bytes.fromhex(asked["52"])), asked["2"]
        clear = xor(block, bytes.fromhex("0000" + pan[:-1][-12:])).hex()
        return clear[2:2 + int(clear[1])] if clear[0] == "0" else None

    def answer(self, asked, body):
        self.rrn += 1
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=8)
        tpdu, header = asked["h"][:10], asked["h"][10:]
        answer = {"h": tpdu[:2] + tpdu[6:10] + tpdu[2:6] + header, "t": f"{int(asked['t']) // 10 * 10 + 10:04}",
                  "12": now.strftime("%H%M%S"), "13": now.strftime("%m%d"), "32": "12345678",
                  "37": f"{self.rrn:012}", "39": "00"}
        answer |= {f: asked[f] for f in ("3", "4", "11", "25", "41", "42", "49", "60") if f in asked}
        if asked["t"] == "0800":
            answer["60"], answer["62"] = "00000007" + asked["60"][8:], self.key_block().hex().upper()
            print("0800 answered", flush=True)
        elif asked["t"] == "0620":
            right = bytes.fromhex(asked["64"]) == mac(self.mak, body[11:-8])
            print("0620 mac", "right" if right else "wrong", "60", asked["60"], "61", asked["61"], flush=True)
            answer["39"] = "00" if right else "A0"
        elif "64" in asked:
            right = bytes.fromhex(asked["64"]) == mac(self.mak, body[11:-8])
            pin = "without" if "52" not in asked else "right" if self.pin_of(asked) == self.pin else "wrong"
            answer["39"] = "A0" if not right else "55" if pin == "wrong" else "00"
            if asked["t"] in ("0220", "0221") and right:
                upload = (asked["60"][:8], asked["11"])
                answer["39"] = "94" if upload in self.uploaded else "00"
                self.uploaded.add(upload)
            print(asked["t"], "mac", "right" if right else "wrong", "pin", pin, "code", answer["39"], flush=True)
            answer |= {f: asked[f] for f in ("2", "14", "23") if f in asked}
            answer |= {"15": now.strftime("%m%d"), "38": "A1B2C3", "44": "01020000   48020000   ", "63": "CUP"}
            if self.script and asked["t"] == "0200":
                answer["55"] = "9F36" + "020001" + "7206" + "9F1801" + "018600"
            answer["64"] = "00" * 8
            packed, _ = iso8583.encode(answer, SPEC)
            answer["64"] = mac(self.mak, bytes(packed)[11:-8]).hex()
        packed, _ = iso8583.encode(answer, SPEC)
        return bytes(packed)

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            while len(length := stream.read(2)) == 2:
                body = stream.read(struct.unpack(">H", length)[0])
                asked, _ = iso8583.decode(body, SPEC)
                packed = self.answer(asked, body)
                connection.sendall(struct.pack(">H", len(packed)) + packed)


def serve(pin, script=None):
    host, listener = Host(pin, script), socket.create_server(("127.0.0.1", 0))
    print("ready 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    while True:
        host.serve(listener.accept()[0])


if __name__ == "__main__":
    {"check": check, "serve": serve}[sys.argv[1]](*sys.argv[2:])
