#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Claim: a peer elsewhere is called after its network, or by its address; too many are `__other__`.

The clients are in a cgroup that the agent leaves alone, so that it knows of them no more than of
those on another machine: a client that it watches is named itself, whatever its address.
"""

import json
import os

from agent import REQUESTS, Sonded, Trace
from bed import Bed, build_dir, url, wait_for
from recorded import cgroup_root
from tap import Skip, equal, main

CONFIG = """
capture:
  ignored_cgroups: [{cgroup}]
services:
  rules:
    - {{name: shop, comm: delay_server}}
    - {{name: near, comm: load_client}}
peers:
  max_addresses: 2
  groups:
    - {{name: office, cidr: 10.99.0.0/16}}
    - {{name: lab, cidr: 10.99.7.0/24}}
    - {{name: branch, cidr: "fd99::/32"}}
    - {{name: printer, cidr: 10.98.0.9}}
"""
# Who calls: address, and what it is to be called. The order is that of the calls.
CALLERS = [("10.99.1.1", "office"), ("10.99.7.1", "lab"), ("10.98.0.9", "printer"),
           ("fd99::1", "branch"), ("10.88.0.1", "10.88.0.1"), ("fd88::2", "fd88::2"),
           ("10.88.0.3", "__other__"), ("fd88::4", "__other__"), ("10.88.0.1", "10.88.0.1")]
GROUPS = ("office", "lab", "printer", "branch")


class Elsewhere:
    """Clients with addresses of their own, of which the agent is told nothing."""

    def __init__(self, bed):
        root = cgroup_root()
        if not root:
            raise Skip("no cgroup v2 hierarchy is mounted")
        self.bed, self.cgroup = bed, f"/sonde-elsewhere-{os.getpid()}"
        self.path = root + self.cgroup
        os.mkdir(self.path)
        bed.undo(os.rmdir, self.path)
        self.ns = bed.namespace()
        for address, _ in dict(CALLERS).items():
            family, bits = ("-6", 128) if ":" in address else ("-4", 32)
            nodad = ["nodad"] if ":" in address else []
            bed.run(["ip", "addr", "add", f"{address}/{bits}", "dev", "lo", *nodad], ns=self.ns)
            bed.run(["ip", family, "route", "add", f"{address}/{bits}", "dev", self.ns.link, "via",
                     self.ns.ip6 if nodad else self.ns.ip4])

    def call(self, address, port, path):
        host = self.ns.host6 if ":" in address else self.ns.host4
        self.bed.run(["sh", "-c", f'echo $$ >{self.path}/cgroup.procs && exec "$@"', "sh",
                      *self.ns.enter, "curl", "-gsSf", "--interface", address,
                      url(host, port, path)])


def body(tap):
    with Bed(build_dir()) as bed:
        clients = None
        with tap.case("clients that the agent leaves alone"):
            clients = Elsewhere(bed)
        if clients:
            check(tap, bed, clients)


def check(tap, bed, clients):
    agent = Sonded(bed, CONFIG.format(cgroup=clients.cgroup))
    trace = Trace(agent)
    _, port = bed.server("delay_server", "::")
    for i, (address, _) in enumerate(CALLERS):
        clients.call(address, port, f"/delay/{i}")
    records = trace.wait_records(port, len(CALLERS))
    with tap.case("requests are told by the server alone, with the network of the client"):
        equal([(r["role"], r["service"], r["client"]["address"], r.get("peer_service"),
                "peer_process" in r) for r in records],
              [("server", "shop", address, name if name in GROUPS else None, False)
               for address, name in CALLERS], "requests")
    with tap.case("series and edges carry the names"):
        m = agent.metrics()
        equal(m.sum(REQUESTS + "_count", service_name="shop"), len(CALLERS), "requests")
        counts = m.by("sonde_service_edge_requests_total", "client_service", server_service="shop")
        want = {name: [n for _, n in CALLERS].count(name) for _, name in CALLERS}
        equal(dict(counts), want, "edges")
        assert m.sum("sonde_peers_overflowed_total") > 0, "nothing was called __other__"
    with tap.case("so do connections, services and the map"):
        rows = json.loads(agent.cli("conns", "--closed", "--port", port, "-o", "json").stdout)
        rows = rows["connections"] if isinstance(rows, dict) else rows
        equal(sorted((c["client"]["address"], c["peer_service"]) for c in rows), sorted(CALLERS),
              "connections")
        picture = agent.cli("map", "-o", "dot").stdout
        for name in want:
            assert f'"{name}" -> "shop"' in picture, f"{name} is not in the map:\n{picture}"
        services = agent.cli("services", "-o", "jsonl").stdout
        (shop,) = [s for s in map(json.loads, services.splitlines()) if s["service"] == "shop"]
        assert set(GROUPS) <= set(shop["peers"]), shop
    with tap.case("a client that is watched is named itself, whatever its address"):
        bed.load(clients.ns.host4, port, ["/delay/near"], 1, ns=clients.ns)
        wait_for("its record", lambda: len(trace.records(port)) > len(CALLERS))
        record = trace.records(port)[-1]
        equal((record["peer_service"], record["peer_process"]["comm"]), ("near", "load_client"),
              "the peer")
    trace.process.stop()
    agent.stop()


if __name__ == "__main__":
    main(body)
