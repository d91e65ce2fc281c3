#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A connection older than the agent is found, named, counted as TCP counts, and seen to end.

Loopback and over a wire, whoever closes first, by FIN or RST; also when its end passes no program,
as the FIN of a peer that closes second does not. And what it had moved before is in its totals, but
not in the metrics.
"""

import socket
import struct
import time

from agent import Sonded
from bed import Bed, build_dir
from conns import Link, Told, check_ledger, config, connect, listen
from tap import equal, main

ENDS = ("client", "server", "server, long before its client", "client resets", "server resets")


class Old:
    """One connection, over which 3000 bytes have gone each way."""

    def __init__(self, end, client_ns, server_ns, address):
        self.end = end
        self.listener, self.port = listen(server_ns, address)
        self.client = connect(client_ns, address, self.port)
        self.server, _ = self.listener.accept()
        self.exchange(3000)

    def exchange(self, n):
        for a, b in ((self.client, self.server), (self.server, self.client)):
            a.sendall(b"x" * n)
            assert len(b.recv(n, socket.MSG_WAITALL)) == n

    def close(self):
        first, second = self.client, self.server
        if self.end.startswith("server"):
            first, second = second, first
        if self.end.endswith("resets"):
            first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            first.close()
        else:
            first.close()
            assert not second.recv(1)
            if "long" in self.end:
                time.sleep(0.3)  # by now its FIN is acknowledged, and no socket of its own is left
        second.close()


def check(bed, told, old):
    old.exchange(500)
    old.close()
    (c,) = told.closed(old.port, 1, 20)
    equal((c["preexisting"], c["process"]["comm"], c["peer_process"]["comm"]),
          (True, "python3", "python3"), "who")
    equal((c["bytes_to_server"], c["bytes_to_client"]), (3500, 3500), "bytes, since its beginning")
    equal(c["server"]["port"], old.port, "port of the server")
    assert "accept_ns" not in c and "connect_ns" not in c, f"times that nobody has seen: {c}"


def body(tap):
    with Bed(build_dir()) as bed:
        link = Link(bed)
        ways = {"over a wire": (link.left, link.right, link.right_ip),
                "on loopback": (link.left, link.left, "127.0.0.1")}
        olds = [(where, Old(end, *way)) for where, way in ways.items() for end in ENDS]
        text, path = config(bed)
        agent = Sonded(bed, text)
        told = Told(agent, path)
        with tap.case("metrics do not leap by what was before"):
            told.settle()
            before = agent.metrics().sum("sonde_tcp_bytes_total", server_service="python3")
            assert before < 1000, f"{before} bytes"
        for where, old in olds:
            with tap.case(f"{where}, it ends by {old.end}: whole, named, once"):
                check(bed, told, old)
        with tap.case("every connection that was produced has been delivered"):
            check_ledger(agent)
        agent.stop()


if __name__ == "__main__":
    main(body)
