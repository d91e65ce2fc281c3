#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests and counts them: every test program speaks TAP, every TAP line is one test.

    tests/run.py [--build DIR] [PART[:WORD]]...

Parts: rules unit bpf fuzz e2e kernels; without any, all of them. `unit:http1` runs only the
programs of that part whose name holds the word. Programs run one after the other, each with a
deadline and with its output kept back: it is shown when something failed. A program that crashes,
hangs, prints no plan or keeps not to it is a failure of its own. The last line is always
`N passed, N failed, N skipped`; the exit code is 1 when anything failed or nothing ran.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUZZ_SECONDS = 8
SHOWN_LINES = 150
RESULT = re.compile(r"(not )?ok\b(?: +(\d+))?(?: *- *)?(.*)")
SKIP = re.compile(r"# *skip(?:ped)?\b:? *(.*)", re.IGNORECASE)


class Program:
    """One test program: how it is named, started and bounded."""

    def __init__(self, name, argv, seconds, tap=True, root=False):
        self.name, self.argv, self.seconds = name, [str(a) for a in argv], seconds
        self.tap, self.root = tap, root


class Outcome:
    """What one program said."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []


def read_tap(text, outcome):
    """Counts the results in TEXT into OUTCOME; returns what is wrong with the plan, or None.

    cmocka says `not ok N # SKIP name` for a skip, one plan per group, and `not ok 0` when a group's
    setup failed; a reason for a skip is taken from a line `# skip: why` before it.
    """
    planned, seen, plans, reason = 0, 0, 0, ""
    for line in text.splitlines():
        if plan := re.match(r"1\.\.(\d+)\s*(#.*)?$", line):
            plans, planned = plans + 1, planned + int(plan[1])
            if skip := SKIP.search(plan[2] or ""):
                outcome.skipped.append(("everything", skip[1] or "no reason given"))
            continue
        if line.startswith("#") and (skip := SKIP.match(line)):
            reason = skip[1]
            continue
        result = RESULT.match(line)
        if not result:
            continue
        seen += 1
        name = result[3].strip()
        if skip := SKIP.search(name):
            before = name[: skip.start()].strip()
            why = reason or (skip[1] if before else "") or "no reason given"
            outcome.skipped.append((before or skip[1], why))
        elif result[1]:
            outcome.failed.append(name or f"test {result[2]}")
        else:
            outcome.passed += 1
        reason = ""
    if not plans:
        return "no TAP plan: it ended before it said how many tests it has"
    if planned != seen:
        return f"the plan says {planned} tests, {seen} reported"
    return None


def run(program):
    """Runs PROGRAM to its end or its deadline. Returns (outcome, output)."""
    outcome = Outcome()
    if program.root and os.geteuid() != 0:
        outcome.skipped.append(("everything", "needs root"))
        return outcome, ""
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", PYTHONUNBUFFERED="1",
               PYTHONDONTWRITEBYTECODE="1")
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(program.argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                                 stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = child.wait(program.seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end_group(child)
        log.seek(0)
        output = log.read().decode("utf-8", "replace")
    judge(program, outcome, code, output)
    return outcome, output


def judge(program, outcome, code, output):
    """Turns exit code and output into results."""
    wrong = read_tap(output, outcome) if program.tap else None
    if code is None:
        wrong = f"still running after {program.seconds} s"
    elif code < 0:
        wrong = f"killed by {signal.Signals(-code).name}"
    elif code != 0 and not outcome.failed:
        wrong = f"exit code {code}" + (f"; {wrong}" if wrong else "")
    if wrong:
        outcome.failed.append(wrong)
    elif not program.tap:
        outcome.passed += 1


def end_group(child):
    """Ends what is left of a program's process group: politely, so that it cleans up, then not."""
    for sig, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        try:
            os.killpg(child.pid, sig)
            child.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


# ---- parts ----


def programs_under(build, part):
    """Compiled tests of a part, as build/tests/PART/**/X_test."""
    base = build / "tests" / part
    for path in sorted(base.rglob("*_test")):
        if os.access(path, os.X_OK) and path.is_file():
            yield path, f"{part}/{path.relative_to(base)}"


def part_rules(_build, _scratch):
    script = ROOT / "tools/dev/check_includes.py"
    if script.exists():
        yield Program("rules/includes", [sys.executable, script], 60, tap=False)


def part_unit(build, _scratch):
    for path, name in programs_under(build, "unit"):
        yield Program(name, [path], 60)


def part_bpf(build, _scratch):
    for path, name in programs_under(build, "bpf"):
        yield Program(name, [path], 120, root=True)


def part_fuzz(build, scratch):
    """Each target fuzzes a copy of its seeds for some seconds: the tree is never written to."""
    for path in sorted((build / "tests/fuzz").glob("*_fuzz")):
        subject = path.name.removesuffix("_fuzz")
        corpus = scratch / subject
        seeds = ROOT / "tests/data/fuzz" / subject
        if not corpus.exists():  # once, also when the part is asked for by several words
            shutil.copytree(seeds, corpus) if seeds.is_dir() else corpus.mkdir()
        argv = [path, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-rss_limit_mb=1024",
                "-verbosity=1", f"-artifact_prefix={scratch}/", corpus]
        yield Program(f"fuzz/{subject}", argv, FUZZ_SECONDS + 60, tap=False)


def part_e2e(build, _scratch):
    for path in sorted((ROOT / "tests/e2e").glob("*_e2e.py")):
        argv = [sys.executable, path, "--build", build]
        yield Program(f"e2e/{path.stem.removesuffix('_e2e')}", argv, 240, root=True)


def part_kernels(build, _scratch):
    script = ROOT / "tests/kernels/run.sh"
    if script.exists():
        os.environ["BUILD"] = str(build)
        yield Program("kernels", ["bash", script], 1800, root=True)


PARTS = {"rules": part_rules, "unit": part_unit, "bpf": part_bpf, "fuzz": part_fuzz,
         "e2e": part_e2e, "kernels": part_kernels}


# ---- report ----


def report(program, outcome, output, seconds):
    verdict = "FAILED" if outcome.failed else "ok"
    counts = f"{outcome.passed} passed"
    counts += f", {len(outcome.failed)} failed" if outcome.failed else ""
    counts += f", {len(outcome.skipped)} skipped" if outcome.skipped else ""
    print(f"{verdict:7} {program.name:36} {counts} ({seconds:.1f} s)", flush=True)
    if not outcome.failed:
        return
    lines = output.splitlines()
    if len(lines) > SHOWN_LINES:
        print(f"    ... {len(lines) - SHOWN_LINES} lines before")
    for line in lines[-SHOWN_LINES:]:
        print(f"    {line}")
    for name in outcome.failed:
        print(f"    FAILED: {name}", flush=True)


def chosen(words, build, scratch):
    """The programs that WORDS ask for, part by part."""
    for word in words or PARTS:
        part, _, narrow = word.partition(":")
        if part not in PARTS:
            sys.exit(f"run.py: unknown part {part!r}; parts are {' '.join(PARTS)}")
        found = [p for p in PARTS[part](build, scratch) if narrow in p.name]
        if not found:
            found = [Program(f"{word}: no such test program", ["false"], 10, tap=False)]
        yield from found


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--build", type=Path, default=ROOT / "build")
    options.add_argument("parts", nargs="*", metavar="PART[:WORD]")
    args = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    passed, failed, skips = 0, [], []
    with tempfile.TemporaryDirectory(prefix="sonde-tests-") as scratch:
        for program in chosen(args.parts, args.build.resolve(), Path(scratch)):
            start = time.monotonic()
            outcome, output = run(program)
            report(program, outcome, output, time.monotonic() - start)
            passed += outcome.passed
            failed += [f"{program.name}: {name}" for name in outcome.failed]
            skips += [f"{program.name}: {name}: {why}" for name, why in outcome.skipped]
    for line in skips:
        print(f"skipped {line}")
    for line in failed:
        print(f"FAILED  {line}")
    print(f"{passed} passed, {len(failed)} failed, {len(skips)} skipped")
    sys.exit(0 if passed and not failed else 1)


if __name__ == "__main__":
    main()
