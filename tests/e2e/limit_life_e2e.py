#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Limits begin, end and outlive the daemon as promised, and lock nobody out.

Trials, times to live, the lease after everything was killed, the breaker, the panic switch,
restarts under load, interfaces that go and come back, somebody else's program, who may and who did.
"""

import json
import os
import pathlib
import signal
import subprocess
import time

from bed import Bed, build_dir, children, wait_for
from limits import PORT, Limited, Node
from tap import equal, main, near

CALM = "  breaker: {percent: 0}\n"
TIGHT = ("--rate", "10/s", "--burst", "1", "--dport", PORT)
FOREIGN = """
__attribute__((section("xdp"), used)) int somebody_else(void *ctx) { return 2; }
char _license[] __attribute__((section("license"), used)) = "GPL";
"""


def passes(node, n=200, source="198.19.7.7", port=PORT):
    """How many of N packets come through."""
    name = f"c{time.monotonic_ns()}"
    node.count(name, f"udp dport {port} ip saddr {source}")
    equal(node.send(source, "-n", n, "-r", 20000, port=port)["sent"], n, "sent")
    return node.counted(name)


def restarted(agent, text):
    agent.process.stop()
    agent.configure(text)
    agent.start()


def trials(agent, tap, node):
    restarted(agent, CALM + "  trial: 3s\n")
    with tap.case("a rule on trial limits, and ends by itself when nobody confirms it"):
        out, _err = agent.limit("add", "t", "--iface", node.iface, *TIGHT)
        assert "confirm t" in out and "memory:" in out, out
        equal(agent.rule("t")["state"], "trial", "state")
        assert passes(node) <= 3, "packets within the trial"
        wait_for("the end of the trial", lambda: passes(node, 50) == 50, 6)
        wait_for("its row to go", lambda: agent.rule("t") is None, 3)
        equal([(a["what"], a.get("why")) for a in agent.audit()][-1],
              ("ended", "nobody confirmed it"), "audit")
    with tap.case("a confirmed rule stays"):
        agent.add("t", *TIGHT, confirm=False)
        agent.limit("confirm")
        time.sleep(3.5)
        equal(agent.rule("t")["state"], "active", "state")
        assert passes(node) <= 3, "packets"
        agent.limit("rm", "t")
        equal(passes(node), 200, "packets without a rule")
    with tap.case("a trial ends in the kernel when the daemon is dead"):
        agent.add("t", *TIGHT, confirm=False)
        killed(agent)
        assert passes(node) <= 3, "packets within the trial"
        wait_for("the end of the trial", lambda: passes(node, 50) == 50, 6)
        agent.start()
        equal(agent.rule("t"), None, "row after the restart")
    with tap.case("a time to live ends a rule"):
        agent.add("t", *TIGHT, "--ttl", "2s")
        assert passes(node) <= 3, "packets"
        wait_for("its end", lambda: passes(node, 50) == 50, 5)


def killed(agent):
    """kill -9 of everything."""
    pids = [*children(agent.broker_pid), agent.broker_pid]
    for pid in reversed(pids):
        os.kill(pid, signal.SIGKILL)
    agent.process.wait(5)
    wait_for("the end of all", lambda: not any(os.path.exists(f"/proc/{p}") for p in pids), 5)


def leases(agent, tap, node):
    restarted(agent, CALM + "  lease: 4s\n")
    with tap.case("after kill -9 of everything rules hold until the lease is over, then open"):
        agent.add("l", *TIGHT)
        killed(agent)
        assert passes(node) <= 3, "packets within the lease"
        wait_for("the end of the lease", lambda: passes(node, 50) == 50, 8)
        assert node.xdp_of_link(), "the program is still there"
    with tap.case("a daemon that comes back takes over what is there"):
        agent.start()
        equal(agent.rule("l")["state"], "active", "state")
        assert passes(node) <= 3, "packets"
    with tap.case("detach takes everything away without a daemon"):
        killed(agent)
        agent.limit("detach")
        equal(node.xdp_of_link(), "", "XDP")
        equal(passes(node, 50), 50, "packets")
        agent.limit("detach")
        agent.start()
        agent.limit("detach")
        equal(agent.rules()["rules"], [], "rules after detach with a daemon")
    restarted(agent, CALM + "  lease: 2s\n  on_agent_loss: keep\n")
    with tap.case("with keep they hold on"):
        agent.add("l", *TIGHT)
        killed(agent)
        time.sleep(4)
        assert passes(node) <= 3, "packets"
        agent.start()
        agent.limit("rm", "l")


def restarts(agent, tap, node):
    restarted(agent, CALM)
    rate, seconds = 2000, 10
    with tap.case("a restart under load lets nothing pass beyond the limit, and loses nothing below"):
        agent.add("r", "--rate", f"{rate}/s", "--burst", "1000", "--dport", PORT)
        agent.add("seen", "--rate", "1G/s", "--dport", PORT, "--src", "198.19.7.8", "--action",
                  "count", "--priority", "1")
        node.count("over", f"udp dport {PORT} ip saddr 198.19.7.7")
        node.count("under", f"udp dport {PORT} ip saddr 198.19.7.8")
        over = node.flood("198.19.7.7", "-t", seconds, "-r", 20000)
        under = node.flood("198.19.7.8", "-t", seconds, "-r", rate / 2)
        time.sleep(2)
        agent.stop_hard()
        time.sleep(1)
        agent.start()
        time.sleep(1)
        killed(agent)
        agent.start()
        sent, report = under.finish()["sent"], over.finish()
        passed, seen, row = node.counted("under"), agent.show("seen")["passed"], agent.show("r")
        equal(passed, seen, "packets of the one below the limit")
        assert seen > 0.9 * sent, f"{seen} of {sent} came as far as XDP"
        near(node.counted("over"), rate * report["seconds"] + 1000, 0.01, "packets of the other")
        equal(row["passed"], passed + node.counted("over"), "counts go on")
        agent.limit("rm", "r")
        agent.limit("rm", "seen")


def breaker(agent, tap, node):
    restarted(agent, "  breaker: {percent: 50, duration: 3s}\n")
    with tap.case("a rule that drops more than half for the time turns to count, and says so"):
        agent.add("b", *TIGHT)
        flood = node.flood("198.19.7.7", "-t", 8, "-r", 2000)
        wait_for("the breaker", lambda: agent.rule("b").get("muted_by") == "breaker", 7)
        flood.finish()
        equal(passes(node), 200, "packets after it tripped")
        assert any(a["what"] == "counts only" for a in agent.audit()), agent.audit()
        equal(agent.metrics().sum("sonde_limit_rule_tripped", rule="b"), 1, "metric")
    with tap.case("the panic switch mutes all in one step, and `on` arms them again"):
        agent.limit("on")
        assert passes(node) <= 3, "packets"
        out, _err = agent.limit("off")
        assert "1 rules only count" in out, out
        equal(passes(node), 200, "packets while off")
        assert agent.show("b")["limited"] > 0, "still counts"
        agent.limit("on")
        assert passes(node) <= 3, "packets when on again"
        agent.limit("rm", "b")


def interfaces(agent, tap, node):
    restarted(agent, CALM)
    with tap.case("an interface that goes and comes back is watched again within a second"):
        agent.add("i", *TIGHT)
        node.remove_link()
        wait_for("it to be missed", lambda: agent.rule("i")["attached"] is False, 3)
        node.make_link()
        begin = time.monotonic()
        wait_for("it to be watched", lambda: agent.rule("i")["attached"], 3)
        assert time.monotonic() - begin < 1, "more than a second"
        assert passes(node) <= 3, "packets"
        row = next(i for i in agent.rules()["interfaces"] if i["name"] == node.iface)
        equal(row["gaps"], 1, "gaps")
        assert 0 < row["gap_ns"] < 1e9, row
        equal(agent.metrics().sum("sonde_limit_interface_gaps_total", iface=node.iface), 1, "metric")
    with tap.case("a large MTU changes nothing"):
        for mtu in (9000, 1500):
            node.run("ip", "link", "set", "peer0", "mtu", mtu, ns=node.peer)
            node.run("ip", "link", "set", node.iface, "mtu", mtu)
            assert passes(node) <= 3, f"packets with an MTU of {mtu}"
            equal(agent.rule("i")["attached"], True, "attached")
        agent.limit("rm", "i")


def generics(agent, tap, node):
    """Loopback knows no native XDP."""
    rule = "  rules:\n    - {name: l, iface: lo, rate: 1/s, dport: 99, trial: false}\n"

    def mode():
        return next(i["mode"] for i in agent.rules()["interfaces"] if i["name"] == "lo")

    def on_loopback():
        return "xdpgeneric" in node.run("ip", "link", "show", "lo")

    def pin():
        (path,) = pathlib.Path("/sys/fs/bpf").glob("sonde-limit*/link-1")
        return path.stat().st_ino

    def reloaded(text):
        agent.configure(text)
        os.kill(agent.broker_pid, signal.SIGHUP)

    with tap.case("without native XDP a rule waits until somebody allows generic"):
        restarted(agent, CALM + rule)
        equal(mode(), "none", "mode")
        row = next(i for i in agent.rules()["interfaces"] if i["name"] == "lo")
        assert "limit.generic" in row["note"], row
        equal(on_loopback(), False, "XDP")
        reloaded(CALM + "  generic: [lo]\n" + rule)
        wait_for("generic XDP", lambda: mode() == "generic", 5)
        equal(on_loopback(), True, "XDP")
    with tap.case("a restart takes generic XDP over as it is"):
        before = pin()
        restarted(agent, CALM + "  generic: [lo]\n" + rule)
        equal((mode(), pin()), ("generic", before), "mode and link")
    with tap.case("what may be generic no longer is taken off, by a restart and by a reload"):
        restarted(agent, CALM + rule)
        equal((mode(), on_loopback()), ("none", False), "mode and XDP")
        reloaded(CALM + "  generic: [lo]\n" + rule)
        wait_for("generic XDP", lambda: mode() == "generic", 5)
        reloaded(CALM + rule)
        wait_for("no XDP", lambda: mode() == "none", 5)
        equal(on_loopback(), False, "XDP")


def full_house(agent, tap, node):
    """1,024 rules on 64 interfaces; the last one holds as the first does."""
    ifaces = [node.iface] + [f"full{i}" for i in range(1, 64)]
    for name in ifaces[1:]:
        node.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p")
    rules = [f"    - {{name: r{i}, iface: {ifaces[(i + 1) % 64]}, rate: 10/s, burst: 1, "
             f"dport: {PORT - 1023 + i}, trial: false}}\n" for i in range(1024)]
    text = CALM + "  rules:\n" + "".join(rules)
    with tap.case("1,024 rules on 64 interfaces are watched, and the last one holds"):
        restarted(agent, text)
        listed = agent.rules()
        equal(len(listed["rules"]), 1024, "rules")
        wait_for("all interfaces", lambda: [i["mode"] for i in agent.rules()["interfaces"]] ==
                 ["native"] * 64, 20)
        assert passes(node) <= 3, "packets"
        equal(passes(node, port=PORT + 1), 200, "packets of another port")
    with tap.case("one rule more is refused, and one interface more"):
        _out, err = agent.limit("add", "more", "--iface", node.iface, *TIGHT, code=2)
        assert "1024" in err or "1,024" in err, err
        node.run("ip", "link", "add", "full64", "type", "veth", "peer", "name", "full64p")
        restarted(agent, CALM + "  rules:\n" + "".join(rules[:64]))
        _out, err = agent.limit("add", "more", "--iface", "full64", *TIGHT, code=2)
        assert "64" in err, err
    for name in [*ifaces[1:], "full64"]:
        node.run("ip", "link", "del", name)
    restarted(agent, CALM)


def foreign(agent, tap, node):
    source = agent.dir / "foreign.c"
    source.write_text(FOREIGN)
    agent.bed.run(["clang", "-target", "bpf", "-O2", "-g", "-c", source, "-o",
                   source.with_suffix(".o")])
    with tap.case("somebody else's program is named and left alone"):
        node.run("ip", "link", "set", "dev", node.iface, "xdp", "obj", source.with_suffix(".o"),
                 "sec", "xdp")
        before = node.run("ip", "link", "show", node.iface)
        number = before.split("prog/xdp id ")[1].split()[0]
        _out, err = agent.limit("add", "f", "--iface", node.iface, *TIGHT, code=1)
        assert number in err and "somebody_else" in err, err
        equal(node.run("ip", "link", "show", node.iface), before, "the interface")
        equal(agent.rule("f"), None, "the rule")
        node.run("ip", "link", "set", "dev", node.iface, "xdp", "off")
    with tap.case("an interface that is not there is a mistake of whoever types it"):
        _out, err = agent.limit("add", "f", "--iface", "nosuch0", *TIGHT, code=1)
        assert "nosuch0" in err, err


def people(agent, tap, node):
    with tap.case("the far end of the SSH connection is allowed first, and passes"):
        agent.limit("add", "s", "--iface", node.iface, *TIGHT,
                    env={**os.environ, "SSH_CONNECTION": "198.19.55.5 5555 198.19.0.1 22"})
        agent.limit("confirm", "s")
        allow = {(a["network"], a["why"])
                 for a in json.loads(agent.limit("allow", "list", "-o", "json")[0])}
        assert ("198.19.55.5", "ssh") in allow, allow
        equal(passes(node, source="198.19.55.5"), 200, "packets of the person")
        assert passes(node) <= 3, "packets of others"
    with tap.case("the default gateway is allowed by itself"):
        node.run("ip", "route", "add", "default", "via", "198.19.0.77", "dev", node.iface)
        agent.add("g", "--rate", "1/s")
        allow = json.loads(agent.limit("allow", "list", "-o", "json")[0])
        assert {"network": "198.19.0.77", "why": "gateway"} in allow, allow
        agent.limit("rm", "g")
        agent.limit("rm", "s")
    with tap.case("every change is in the audit trail with who and what"):
        rows = [a for a in agent.audit() if a.get("rule") == "s"]
        equal([a["what"] for a in rows], ["add", "confirm", "remove"], "what")
        assert all(a["uid"] == os.getuid() and a["pid"] and a["comm"] == "sonde" for a in rows), rows
        assert "rate=10/s" in rows[0]["detail"], rows[0]
    with tap.case("who has not the role control is refused"):
        os.chmod(agent.run_dir / "control.sock", 0o666)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               agent.bed.build / "sonde", "--run-dir", agent.run_dir, "limit",
                               "off"], capture_output=True, text=True, check=False)
        equal(done.returncode, 4, f"exit code ({done.stderr})")


def reloads(agent, tap, node):
    rule = "  rules:\n    - {name: c, iface: lim0, rate: %s, burst: 1, dport: %d, trial: false}\n"
    with tap.case("rules of the config are swapped whole by a reload"):
        restarted(agent, CALM + rule % ("10/s", PORT))
        equal(agent.rule("c")["origin"], "config", "origin")
        assert passes(node) <= 3, "packets"
        agent.configure(CALM + rule % ("100K/s", PORT) +
                        "    - {name: d, iface: lim0, rate: 1/s, dport: 99}\n")
        os.kill(agent.broker_pid, signal.SIGHUP)
        wait_for("the new rules", lambda: agent.rule("d"), 5)
        equal((agent.rule("c")["rate"], agent.rule("d")["state"]), ("100K/s", "trial"), "rules")
    with tap.case("a reload that cannot be changes nothing"):
        agent.add("mine", "--rate", "1/s", "--dport", "98")
        before = [r["name"] for r in agent.rules()["rules"]]
        agent.configure(CALM + rule % ("5/s", PORT) +
                        "    - {name: mine, iface: lim0, rate: 2/s}\n")
        os.kill(agent.broker_pid, signal.SIGHUP)
        agent.process.wait_line(r"the former config stays.*limit\.rules\[1\].*mine", errors=True)
        equal([r["name"] for r in agent.rules()["rules"]], before, "rules")
        equal(agent.rule("c")["rate"], "100K/s", "rate")
    with tap.case("what has ended does not come back by a restart"):
        agent.limit("detach")
        restarted(agent, CALM + rule % ("100K/s", PORT))
        equal(agent.rule("c")["state"], "ended", "state")
        equal(node.xdp_of_link(), "", "XDP")
        restarted(agent, CALM)
        equal(agent.rules()["rules"], [], "rules")


def body(tap):
    os.environ.pop("SSH_CONNECTION", None)
    with Bed(build_dir()) as bed:
        node = Node(bed)
        agent = Limited(node)
        for part in (trials, leases, restarts, breaker, interfaces, generics, full_house, foreign, people, reloads):
            part(agent, tap, node)
        with tap.case("without rules the daemon ends without a trace"):
            agent.stop()


if __name__ == "__main__":
    main(body)
