#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Claim: who serves is told to the last field, also where threads, units and pids would mislead.

Real processes in cgroups named as systemd and the engines name theirs; /proc is the witness. A pid
is made to be used again (ns_last_pid), by another program in another cgroup.
"""

import collections
import json
import os
import sys
from pathlib import Path

import scrape
from agent import REQUESTS, Sonded, Trace
from bed import Bed, build_dir
from recorded import House
from tap import Skip, equal, main

CONFIG = """
metrics: {service_version: true}
services:
  rules:
    - {name: "cash-{unit}", unit: "till*", comm: delay_server}
    - {name: "{label:none}", unit: "desk*"}
    - {name: front, unit: "desk.service"}
    - {name: batch, cgroup: "*/batch.slice/*"}
"""
ID = "0123456789abcdef" * 4
UID = "0b1c2d3e-4f50-4172-8394-a5b6c7d8e9fa"
Row = collections.namedtuple("Row", "cgroup service fields")
UNITS = [
    Row("system.slice/system-till.slice/till@v1.4.service", "cash-till@v1.4",
        {"unit": "till@v1.4", "version": "v1.4"}),
    Row("system.slice/stock.service/workers", "stock", {"unit": "stock"}),
    Row("system.slice/desk.service", "front", {"unit": "desk"}),
    Row("batch.slice/run-u23.service", "batch", {}),
    Row("user.slice/user-1000.slice/session-3.scope", "delay_server", {}),
    Row(f"system.slice/docker-{ID}.scope", ID[:12],
        {"container_id": ID, "container_runtime": "docker"}),
    Row(f"machine.slice/libpod-{ID}.scope/container", ID[:12],
        {"container_id": ID, "container_runtime": "podman"}),
    Row(f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}"
        f".slice/cri-containerd-{ID}.scope", ID[:12],
        {"container_id": ID, "container_runtime": "containerd", "pod_uid": UID}),
    Row(f"kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/crio-{ID}.scope", ID[:12],
        {"container_id": ID, "container_runtime": "cri-o", "pod_uid": UID}),
]
KNOWN = ("unit", "container_id", "container_runtime", "pod_uid")
# Threads that have names of their own, as servers of many languages give them.
THREADED = """
import ctypes, socket, threading
listener = socket.create_server(("127.0.0.1", 0))
def work(number):
    ctypes.CDLL(None).prctl(15, b"worker-%d" % number, 0, 0, 0)
    while True:
        client, _ = listener.accept()
        with client:
            while client.recv(4096):
                client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
print("ready", listener.getsockname()[1], flush=True)
"""


class Group:
    """A cgroup below the top of the house, and how to start something in it."""

    def __init__(self, bed, house, name):
        self.bed, self.path = bed, house.top / name
        self.path.mkdir(parents=True, exist_ok=True)
        self.told = str(self.path)[len(str(house.top.parent)):]

    def start(self, *argv):
        """(process, port) of a server that says `ready PORT`."""
        process = self.begin(*argv)
        return process, int(process.wait_line(r"^ready (\d+)$")[1])

    def begin(self, *argv):
        return self.bed.start(["sh", "-c", f'echo $$ >{self.path}/cgroup.procs && exec "$@"', "sh",
                               *argv])


def helper(bed, name):
    return bed.helper(name), "127.0.0.1", 0


def started_ns(pid):
    """When the process began, by the clock that counts from boot, to a tick."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return ticks * (10 ** 9 // os.sysconf("SC_CLK_TCK"))


def ask(trace, port):
    before = len(trace.records(port))
    scrape.get("127.0.0.1", port, "/none")
    return trace.wait_records(port, before + 1)[-1]


def check_witness(record, group, process):
    """What /proc says of the process, and nothing else."""
    p, pid = record["process"], process.pid
    tick = 10 ** 9 // os.sysconf("SC_CLK_TCK")
    equal((p["pid"], p["comm"], p["exe"], p["cgroup"]),
          (pid, Path(f"/proc/{pid}/comm").read_text().strip(), os.readlink(f"/proc/{pid}/exe"),
           group.told), "who it is")
    assert 0 <= p["start_ns"] - started_ns(pid) < tick, (p["start_ns"], started_ns(pid))


def check_units(tap, bed, house, trace, agent):
    for row in UNITS:
        short = row.cgroup.replace(ID, "ID").replace(UID.replace("-", "_"), "UID")
        with tap.case(f"{short} is {row.service}"):
            group = Group(bed, house, row.cgroup)
            process, port = group.start(*helper(bed, "delay_server"))
            record = ask(trace, port)
            check_witness(record, group, process)
            fields = dict(row.fields)
            version = fields.pop("version", None)
            equal((record["service"], record.get("service_version")), (row.service, version),
                  "the service")
            equal({k: v for k, v in record["process"].items() if k in KNOWN}, fields, "the rest")
            process.stop()
    with tap.case("the version of the unit is a label of its series"):
        equal(agent.metrics().sum(REQUESTS + "_count", service_name="cash-till@v1.4",
                                  service_version="v1.4"), 1, "requests")


def check_threads(tap, bed, house, trace):
    with tap.case("threads with names of their own are their process"):
        group = Group(bed, house, "system.slice/threads.service")
        process, port = group.start(sys.executable, "-c", THREADED)
        for _ in range(12):
            check_witness(ask(trace, port), group, process)
        process.stop()


def take_pid(group, pid, argv):
    """Starts ARGV in the group as process PID; None when others were quicker each time."""
    for _ in range(200):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        process = group.begin(*argv)
        if process.pid == pid:
            return process
        process.stop()
    return None


def check_reuse(tap, bed, house, trace, agent):
    with tap.case("a pid that is used again is another process, and the old one keeps its name"):
        first, second = (Group(bed, house, f"system.slice/{name}.service")
                         for name in ("first", "second"))
        process, port = first.start(*helper(bed, "delay_server"))
        old = ask(trace, port)
        check_witness(old, first, process)
        process.stop()
        again = take_pid(second, process.pid, (sys.executable, "-c", THREADED))
        if not again:
            raise Skip("others took the pid each time")
        new_port = int(again.wait_line(r"^ready (\d+)$")[1])
        new = ask(trace, new_port)
        check_witness(new, second, again)
        equal((old["process"]["pid"], old["service"], new["service"]),
              (new["process"]["pid"], "first", "second"), "pid and services")
        rows = [json.loads(line) for p in (port, new_port) for line in
                agent.cli("conns", "--port", p, "-o", "jsonl").stdout.splitlines()]
        equal({(c["server"]["port"], c["service"], c["process"]["cgroup"]) for c in rows},
              {(port, "first", first.told), (new_port, "second", second.told)}, "connections")
        again.stop()


def body(tap):
    with Bed(build_dir()) as bed:
        house = None
        with tap.case("cgroups as systemd and the engines name them"):
            house = House(bed)
        if not house:
            return
        agent = Sonded(bed, CONFIG)
        trace = Trace(agent)
        check_units(tap, bed, house, trace, agent)
        check_threads(tap, bed, house, trace)
        check_reuse(tap, bed, house, trace, agent)
        with tap.case("nobody was unknown"):
            m = agent.metrics()
            equal((m.sum("sonde_requests_unknown_process_total"),
                   m.sum("sonde_connections_unknown_process_total")), (0, 0), "unknown")
        trace.process.stop()
        agent.stop()


if __name__ == "__main__":
    main(body)
