# SPDX-License-Identifier: Apache-2.0
"""B3: nginx at saturation, its client in another namespace: what Sonde costs, and what a log does.

One worker pinned to core 0, wrk to core 1, small answers, 128 kept connections. The access log is
the yardstick that everybody knows: the same worker serves a second port that logs, so that
switching it needs no restart either.
"""

import os
import re
import subprocess

from agent import Sonded
from bed import Nginx, free_port, url
from measure import Switch, agent_pids, busy_seconds, compare, cpu_seconds, cpu_ticks

CONNECTIONS, SECONDS = 128, 1
LOCATION = 'location / { return 200 "hello, world\\n"; }'
CONFIG = "services:\n  rules:\n    - {{name: bench-nginx, port: {port}}}\n"


class Saturation:
    """Windows of wrk against nginx; `port` says which of its two servers."""

    def __init__(self, agent, nginx, ns):
        self.ns = ns
        self.port = nginx.port
        self.workers = nginx.worker_pids()
        self.agent_pids = agent_pids(agent)
        self.answered, self.stalled = 0, 0

    def window(self):
        """One window of wrk; one in which nothing at all was answered is counted and repeated."""
        while not (result := self.measure()):
            self.stalled += 1
            assert self.stalled < 10, "nginx answers nobody"
        return result

    def measure(self):
        argv = [*self.ns.enter, "taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}",
                f"-d{SECONDS}s", url(self.ns.host4, self.port)]
        nginx, agent, machine = (cpu_seconds(self.workers), cpu_seconds(self.agent_pids),
                                 cpu_ticks())
        wrk = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, text=True)
        out = wrk.stdout.read()
        _pid, status, usage = os.wait4(wrk.pid, 0)
        wrk.returncode = status
        found = re.search(r"(\d+) requests in ([\d.]+)(s|ms)", out)
        assert status == 0 and found, f"wrk: {out}"
        if not int(found[1]):
            return None
        n, seconds = int(found[1]), float(found[2]) / (1 if found[3] == "s" else 1000)
        self.answered += n
        mine = cpu_seconds(self.agent_pids) - agent
        spent = {"nginx": cpu_seconds(self.workers) - nginx, "agent": mine,
                 "wrk": usage.ru_utime + usage.ru_stime,
                 "machine": busy_seconds(machine, cpu_ticks())}
        return {"rps": n / seconds, **{key: value * 1e6 / n for key, value in spent.items()}}


def start_nginx(bed, log_port):
    """One worker, two servers: without a log, and with one on LOG_PORT."""
    second = f"server {{ listen 0.0.0.0:{log_port}; access_log {bed.dir}/log; {LOCATION} }}"
    return Nginx(bed, LOCATION, addresses=("0.0.0.0",), log=False, more_servers=second,
                 main="worker_cpu_affinity 01;")


def add_rows(report, key, name, result, target_loss, target_cpu):
    report.note(f"{name}: {len(result.blocks)} blocks; void: {result.unsteady} unsteady, "
                f"{result.stolen} stolen")
    loss = tuple(-x for x in result.relative("rps"))
    report.add(f"{key}_loss_percent", "  loss of requests/s", (loss[0], loss[2], loss[1]), "%",
               target_loss)
    report.add(f"{key}_loss_null", "  its null", result.null("rps"), "%")
    for part in ("nginx", "wrk", "agent", "machine"):
        report.add(f"{key}_{part}_cpu", f"  CPU seconds per million added: {part}",
                   result.absolute(part), "", target_cpu.get(part, ""))
    report.add(f"{key}_nginx_null", "  null of nginx's", result.null("nginx", relative=False))


def run(bed, report, blocks):
    ns, log_port = bed.namespace(), free_port()
    nginx = start_nginx(bed, log_port)
    agent = Sonded(bed, CONFIG.format(port=nginx.port))
    switch = Switch(agent)
    load = Saturation(agent, nginx, ns)
    load.window()
    real, load.answered = load.answered, 0
    on_answers = real

    def observed():
        nonlocal on_answers
        before = load.answered
        result = load.window()
        on_answers += load.answered - before if switch.is_on else 0
        return result

    sonde = compare(observed, switch.off, switch.on, blocks or 20, "rps")
    switch.on()
    counted, lost = agent.total("bench-nginx")
    switch.off()

    def use(port):
        load.port = port

    log = compare(load.window, lambda: use(nginx.port), lambda: use(log_port), blocks or 20, "rps")
    report.add("rps", "requests/s without anything", sonde.level("rps"))
    report.add("nginx_cpu", "nginx's CPU seconds per million", sonde.level("nginx"))
    add_rows(report, "sonde", "Sonde", sonde, "must 4, aim 2",
             {"nginx": "must 0.3, aim 0.2", "machine": "must 1.5, aim 0.7"})
    add_rows(report, "log", "nginx's own access log", log, "the yardstick", {})
    report.add("answered", "requests that wrk saw answered while on", on_answers)
    report.add("counted", "requests recorded (wrk leaves up to 128 unfinished in each window)",
               counted)
    report.add("stalled", "windows repeated because nothing was answered", load.stalled)
    report.add("known_lost", "requests known by number alone", lost)
    agent.stop()
