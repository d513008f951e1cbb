#!/usr/bin/env python3
"""What lies beyond a shop's router, for tests: a name server, a web page, a log-in page. Standard library only.

outside.py dns ADDRESS answer|unknown|wrong|others   answer: pos.bank.example 10.81.2.2, others 10.81.2.3
outside.py web ADDRESS PORT plain|log-in             a page, or a redirection to a log-in page
Prints `ready` when it serves.
"""
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def name_of(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += query[at] + 1
    return ".".join(labels).lower(), at + 1


def dns(address, mode):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 53))
    print("ready", flush=True)
    while True:
        query, peer = sock.recvfrom(512)
        name, end = name_of(query)
        question = query[12:end + 4]
        kind = struct.unpack(">H", query[end:end + 2])[0]
        bank = name == "pos.bank.example"
        known = mode in ("answer", "wrong") or (mode == "others" and not bank)
        where = "10.81.2.99" if mode == "wrong" else "10.81.2.2" if bank else "10.81.2.3"
        answers = 1 if known and kind == 1 else 0
        flags = 0x8180 if known else 0x8183
        reply = query[:2] + struct.pack(">HHHHH", flags, 1, answers, 0, 0) + question
        if answers:
            reply += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + socket.inet_aton(where)
        sock.sendto(reply, peer)


def web(address, port, mode):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            if mode == "log-in":
                self.send_response(302)
                self.send_header("Location", "http://login.hotel.example/")
            else:
                self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer((address, int(port)), Page)
    print("ready", flush=True)
    server.serve_forever()


{"dns": dns, "web": web}[sys.argv[1]](*sys.argv[2:])
