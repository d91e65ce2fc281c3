#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The worker, which reads bytes from the network, can do nothing; the broker listens on nothing."""

import grp
import os
import re
from pathlib import Path

from agent import Sonded, Trace
from bed import Bed, build_dir
from tap import equal, main


# By their numbers in linux/capability.h: linux_immutable, net_raw, sys_module, sys_rawio, sys_boot,
# sys_time, audit_write, mac_admin.
NEEDLESS = {9, 13, 16, 17, 22, 25, 29, 33}


def status_of(pid):
    """/proc/PID/status as a dict."""
    return dict(re.findall(r"^(\w+):\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M))


def links_of(pid):
    return [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]


def sockets_in(links):
    return set(re.findall(r"socket:\[(\d+)\]", " ".join(links)))


def listening(pid, kind):
    """Inodes of the listening sockets of KIND, "tcp" or "unix", among the descriptors of PID."""
    found = set()
    for path in Path("/proc/net").glob(f"{kind}*"):
        for fields in map(str.split, path.read_text().splitlines()[1:]):
            if kind == "unix":
                found |= {fields[6]} if int(fields[3], 16) & 0x10000 else set()
            elif fields[3] == "0A":
                found.add(fields[9])
    return sockets_in(links_of(pid)) & found


def waited_for(pid):
    """Inodes of the sockets that PID has in an epoll."""
    waited = set()
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        for fd in re.findall(r"^tfd:\s+(\d+)", info.read_text(), re.M):
            waited |= sockets_in([os.readlink(f"/proc/{pid}/fd/{fd}")])
    return waited


def body(tap):
    with Bed(build_dir()) as bed:
        agent = Sonded(bed)
        trace = Trace(agent)
        worker, broker = status_of(agent.worker_pid()), status_of(agent.broker_pid)
        with tap.case("the worker is not root, in any of its ids or groups"):
            for key in ("Uid", "Gid"):
                assert "0" not in worker[key].split(), f"{key}: {worker[key]}"
            assert "0" not in worker["Groups"].split(), worker["Groups"]
        with tap.case("the worker has no capability, and can get none"):
            for key in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
                equal(int(worker[key], 16), 0, key)
            equal(worker["NoNewPrivs"], "1", "NoNewPrivs")
        with tap.case("the worker is under a seccomp filter"):
            equal(worker["Seccomp"], "2", "Seccomp")
        with tap.case("every thread of the worker is held as tightly"):
            for task in Path(f"/proc/{agent.worker_pid()}/task").iterdir():
                thread = status_of(f"{agent.worker_pid()}/task/{task.name}")
                equal((thread["CapEff"], thread["NoNewPrivs"], thread["Seccomp"]),
                      ("0000000000000000", "1", "2"), f"thread {task.name}")
        with tap.case("the worker holds no program and no link"):
            held = [x for x in links_of(agent.worker_pid()) if "bpf-prog" in x or "bpf_link" in x]
            equal(held, [], "descriptors")
        with tap.case("the broker has let go of the capabilities it does not need"):
            kept = {n for n in range(64) if int(broker["CapEff"], 16) >> n & 1}
            equal(sorted(kept & NEEDLESS), [], "capabilities")
        with tap.case("the broker waits for nobody to connect; the worker serves"):
            equal(listening(agent.broker_pid, "tcp"), set(), "TCP listeners of the broker")
            equal(listening(agent.broker_pid, "unix") & waited_for(agent.broker_pid), set(),
                  "Unix listeners that the broker waits for")
            waits = waited_for(agent.worker_pid())
            equal(len(listening(agent.worker_pid(), "unix") & waits), 1, "control sockets")
        with tap.case("nobody else may talk to the control socket"):
            sockets = [p for p in agent.run_dir.iterdir() if p.is_socket()]
            shared = any(g.gr_name == "sonde-admin" for g in grp.getgrall())
            equal([f"{p.name} {p.stat().st_mode & 0o777:o}" for p in sockets],
                  ["control.sock 660" if shared else "control.sock 600"], "sockets")
            done = agent.cli("status", user="nobody", group="nogroup", extra_groups=[])
            assert done.returncode in (3, 4), f"exit {done.returncode}: {done.stdout}"
        with tap.case("a descriptor from the outside is not inherited"):
            equal([x for x in links_of(agent.broker_pid) if str(bed.dir) in x
                   and str(agent.run_dir) not in x], [], "descriptors")
        trace.process.stop()
        agent.stop()


if __name__ == "__main__":
    main(body)
