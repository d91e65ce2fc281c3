#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Behind a DNAT both addresses are told: the one the application used, the one packets went to.

On loopback and over a wire, IPv4 and IPv6, for requests as well as connections, told by the server;
and told by the client when nobody answers there.
"""

import subprocess

from agent import Sonded, Trace
from bed import Bed, build_dir, url
from conns import Link, Told, config, nft
from tap import equal, main

SERVICE4, SERVICE6, PORT = "10.96.0.10", "fd96::10", 80
LOCAL4, LOCAL6 = "10.76.0.1", "fd76::1"
RULES = """
table inet service {{
    chain out {{ type nat hook output priority -100;
        ip daddr {service4} tcp dport {port} dnat ip to {address4}:{to4}
        ip daddr {service4} tcp dport 81 dnat ip to {address4}:9
        ip6 daddr {service6} tcp dport {port} dnat ip6 to [{address6}]:{to6}
    }}
}}
"""


def ask(bed, ns, address, n):
    for _ in range(n):
        bed.run(["curl", "-sSf", "--noproxy", "*", "-m", 10, url(address, PORT, "/delay/0")], ns=ns)


def check(bed, told, trace, ns, service, address, server, port, n=5):
    before, asked = len(told.to(port)), len(trace.records(port))
    ask(bed, ns, service, n)
    where = {"address": address, "port": port, "original_address": service, "original_port": PORT}
    for c in told.closed(port, before + n)[before:]:
        equal(c["server"], where, "server of a connection")
        equal((c["role"], c["process"]["pid"], c["process"]["comm"], c["peer_process"]["comm"]),
              ("server", server.pid, "delay_server", "curl"), "who")
        equal("original_address" in c["client"], False, "a client that was not changed")
    for r in trace.wait_records(port, asked + n)[asked:]:
        equal({key: r["server"].get(key) for key in where}, where, "server of a request")


def body(tap):
    with Bed(build_dir()) as bed:
        link = Link(bed)
        for ns, v4, v6 in ((link.left, LOCAL4, LOCAL6),):
            bed.run(["ip", "addr", "add", f"{v4}/32", "dev", "lo"], ns=ns)
            bed.run(["ip", "addr", "add", f"{v6}/128", "dev", "lo"], ns=ns)
        bed.run(["ip", "route", "add", "10.96.0.0/16", "via", link.right_ip], ns=link.left)
        for ns, mine in ((link.left, 1), (link.right, 2)):
            bed.run(["ip", "addr", "add", f"fd77::{mine}/64", "dev", "wire", "nodad"], ns=ns)
        bed.run(["ip", "route", "add", "fd96::/64", "via", "fd77::2"], ns=link.left)
        text, path = config(bed)
        agent = Sonded(bed, text)
        told, trace = Told(agent, path), Trace(agent)
        for name, ns, a4, a6 in (("over a wire", link.right, link.right_ip, "fd77::2"),
                                 ("on loopback", link.left, LOCAL4, LOCAL6)):
            (s4, p4), (s6, p6) = bed.server("delay_server", a4, ns=ns), bed.server(
                "delay_server", a6, ns=ns)
            nft(bed, link.left, RULES.format(service4=SERVICE4, service6=SERVICE6, port=PORT,
                                             address4=a4, to4=p4, address6=a6, to6=p6))
            with tap.case(f"{name}, IPv4: both addresses, both processes"):
                check(bed, told, trace, link.left, SERVICE4, a4, s4, p4)
            with tap.case(f"{name}, IPv6: both addresses, both processes"):
                check(bed, told, trace, link.left, SERVICE6, a6, s6, p6)
            with tap.case(f"{name}: asked for directly, there is one address"):
                before = len(told.to(p4))
                bed.run(["curl", "-sSf", "--noproxy", "*", "-m", 10, url(a4, p4, "/delay/0")],
                        ns=link.left)
                c = told.closed(p4, before + 1)[-1]
                equal(c["server"], {"address": a4, "port": p4}, "server")
            with tap.case(f"{name}: refused where it went"):
                before = len(told.to(81))
                done = subprocess.run([*link.left.enter, "curl", "-sS", "--noproxy", "*",
                                       url(SERVICE4, 81)], capture_output=True, timeout=20)
                equal(done.returncode, 7, "curl's exit code: could not connect")
                c = told.closed(81, before + 1)[-1]
                equal((c["server"], c["connect_error"], c["role"]),
                      ({"address": a4, "port": 9, "original_address": SERVICE4,
                        "original_port": 81}, "refused", "client"), "the failure")
            bed.run(["nft", "flush", "ruleset"], ns=link.left)
        agent.stop()


if __name__ == "__main__":
    main(body)
