#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Of 200 processes in 20 cgroups that come and go, every connection is told under the right one.

Pre-forked, with listeners of their own, with sockets passed on in messages, forked for each
connection; reading, or only writing; each ends after a few connections. The process that serves
says who it is: nobody is told wrongly, and fewer than one in 200 is unknown.
"""

import collections
import os
import random
import re
import socket
import threading
import time

from agent import Sonded
from bed import Bed, build_dir, free_port
from conns import Told, config
from tap import Skip, equal, main

MODES = ("prefork", "own", "pass", "fork")
CROWDS = 20
CONNECTIONS = 6000
THREADS = 4


def cgroup_root():
    with open("/proc/self/mountinfo", encoding="ascii") as mounts:
        found = re.search(r"^\S+ \S+ \S+ / (\S+) .* - cgroup2 ", mounts.read(), re.MULTILINE)
    return found and found[1]


class Crowd:
    def __init__(self, bed, root, number):
        self.mode = MODES[number % len(MODES)]
        self.cgroup = f"/sonde-crowd-{random.randrange(1 << 30)}-{number}"
        bed.run(["mkdir", root + self.cgroup])
        bed.undo(remove, root + self.cgroup)
        self.port = free_port()
        join = f'echo $$ > {root}{self.cgroup}/cgroup.procs && exec "$@"'
        bed.start(["sh", "-c", join, "sh", bed.helper("crowd_server"), "127.0.0.1", self.port,
                   self.mode], ready=r"^ready")


def remove(path):
    """The processes in it die with their parent, a moment after it."""
    for _ in range(200):
        try:
            os.rmdir(path)
            return
        except OSError:
            time.sleep(0.05)


def visit(port):
    """(own port, pid that served); a process that ends may leave some in its queue: once more."""
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as s:
                s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                got = b""
                while part := s.recv(4096):
                    got += part
                if pid := re.search(rb"\r\n\r\n(\d+)$", got):
                    return s.getsockname()[1], int(pid[1])
        except (ConnectionResetError, ConnectionRefusedError, BrokenPipeError):
            continue


def visit_all(crowds):
    """{(server's port, client's port): (pid, cgroup, mode)}"""
    truth, lock = {}, threading.Lock()

    def run(seed):
        order = random.Random(seed)
        for _ in range(CONNECTIONS // THREADS):
            crowd = order.choice(crowds)
            own, pid = visit(crowd.port)
            with lock:
                truth[crowd.port, own] = (pid, crowd.cgroup, crowd.mode)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    return truth


def body(tap):
    root = cgroup_root()
    with Bed(build_dir()) as bed:
        if not root:
            with tap.case("cgroups"):
                raise Skip("no cgroup v2 hierarchy is mounted")
            return
        crowds = [Crowd(bed, root, i) for i in range(CROWDS)]
        text, path = config(bed)
        agent = Sonded(bed, text)
        told = Told(agent, path)
        truth = visit_all(crowds)
        told.settle()
        found = {(c["server"]["port"], c["client"]["port"]): c for c in told.read()}
        with tap.case("every connection is told of"):
            equal(sorted(set(truth) - set(found))[:5], [], "missing")
        pids = {pid for pid, _, _ in truth.values()}
        print(f"# {len(truth)} connections of {len(pids)} processes")
        wrong, unknown = [], collections.Counter()
        for key, (pid, cgroup, mode) in truth.items():
            process = found.get(key, {}).get("process", {})
            if not process.get("pid"):
                unknown["process", mode] += 1
            elif process["pid"] != pid:
                wrong.append((mode, process, pid))
            if not process.get("cgroup"):
                unknown["cgroup", mode] += 1
            elif process["cgroup"] != cgroup:
                wrong.append((mode, process, cgroup))
        with tap.case("none is told under another process or cgroup"):
            equal(wrong[:3], [], f"{len(wrong)} of {len(truth)} are wrong, such as")
        with tap.case("fewer than one in 200 is unknown"):
            assert unknown.total() < len(truth) / 200, f"{dict(unknown)} of {len(truth)}"
        agent.stop()


if __name__ == "__main__":
    main(body)
