# SPDX-License-Identifier: Apache-2.0
"""Conversations of bytes: a client and a server that say exactly what a case writes down.

A conversation is a list of steps that both ends walk through together: bytes that one side sends
and the other receives to the last, and what a side then does to the connection. Because every step
ends with the receiver having all of it, steps never overlap and segments never merge.
"""

import contextlib
import socket
import struct
import threading


class Conversation:
    """A connected pair on loopback; `port` is the server's, and of no other conversation."""

    used = set()

    def __init__(self, family=socket.AF_INET, address="127.0.0.1"):
        listener = socket.create_server((address, 0), family=family)
        while listener.getsockname()[1] in self.used:
            listener.close()
            listener = socket.create_server((address, 0), family=family)
        with listener:
            self.port = listener.getsockname()[1]
            self.used.add(self.port)
            self.client = socket.create_connection((address, self.port), 10)
            self.server, _ = listener.accept()
        self.server.settimeout(10)
        for end in (self.client, self.server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = {"client": 0, "server": 0}

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.close()

    def ends(self, who):
        return (self.client, self.server) if who == "client" else (self.server, self.client)

    def say(self, who, data, pieces=None):
        """WHO sends DATA, in segments of PIECES bytes if given; the other receives all of it."""
        sender, receiver = self.ends(who)
        step = pieces or max(len(data), 1)
        writer = threading.Thread(target=self._send, args=(sender, data, step))
        writer.start()
        left = len(data)
        while left:
            n = len(receiver.recv(min(left, 1 << 16)))
            assert n, f"the {who}'s bytes end early"
            left -= n
        writer.join()
        self.sent[who] += len(data)

    @staticmethod
    def _send(sender, data, step):
        for at in range(0, len(data), step):
            sender.sendall(data[at:at + step])

    def ask(self, data, pieces=None):
        self.say("client", data, pieces)

    def answer(self, data, pieces=None):
        self.say("server", data, pieces)

    def interim(self, data):
        """A 1xx answer of the server; its bytes belong to no request."""
        self.answer(data)
        self.sent["server"] -= len(data)

    def close(self, who):
        """WHO closes in order, the other sees the end and closes too."""
        end, other = self.ends(who)
        end.close()
        with contextlib.suppress(OSError):
            while other.recv(1 << 16):
                continue
        other.close()

    def reset(self, who):
        """WHO sends RST; the other has seen it."""
        end, other = self.ends(who)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()
        with contextlib.suppress(ConnectionResetError):
            while other.recv(1 << 16):
                continue
        other.close()


def request(method="GET", path="/", fields="", body=b"", version="1.1"):
    head = f"{method} {path} HTTP/{version}\r\nHost: wire.test\r\n{fields}"
    if body:
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def response(status="200 OK", body=b"", fields="", length=True, version="1.1"):
    head = f"HTTP/{version} {status}\r\n{fields}"
    if length:
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def chunked(*chunks, trailer=b""):
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n" + trailer + b"\r\n"
