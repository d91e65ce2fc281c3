# SPDX-License-Identifier: Apache-2.0
"""B4: nginx at half of what it can do, requests due at fixed times: CPU and latency added."""

import json
import subprocess

from agent import Sonded
from measure import Switch, agent_pids, busy_seconds, compare, cpu_seconds, cpu_ticks
from nginx_bench import CONFIG, Saturation, start_nginx
from bed import free_port

SECONDS, CONNECTIONS = 1, 64


class Generator:
    """Windows of load_client in open loop, in another namespace, pinned to core 1."""

    def __init__(self, bed, agent, nginx, ns, rate):
        self.argv = [str(a) for a in [
            *ns.enter, "taskset", "-c", "1", bed.helper("load_client"), "-c", CONNECTIONS,
            "-n", int(rate * SECONDS), "-r", rate, ns.host4, nginx.port, "/"]]
        self.n = int(rate * SECONDS)
        self.workers, self.agent_pids = nginx.worker_pids(), agent_pids(agent)

    def window(self):
        nginx, agent, machine = (cpu_seconds(self.workers), cpu_seconds(self.agent_pids),
                                 cpu_ticks())
        done = subprocess.run(self.argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stderr
        spent = {"nginx": cpu_seconds(self.workers) - nginx,
                 "agent": cpu_seconds(self.agent_pids) - agent,
                 "machine": busy_seconds(machine, cpu_ticks())}
        result = {key: value * 1e6 / self.n for key, value in spent.items()}
        path = json.loads(done.stdout)["paths"]["/"]
        return {**result, **{key: path[key] / 1000 for key in ("p50", "p99", "p999")}}


def run(bed, report, blocks):
    ns = bed.namespace()
    nginx = start_nginx(bed, free_port())
    agent = Sonded(bed, CONFIG.format(port=nginx.port))
    switch = Switch(agent)
    switch.off()
    peak = Saturation(agent, nginx, ns).window()["rps"]
    rate = round(peak / 2, -3)
    generator = Generator(bed, agent, nginx, ns, rate)
    generator.window()
    result = compare(generator.window, switch.off, switch.on, blocks or 20, "nginx")
    report.add("rate", "requests/s", rate)
    report.add("blocks", "blocks", len(result.blocks))
    report.add("void_blocks", "void blocks", result.void)
    targets = {"machine": "must 2, aim 1"}
    for part in ("nginx", "agent", "machine"):
        report.add(f"{part}_cpu", f"CPU seconds per million added: {part}", result.absolute(part),
                   "", targets.get(part, ""))
        report.add(f"{part}_null", "  null", result.null(part, relative=False))
    for mark in ("p50", "p99", "p999"):
        report.add(mark, f"{mark} without the agent", result.level(mark), "us")
        report.add(f"{mark}_added", f"{mark} added", result.absolute(mark), "us",
                   "must 2 % or 5 us" if mark == "p99" else "")
        report.add(f"{mark}_null", "  null", result.null(mark, relative=False), "us")
    agent.stop()
