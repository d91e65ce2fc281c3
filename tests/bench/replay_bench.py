# SPDX-License-Identifier: Apache-2.0
"""B7: userspace alone, a ring image through reader, track, routes and series.

Time is the least of many rounds. Instructions are callgrind's, which counts the same on every
machine: two runs that differ by ten rounds are taken, so that start and the first round's
allocations drop out.
"""

import json
import re
import subprocess

FEW, MORE = 2, 12


def instructions(program, rounds, out):
    """Instructions of the function replay_round() in ROUNDS rounds."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no",
         "--toggle-collect=replay_round", program, str(rounds)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert done.returncode == 0 and found, done.stderr[-2000:]
    return int(found[1])


def run(bed, report, _blocks):
    program = bed.build / "tests/bench/replay_bench"
    seen = json.loads(bed.run(["taskset", "-c", "1", program, 200], seconds=120))
    assert seen["invalid"] == 0 and seen["requests"], seen
    report.add("records", "records a round", seen["records"])
    report.add("requests", "exchanges in them", seen["requests"])
    report.add("ns_per_record", "nanoseconds per record", seen["ns_per_record"], "ns",
               "must 200, aim 120")
    report.add("records_per_s", "records per second and core", round(1e9 / seen["ns_per_record"]))
    out = bed.dir / "callgrind.out"
    spent = instructions(program, MORE, out) - instructions(program, FEW, out)
    report.add("ir_per_record", "instructions per record",
               round(spent / (MORE - FEW) / seen["records"], 1), "", "must 900, aim 450")
    report.note(f"where they go: callgrind_annotate, after valgrind --tool=callgrind {program} 10")
