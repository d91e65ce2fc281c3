# SPDX-License-Identifier: Apache-2.0
"""The bed: network namespaces, servers and clients of one test, and their certain end.

Whatever a test makes, it makes through a Bed; leaving the `with` block, by the end, an exception
or a signal, undoes all of it in reverse order. What even a kill -9 of the test must not leave
behind is tied to it in the kernel: every process dies with its parent (PR_SET_PDEATHSIG), and a
namespace is held by nothing but a process.

Waiting is for events, a line on stdout, an open port, a condition, with a deadline that only
bounds a failure.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


# A process that is to be timed runs before all others, so that no one else's load is in its times.
PROMPT = ["chrt", "--fifo", "10"]


def build_dir():
    """The --build option of every script."""
    options = argparse.ArgumentParser()
    options.add_argument("--build", type=Path, default=ROOT / "build")
    return options.parse_args().build.resolve()


def wait_for(what, condition, seconds=10):
    """Calls CONDITION until it returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def free_port(address="127.0.0.1"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def url(address, port, path="/"):
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}{path}"


class Process:
    """A child whose output is read as it comes, or with OUT goes to that file."""

    def __init__(self, argv, pdeathsig="KILL", out=None, **options):
        self.argv = [str(a) for a in argv]
        self.lines, self.errors = [], []
        self.changed = threading.Condition()
        self.popen = subprocess.Popen(
            ["setpriv", "--pdeathsig", pdeathsig, "--", *self.argv], stdin=subprocess.PIPE,
            stdout=out.open("wb") if out else subprocess.PIPE, stderr=subprocess.PIPE, **options)
        streams = [(self.popen.stderr, self.errors)]
        streams += [] if out else [(self.popen.stdout, self.lines)]
        self.readers = [threading.Thread(target=self._read, args=s, daemon=True) for s in streams]
        for reader in self.readers:
            reader.start()

    def _read(self, stream, lines):
        for line in stream:
            with self.changed:
                lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    @property
    def pid(self):
        return self.popen.pid

    def ask(self, line, seconds=30):
        """Writes LINE to it and returns the number that it answers."""
        before = len(self.lines)
        self.popen.stdin.write(f"{line}\n".encode())
        self.popen.stdin.flush()
        with self.changed:
            while len(self.lines) == before:
                if not self.changed.wait(seconds):
                    raise AssertionError(self.describe())
        return int(self.lines[-1])

    def wait_line(self, pattern, seconds=10, errors=False):
        """Waits for a line that matches PATTERN, and returns the match."""
        deadline, seen = time.monotonic() + seconds, 0
        lines = self.errors if errors else self.lines
        with self.changed:
            while True:
                for line in lines[seen:]:
                    if match := re.search(pattern, line):
                        return match
                seen = len(lines)
                left = deadline - time.monotonic()
                if left <= 0 or (self.popen.poll() is not None
                                 and not any(r.is_alive() for r in self.readers)):
                    raise AssertionError(f"{self.describe()}: no line like {pattern!r}")
                self.changed.wait(min(left, 0.2))

    def wait(self, seconds=30):
        """Waits for the end; returns the exit code, with all output read."""
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.describe()}: still running after {seconds} s") from None
        for reader in self.readers:
            reader.join(5)
        return code

    def stop(self, sig=signal.SIGTERM, seconds=10):
        """Signals it if it still runs, waits, and returns the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(sig)
        return self.wait(seconds)

    def end(self):
        """For the clean-up: as stop(), then without mercy."""
        try:
            self.stop(seconds=5)
        except AssertionError:
            self.popen.kill()
            self.popen.wait()

    def output(self):
        return "\n".join(self.lines)

    def describe(self):
        if self.popen.poll() is not None:
            for reader in self.readers:
                reader.join(5)
        tail = "\n".join((self.lines + self.errors)[-15:])
        return f"{Path(self.argv[0]).name} (exit {self.popen.poll()})\n{tail}\n"


class Namespace:
    """A network namespace joined to the host by a veth pair; it lives as long as its holder."""

    count = 0
    net = random.randrange(1, 256)

    def __init__(self, bed):
        n = Namespace.count
        Namespace.count += 1
        self.link = f"sd{os.getpid()}-{n}"
        self.host4, self.ip4 = (f"198.18.{self.net}.{4 * n + i}" for i in (1, 2))
        self.host6, self.ip6 = (f"fd5d:{self.net:x}:{n + 1:x}::{i}" for i in (1, 2))
        holder = bed.start(["unshare", "--net", "sh", "-c", "echo made; exec sleep infinity"],
                           ready="made")
        self.enter = ["nsenter", f"--net=/proc/{holder.pid}/ns/net", "--"]
        ip = bed.run
        ip(["ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns",
            holder.pid])
        bed.undo(subprocess.run, ["ip", "link", "del", self.link], stderr=subprocess.DEVNULL)
        for inside, link, v4, v6 in ((False, self.link, self.host4, self.host6),
                                     (True, "eth0", self.ip4, self.ip6)):
            ns = self if inside else None
            ip(["ip", "addr", "add", f"{v4}/30", "dev", link], ns=ns)
            ip(["ip", "addr", "add", f"{v6}/64", "dev", link, "nodad"], ns=ns)
            ip(["ip", "link", "set", link, "up"], ns=ns)
        ip(["ip", "link", "set", "lo", "up"], ns=self)
        wait_for("veth up", lambda: "LOWER_UP" in ip(["ip", "link", "show", self.link]))


class Bed:
    """Makes things and undoes them."""

    def __init__(self, build):
        self.build = build
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        for sig in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, lambda number, _frame: sys.exit(128 + number))
        self.dir = Path(tempfile.mkdtemp(prefix="sonde-e2e-"))
        self.dir.chmod(0o755)
        self.undo(shutil.rmtree, self.dir, ignore_errors=True)
        return self

    def __exit__(self, *_exception):
        self.stack.close()

    def undo(self, function, *args, **kwargs):
        """Calls FUNCTION when the bed ends."""
        self.stack.callback(function, *args, **kwargs)

    def namespace(self):
        return Namespace(self)

    def helper(self, name):
        """A compiled server or client of tests/e2e/servers."""
        return self.build / "tests/e2e/servers" / name

    def start(self, argv, ns=None, ready=None, seconds=10, pdeathsig="KILL", **options):
        """Starts a process; with READY, waits for a line on its stdout that matches it."""
        process = Process([*(ns.enter if ns else []), *argv], pdeathsig, **options)
        self.undo(process.end)
        if ready:
            process.wait_line(ready, seconds)
        return process

    def run(self, argv, ns=None, seconds=60):
        """Runs a command to its end; returns stdout. Anything but exit 0 fails the test."""
        argv = [str(a) for a in [*(ns.enter if ns else []), *argv]]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds)
        assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stderr[-2000:]}"
        return done.stdout

    def server(self, name, address="127.0.0.1", args=(), ns=None, port=0, prompt=False):
        """Starts one of our servers; returns (process, port). It prints `ready PORT`."""
        argv = [*(PROMPT if prompt else []), self.helper(name), address, port, *args]
        process = self.start(argv, ns=ns)
        return process, int(process.wait_line(r"^ready (\d+)$")[1])

    def load(self, address, port, paths, n, ns=None, connections=8, rate=None, fresh=False,
             prompt=False, spin=False):
        """Runs load_client and returns its report."""
        argv = [*(PROMPT if prompt else []), self.helper("load_client"), "-n", n, "-c", connections]
        argv += ["-r", rate] if rate else []
        argv += ["-x"] if fresh else []
        argv += ["-s"] if spin else []
        report = json.loads(self.run([*argv, address, port, *paths], ns=ns, seconds=120))
        assert report["failed"] == 0, f"load: {report}"
        return report

    def h2load(self, address, port, paths, n, ns=None, connections=8):
        """N requests of h2load over HTTP/1.1 keep-alive, every one of them answered."""
        out = self.run(["h2load", "--h1", "-n", n, "-c", connections, "-t", 1,
                        *(url(address, port, path) for path in paths)], ns=ns, seconds=120)
        assert re.search(rf"requests: {n} total, .* {n} done, \d+ succeeded", out), out
        assert " 0 errored, 0 timeout" in out, out


NGINX = """
daemon off; master_process on; worker_processes {workers}; worker_rlimit_nofile 65536;
pid {dir}/nginx.pid; error_log stderr warn; user nobody nogroup; {main}
events {{ worker_connections 16384; }}
http {{
	log_format counts '$request_method $uri $status';
	access_log {log};
	client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
	keepalive_requests 100000000; keepalive_timeout 300s; default_type text/plain;
{servers}
}}
"""


class Nginx:
    """nginx in the foreground with one server of LOCATIONS on all ADDRESSES, one port."""

    def __init__(self, bed, locations, addresses=("127.0.0.1",), ns=None, workers=1, main="",
                 log=True, more_servers="", port=None):
        self.dir = Path(tempfile.mkdtemp(prefix="nginx-", dir=bed.dir))
        self.log = self.dir / "access.log"
        self.port = port or free_port()
        listens = " ".join(f"listen {url(a, self.port)[7:-1]};" for a in addresses)
        server = f"\tserver {{ {listens} {locations} }}\n{more_servers}"
        config = self.dir / "nginx.conf"
        config.write_text(NGINX.format(dir=self.dir, workers=workers, main=main, servers=server,
                                       log=f"{self.log} counts" if log else "off"))
        self.process = bed.start(["nginx", "-p", self.dir, "-c", config], ns=ns, pdeathsig="TERM")
        wait_for("nginx", lambda: self.answers(addresses[0], ns))

    def answers(self, address, ns):
        if self.process.popen.poll() is not None:
            raise AssertionError(self.process.describe())
        if ns:
            pid_file = self.dir / "nginx.pid"
            return pid_file.exists() and pid_file.read_text().strip()
        with contextlib.suppress(OSError):
            socket.create_connection((address, self.port), 1).close()
            return True

    def worker_pids(self):
        return children(self.process.pid)

    def counts(self, n=None):
        """The access log as a Counter of (method, path, status); with N, once it has N lines."""
        if n is not None:
            wait_for(f"{n} lines in the access log", lambda: len(read_log(self.log)) >= n)
        return collections.Counter(read_log(self.log))


def read_log(path):
    """Lines `METHOD PATH STATUS` as tuples."""
    return [(m, p, int(s)) for m, p, s in (l.split(" ") for l in path.read_text().splitlines())]


def children(pid):
    """Direct children of PID."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return sorted(found)
