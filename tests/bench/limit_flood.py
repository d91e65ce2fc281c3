# SPDX-License-Identifier: Apache-2.0
"""B9, whole: packets/s that a veth pair takes while something limits them by their source.

The same policy three times: Sonde's rule (XDP), an nftables meter at its earliest hook, an iptables
hashlimit in the raw table. Sonde against each of the others in pairs. What a limiter lets pass is
dropped a little further on, at the same place for all, so that a flood costs what holding it back
costs, and no answer. Packets are made by the kernel (gun.c) on one CPU, which also handles
them: making them is part of every figure, and is told.
"""

from limits import PORT, Gun, Limited, Node
from measure import compare

WINDOW = 150_000  # packets
SINK = """
table inet sink {
  chain c { type filter hook prerouting priority -250; iifname lim0 udp dport %d counter drop; }
}""" % PORT
DROP = """
table netdev yardstick {
  chain c { type filter hook ingress device lim0 priority 0; udp dport %d drop; }
}""" % PORT
METER = """
table netdev metered {
  set sources { type ipv4_addr; flags dynamic; size 1000000; timeout 60s; }
  chain c {
    type filter hook ingress device lim0 priority 0;
    udp dport %d update @sources { ip saddr limit rate over 1/second burst 1 packets } drop
  }
}""" % PORT
HASHLIMIT = ["-t", "raw", "-A", "PREROUTING", "-i", "lim0", "-p", "udp", "--dport", PORT, "-m",
             "hashlimit", "--hashlimit-above", "1/sec", "--hashlimit-burst", "1",
             "--hashlimit-mode", "srcip", "--hashlimit-name", "bench", "--hashlimit-htable-max",
             "1000000", "--hashlimit-htable-size", "262144", "-j", "DROP"]
LOADS = [("one_source", "one source, far beyond its rate", 1),
         ("sources_32k", "32k sources, all beyond it", 32768),
         ("sources_16m", "every packet a new source", 1 << 24)]


class Limiters:
    """One at a time on lim0."""

    def __init__(self, agent, node):
        self.agent, self.node, self.now = agent, node, None

    def use(self, name):
        if self.now != name:
            if self.now:
                getattr(self, f"{self.now}_off")()
            getattr(self, f"{name}_on")()
            self.now = name

    def nothing_on(self):
        pass

    nothing_off = nothing_on

    def drop_on(self):
        self.node.nft(DROP)

    def drop_off(self):
        self.node.nft("delete table netdev yardstick")

    def nft_on(self):
        self.node.nft(METER)

    def nft_off(self):
        self.node.nft("delete table netdev metered")

    def hashlimit_on(self):
        self.node.run("iptables-legacy", *HASHLIMIT)

    def hashlimit_off(self):
        self.node.run("iptables-legacy", "-t", "raw", "-F")

    def sonde_on(self):
        self.agent.add("flood", "--dport", PORT, "--proto", "udp", "--per", "source", "--rate",
                       "1/s", "--burst", "1")

    def sonde_off(self):
        self.agent.limit("rm", "flood")


def pps(gun, sources):
    return WINDOW * 1e9 / gun.fire(WINDOW, sources)


def add_rows(bed, report, blocks):
    node = Node(bed)
    node.nft(SINK)
    agent = Limited(node, "  breaker: {percent: 0}\n")
    gun, limiters = Gun(node), Limiters(agent, node)
    limiters.use("drop")
    pps(gun, 1)
    report.add("drop_pps", "packets/s that one nftables rule drops, at the earliest",
               pps(gun, 1))
    for key, text, sources in LOADS:
        report.note(text)
        for other in ("nft", "hashlimit"):
            result = compare(lambda n=sources: {"pps": pps(gun, n)},
                             lambda o=other: limiters.use(o), lambda: limiters.use("sonde"),
                             blocks or 10, "pps")
            gain = tuple(1 + x / 100 for x in result.relative("pps"))
            report.add(f"{key}_{other}_pps", f"  packets/s with {other}", result.level("pps"))
            report.add(f"{key}_sonde_pps", "  packets/s with Sonde", result.level("pps", True))
            report.add(f"{key}_over_{other}", f"  Sonde over {other}", gain, "times",
                       "must 2, aim 4" if other == "nft" else "")
    report.add("crowded", "packets that shared a bucket",
               agent.metrics().sum("sonde_limit_crowded_total"))
    limiters.use("nothing")
    agent.stop()
