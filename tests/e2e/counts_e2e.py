#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every request is counted, once: /metrics, the trace and the server's own log agree exactly.

Three servers that move their bytes in three ways (nginx, sendfile, io_uring), each loaded over
loopback and from another network namespace, IPv4 and IPv6: 20,000 requests over kept connections by
h2load, then 2,000 over a fresh connection each. Two of the servers listen on one IPv6 socket for
both families, so that half of their connections carry v4-mapped addresses.
"""

import collections
from pathlib import Path

from agent import Sonded, Trace
from bed import Bed, Nginx, build_dir, free_port, read_log, wait_for
from tap import Skip, equal, main

KEPT, FRESH = 20000, 2000
CONFIG = """
services:
  rules:
    - {{name: e2e-nginx, port: {nginx}}}
    - {{name: e2e-sendfile, port: {sendfile}}}
    - {{name: e2e-uring, port: {uring}}}
routes:
  unmatched: path
"""
NGINX = """
location / { return 200 "hello\\n"; }
location /missing { return 404; }
location /broken { return 500; }
location /empty { return 204; }
"""


def start_nginx(bed, port):
    nginx = Nginx(bed, NGINX, addresses=("0.0.0.0", "::"), port=port)
    return nginx.log, nginx.process


def start_sendfile(bed, port):
    body, log = bed.dir / "body", bed.dir / "sendfile.log"
    body.write_bytes(b"sonde\n" * 2000)
    return log, bed.server("sendfile_server", "::", [body, log], port=port)[0]


def start_uring(bed, port):
    disabled = Path("/proc/sys/kernel/io_uring_disabled")
    if disabled.exists() and disabled.read_text().strip() == "2":
        raise Skip("kernel.io_uring_disabled is 2")
    log = bed.dir / "uring.log"
    return log, bed.server("uring_server", "::", [log], port=port)[0]


SERVERS = {
    "nginx": (start_nginx, ["/", "/some/page", "/missing", "/broken", "/empty"]),
    "sendfile": (start_sendfile, ["/file", "/missing"]),
    "uring": (start_uring, ["/fast", "/large", "/missing"]),
}


def loads(ns):
    """The four ways in: (name, address, namespace of the client)."""
    return [("loopback, IPv4", "127.0.0.1", None), ("loopback, IPv6", "::1", None),
            ("namespace, IPv4", ns.host4, ns), ("namespace, IPv6", ns.host6, ns)]


def check(agent, trace, name, port, log, expected):
    """Holds the three counts of all traffic so far to PORT against each other."""
    wait_for(f"{expected} lines in the log", lambda: len(read_log(log)) >= expected)
    truth = collections.Counter(read_log(log))
    equal(truth.total(), expected, "lines in the server's log")
    counted = agent.wait_requests(expected, service_name=f"e2e-{name}")
    trace.settle()
    counted = agent.requests(service_name=f"e2e-{name}")
    equal(dict(counted), {(m, p, str(s)): n for (m, p, s), n in truth.items()},
          "/metrics and the log")
    equal(dict(trace.counts(port)), dict(truth), "the trace and the log")


def body(tap):
    with Bed(build_dir()) as bed:
        ports = {name: free_port() for name in SERVERS}
        agent = Sonded(bed, CONFIG.format(**ports))
        trace = Trace(agent)
        ns = bed.namespace()
        for name, (start, paths) in SERVERS.items():
            log, expected = None, 0
            with tap.case(f"{name} runs"):
                log, process = start(bed, ports[name])
            if not log:
                continue
            for way, address, where in loads(ns):
                with tap.case(f"{name}: {way}: {KEPT} kept, {FRESH} fresh"):
                    expected += KEPT + FRESH
                    bed.h2load(address, ports[name], paths, KEPT, ns=where)
                    bed.load(address, ports[name], paths, FRESH, ns=where, fresh=True)
                    found = agent.wait_requests(expected, service_name=f"e2e-{name}")
                    equal(found.total(), expected, "requests in /metrics")
            with tap.case(f"{name}: metrics, trace and log agree per route and status"):
                if name != "nginx":
                    process.stop()
                check(agent, trace, name, ports[name], log, expected)
        with tap.case("nothing was dropped on the way, and nobody was told of a loss"):
            equal(agent.losses(), {}, "losses")
            equal(trace.losses(), [], "losses in the trace")
        with tap.case("the daemon ends and leaves nothing behind"):
            agent.stop()


if __name__ == "__main__":
    main(body)
