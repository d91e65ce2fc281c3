#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A connect that fails is told once, with its reason: refused, timed out, unreachable, given up.

Against dropped SYNs, ICMP errors and a listener whose queue of one is full; and the overflow of
that queue is counted for the service that listens.
"""

import errno
import socket
import time

from agent import Sonded
from bed import Bed, build_dir, wait_for
from conns import Link, Told, check_ledger, config, connect, counters, in_namespace, listen, nft
from tap import equal, main, near

RULES = """
    - {name: caller, comm: python3}
"""
FAILED = "sonde_tcp_connections_failed_total"
DROPPED = "sonde_tcp_listen_dropped_total"
# Ports of the right side, and what its nftables do to a SYN for them.
SILENT, HOST, PORT, ADMIN, RESET = 9001, 9002, 9003, 9004, 9005
FILTER = f"""
table inet filter {{
    chain in {{ type filter hook input priority 0;
        tcp dport {SILENT} drop
        tcp dport {HOST} reject with icmpx type host-unreachable
        tcp dport {PORT} reject with icmpx type port-unreachable
        tcp dport {ADMIN} reject with icmpx type admin-prohibited
        tcp dport {RESET} reject with tcp reset
    }}
}}
"""
SYNS = """
table inet syns {
    counter syns { }
    chain out { type filter hook output priority 0; tcp flags syn counter name syns; }
}
"""
CASES = [
    ("refused: nobody listens", 9006, errno.ECONNREFUSED, "refused"),
    ("refused: a firewall's RST", RESET, errno.ECONNREFUSED, "refused"),
    ("unreachable: ICMP says the host is", HOST, errno.EHOSTUNREACH, "unreachable"),
    ("unreachable: ICMP forbids it", ADMIN, errno.EHOSTUNREACH, "unreachable"),
    ("refused: ICMP says the port is closed", PORT, errno.ECONNREFUSED, "refused"),
    ("timed out: SYNs are dropped", SILENT, errno.ETIMEDOUT, "timed_out"),
]


def failed(agent):
    return agent.metrics().by(FAILED, "reason", client_service="caller")


def fails(bed, link, agent, told, port, want, reason):
    before, syns, began = failed(agent), counters(bed, link.left)["syns"], time.monotonic()
    try:
        connect(link.left, link.right_ip, port, timeout=30).close()
        raise AssertionError("it connected")
    except OSError as error:
        equal(error.errno, want, "errno")
    spent = time.monotonic() - began
    (c,) = told.closed(port, 1)
    equal((c["connect_error"], c["role"], c["state"], c["close_state"]),
          (reason, "client", "closed", "syn_sent"), "how")
    equal((c["client"]["address"], c["server"]["address"], c["process"]["comm"]),
          (link.left_ip, link.right_ip, "python3"), "who")
    equal((c["bytes_to_server"], c["bytes_to_client"]), (0, 0), "bytes")
    syns = counters(bed, link.left)["syns"] - syns
    equal((c["segments_to_server"], c["retransmits_to_server"]), (syns, syns - 1), "SYNs")
    near(c["duration_ns"] / 1e9, spent, 0.05, "duration", slack=0.05)
    equal({r: n - before[r] for r, n in failed(agent).items() if n > before[r]}, {reason: 1},
          "metrics")


def given_up(bed, link, agent, told):
    """The application's patience ends before TCP's."""
    before = len(told.to(SILENT))
    try:
        connect(link.left, link.right_ip, SILENT, timeout=0.3)
        raise AssertionError("it connected")
    except TimeoutError:
        pass
    c = told.closed(SILENT, before + 1)[-1]
    equal(c["connect_error"], "aborted", "how")


def backlog(bed, link, agent, told):
    """Two fit into a queue of one, as Linux counts; of those beyond, each SYN is dropped."""
    listener, port = listen(link.right, link.right_ip, backlog=1)
    fit = [connect(link.left, link.right_ip, port) for _ in range(2)]
    beyond = []
    for _ in range(3):
        s = in_namespace(link.left, socket.socket)
        s.setblocking(False)
        s.connect_ex((link.right_ip, port))
        beyond.append(s)

    def dropped():
        return agent.metrics().sum(DROPPED, service_name="caller")

    def overflowed():
        # The first three SYNs; a second comes after a second.
        return dropped() >= 3

    wait_for("the overflow of the queue", overflowed, 10)
    for s in beyond:
        s.close()
    found = told.closed(port, 3)
    equal({c["connect_error"] for c in found}, {"aborted"}, "what did not fit")
    for s in fit:
        s.close()
        accepted, _ = listener.accept()
        assert not accepted.recv(1)
        accepted.close()
    listener.close()
    found = told.closed(port, 5)
    equal(sorted(c.get("connect_error", "") for c in found), ["", "", *["aborted"] * 3], "all five")
    equal({c["role"] for c in found if "connect_error" not in c}, {"server"}, "who tells of two")


def body(tap):
    with Bed(build_dir()) as bed:
        link = Link(bed)
        nft(bed, link.right, FILTER)
        nft(bed, link.left, SYNS)
        for ns in (link.left, link.right):
            bed.run(["sysctl", "-qw", "net.ipv4.tcp_syn_retries=1"], ns=ns)
        text, path = config(bed, "services:\n  rules:" + RULES)
        agent = Sonded(bed, text)
        told = Told(agent, path)
        for name, port, want, reason in CASES:
            with tap.case(name):
                fails(bed, link, agent, told, port, want, reason)
        with tap.case("given up by the application before TCP does"):
            given_up(bed, link, agent, told)
        with tap.case("a full accept queue: what fits is told, what does not is counted"):
            backlog(bed, link, agent, told)
        with tap.case("every connection that was produced has been delivered"):
            check_ledger(agent)
        agent.stop()


if __name__ == "__main__":
    main(body)
