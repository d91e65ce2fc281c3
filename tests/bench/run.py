#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what Sonde costs. Not a test: nothing fails, figures are printed.

    tests/bench/run.py [--build DIR] [--blocks N] [NAME...]

    rr       a request and its answer in one pinned thread: nanoseconds added by the hooks (B2)
    nginx    saturation: loss of requests/s, CPU per request; beside it nginx's own access log (B3)
    churn    connections: cost open to close, kernel memory of 100k that live (B5)
    rate     fixed rate: CPU seconds per million requests, latency added (B4)
    replay   userspace alone: nanoseconds and instructions per record (B7)
    memory   idle, with 10k connections and 1k series, after churn (B10)
    limit    the XDP limiter: nanoseconds per packet over an empty program (B9)

Each prints a table and then one line of JSON, headed by the cost of some primitives in the same
run. Every figure is a difference within one run, the agent's programs attached and detached in
between (measure.py says how). Needs root; takes a minute or two per bench.
"""

import argparse
import importlib
import json
import math
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.dont_write_bytecode = True

from bed import Bed  # noqa: E402

BENCHES = ["rr", "churn", "nginx", "rate", "replay", "memory", "limit"]


class Report:
    """Rows for people, and the same as JSON."""

    def __init__(self, name):
        self.name, self.rows, self.values = name, [], {}

    def add(self, key, text, value, unit="", target=""):
        """TEXT describes the row; VALUE is a number or (median, low, high)."""
        self.values[key] = value
        if isinstance(value, tuple):
            shown = "{:.3g}  [{:.3g}, {:.3g}]".format(*value)
        else:
            shown = f"{value:,.4g}" if isinstance(value, float) else str(value)
        self.rows.append((text, f"{shown} {unit}".rstrip(), target))

    def note(self, text):
        self.rows.append((text, "", ""))

    def show(self):
        width = max(len(row[0]) for row in self.rows)
        second = max(len(row[1]) for row in self.rows)
        for text, value, target in self.rows:
            print(f"  {text:{width}}  {value:{second}}  {target}".rstrip())
        print(json.dumps({"bench": self.name, **clean(self.values)}), flush=True)


def clean(value):
    """JSON knows no NaN; figures beyond six digits say nothing."""
    if isinstance(value, dict):
        return {key: clean(v) for key, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [clean(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def calibrate(bed):
    values = json.loads(bed.run([bed.build / "tests/bench/calibrate_bench"], seconds=120))
    report = Report("calibration")
    for key, value in values.items():
        report.add(key, key.removesuffix("_ns").replace("_", " "), value, "ns")
    print("calibration")
    report.show()
    return values


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--build", type=Path, default=ROOT / "build")
    options.add_argument("--blocks", type=int, help="blocks of four windows (default: per bench)")
    options.add_argument("names", nargs="*", choices=[*BENCHES, []], metavar="NAME",
                         help=" ".join(BENCHES))
    args = options.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: needs root")
    for name in args.names or BENCHES:
        with Bed(args.build.resolve()) as bed:
            calibrate(bed)
            report = Report(name)
            print(f"{name}", flush=True)
            importlib.import_module(f"{name}_bench").run(bed, report, args.blocks)
            report.show()


if __name__ == "__main__":
    main()
