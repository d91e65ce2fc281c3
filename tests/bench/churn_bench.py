# SPDX-License-Identifier: Apache-2.0
"""B5: what a connection costs, open to close, what one that lives holds, and 100k of them."""

import re
import resource

from agent import Sonded
from bed import wait_for
from measure import Switch, agent_pids, compare, memory_kib
from memory_bench import map_kib
from rr_bench import Loop

WINDOW, LIVE, ROOM = 300, 100000, 262144
CONFIG = f"capture:\n  max_connections: {ROOM}\n"


def price(loop, switch, blocks, command):
    """Nanoseconds of COMMAND with the programs on less without, both ends observed."""
    def window():
        return {"ns": min(loop.ask(command, WINDOW) for _ in range(3))}
    return compare(window, switch.off, switch.on, blocks, "ns")


def kernel_kib(agent):
    """Maps by their own account, and what is used of the slabs that socket storage comes from."""
    used = 0
    with open("/proc/slabinfo", encoding="ascii") as f:
        for line in f:
            fields = line.split()
            if fields[0].startswith("kmalloc"):
                used += int(fields[1]) * int(fields[3])
    return map_kib(agent) + used / 1024


def tracked_now(agent):
    """Connections in the worker's table."""
    return int(re.search(r'"connections":\s*(\d+)', agent.cli("status", "-o", "json").stdout)[1])


def hold(bed, n):
    """As many processes as it takes: each may have only so many descriptors."""
    each = min(n, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100) // 2)
    counts = [min(each, n - first) for first in range(0, n, each)]
    return [bed.start([bed.build / "tests/bench/hold_bench", count], ready="^held", seconds=120)
            for count in counts]


def let_go(holders):
    for holder in holders:
        holder.popen.stdin.close()
    for holder in holders:
        holder.wait(120)


def live_rows(bed, report, agent, switch):
    switch.off()
    before = kernel_kib(agent)
    holders = hold(bed, LIVE)
    alone = kernel_kib(agent) - before
    let_go(holders)
    switch.on()
    rss = sum(memory_kib(pid)[0] for pid in agent_pids(agent))
    known = tracked_now(agent)
    before = kernel_kib(agent)
    holders = hold(bed, LIVE)
    wait_for(f"{2 * LIVE} ends in the worker's table",
             lambda: tracked_now(agent) >= known + 2 * LIVE, 60)
    tracked = kernel_kib(agent) - before
    report.add("live", "live connections tracked, both ends of each", LIVE, "",
               "must 100,000")
    report.add("kernel_bytes", "  kernel memory for each end",
               (tracked - alone) * 1024 / (2 * LIVE), "bytes", "must 512, aim 200")
    report.add("user_bytes", "  memory of both processes for each end",
               (sum(memory_kib(pid)[0] for pid in agent_pids(agent)) - rss) * 1024 / (2 * LIVE),
               "bytes")
    opening = sum(agent.losses().values())
    report.add("lost_opening", "  records lost while they opened", opening)
    let_go(holders)
    wait_for("all of them to be gone from the table",
             lambda: tracked_now(agent) < known + 100, 60)
    report.add("lost_closing", "  and when all closed at once, as fast as a process exits",
               sum(agent.losses().values()) - opening)


def run(bed, report, blocks):
    loop = Loop(bed)
    agent = Sonded(bed, CONFIG)
    switch = Switch(agent)
    opened = price(loop, switch, blocks or 40, "open")
    spoken = price(loop, switch, blocks or 40, "churn")
    report.add("open_ns", "connect, accept, close without the agent", opened.level("ns"), "ns")
    report.add("open_added_ns", "added per connection, both ends observed",
               opened.absolute("ns"), "ns", "must 3,000, aim 1,500")
    report.add("open_null_ns", "null", opened.null("ns", relative=False), "ns")
    report.add("exchange_added_ns", "added with an HTTP exchange on it",
               spoken.absolute("ns"), "ns")
    report.add("exchange_null_ns", "null", spoken.null("ns", relative=False), "ns")
    report.add("void_blocks", "void blocks", opened.void + spoken.void)
    live_rows(bed, report, agent, switch)
    agent.stop()
