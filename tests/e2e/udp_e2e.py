#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Flows of UDP are told once, by the server, with both processes, and their counts are exact.

Over a wire between namespaces and on loopback, IPv4 and IPv6, behind a DNAT; what a full receive
queue drops and what nobody listens for is counted.
"""

import sys

from agent import Sonded
from bed import Bed, build_dir, wait_for
from conns import Link, Told, check_ledger, config, counters, nft
from tap import equal, main

N, SIZE = 200, 300
END_S = 50  # flows are forgotten after 30 s of silence
SERVICE = "10.96.0.53"

ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 0))
print('ready', s.getsockname()[1], flush=True)
while True:
    data, peer = s.recvfrom(65536)
    s.sendto(data + data, peer)
"""
ASK = """
import socket, sys
address, port, n, size = sys.argv[1], *map(int, sys.argv[2:])
s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect((address, port))
for _ in range(n):
    s.send(bytes(size))
    assert len(s.recv(65536)) == 2 * size
"""
SHOUT = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], int(sys.argv[2])))
for _ in range(int(sys.argv[3])):
    try:
        s.send(b'x')
        s.settimeout(1)
        s.recv(10)
    except ConnectionRefusedError:
        pass
"""
DEAF = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.bind((sys.argv[1], 0))
c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[2])):
    c.sendto(bytes(1000), s.getsockname())
s.setblocking(False)
got = 0
try:
    while s.recv(2000):
        got += 1
except BlockingIOError:
    pass
print('ready', int(sys.argv[2]) - got, flush=True)
sys.stdin.read()
"""


class Talk:
    """An echo server and a client that has asked it N times and gone."""

    def __init__(self, bed, server_ns, client_ns, address, through=None):
        self.server = bed.start([sys.executable, "-c", ECHO, address], ns=server_ns,
                                ready="^ready")
        self.address, self.port = address, int(self.server.lines[0].split()[1])
        self.original = through
        if through:
            nft(bed, client_ns, f"""
table ip service {{
    chain out {{ type nat hook output priority -100;
        ip daddr {through} udp dport 53 dnat to {address}:{self.port}
    }}
}}
""")
        to = (through, 53) if through else (address, self.port)
        client = bed.start([sys.executable, "-c", ASK, *to, N, SIZE], ns=client_ns)
        self.client_pid = client.pid
        equal(client.wait(), 0, "exit code of the client")

    def check(self, told):
        wait_for(f"the flow to port {self.port}", lambda: told.to(self.port), END_S)
        (c,) = told.to(self.port)
        equal({key: c[key] for key in ("protocol", "role", "state", "packets_to_server",
                                       "packets_to_client", "bytes_to_server", "bytes_to_client")},
              {"protocol": "udp", "role": "server", "state": "closed", "packets_to_server": N,
               "packets_to_client": N, "bytes_to_server": N * SIZE,
               "bytes_to_client": 2 * N * SIZE}, "what it carried")
        equal((c["process"]["pid"], c["peer_process"]["pid"]), (self.server.pid, self.client_pid),
              "who")
        where = {"address": self.address, "port": self.port}
        if self.original:
            where |= {"original_address": self.original, "original_port": 53}
        equal(c["server"], where, "server")


def body(tap):
    with Bed(build_dir()) as bed:
        link = Link(bed)
        bed.run(["ip", "route", "add", SERVICE, "via", link.right_ip], ns=link.left)
        text, path = config(bed, "services:\n  rules:\n    - {name: py, comm: 'python*'}\n")
        agent = Sonded(bed, text)
        told = Told(agent, path)
        nft(bed, link.right, """
table inet c {
    counter asked { }
    counter answered { }
    chain in { type filter hook input priority 0; meta l4proto udp counter name asked; }
    chain out { type filter hook output priority 0; meta l4proto udp counter name answered; }
}
""")
        talks = {"over a wire": Talk(bed, link.right, link.left, link.right_ip)}
        with tap.case("over a wire: what nftables counts"):
            equal(counters(bed, link.right), {"asked": N, "answered": N}, "packets")
        talks["on loopback"] = Talk(bed, None, None, "127.0.0.1")
        talks["on loopback, IPv6"] = Talk(bed, None, None, "::1")
        talks["on loopback of a namespace"] = Talk(bed, link.left, link.left, "127.0.0.1")
        talks["behind a DNAT"] = Talk(bed, link.right, link.left, link.right_ip, SERVICE)
        with tap.case("a port that nobody has: each refusal is counted"):
            bed.run([sys.executable, "-c", SHOUT, link.right_ip, 9, 5], ns=link.left, seconds=30)
            wait_for("the flow to port 9", lambda: told.to(9), END_S)
            (c,) = told.to(9)
            equal((c["role"], c["packets_to_server"], c["packets_to_client"]), ("client", 5, 0),
                  "the flow")
        with tap.case("what a full receive queue drops is counted exactly"):
            deaf = bed.start([sys.executable, "-c", DEAF, "127.0.0.1", 100], ready="^ready",
                             ns=link.left)
            dropped = int(deaf.lines[0].split()[1])
            assert dropped > 0
            wait_for("the drops", lambda: agent.metrics().sum(
                "sonde_udp_receive_queue_dropped_total", service_name="py") == dropped)
        for name, talk in talks.items():
            with tap.case(f"{name}: told once, whole, with both processes"):
                talk.check(told)
        with tap.case("the counts of the metrics are the same"):
            packets = agent.metrics().by("sonde_udp_packets_total", "direction",
                                         client_service="py", server_service="py")
            equal({way: packets[way] for way in ("to_server", "to_client")},
                  {"to_server": N * len(talks) + 100, "to_client": N * len(talks)}, "packets")
        with tap.case("the ledger is even"):
            check_ledger(agent)
        agent.stop()


if __name__ == "__main__":
    main(body)
