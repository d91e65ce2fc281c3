#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A broken config is refused with its place and nothing starts; a reload takes all or nothing."""

import signal
import subprocess

from agent import Sonded, Trace
from bed import Bed, build_dir, wait_for
from tap import equal, main

# (what is broken, text, line of the complaint, a word it must hold)
BROKEN = [
    ("an unknown key", "http:\n  timeuot: 5s\n", 2, "timeout"),
    ("an unknown section", "htpp:\n  timeout: 5s\n", 1, "http"),
    ("a wrong type", "capture:\n  ring_bytes: [1, 2]\n", 2, "ring_bytes"),
    ("a value out of range", "http:\n  timeout: 1ns\n", 2, "timeout"),
    ("not a power of two", "capture:\n  ring_bytes: 100000\n", 2, "ring_bytes"),
    ("a word that is no choice", "routes:\n  unmatched: guess\n", 2, "heuristic"),
    ("a duration without a unit", "http:\n  timeout: soon\n", 2, "timeout"),
    ("a port that is none", "capture:\n  ignored_ports: [80, 70000]\n", 2, "ignored_ports"),
    ("a key given twice", "http:\n  timeout: 5s\n  timeout: 6s\n", 3, "timeout"),
    ("broken YAML", "routes:\n  patterns: [/a, /b\n", None, "YAML"),
    ("a rule without a name", "services:\n  rules:\n    - {comm: x}\n", 3, "name"),
    ("an address for all the world", "listen:\n  http: 0.0.0.0:9764\n", 2, "insecure"),
]
GOOD = "routes:\n  unmatched: path\n"
OTHER = "routes:\n  unmatched: wildcard\n"


def check(bed, text):
    """Runs sonded --check; returns the finished process."""
    path = bed.dir / "checked.yaml"
    path.write_text(text)
    return subprocess.run([bed.build / "sonded", "--check", "--config", path], capture_output=True,
                          text=True, timeout=10, stdin=subprocess.DEVNULL)


def counted(agent, route, n):
    wait_for(f"{n} requests of {route}", lambda: agent.metrics().by(
        "http_server_request_duration_seconds_count", "http_route",
        service_name="delay-e2e")[route] == n)


def reloads(bed, tap):
    _server, port = bed.server("delay_server")
    rule = f"services:\n  rules:\n    - {{name: delay-e2e, port: {port}}}\n"
    agent = Sonded(bed, GOOD + rule)
    Trace(agent)
    with tap.case("SIGHUP with a broken file keeps the old config and says where it is broken"):
        bed.load("127.0.0.1", port, ["/delay/0"], 3)
        counted(agent, "/delay/0", 3)
        agent.config.write_text(OTHER + rule + "htpp: 1\n")
        agent.process.popen.send_signal(signal.SIGHUP)
        agent.process.wait_line(r"sonde\.yaml:6:", errors=True)
        bed.load("127.0.0.1", port, ["/delay/0"], 3)
        counted(agent, "/delay/0", 6)
    with tap.case("SIGHUP with a good file takes it, without a restart and without losing series"):
        worker = agent.worker_pid()
        agent.config.write_text(OTHER + rule)
        agent.process.popen.send_signal(signal.SIGHUP)

        def taken():
            bed.load("127.0.0.1", port, ["/delay/1"], 1)
            return agent.requests(service_name="delay-e2e").keys() & {("GET", "/**", "200")}

        wait_for("the new config", taken)
        equal(agent.worker_pid(), worker, "worker")
        counted(agent, "/delay/0", 6)
    agent.stop()


def body(tap):
    with Bed(build_dir()) as bed:
        with tap.case("an empty file and a good one pass --check"):
            for text in ("", GOOD, "listen:\n  http: '127.0.0.1:1234'\n"):
                equal(check(bed, text).returncode, 0, f"exit code for {text!r}")
        for what, text, line, word in BROKEN:
            with tap.case(f"--check refuses {what}"):
                done = check(bed, text)
                assert done.returncode != 0, f"taken: {text!r}"
                place = f"checked.yaml:{line}:" if line else "checked.yaml:"
                assert place in done.stderr, f"no {place} in {done.stderr!r}"
                assert word in done.stderr, f"no {word!r} in {done.stderr!r}"
                equal(len(done.stderr.strip().splitlines()), 1, "lines of complaint")
        with tap.case("the daemon does not start with a broken config, and leaves nothing"):
            agent = Sonded(bed, "htpp: 1\n", start=False)
            started = bed.start([bed.build / "sonded", "--config", agent.config, "--run-dir",
                                 agent.run_dir])
            assert started.wait(10) != 0, "it started"
            assert not agent.run_dir.exists() or not list(agent.run_dir.iterdir()), "files left"
        with tap.case("a missing file is a mistake, not the defaults"):
            done = subprocess.run([bed.build / "sonded", "--check", "--config", "/none.yaml"],
                                  capture_output=True, text=True, timeout=10)
            assert done.returncode != 0 and "/none.yaml" in done.stderr, done.stderr
        reloads(bed, tap)


if __name__ == "__main__":
    main(body)
