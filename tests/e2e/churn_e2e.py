#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""20,000 connections that open and close are counted exactly, and then nothing is left of them.

Not in a table of the kernel, not in the daemon, within 60 s; whoever closes first, by FIN or by
RST, with a word or without.
"""

import collections
import json

from agent import Sonded
from bed import Bed, build_dir, wait_for
from conns import Told, check_ledger, config
from tap import equal, main

CYCLES = 5000  # of each way
WAYS = [("the client closes", "closes"), ("the server closes", "serves"),
        ("the client resets", "resets"), ("nothing is said", "mute")]
TABLES = {"sonde_pairs", "sonde_claimed", "sonde_nats"}
OTHERS = 500  # connections of other programs that may live meanwhile
RULES = """
services:
  rules:
    - {name: churn, comm: churn_client}
"""


def check(found, way):
    equal(len({c["connection_id"] for c in found}), CYCLES, "ids")
    word = 0 if way == "mute" else 5
    want = (("server", "churn_client", "churn_client"), (word, word),
            "server" if way == "serves" else "client", "client" if way == "resets" else None)
    seen = collections.Counter(
        ((c["role"], c["process"]["comm"], c["peer_process"]["comm"]),
         (c["bytes_to_server"], c["bytes_to_client"]), c["closed_by"], c.get("reset_by"))
        for c in found)
    equal(dict(seen), {want: CYCLES}, "what is told of them")


def held(agent):
    """{table: entries} of those that are not empty."""
    return {m["name"]: m["entries"] for m in agent.status()["maps"]
            if m["name"] in TABLES and m["entries"]}


def body(tap):
    with Bed(build_dir()) as bed:
        text, path = config(bed, RULES)
        agent = Sonded(bed, text)
        told = Told(agent, path)
        for name, way in WAYS:
            ports = json.loads(bed.run([bed.helper("churn_client"), CYCLES, way]))["ports"]
            with tap.case(f"{name}: {CYCLES} cycles are {CYCLES} connections"):
                check([c for port in ports for c in told.closed(port, CYCLES // 2, 60)], way)
        with tap.case("the metrics count each once"):
            m = agent.metrics()
            for what in ("opened", "closed"):
                equal(m.sum(f"sonde_tcp_connections_{what}_total", server_service="churn"),
                      CYCLES * len(WAYS), what)
            equal(m.sum("sonde_tcp_connections_active", server_service="churn"), 0, "active")
        with tap.case("no table of the kernel holds any"):
            wait_for("empty tables", lambda: not held(agent), 60)
        with tap.case("the daemon holds none, and its ledger is even"):
            wait_for("connections to go", lambda: agent.status()["connections"] < OTHERS, 60)
            check_ledger(agent)
        agent.stop()


if __name__ == "__main__":
    main(body)
