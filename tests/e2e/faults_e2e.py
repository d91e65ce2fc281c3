#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever dies or stalls in the agent, no request of an application fails and no loss is silent.

The worker killed under load, the broker killed under load, a ring far too small while nobody
empties it, a trace that nobody reads. The identity produced == delivered + dropped holds for every
kind of record after each of them.
"""

import contextlib
import json
import os
import signal
import time

from agent import DROPPED, REQUESTS, Sonded, Trace, all_kernel_ids
from bed import Bed, build_dir, children, wait_for
from tap import equal, main

RULE = "services:\n  rules:\n    - {{name: victim, port: {port}}}\nroutes:\n  unmatched: path\n"


class Load:
    """load_client in the background; no request of it may fail."""

    def __init__(self, bed, port, n, *options):
        self.n = n
        self.process = bed.start([bed.helper("load_client"), "-c", 8, "-n", n, *options,
                                  "127.0.0.1", port, "/fast"])

    def finish(self):
        self.process.popen.stdin.close()
        code = self.process.wait(60)
        report = json.loads(self.process.output() or "{}")
        equal((code, report.get("failed")), (0, 0), "exit code and failed requests of the load")
        return report


def check_identity(agent):
    """At rest, for every kind of record."""
    def balanced():
        return all(p == d + x for p, d, x in agent.ledger().values())

    def told():
        """The kernel's own count of payload records, which nobody derives from the others."""
        metrics, row = agent.metrics(), agent.ledger()["data"]
        return metrics.sum("sonde_kernel_records_total", type="data") == row[1] + row[2]

    wait_for("the kernel's own count to be what was delivered or dropped", told, 5)
    try:
        wait_for("balance", balanced, 5)
    except AssertionError:
        wrong = {k: row for k, row in agent.ledger().items() if row[0] != row[1] + row[2]}
        raise AssertionError(f"produced, delivered, dropped: {wrong}") from None
    return agent.ledger()


def check_sum(agent, n):
    """Requests that were recorded and requests known to be lost are the N that were made."""
    with contextlib.suppress(AssertionError):
        wait_for("the sum", lambda: sum(agent.total("victim")) >= n, 15)
    recorded, lost = agent.total("victim")
    assert recorded + lost == n, f"{recorded} recorded + {lost} lost of {n}"


def killed_worker(bed, tap, port):
    agent = Sonded(bed, RULE.format(port=port))
    with tap.case("a worker killed under load is replaced within 2 s, and no request fails"):
        load = Load(bed, port, 6000, "-r", 2000)
        agent.wait_requests(500, service_name="victim")
        first = agent.worker_pid()
        os.kill(first, signal.SIGKILL)
        killed = time.monotonic()
        wait_for("another worker", lambda: [p for p in children(agent.broker_pid) if p != first], 5)
        wait_for("its /healthz", lambda: answers(agent), 5)
        assert time.monotonic() - killed < 2, f"{time.monotonic() - killed:.2f} s"
        load.finish()
    with tap.case("after it the identity is exact and the ring has lost nothing"):
        ledger = check_identity(agent)
        lost = [key for key in agent.losses() if key[1] == "ring_full"]
        equal(lost, [], "ring_full")
        assert ledger["data"][0] >= 2 * load.n, ledger
    with tap.case("the new worker counts exactly"):
        before = agent.requests(service_name="victim").total()
        bed.load("127.0.0.1", port, ["/fast"], 1000)
        equal(agent.wait_requests(before + 1000, service_name="victim").total(), before + 1000,
              "requests")
        equal(agent.metrics().sum("sonde_worker_restarts_total"), 1, "restarts counted")
    agent.stop()


def answers(agent):
    try:
        return agent.get("/healthz")[0] == 200
    except OSError:
        return False


def killed_broker(bed, tap, port):
    agent = Sonded(bed, RULE.format(port=port))
    with tap.case("a broker killed under load takes the worker along and harms no request"):
        load = Load(bed, port, 4000, "-r", 2000)
        agent.wait_requests(500, service_name="victim")
        worker, ids = agent.worker_pid(), agent.kernel_ids()
        os.kill(agent.broker_pid, signal.SIGKILL)
        wait_for("the worker's end", lambda: not os.path.exists(f"/proc/{worker}"), 5)
        load.finish()
        wait_for("no kernel object left behind", lambda: not ids & all_kernel_ids(), 5)
    with tap.case("a daemon starts again in the same run directory and counts exactly"):
        agent.start()
        bed.load("127.0.0.1", port, ["/fast"], 1000)
        equal(agent.wait_requests(1000, service_name="victim").total(), 1000, "requests")
        check_identity(agent)
    agent.stop()


def tiny_ring(bed, tap, port):
    agent = Sonded(bed, RULE.format(port=port) + "capture:\n  ring_bytes: 64KiB\n")
    trace = Trace(agent)
    with tap.case("a ring of 64 KiB that nobody empties loses, and every loss is counted"):
        worker = agent.worker_pid()
        os.kill(worker, signal.SIGSTOP)
        try:
            load = Load(bed, port, 5000, "-H")
            load.process.wait_line('"sent":5000', 30)
        finally:
            os.kill(worker, signal.SIGCONT)
        # The kernel's rows come once in half a second.
        wait_for("drops in /metrics", lambda: agent.metrics().sum(
            DROPPED, type="data", reason="ring_full") > 5000)
        check_identity(agent)
    with tap.case("the trace is told in line"):
        wait_for("a word of loss", trace.losses)
    with tap.case("requests counted and requests known to be lost are all requests"):
        check_sum(agent, 5000)
    with tap.case("then nothing more is lost"):
        load.finish()
        lost = agent.losses()
        before = agent.requests(service_name="victim").total()
        for _ in range(10):
            bed.load("127.0.0.1", port, ["/fast"], 20, connections=2)
            trace.settle()
        equal(agent.losses(), lost, "losses")
        equal(agent.wait_requests(before + 200, service_name="victim").total(), before + 200,
              "requests")
        check_identity(agent)
    agent.stop()


def flood(bed, tap, port):
    agent = Sonded(bed, RULE.format(port=port) + "capture:\n  ring_bytes: 64KiB\n")
    with tap.case("a flood through a ring of 64 KiB: every request is recorded or known to be lost"):
        bed.load("127.0.0.1", port, ["/fast"], 100000, connections=64)
        check_sum(agent, 100000)
    with tap.case("and the identity is exact per kind, with short connections too"):
        bed.load("127.0.0.1", port, ["/fast"], 3000, connections=64, fresh=True)
        wait_for("the kernel's rows", lambda: agent.ledger()["data"][0] >= 206000)
        check_identity(agent)
    agent.stop()


def lost_closes(bed, tap, port):
    agent = Sonded(bed, RULE.format(port=port) + "capture:\n  ring_bytes: 64KiB\n")
    n = 4000
    with tap.case("short connections of which the ring lost all or part are counted all the same"):
        os.kill(agent.worker_pid(), signal.SIGSTOP)
        try:
            bed.load("127.0.0.1", port, ["/fast"], n, connections=8, fresh=True)
        finally:
            os.kill(agent.worker_pid(), signal.SIGCONT)
        # Connections that were never told of but by their end have no service name.
        seen = lambda: sum(agent.total("victim")) + agent.total("unknown")[1]
        wait_for("drops in /metrics", lambda: agent.metrics().sum(
            DROPPED, type="close", reason="ring_full") > 0)
        check_identity(agent)
        assert seen() <= n, f"{seen()} of {n}"
    with tap.case("and leave no connection behind"):
        wait_for("an empty table", lambda: agent.metrics().sum("sonde_connections") <= 4, 15)
        check_identity(agent)
    agent.stop()


def stalled_reader(bed, tap, port):
    agent = Sonded(bed, RULE.format(port=port))
    stalled, reader = Trace(agent), Trace(agent)
    first, n = agent.mark(), 60000
    stalled.wait_mark(first)
    with tap.case("a trace that stops reading loses its own records, and no one else's"):
        stalled.process.popen.send_signal(signal.SIGSTOP)
        # At a pace that the reader keeps up with on a busy machine too.
        bed.load("127.0.0.1", port, ["/fast"], n, rate=15000)
        equal(agent.wait_requests(n, service_name="victim").total(), n, "requests in /metrics")
        reader.settle()
        equal(len(reader.records(port)), n, "records of the reader")
        equal(reader.losses(), [], "losses of the reader")
    with tap.case("and is told exactly how many when it reads again"):
        stalled.process.popen.send_signal(signal.SIGCONT)
        last = stalled.catch_up()
        seen, owed = (trace.wait_mark(last) - trace.wait_mark(first)
                      for trace in (stalled, reader))
        told = lambda: sum(count for count, kind, *_ in stalled.losses() if kind == "request")
        wait_for("a word of loss", told)
        equal(seen + told(), owed, "records and losses told")
    with tap.case("the daemon's ledger of requests knows no loss of its own"):
        check_identity(agent)
        equal(agent.losses(), {}, "losses")
        equal(agent.metrics().sum(REQUESTS + "_count", service_name="victim"), n, "requests")
    agent.stop()


def body(tap):
    with Bed(build_dir()) as bed:
        _server, port = bed.server("uring_server")
        for part in (killed_worker, killed_broker, tiny_ring, flood, lost_closes,
                     stalled_reader):
            part(bed, tap, port)


if __name__ == "__main__":
    main(body)
