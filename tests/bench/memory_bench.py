# SPDX-License-Identifier: Apache-2.0
"""B10: memory of both processes and of the maps: idle, with 10k connections, after churn."""

import json
import subprocess
import time

from agent import Sonded
from measure import agent_pids, memory_kib

CONNECTIONS, SERIES, CHURN = 10000, 1000, 100000
CONFIG = f"routes:\n  unmatched: path\n  max_per_service: {SERIES}\n"


def map_kib(agent):
    """What the kernel accounts to the agent's maps."""
    ids = {int(number) for kind, number in agent.kernel_ids() if kind == "map_id"}
    shown = subprocess.run(["bpftool", "-j", "map", "show"], capture_output=True, check=True)
    return sum(m.get("bytes_memlock", 0) for m in json.loads(shown.stdout) if m["id"] in ids) / 1024


def slab_kib(name):
    """What a kind of kernel object takes: there is no accounting of sk_storage by map."""
    with open("/proc/slabinfo", encoding="ascii") as f:
        for line in f:
            fields = line.split()
            if fields[0] == name:
                return int(fields[2]) * int(fields[3]) / 1024
    return 0


def add_rows(report, key, text, agent, target=""):
    broker, *workers = agent_pids(agent)
    sizes = {"broker": memory_kib(broker), "worker": memory_kib(workers[0])}
    both = [sum(s[i] for s in sizes.values()) / 1024 for i in range(3)]
    report.note(text)
    report.add(f"{key}_rss_mib", "  RSS of both", round(both[0], 2), "MiB", target)
    report.add(f"{key}_hwm_mib", "  their high-water marks", round(both[1], 2), "MiB")
    report.add(f"{key}_pss_mib", "  proportional", round(both[2], 2), "MiB")
    report.add(f"{key}_maps_mib", "  maps in the kernel", round(map_kib(agent) / 1024, 2), "MiB")
    return both[0]


def run(bed, report, _blocks):
    _server, port = bed.server("uring_server")
    started = time.monotonic()
    agent = Sonded(bed, CONFIG)
    report.add("ready_ms", "start to ready", round((time.monotonic() - started) * 1000), "ms",
               "must 500, aim 150 (to the first record)")
    bed.load("127.0.0.1", port, ["/fast"], 100)
    agent.wait_requests(100)
    add_rows(report, "idle", "idle", agent, "must 10, aim 6")
    before = slab_kib("kmalloc-256") + slab_kib("kmalloc-192") + slab_kib("kmalloc-512")
    holder = bed.start([bed.helper("load_client"), "-H", "-c", CONNECTIONS, "-n", CONNECTIONS,
                        "127.0.0.1", port, "/r/%u"])
    holder.wait_line(r'"sent"', 60)
    agent.wait_requests(CONNECTIONS + 100)
    report.add("series", "series", agent.status().get("series", 0))
    full = add_rows(report, "full", f"{CONNECTIONS} live connections, {SERIES} series", agent,
                    "must 20, aim 12")
    after = slab_kib("kmalloc-256") + slab_kib("kmalloc-192") + slab_kib("kmalloc-512")
    report.add("slab_per_connection", "slab of both ends per connection, roughly",
               (after - before) * 1024 / CONNECTIONS, "bytes", "must 512 an end")
    holder.popen.stdin.close()
    holder.wait()
    for _ in range(CHURN // 20000):
        bed.load("127.0.0.1", port, ["/r/1"], 20000, fresh=True)
    agent.wait_requests(CONNECTIONS + 100 + CHURN)
    churned = add_rows(report, "churned", f"{CHURN} connections later", agent)
    report.add("churn_growth_percent", "  against the full state", 100 * (churned / full - 1), "%",
               "must 2")
    agent.stop()
