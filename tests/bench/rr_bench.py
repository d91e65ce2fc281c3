# SPDX-License-Identifier: Apache-2.0
"""B2: what the hooks add to a request and its answer, client and server in one pinned thread."""

from agent import Sonded
from measure import Switch, compare

WINDOW, CHURN = 2000, 300


class Loop:
    """rr_bench, asked for windows."""

    def __init__(self, bed):
        self.process = bed.start([bed.build / "tests/bench/rr_bench", 1], ready="^ready")

    def ask(self, command, n):
        """Nanoseconds for each of N."""
        return self.process.ask(f"{command} {n}") / n


def run(bed, report, blocks):
    loop = Loop(bed)
    agent = Sonded(bed)
    switch = Switch(agent)
    loop.ask("rr", WINDOW)

    def exchange():
        return {"ns": min(loop.ask("rr", WINDOW) for _ in range(3)),
                "getppid": loop.ask("getppid", 100000)}

    def churn():
        return {"ns": min(loop.ask("churn", CHURN) for _ in range(3))}

    rr = compare(exchange, switch.off, switch.on, blocks or 40, "ns")
    churned = compare(churn, switch.off, switch.on, (blocks or 40) // 2, "ns")
    report.add("rr_ns", "an exchange without the agent", rr.level("ns"), "ns")
    report.add("rr_added_ns", "added: both ends of it observed", rr.absolute("ns"), "ns")
    report.add("rr_null_ns", "null", rr.null("ns", relative=False), "ns")
    report.add("rr_added_getppid", "added, in system calls that do nothing",
               rr.absolute("ns")[0] / rr.level("getppid"))
    report.add("churn_ns", "connect, accept, exchange, close without the agent",
               churned.level("ns"), "ns")
    report.add("churn_added_ns", "added per connection", churned.absolute("ns"), "ns",
               "must 3,000, aim 1,500")
    report.add("churn_null_ns", "null", churned.null("ns", relative=False), "ns")
    report.add("void_blocks", "void blocks", rr.void + churned.void)
    agent.stop()
