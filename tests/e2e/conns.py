# SPDX-License-Identifier: Apache-2.0
"""What the agent tells of connections, and what everybody else says of the same ones.

    agent = Sonded(bed, CONNECTIONS)
    told = Told(agent)
    ...
    (c,) = told.closed(port, 1)

A Link joins two namespaces; on it segmentation offload is off, so that a packet is a segment and
the counters of nftables and those of TCP speak of the same things.
"""

import collections
import ctypes
import fcntl
import itertools
import json
import os
import random
import re
import select
import socket
import struct
import subprocess
import threading
import time

from bed import wait_for

CONNECTIONS = """
exporters:
  jsonl: {{enabled: true, path: {path}, max_bytes: 0, queue_records: 262144}}
connections: {{snapshot_interval: 500ms}}
"""


def config(bed, more=""):
    """(text, path): a config that writes connections to PATH, as nobody."""
    out = bed.dir / "out"
    out.mkdir(exist_ok=True)
    out.chmod(0o777)
    path = out / f"connections-{random.randrange(1 << 30)}.jsonl"
    return CONNECTIONS.format(path=path) + more, path


class Told:
    """The connections that have been written since this was made."""

    def __init__(self, agent, path):
        self.agent, self.path = agent, path
        self.offset, self.all = 0, []

    def read(self):
        if not self.path.exists():
            return self.all
        with self.path.open("rb") as f:
            f.seek(self.offset)
            text = f.read()
        whole = text.rfind(b"\n") + 1
        self.offset += whole
        for line in text[:whole].splitlines():
            record = json.loads(line)
            if record["record"] == "connection":
                self.all.append(record)
        return self.all

    def to(self, port):
        """Those to that server port, whether the application asked for it or packets went there."""
        return [c for c in self.read()
                if port in (c["server"]["port"], c["server"].get("original_port"))]

    def closed(self, port, n, seconds=15):
        """The N connections to PORT, once all have closed; and no more, once all have been told.

        A later connection of our own has come by then, and its telling waits longest.
        """
        wait_for(f"{n} connections to port {port}", lambda: len(self.to(port)) >= n, seconds)
        self.settle()
        found = self.to(port)
        assert len(found) == n, f"{len(found)} connections to port {port}, want {n}"
        return found

    def settle(self, seconds=15):
        """Returns once whatever has closed before has been written."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            client = socket.create_connection(("127.0.0.1", port))
            server, _ = listener.accept()
            client.close()
            assert not server.recv(1)
            server.close()
        wait_for("a later connection", lambda: self.to(port), seconds)


def check_ledger(agent):
    """At rest every connection is delivered or dropped, and none for a reason that is a loss."""
    def even():
        produced, delivered, dropped = agent.ledger()["connection"]
        return produced == delivered + dropped

    wait_for("an even ledger of connections", even)
    losses = agent.losses()
    assert not losses, f"losses: {losses}"


class Link:
    """Two namespaces with a cable between them; its ends are `left` and `right` of each."""

    count = itertools.count()

    def __init__(self, bed):
        self.left, self.right = bed.namespace(), bed.namespace()
        n = next(self.count)
        self.left_ip, self.right_ip = f"10.77.{n}.1", f"10.77.{n}.2"
        pids = [ns.enter[1].split("/")[2] for ns in (self.left, self.right)]
        names = f"w{os.getpid()}-l", f"w{os.getpid()}-r"
        bed.run(["ip", "link", "add", names[0], "type", "veth", "peer", "name", names[1]])
        for ns, pid, name, ip in ((self.left, pids[0], names[0], self.left_ip),
                                  (self.right, pids[1], names[1], self.right_ip)):
            bed.run(["ip", "link", "set", name, "netns", pid])
            bed.run(["ip", "link", "set", name, "name", "wire"], ns=ns)
            bed.run(["ip", "addr", "add", f"{ip}/24", "dev", "wire"], ns=ns)
            bed.run(["ip", "link", "set", "wire", "gso_max_segs", 1, "up"], ns=ns)
        wait_for("wire up", lambda: "LOWER_UP" in bed.run(["ip", "link", "show", "wire"],
                                                          ns=self.left))


class LongWire:
    """A cable between the namespaces of LINK on which everything takes DELAY seconds.

    Kernels without netem have nothing that delays, so a thread carries the packets between two tun
    devices. Addresses: 10.78.0.1 and 10.78.0.2.
    """

    left_ip, right_ip = "10.78.0.1", "10.78.0.2"

    def __init__(self, bed, link, delay):
        self.delay = delay
        fds = [self.open(bed, ns, ip) for ns, ip in ((link.left, self.left_ip),
                                                      (link.right, self.right_ip))]
        self.ends = {fds[0]: fds[1], fds[1]: fds[0]}
        stopped, self.stop = os.pipe()
        self.thread = threading.Thread(target=self.carry, args=(stopped,), daemon=True)
        self.thread.start()

    @staticmethod
    def open(bed, ns, ip):
        def make():
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"long", 0x1001))
            return fd

        fd = in_namespace(ns, make)
        bed.run(["ip", "addr", "add", f"{ip}/24", "dev", "long"], ns=ns)
        bed.run(["ip", "link", "set", "long", "up"], ns=ns)
        return fd

    def carry(self, stopped):
        held = collections.deque()
        while True:
            wait = max(0, held[0][0] - time.monotonic()) if held else None
            ready = select.select([*self.ends, stopped], [], [], wait)[0]
            if stopped in ready:
                return
            for fd in ready:
                held.append((time.monotonic() + self.delay, self.ends[fd], os.read(fd, 65536)))
            while held and held[0][0] <= time.monotonic():
                _, fd, packet = held.popleft()
                os.write(fd, packet)

    def close(self):
        os.write(self.stop, b"x")
        self.thread.join()
        for fd in self.ends:
            os.close(fd)


def nft(bed, ns, text):
    """Loads rules into a namespace."""
    done = subprocess.run([*ns.enter, "nft", "-f", "-"], input=text, capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def counters(bed, ns):
    """{name: packets} of the named counters of a namespace."""
    shown = json.loads(bed.run(["nft", "-j", "list", "counters"], ns=ns))["nftables"]
    return {c["counter"]["name"]: c["counter"]["packets"] for c in shown if "counter" in c}


def count_port(bed, ns, port, name="c"):
    """Counts what passes to and from PORT, as the sockets of the namespace see it."""
    nft(bed, ns, f"""
table inet {name} {{
    counter {name}_in {{ }}
    counter {name}_out {{ }}
    chain in {{ type filter hook input priority 0; tcp dport {port} counter name {name}_in; }}
    chain out {{ type filter hook output priority 0; tcp sport {port} counter name {name}_out; }}
}}
""")


FIELD = re.compile(r"\b(bytes_sent|bytes_retrans|bytes_received|segs_out|segs_in|rcv_ooopack)"
                   r":(\d+)")
RTT = re.compile(r"\brtt:([\d.]+)/([\d.]+)")
RETRANS = re.compile(r"\bretrans:\d+/(\d+)")
LIMITED = re.compile(r"\b(rwnd_limited|sndbuf_limited):(\d+)ms")
MIN_RTT = re.compile(r"\bminrtt:([\d.]+)")


def ss(bed, ns, *what):
    """What `ss -ti` says of the one established connection that WHAT chooses."""
    out = bed.run(["ss", "-tinH", "state", "connected", "exclude", "time-wait", *what], ns=ns)
    lines = [line for line in out.splitlines() if line.startswith((" ", "\t"))]
    assert len(lines) == 1, f"ss {what}: {out!r}"
    got = {"bytes_sent": 0, "bytes_received": 0, "bytes_retrans": 0, "rcv_ooopack": 0}
    got.update((key, int(value)) for key, value in FIELD.findall(lines[0]))
    got.update((key, int(value)) for key, value in LIMITED.findall(lines[0]))
    retrans, rtt, least = (p.search(lines[0]) for p in (RETRANS, RTT, MIN_RTT))
    got["retrans"] = int(retrans[1]) if retrans else 0
    got["rtt_ms"], got["rttvar_ms"] = (float(rtt[1]), float(rtt[2])) if rtt else (0, 0)
    got["minrtt_ms"] = float(least[1]) if least else 0
    got["payload"] = got["bytes_sent"] - got["bytes_retrans"]
    return got


def in_namespace(ns, function):
    """Calls FUNCTION() with this thread in the network namespace; sockets made there stay there."""
    path = ns.enter[1].split("=")[1]
    with open("/proc/thread-self/ns/net", "rb") as own, open(path, "rb") as other:
        setns(other.fileno())
        try:
            return function()
        finally:
            setns(own.fileno())


def setns(fd):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")


def listen(ns, address, port=0, backlog=16):
    """A listening socket in a namespace; (socket, port)."""
    s = in_namespace(ns, lambda: socket.create_server((address, port), backlog=backlog))
    return s, s.getsockname()[1]


def connect(ns, address, port, timeout=10, receive_bytes=None):
    def make():
        s = socket.socket()
        if receive_bytes:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        s.settimeout(timeout)
        s.connect((address, port))
        return s

    return in_namespace(ns, make)
