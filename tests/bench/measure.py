# SPDX-License-Identifier: Apache-2.0
"""How to compare on a machine that is never quiet.

Windows come in blocks of four, off on on off and then on off off on, so that drift cancels. A block
gives one difference (mean of its two on against mean of its two off) and one null (its two off
against each other). A block whose two off windows differ by more than 5 %, or in which the
hypervisor took more than 1 % of the time, is void. What is reported is the median of the
differences with a bootstrap 95 % interval, beside the same for the nulls: a difference within the
null's interval is none.
"""

import ctypes
import os
import platform
import random
import re
import signal
import statistics
from pathlib import Path

from bed import children, wait_for

VOID_SPREAD, VOID_STEAL = 0.05, 0.01
TICK = os.sysconf("SC_CLK_TCK")


# ---- statistics ----


def interval(values, share=0.95, resamples=2000):
    """(median, low, high): the bootstrap interval of the median."""
    if not values:
        return (float("nan"),) * 3
    rng = random.Random(1)
    medians = sorted(statistics.median(rng.choices(values, k=len(values)))
                     for _ in range(resamples))
    cut = int((1 - share) / 2 * resamples)
    return statistics.median(values), medians[cut], medians[-1 - cut]


class Comparison:
    """The blocks of one comparison: each a dict of metrics for off and for on, and the nulls."""

    def __init__(self, judged_by):
        self.judged_by = judged_by
        self.blocks, self.unsteady, self.stolen = [], 0, 0

    @property
    def void(self):
        return self.unsteady + self.stolen

    def add(self, off, on, steal):
        """OFF and ON: two windows each, as dicts with the same keys."""
        a, b = (w[self.judged_by] for w in off)
        if steal > VOID_STEAL:
            self.stolen += 1
        elif abs(a - b) / max(a, b, 1e-12) > VOID_SPREAD:
            self.unsteady += 1
        else:
            self.blocks.append((off, on))

    def relative(self, key):
        """Change of KEY from off to on, as (median, low, high) in percent."""
        return interval([100 * (mean(on, key) / mean(off, key) - 1) for off, on in self.blocks])

    def absolute(self, key):
        """Difference of KEY, on less off."""
        return interval([mean(on, key) - mean(off, key) for off, on in self.blocks])

    def null(self, key, relative=True):
        """Off against off within the blocks."""
        pairs = [(off[0][key], off[1][key]) for off, _ in self.blocks]
        return interval([100 * (b / a - 1) if relative else b - a for a, b in pairs])

    def level(self, key, on=False):
        """Median of KEY in all windows of one state."""
        return statistics.median(w[key] for block in self.blocks for w in block[on]) \
            if self.blocks else float("nan")


def mean(windows, key):
    return statistics.fmean(w[key] for w in windows)


def compare(window, off, on, blocks, judged_by, progress=None):
    """Runs BLOCKS blocks. OFF and ON make their state so; WINDOW measures one window, a dict."""
    result = Comparison(judged_by)
    for number in range(blocks):
        first, second = ("off", "on") if number % 2 == 0 else ("on", "off")
        seen = {"off": [], "on": []}
        before = cpu_ticks()
        for state in (first, second, second, first):
            (off if state == "off" else on)()
            seen[state].append(window())
        result.add(seen["off"], seen["on"], steal_share(before, cpu_ticks()))
        if progress:
            progress(number + 1, result)
    return result


# ---- the machine ----


def cpu_ticks():
    """The first line of /proc/stat as a list: user nice system idle iowait irq softirq steal ..."""
    return [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]


def steal_share(before, after):
    spent = [b - a for a, b in zip(before, after)]
    return spent[7] / max(sum(spent[:8]), 1)


def busy_seconds(before, after):
    """CPU seconds of the whole machine that were neither idle nor stolen."""
    spent = [b - a for a, b in zip(before, after)]
    return (sum(spent[:3]) + spent[5] + spent[6]) / TICK


def cpu_seconds(pids):
    """What the threads of PIDS have run so far, from the scheduler's own clock."""
    total = 0
    for pid in pids:
        for stat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            total += int(stat.read_text().split()[0])
    return total / 1e9


def memory_kib(pid):
    """(RSS, high-water mark, proportional) of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return tuple(int(re.search(rf"^{key}:\s+(\d+)", text, re.M)[1])
                 for key, text in (("VmRSS", status), ("VmHWM", status), ("Pss", rollup)))


# ---- the switch ----

BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_PROG_QUERY, INGRESS, EGRESS = 16, 0, 1


class QueryAttr(ctypes.Structure):
    _fields_ = [("target_fd", ctypes.c_uint32), ("attach_type", ctypes.c_uint32),
                ("query_flags", ctypes.c_uint32), ("attach_flags", ctypes.c_uint32),
                ("prog_ids", ctypes.c_uint64), ("prog_cnt", ctypes.c_uint32),
                ("pad", ctypes.c_uint8 * 100)]


def attached_programs():
    """Ids of the cgroup_skb programs on the root of the cgroup v2 hierarchy."""
    mounts = Path("/proc/self/mountinfo").read_text()
    root = re.search(r"^\S+ \S+ \S+ / (\S+) .* - cgroup2 ", mounts, re.M)
    assert root, "no cgroup v2 mounted"
    libc, found = ctypes.CDLL(None, use_errno=True), set()
    fd = os.open(root[1], os.O_RDONLY | os.O_DIRECTORY)
    try:
        for kind in (INGRESS, EGRESS):
            ids = (ctypes.c_uint32 * 64)()
            attr = QueryAttr(target_fd=fd, attach_type=kind, prog_ids=ctypes.addressof(ids),
                             prog_cnt=64)
            if libc.syscall(BPF_SYSCALL, BPF_PROG_QUERY, ctypes.byref(attr), ctypes.sizeof(attr)):
                raise OSError(ctypes.get_errno(), "BPF_PROG_QUERY")
            found |= set(ids[:attr.prog_cnt])
    finally:
        os.close(fd)
    return found


class Switch:
    """Takes the agent's programs off the traffic and puts them back; nothing is restarted."""

    def __init__(self, agent):
        self.agent = agent
        held = {int(number) for kind, number in agent.kernel_ids() if kind == "prog_id"}
        self.programs = held & attached_programs()
        assert self.programs, "none of the agent's programs is on the root cgroup"
        self.is_on = True

    def set(self, on):
        if self.is_on == on:
            return
        os.kill(self.agent.broker_pid, signal.SIGUSR2 if on else signal.SIGUSR1)
        want = self.programs if on else set()
        wait_for("attach" if on else "detach", lambda: attached_programs() & self.programs == want)
        self.is_on = on

    def on(self):
        self.set(True)

    def off(self):
        self.set(False)


def agent_pids(agent):
    return [agent.broker_pid, *children(agent.broker_pid)]
