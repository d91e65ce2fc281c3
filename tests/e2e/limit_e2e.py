#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A limit holds to one in a hundred, and whoever keeps within it loses nothing.

Floods over a veth pair between two namespaces, counted by nftables behind XDP; curl against a real
server while others are held back; a hundred thousand sources at once; who is allowed.
"""

import json
import os
import tempfile
import time

from bed import Bed, Nginx, build_dir, wait_for
from limits import PORT, Gun, Limited, Node
from tap import Skip, equal, main, near

# Floods are meant here: the breaker has a test of its own.
CALM = "  breaker: {percent: 0}\n"
SECONDS = 10


def rates(agent, tap, node):
    for rate in (10, 100, 1000, 10000, 100000):
        with tap.case(f"{rate}/s for {SECONDS} s pass to within 1 %"):
            name, port = f"rate{rate}", PORT + 1
            # Room for 50 ms, in which this machine may do something else: half a percent of all.
            burst = max(1, rate // 20)
            agent.add(name, "--rate", f"{rate}/s", "--burst", burst, "--dport", port, "--per",
                      "source", "--unit", "packets")
            node.count(name, f"udp dport {port}")
            # What the sender does not bring in time cannot pass: it runs before all others.
            report = node.send("198.19.7.7", "-t", SECONDS, "-r",
                               max(20000, 2 * rate) if rate < 100000 else 0, port=port,
                               prompt=True)
            passed = node.counted(name)
            row = agent.show(name)
            agent.limit("rm", name)
            equal(row["passed"], passed, "packets that the rule let pass, by its own count")
            seen = (row["passed"] + row["limited"]) / report["seconds"]
            if seen < 1.1 * rate:
                raise Skip(f"no more than {seen:.0f}/s reach XDP on this machine")
            near(passed, rate * report["seconds"], 0.01, "passed", slack=2)


def high_rates(agent, tap, node):
    gun, port = Gun(node), PORT + 2
    for rate in (300000, 1000000):
        with tap.case(f"{rate}/s for {SECONDS} s pass to within 1 %"):
            name = f"rate{rate}"
            agent.add(name, "--rate", f"{rate}/s", "--burst", rate // 20, "--dport", port)
            node.count_and_drop(name, f"udp dport {port}")
            begin = time.monotonic()
            while (seconds := time.monotonic() - begin) < SECONDS:
                gun.fire(rate // 4, 1, port)
            passed, row = node.dropped(name), agent.show(name)
            agent.limit("rm", name)
            equal(row["passed"], passed, "packets that the rule let pass, by its own count")
            seen = (row["passed"] + row["limited"]) / seconds
            if seen < 1.1 * rate:
                raise Skip(f"no more than {seen:.0f}/s reach XDP on this machine")
            near(passed, rate * seconds, 0.01, "passed")


def bytes_rate(agent, tap, node):
    with tap.case("bytes are limited to within 1 % too"):
        agent.add("bytes", "--rate", "1M/s", "--unit", "bytes", "--burst", "40K", "--dport", PORT)
        report = node.send("198.19.7.8", "-t", 5, "-r", 20000, "-l", 500, prompt=True)
        row = agent.show("bytes")
        agent.limit("rm", "bytes")
        near(row["passed_bytes"], 1e6 * report["seconds"], 0.01, "bytes passed")


def shared(agent, tap, node):
    with tap.case("per rule, all sources together keep to the rate"):
        agent.add("all", "--rate", "2000/s", "--burst", "80", "--per", "rule", "--dport", PORT)
        report = node.send("198.19.8.1", "-S", 200, "-t", 5, "-r", 20000, prompt=True)
        row = agent.show("all")
        agent.limit("rm", "all")
        near(row["passed"], 2000 * report["seconds"], 0.01, "passed", slack=80)
    with tap.case("per /24, each network keeps to it"):
        agent.add("net", "--rate", "500/s", "--burst", "20", "--per", "/24", "--dport", PORT)
        report = node.send("198.19.16.0", "-S", 1024, "-t", 5, "-r", 20000, prompt=True)
        row = agent.show("net")
        agent.limit("rm", "net")
        near(row["passed"], 4 * 500 * report["seconds"], 0.01, "passed", slack=80)


def fairness(agent, tap, node):
    n = 100000
    with tap.case(f"{n} sources within their rate lose nothing while one beside them floods"):
        agent.add("fair", "--rate", "2/s", "--burst", "3", "--dport", PORT)
        agent.add("all", "--rate", "1G/s", "--dport", PORT, "--src", "100.64.0.0/10", "--action",
                  "count", "--priority", "1")
        node.count("fair", f"udp dport {PORT} ip saddr 100.64.0.0/10")
        heavy = node.flood("198.19.9.9", "-t", 6, "-r", 20000)
        light = node.send("100.64.0.0", "-S", n, "-n", 4 * n, "-r", 80000)
        report = heavy.finish()
        passed, row, seen = node.counted("fair"), agent.show("fair"), agent.show("all")["passed"]
        agent.limit("rm", "fair")
        agent.limit("rm", "all")
        # Four packets of each at 0.8/s are within 2/s and a burst of 3.
        assert seen > 0.9 * light["sent"], f"{seen} of {light['sent']} came as far as XDP"
        equal(passed, seen, "packets of the many that passed")
        near(row["passed"] - seen, 2 * report["seconds"] + 3, 0.05,
             "packets of the one that passed", slack=2)
        equal(agent.metrics().sum("sonde_limit_crowded_total", iface=node.iface), 0,
              "sources without a bucket of their own")
    with tap.case("and the one leads the list of limited sources"):
        agent.add("lead", "--rate", "2/s", "--burst", "3", "--dport", PORT)
        heavy = node.flood("198.19.9.9", "-t", 3, "-r", 5000)
        node.send("100.64.0.0", "-S", 1000, "-n", 9000, "-r", 5000)
        heavy.finish()
        top = wait_for("samples", lambda: agent.show("lead")["top"])
        equal(top[0]["address"], "198.19.9.9", "most limited source")
        agent.limit("rm", "lead")


def real_clients(agent, tap, node):
    with Bed(agent.bed.build) as bed:
        nginx = Nginx(bed, "location / { return 200 ok; }", (node.ip,), ns=node.ns)
        url = f"http://{node.ip}:{nginx.port}/"
        with tap.case("curl within its rate is always served while others are limited"):
            agent.add("web", "--rate", "60/s", "--burst", "40", "--unit", "packets", "--dport",
                      nginx.port)
            flood = node.flood("198.19.7.1", "-S", 4, "-t", 12, "-r", 60000, "-y", port=nginx.port)
            codes = [node.run("curl", "-s", "-o", "/dev/null", "-m", "5", "-w", "%{http_code}", url,
                              ns=node.peer) for _ in range(30)]
            report = flood.finish()
            row = agent.show("web")
            agent.limit("rm", "web")
            equal(set(codes), {"200"}, "answers")
            assert row["limited"] > 0.5 * report["sent"], row
        with tap.case("new connections are limited, and those that stand are not"):
            agent.add("conns", "--rate", "1/s", "--burst", "3", "--unit", "connections", "--dport",
                      nginx.port)
            kept = node.run("curl", "-s", "-m", "9", "-w", "%{num_connects} %{http_code}\n",
                            "-o", "/dev/null", *([url] * 200), ns=node.peer)
            row = agent.show("conns")
            agent.limit("rm", "conns")
            equal((kept.count("200"), row["passed"], row["limited"]), (200, 1, 0),
                  "answers over one connection, SYNs passed and limited")
        with tap.case("requests are limited by their first bytes"):
            agent.add("reqs", "--rate", "1/s", "--burst", "5", "--unit", "requests", "--action",
                      "count", "--dport", nginx.port)
            node.run("curl", "-s", "-m", "9", "-o", "/dev/null", *([url] * 20), ns=node.peer)
            row = agent.show("reqs")
            agent.limit("rm", "reqs")
            equal(row["passed"] + row["limited"], 20, "requests seen")
            assert 5 <= row["passed"] <= 7, row


def allowed(agent, tap, node):
    with tap.case("who is allowed is never limited"):
        agent.add("tight", "--rate", "1/s", "--burst", "1", "--dport", PORT)
        agent.limit("allow", "add", "198.19.44.0/24")
        node.count("ok", f"udp dport {PORT} ip saddr 198.19.44.0/24")
        outcome = {"iface": node.iface, "outcome": "allowed"}
        before = agent.metrics().sum("sonde_limit_packets_total", **outcome)
        node.send("198.19.44.5", "-n", 5000, "-r", 20000)
        passed = node.counted("ok")
        agent.rules()
        equal(agent.metrics().sum("sonde_limit_packets_total", **outcome) - before, passed,
              "packets of the allowed")
        assert passed > 4000, passed
        equal(agent.show("tight")["limited"], 0, "limited")
        agent.limit("allow", "rm", "198.19.44.0/24")
        node.send("198.19.44.5", "-n", 5000, "-r", 20000)
        equal(node.counted("ok") - passed, agent.show("tight")["passed"], "passed by the rule")
        assert agent.show("tight")["passed"] <= 2, agent.show("tight")
        agent.limit("rm", "tight")


def seen(agent, tap, node):
    with tap.case("sonde trace --limited shows what is held back, the metrics how much"):
        agent.add("shown", "--rate", "10/s", "--burst", "1", "--dport", PORT)
        trace = agent.bed.start([agent.bed.build / "sonde", "--run-dir", agent.run_dir, "trace",
                                 "--limited", "-o", "jsonl", "--count", 5, "--timeout", 15],
                                ready=None)
        trace.wait_line("subscribed", errors=True)
        report = node.send("198.19.7.7", "-t", 3, "-r", 5000)
        equal(trace.wait(20), 0, "exit code of the trace")
        line = json.loads(trace.lines[0])
        equal([line[k] for k in ("record", "rule", "iface", "source", "port", "dropped")],
              ["limited", "shown", node.iface, "198.19.7.7", PORT, True], "record")
        row = agent.show("shown")
        metrics = agent.metrics()
        for result in ("passed", "limited"):
            equal(metrics.sum("sonde_limit_rule_packets_total", rule="shown", result=result),
                  row[result], result)
        assert 0 < row["passed"] + row["limited"] <= report["sent"], row
        equal(metrics.sum("sonde_limit_packets_total", iface=node.iface, outcome="dropped") > 0,
              True, "dropped on the interface")
        equal(metrics.sum("sonde_limit_rule_enforcing", rule="shown"), 1, "enforcing")
    with tap.case("sonde status shows the attach mode and the lease"):
        status = agent.status()
        equal([(i["name"], i["mode"]) for i in status["limit_interfaces"]],
              [(node.iface, "native")], "interfaces")
        assert 0 < int(status["limit_lease"]["left_ns"]) <= int(status["limit_lease"]["length_ns"])
        text = agent.cli("status").stdout
        assert "lim0" in text and "native" in text and "lease" in text, text
        agent.limit("rm", "shown")


def tried(agent, tap, node):
    with tap.case("sonde limit test says which rule would limit a packet"):
        agent.add("tried", "--rate", "1/s", "--burst", "2", "--dport", 443, "--proto", "tcp")
        packet = "src=203.0.113.5,proto=tcp,dport=443,syn"
        with tempfile.NamedTemporaryFile("w", dir=agent.dir, suffix=".txt") as f:
            f.write((packet + "\n") * 3)
            f.flush()
            rows = json.loads(agent.limit("test", f.name, "-o", "json")[0])
        equal([r["limited"] for r in rows], [False, False, True], "limited")
        equal(rows[2]["rule"], "tried", "rule")
        out = agent.limit("test", "--packet", "src=203.0.113.5,proto=udp,dport=443")[0]
        assert "no rule covers it" in out, out
        equal(agent.show("tried")["passed"], 0, "nothing was sent")
        agent.limit("rm", "tried")


def body(tap):
    os.environ.pop("SSH_CONNECTION", None)
    with Bed(build_dir()) as bed:
        node = Node(bed)
        agent = Limited(node)
        agent.process.stop()
        agent.configure(CALM)
        agent.start()
        for part in (rates, high_rates, bytes_rate, shared, fairness, real_clients, allowed, seen, tried):
            part(agent, tap, node)
        with tap.case("without rules nothing is left on the interface"):
            equal(node.xdp_of_link(), "", "XDP")
            agent.stop()


if __name__ == "__main__":
    main(body)
