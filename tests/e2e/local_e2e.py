#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An exchange between two processes of the node is reported once, by the server, naming both.

Over loopback, between namespaces, IPv4 and IPv6; and on connections and listeners that are older
than the agent.
"""

import collections
import http.client

from agent import REQUESTS, Sonded, Trace
from bed import Bed, build_dir
from tap import equal, main

N = 200
CONFIG = """
routes:
  unmatched: path
services:
  rules:
    - {name: front, comm: load_client}
    - {name: back, comm: delay_server}
"""


def check_pair(agent, trace, bed, server, address, port, ns=None):
    before = len(trace.records(port))
    bed.load(address, port, ["/delay/0"], N, ns=ns)
    mine = trace.wait_records(port, before + N)[before:]
    seen = collections.Counter((r["role"], r["service"], r["peer_service"], r["process"]["comm"],
                                r["process"]["pid"], r["server"]["address"]) for r in mine)
    equal(dict(seen), {("server", "back", "front", "delay_server", server.pid, address): N},
          "who called whom")
    equal(agent.metrics().sum("http_client_request_duration_seconds_count"), 0, "client series")


def older_sockets(bed, tap):
    """Listener, kept connection and client exist before the agent."""
    server, port = bed.server("delay_server")
    kept = http.client.HTTPConnection("127.0.0.1", port)
    ask(kept, "/delay/0")
    agent = Sonded(bed, CONFIG)
    trace = Trace(agent)
    with tap.case("a connection older than the agent is followed from its next request on"):
        for _ in range(10):
            ask(kept, "/delay/1")
        mine = trace.wait_records(port, 10)
        equal({(r["role"], r["process"]["pid"], int(r["status"])) for r in mine},
              {("server", server.pid, 200)}, "role, pid, status")
    with tap.case("a fresh connection to a listener older than the agent has its identity"):
        check_pair(agent, trace, bed, server, "127.0.0.1", port)
    kept.close()
    agent.stop()


def ask(connection, path):
    connection.request("GET", path)
    equal(connection.getresponse().read(), b"ok\n", "answer")


def body(tap):
    with Bed(build_dir()) as bed:
        ns, other = bed.namespace(), bed.namespace()
        agent = Sonded(bed, CONFIG)
        trace = Trace(agent)
        ways = [("loopback, IPv4", "127.0.0.1", None, None), ("loopback, IPv6", "::1", None, None),
                ("into a namespace, IPv4", ns.ip4, ns, None),
                ("into a namespace, IPv6", ns.ip6, ns, None),
                ("out of a namespace", other.host4, None, other),
                ("loopback of a namespace", "127.0.0.1", other, other)]
        for name, address, server_ns, client_ns in ways:
            with tap.case(f"{name}: once, with both identities"):
                server, port = bed.server("delay_server", address, ns=server_ns)
                check_pair(agent, trace, bed, server, address, port, client_ns)
        with tap.case("/metrics names both and counts each exchange once"):
            counted = agent.metrics().by(REQUESTS + "_count", "service_name", http_route="/delay/0")
            equal(counted["back"], N * len(ways), "requests of back")
        agent.stop()
        older_sockets(bed, tap)


if __name__ == "__main__":
    main(body)
