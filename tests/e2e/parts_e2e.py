#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The parts of a request's latency are where its time went, by the server's own clock.

A server that lets a request lie before it reads it, thinks, and sends slowly; a client that sends
slowly. Whatever the server is made of (io_uring, sendfile, threads), the parts are known and their
sum is the duration.
"""

import select
import socket
import threading
import time

from agent import Sonded, Trace
from bed import Bed, build_dir
from tap import equal, main, near

PARTS = ("network_ns", "queue_ns", "application_ns", "transfer_ns")
HEAD = b"POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
SLACK = 8_000_000  # ns: a thread of this interpreter is woken late at times
N = 500


class Server:
    """Answers one connection; each request as slowly as the next of STEPS says, in seconds."""

    def __init__(self, steps):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.steps, self.truth = steps, []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        s, _ = self.listener.accept()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for lie, think, drip in self.steps:
            select.select([s], [], [])
            time.sleep(lie)
            read_at, got = time.monotonic_ns(), b""
            while not got.endswith(b"body"):
                got += s.recv(4096)
            whole_at = time.monotonic_ns()
            time.sleep(think)
            answer_at = time.monotonic_ns()
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
            time.sleep(drip)
            self.truth.append((read_at, whole_at, answer_at, time.monotonic_ns()))
            s.sendall(b"k")
        s.close()
        self.listener.close()


# What the server and the client take their time for, and the parts that this makes, in seconds:
# (lie, think, drip), the client's pause before the body, the part that each becomes.
CASES = [
    ("lets it lie", (0.1, 0, 0), 0),
    ("thinks", (0, 0.1, 0), 0),
    ("sends slowly", (0, 0, 0.1), 0),
    ("all three", (0.03, 0.05, 0.04), 0),
    ("the body comes late, and is waited for", (0, 0.05, 0), 0.08),
    ("the body comes late, to one who has not looked yet", (0.12, 0.05, 0), 0.05),
]


def ask(client, name, pause):
    """When the head and the body were sent."""
    head = HEAD % name.replace(" ", "-").replace(",", "").encode()
    began = time.monotonic_ns()
    if pause:
        client.sendall(head)
        time.sleep(pause)
        body = time.monotonic_ns()
        client.sendall(b"body")
    else:
        body = began
        client.sendall(head + b"body")
    got = b""
    while not got.endswith(b"ok"):
        got += client.recv(4096)
    return began, body


def expected(began, body, truth):
    """(network, queue, application, transfer) by the clocks of both."""
    read_at, _, answer_at, end = truth
    # In the queue is what lies there; what has not come yet is on its way.
    before, arriving = read_at - began, body - began
    if before > arriving:
        network, queue = arriving, before - arriving
    else:
        network, queue = arriving - before, before
    return network, queue, answer_at - began - network - queue, end - answer_at


def slow(bed, agent, trace, tap):
    server = Server([steps for _, steps, _ in CASES])
    client = socket.create_connection(("127.0.0.1", server.port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sent = [ask(client, name, pause) for name, _, pause in CASES]
    client.close()
    records = trace.wait_records(server.port, len(CASES))
    for (name, _, _), (began, body), truth, r in zip(CASES, sent, server.truth, records):
        with tap.case(f"{name}: each part is what it was"):
            for part, want in zip(PARTS, expected(began, body, truth)):
                near(r[part], want, 0.05, part, slack=SLACK)
            equal(sum(r[part] for part in PARTS), r["duration_ns"], "sum of the parts")


def fast(bed, trace, name, path, args):
    server, port = bed.server(name, args=args)
    bed.load("127.0.0.1", port, [path], N, connections=4)
    records = trace.wait_records(port, N)
    unknown = [r for r in records if any(part not in r for part in PARTS)]
    equal(unknown[:1], [], "a request with a part that is not known")
    uneven = [r for r in records if sum(r[part] for part in PARTS) != r["duration_ns"]]
    equal(uneven[:1], [], "a request whose parts are not its duration")
    equal({(r["process"]["pid"], r["process"]["comm"]) for r in records},
          {(server.pid, name[:15])}, "whose")
    if path == "/slow":  # 20 ms of thought
        quick = [r for r in records if r["application_ns"] < 19_000_000]
        equal(quick[:1], [], "a request whose thought is told as something else")


def body(tap):
    with Bed(build_dir()) as bed:
        agent = Sonded(bed)
        trace = Trace(agent)
        slow(bed, agent, trace, tap)
        page = bed.dir / "page"
        page.write_bytes(b"x" * 4000)
        page.chmod(0o644)
        for name, path, args in (("uring_server", "/slow", []),
                                 ("sendfile_server", "/file", [page])):
            with tap.case(f"{name}: every request has all parts, and they add up"):
                fast(bed, trace, name, path, args)
        with tap.case("the metrics have the sum of each part"):
            m = agent.metrics()
            sums = m.by("sonde_service_edge_request_parts_seconds_total", "part",
                        server_service="uring_server")
            told = [r for r in trace.all if r["process"]["comm"] == "uring_server"]
            for part in PARTS:
                near(sums[part[:-3]], sum(r[part] for r in told) / 1e9, 0.001, part, slack=1e-6)
        agent.stop()


if __name__ == "__main__":
    main(body)
