# SPDX-License-Identifier: Apache-2.0
"""The daemon under test: started with a config, asked, and seen to end without a trace.

    with Bed(build) as bed:
        agent = Sonded(bed, config)
        trace = Trace(agent)
        ...
        agent.stop()

Two marks make waiting exact. mark() sends one request to a server of its own and returns the path
by which its record is known: once that record has come out of a trace, everything before it has.
"""

import collections
import contextlib
import itertools
import json
import os
import re
import signal
import socketserver
import subprocess
import tempfile
import threading
from pathlib import Path

import scrape
from bed import children, free_port, wait_for

REQUESTS = "http_server_request_duration_seconds"
PRODUCED = "sonde_records_produced_total"
DELIVERED = "sonde_records_delivered_total"
DROPPED = "sonde_records_dropped_total"
# Dropped for any other reason is dropped on purpose, such as the far end of a local connection.
LOSSES = {"ring_full", "invalid", "table_full", "no_memory", "worker_died"}
LOSS = re.compile(r"-- lost (\d+) (\w+) records \((\w+): (\w+)\) --$")
BPF_ID = re.compile(r"^(prog_id|link_id|map_id):\s+(\d+)$", re.MULTILINE)


class MarkServer(socketserver.ThreadingTCPServer):
    """Answers every request with 204 and closes."""

    daemon_threads = True

    class RequestHandlerClass(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.readline().strip():
                continue
            self.wfile.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.RequestHandlerClass)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]


class Sonded:
    """A running sonded with a run directory and an HTTP port of its own."""

    marks = itertools.count(1)

    def __init__(self, bed, config="", start=True):
        self.bed = bed
        self.dir = Path(tempfile.mkdtemp(prefix="agent-", dir=bed.dir))
        self.dir.chmod(0o755)
        self.config = self.dir / "sonde.yaml"
        self.config.write_text(config)
        self.run_dir = self.dir / "run"
        self.port = free_port()
        self.process, self.mark_server = None, None
        if start:
            self.start()

    def start(self):
        self.process = self.bed.start(
            [self.bed.build / "sonded", "--config", self.config, "--run-dir", self.run_dir,
             "--http", f"127.0.0.1:{self.port}"],
            ready=r"^sonded: ready", seconds=15, pdeathsig="TERM")

    @property
    def broker_pid(self):
        return self.process.pid

    def worker_pid(self):
        """The broker's one child, once there is one."""
        return wait_for("a worker", lambda: children(self.broker_pid))[0]

    # ---- asking ----

    def get(self, path, headers=None):
        return scrape.get("127.0.0.1", self.port, path, headers)

    def metrics(self, openmetrics=False):
        return scrape.scrape("127.0.0.1", self.port, openmetrics)

    def requests(self, **match):
        """Requests counted so far, by (method, route, status)."""
        return self.metrics().by(REQUESTS + "_count", "http_request_method", "http_route",
                                 "http_response_status_code", **match)

    def wait_requests(self, n, seconds=15, **match):
        """Waits until at least N requests are counted; returns them as requests() does."""
        found = collections.Counter()

        def enough():
            nonlocal found
            found = self.requests(**match)
            return found.total() >= n

        with contextlib.suppress(AssertionError):
            wait_for("requests", enough, seconds)
        assert found.total() >= n, f"{found.total()} of {n} requests counted: {dict(found)}"
        return found

    def total(self, service):
        """(requests recorded, requests known by number alone) of a service."""
        m = self.metrics()
        return (m.sum(REQUESTS + "_count", service_name=service),
                m.sum("sonde_requests_total", operation="__lost__", service_name=service))

    def ledger(self):
        """{type of record: (produced, delivered, dropped)} as /metrics tells."""
        m = self.metrics()
        rows = [m.by(name, "type") for name in (PRODUCED, DELIVERED, DROPPED)]
        assert rows[0], f"no {PRODUCED} in /metrics"
        return {kind: tuple(row[kind] for row in rows) for kind in rows[0]}

    def losses(self):
        """{(type, reason): n} of what was dropped though it should not have been."""
        dropped = self.metrics().by(DROPPED, "type", "reason")
        return {key: n for key, n in dropped.items() if n and key[1] in LOSSES}

    def cli(self, *args, seconds=30, **options):
        """Runs `sonde ARGS` and returns the finished process, whatever its exit code."""
        argv = [str(a) for a in (self.bed.build / "sonde", "--run-dir", self.run_dir, *args)]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds, **options)

    def status(self):
        done = self.cli("status", "-o", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def mark(self):
        """Sends one request through the agent; its path tells it from all others."""
        if not self.mark_server:
            self.mark_server = MarkServer()
            self.bed.undo(self.mark_server.server_close)
            self.bed.undo(self.mark_server.shutdown)
        path = f"/mark/{next(self.marks)}"
        scrape.get("127.0.0.1", self.mark_server.port, path)
        return path

    # ---- ending ----

    def kernel_ids(self):
        """Kernel objects that the broker holds: {("prog_id", "12"), ...}."""
        ids = set()
        for info in Path(f"/proc/{self.broker_pid}/fdinfo").iterdir():
            with contextlib.suppress(OSError):
                ids |= set(BPF_ID.findall(info.read_text()))
        return ids

    def stop(self):
        """SIGTERM, and a clean end: exit 0, no process, kernel object, mount or socket left."""
        ids = self.kernel_ids()
        pids = [self.broker_pid, *children(self.broker_pid)]
        code = self.process.stop(signal.SIGTERM, seconds=10)
        assert code == 0, f"sonded ended with {code}\n{self.process.describe()}"
        left = [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
        assert not left, f"processes left behind: {left}"
        wait_for("no kernel object left behind", lambda: not ids & all_kernel_ids(), 5)
        mounts = Path("/proc/self/mountinfo").read_text()
        assert str(self.run_dir) not in mounts, "a mount left behind"
        assert not self.run_dir.exists() or not list(self.run_dir.iterdir()), "files left behind"


def all_kernel_ids():
    """Every BPF program, link and map of the machine, as kernel_ids()."""
    ids = set()
    for kind in ("prog", "link", "map"):
        shown = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, check=False)
        with contextlib.suppress(ValueError):
            ids |= {(f"{kind}_id", str(row["id"])) for row in json.loads(shown.stdout or "[]")}
    return ids


class Trace:
    """`sonde trace -o jsonl` into a file, live from the moment this returns."""

    count = itertools.count()

    def __init__(self, agent, *filters):
        self.agent = agent
        self.file = agent.dir / f"trace-{next(self.count)}.jsonl"
        self.process = agent.bed.start([agent.bed.build / "sonde", "--run-dir", agent.run_dir,
                                        "trace", "-o", "jsonl", *filters], out=self.file)
        self.offset, self.all, self.paths = 0, [], set()
        self.catch_up()

    def catch_up(self):
        """Makes marks until one comes through, since a trace that is behind loses them; returns the
        last that did."""
        sent = set()

        def through():
            assert self.process.popen.poll() is None, self.process.describe()
            sent.add(self.agent.mark())
            return [path for path in map(path_of, self.read()) if path in sent]

        return wait_for("a mark in the trace", through, 20)[-1]

    def read(self):
        """Takes in the lines that have been written since; returns all records."""
        with self.file.open("rb") as f:
            f.seek(self.offset)
            text = f.read()
        whole = text.rfind(b"\n") + 1
        self.offset += whole
        new = [json.loads(line) for line in text[:whole].splitlines()]
        self.all += new
        self.paths |= {path for path in map(path_of, new) if path.startswith("/mark/")}
        return self.all

    def records(self, port=None):
        """The records so far; PORT: only those of requests to that server port."""
        return [r for r in self.read() if port is None or r["server"]["port"] == port]

    def losses(self):
        """What it has said on stderr about losses: [(count, kind, stage, reason)]."""
        found = map(LOSS.match, list(self.process.errors))
        return [(int(m[1]), m[2], m[3], m[4]) for m in found if m]

    def settle(self, seconds=10):
        """Returns once everything that happened before has been printed."""
        self.wait_mark(self.agent.mark(), seconds)

    def wait_mark(self, path, seconds=10):
        """Waits for the record of a mark; returns how many records came before it."""
        wait_for(f"the record of {path}", lambda: self.read() and path in self.paths, seconds)
        return next(i for i, r in enumerate(self.all) if path_of(r) == path)

    def wait_records(self, port, n, seconds=10):
        """Waits for N requests to PORT, and for what would be too many; returns them."""
        with contextlib.suppress(AssertionError):
            wait_for("records", lambda: len(self.records(port)) >= n, seconds)
        self.settle()
        found = self.records(port)
        assert len(found) == n, f"{len(found)} records, want {n}"
        return found

    def counts(self, port):
        """Counter of (method, path, status) of the requests to PORT."""
        return collections.Counter((method_of(r), path_of(r), int(r["status"]))
                                   for r in self.records(port))


def path_of(record):
    return record["attributes"].get("url.path", "")


def method_of(record):
    return record["attributes"]["http.request.method"]
