# SPDX-License-Identifier: Apache-2.0
"""What the limiter's tests share: a node and a peer of namespaces, the daemon in the node, floods.

The node's only interface with rules is one end of a veth pair between two namespaces of the test;
no interface of the machine is ever touched. What comes through is counted by nftables behind XDP.
A veth pair has room for 256 packets and loses what comes faster than it is read, before XDP: what a
rule has seen, not what was sent, is what must add up.
"""

import contextlib
import json
import re
import subprocess
import time
from pathlib import Path

import scrape
from agent import Sonded
from bed import PROMPT, wait_for

PORT = 7009  # of floods


class Limited(Sonded):
    """sonded in the namespace of NODE."""

    def __init__(self, node, config="", start=True):
        self.node = node
        super().__init__(node.bed, start=False)
        audit = "limit:\n  audit: {path: %s}\n" % (self.dir / "audit.jsonl")
        self.config.write_text(audit + config)
        self.audit_path = self.dir / "audit.jsonl"
        if start:
            self.start()

    def configure(self, text):
        """Rewrites the config below `limit:`, the lines of TEXT being keys of it."""
        self.config.write_text("limit:\n  audit: {path: %s}\n%s" % (self.audit_path, text))

    def start(self):
        self.process = self.bed.start(
            [self.bed.build / "sonded", "--config", self.config, "--run-dir", self.run_dir,
             "--http", f"127.0.0.1:{self.port}"],
            ns=self.node.ns, ready=r"^sonded: ready", seconds=20, pdeathsig="TERM")

    def metrics(self, openmetrics=False):
        text = self.bed.run(["curl", "-s", f"http://127.0.0.1:{self.port}/metrics"],
                            ns=self.node.ns)
        return scrape.Metrics(text)

    def limit(self, *args, code=0, env=None):
        """`sonde limit ARGS`, which must end with CODE; returns (stdout, stderr)."""
        done = self.cli("limit", *args, env=env)
        assert done.returncode == code, f"limit {args}: {done.returncode}\n{done.stderr}"
        return done.stdout, done.stderr

    def add(self, name, *args, confirm=True):
        self.limit("add", name, "--iface", self.node.iface, *args)
        if confirm:
            self.limit("confirm", name)

    def show(self, name):
        return json.loads(self.limit("show", name, "-o", "json")[0])

    def rules(self):
        return json.loads(self.limit("list", "-o", "json")[0])

    def rule(self, name):
        """The rule's row, or None when there is none."""
        return next((r for r in self.rules()["rules"] if r["name"] == name), None)

    def audit(self):
        if not self.audit_path.exists():
            return []
        return [json.loads(line) for line in self.audit_path.read_text().splitlines()]

    def stop_hard(self):
        """SIGTERM without the look for what is left: rules stay on purpose."""
        code = self.process.stop(seconds=10)
        assert code == 0, self.process.describe()


class Node:
    """Two namespaces with a veth pair between them: IFACE in NS, its peer in PEER."""

    iface = "lim0"
    net = "198.19"

    def __init__(self, bed):
        self.bed = bed
        self.ns, self.peer = bed.namespace(), bed.namespace()
        self.ip, self.peer_ip = f"{self.net}.0.1", f"{self.net}.0.2"
        self.make_link()
        self.nft("add table inet t",
                 "add chain inet t c { type filter hook prerouting priority -300; }")

    def run(self, *argv, ns=None):
        return self.bed.run(argv, ns=ns or self.ns)

    def make_link(self):
        holder = re.search(r"/proc/(\d+)/", self.peer.enter[1])[1]
        self.run("ip", "link", "add", self.iface, "type", "veth", "peer", "name", "peer0",
                 "netns", holder)
        for ns, link, ip in ((self.ns, self.iface, self.ip), (self.peer, "peer0", self.peer_ip)):
            self.run("ip", "addr", "add", f"{ip}/16", "dev", link, ns=ns)
            self.run("ip", "link", "set", link, "up", ns=ns)
        # A peer that runs NAPI as a card would, and answers that come back for any source.
        with contextlib.suppress(AssertionError):
            self.run("ethtool", "-K", "peer0", "gro", "on", ns=self.peer)
        for ns, link in ((self.ns, self.iface), (self.peer, "peer0")):
            wait_for("the link", lambda ns=ns, link=link: "LOWER_UP" in self.run(
                "ip", "link", "show", link, ns=ns))
        self.mac = re.search(r"link/ether (\S+)", self.run("ip", "link", "show", self.iface))[1]
        self.run("ip", "neigh", "replace", self.ip, "lladdr", self.mac, "dev", "peer0",
                 ns=self.peer)

    def remove_link(self):
        self.run("ip", "link", "del", self.iface)

    def nft(self, *lines):
        done = subprocess.run([*self.ns.enter, "nft", "-f", "-"], input="\n".join(lines),
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def count(self, name, match):
        """Counts packets behind XDP that MATCH, from now on; see counted()."""
        self.nft(f"add counter inet t {name}", f"add rule inet t c {match} counter name {name}")

    def counted(self, name):
        """What was counted, once no more comes."""
        before = -1
        while (now := self.counter(name)) != before:
            before = now
            time.sleep(0.3)  # longer than a busy machine leaves packets lying
        return now

    def count_and_drop(self, name, match):
        """The same at the earliest place behind XDP, where what is counted also ends."""
        self.nft(f"table netdev {name} {{ counter {name} {{ }}; chain c {{ type filter hook ingress "
                 f"device {self.iface} priority 0; {match} counter name {name} drop; }}; }}")

    def dropped(self, name):
        """What count_and_drop() has counted; it counts no more."""
        packets = self.counter(name, f"netdev {name}")
        self.nft(f"delete table netdev {name}")
        return packets

    def counter(self, name, table="inet t"):
        text = self.run("nft", "-j", "list", "counter", *table.split(), name)
        return next(row["counter"]["packets"] for row in json.loads(text)["nftables"]
                    if "counter" in row)

    def flood(self, source, *options, port=PORT, prompt=False):
        """A flood in the background; finish() gives what it has sent."""
        return Flood(self, source, options, port, prompt)

    def send(self, source, *options, port=PORT, prompt=False):
        return self.flood(source, *options, port=port, prompt=prompt).finish()

    def xdp_of_link(self):
        """What `ip` says of XDP on the interface: "" when there is none."""
        found = re.search(r"xdp\S*", self.run("ip", "-d", "link", "show", self.iface))
        return found[0] if found else ""


class Gun:
    """Millions of packets/s out of the peer's end, by 10.0.0.0 and up; see gun.c."""

    def __init__(self, node):
        bed, source = node.bed, Path(__file__).parent / "servers/gun.bpf.c"
        target = bed.dir / "gun.o"
        machine = bed.run(["gcc", "-print-multiarch"]).strip()
        bed.run(["clang", "-target", "bpf", "-O2", "-g", "-I", f"/usr/include/{machine}", "-c",
                 source, "-o", target])
        # Frames are taken by an end that runs NAPI, with XDP or without.
        node.run("ethtool", "-K", node.iface, "gro", "on")
        self.process = bed.start(["taskset", "-c", "1", bed.helper("gun"), target, "peer0",
                                  node.mac, node.ip], ns=node.peer, ready="^ready")

    def fire(self, n, sources, port=PORT):
        """Nanoseconds that N packets took."""
        return self.process.ask(f"fire {n} {sources} {port}", 60)


class Flood:
    def __init__(self, node, source, options, port, prompt):
        self.process = node.bed.start(
            [*(PROMPT if prompt else []), node.bed.helper("flood"), "-i", "peer0", "-m", node.mac, "-s", source, "-d", node.ip,
             "-p", port, *options], ns=node.peer, ready="ready")

    def finish(self, seconds=60):
        code = self.process.wait(seconds)
        assert code == 0, self.process.describe()
        return json.loads(self.process.lines[-1])
