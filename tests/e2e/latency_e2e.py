#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Latency is the client's: p50 and p99 are within 5 % of its own clock at 1, 10 and 100 ms.

The durations of the trace are held against what the client measured from before its send to after
the last byte, the quantiles of the histograms against those durations. Answers that drip tell time to first byte from
duration.
"""

import json
import math

from agent import REQUESTS, Sonded, Trace
from bed import Bed, build_dir
from tap import main, near

DELAYS = {1: 2000, 10: 1000, 100: 300}  # ms: requests
QUANTILES = {"p50": 0.5, "p99": 0.99}
SHARE = 0.05
RESOLUTION = 0.022  # of a histogram: half a bucket of 2^(1/16)
ROUNDS = 3  # a delay is measured once more while the client's clock and ours disagree


def quantile(values, q):
    """As load_client takes it."""
    return sorted(values)[int(q * (len(values) - 1))]


def ranked(values, q):
    """By nearest rank, as a histogram is read."""
    return sorted(values)[max(math.ceil(q * len(values)), 1) - 1]


def histogram_quantiles(agent, service):
    """(p50, p99) in ns as `sonde services` tells them."""
    done = agent.cli("services", "--service", service, "-o", "json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    return row["p50_ns"], row["p99_ns"]


def is_near(durations, truth):
    return all(abs(quantile(durations, q) - truth[mark]) <= SHARE * truth[mark]
               for mark, q in QUANTILES.items())


def delay(agent, trace, bed, tap, ms, n, port):
    """What a busy machine adds to one side passes; an error of the measurement stays."""
    path, service = f"/delay/{ms}", f"delay-{ms}"
    everything, last, truth = [], [], {}
    with tap.case(f"{ms} ms: every request has a record"):
        for _ in range(ROUNDS):
            # Being woken takes a client some 50 us, which is 5 % of a millisecond. Spinning for
            # longer than this takes would run into the scheduler's bound on real-time tasks.
            truth = bed.load("127.0.0.1", port, [path], n, connections=4, prompt=True,
                             spin=ms == 1)["paths"][path]
            before = len(everything)
            everything = [r["duration_ns"] for r in trace.wait_records(port, before + n)]
            last = everything[before:]
            if is_near(last, truth):
                break
    for mark, q in QUANTILES.items():
        with tap.case(f"{ms} ms: {mark} of the trace is the client's within 5 %"):
            near(quantile(last, q), truth[mark], SHARE, mark)
    with tap.case(f"{ms} ms: p50 and p99 of the histogram are the trace's"):
        p50, p99 = histogram_quantiles(agent, service)
        near(p50, ranked(everything, 0.5), RESOLUTION, "p50")
        near(p99, ranked(everything, 0.99), RESOLUTION, "p99")
    with tap.case(f"{ms} ms: the sum in /metrics is the sum of the durations"):
        got = agent.metrics().sum(REQUESTS + "_sum", service_name=service)
        near(got, sum(everything) / 1e9, 0.001, "sum")


def body(tap):
    with Bed(build_dir()) as bed:
        ports = {ms: bed.server("delay_server", prompt=True)[1] for ms in [*DELAYS, 50]}
        rules = "".join(f"    - {{name: delay-{ms}, port: {port}}}\n" for ms, port in ports.items())
        agent = Sonded(bed, "services:\n  rules:\n" + rules)
        trace = Trace(agent)
        for ms, n in DELAYS.items():
            delay(agent, trace, bed, tap, ms, n, ports[ms])
        with tap.case("time to first byte stands apart from the duration"):
            bed.load("127.0.0.1", ports[50], ["/drip/50"], 20)
            for r in trace.wait_records(ports[50], 20):
                assert r["ttfb_ns"] < 10_000_000, f"ttfb {r['ttfb_ns']}"
                near(r["duration_ns"], 50_000_000, 0.1, "duration")
        agent.stop()


if __name__ == "__main__":
    main(body)
