#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The HTTP side: ready through the whole pipeline, strict formats, and no web page reaches in."""

import contextlib
import http.client
import socket
from pathlib import Path

from agent import REQUESTS, Sonded, Trace
from bed import Bed, build_dir, wait_for
from tap import Skip, equal, main


def raw(port, data):
    """The status of whatever answers DATA; 0 when the connection just ends.

    A server that hangs up before it has read everything resets the connection: an end as well.
    """
    line = b""
    with (socket.create_connection(("127.0.0.1", port), 5) as s,
          contextlib.suppress(OSError)):
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        line = s.makefile("rb").readline()
    return int(line.split()[1]) if line else 0


def hosts(agent, tap):
    port = agent.port
    for host, want in ((f"127.0.0.1:{port}", 200), (f"localhost:{port}", 200),
                       ("scraper.test", 200), ("evil.example", 403), (f"evil.example:{port}", 403),
                       ("127.0.0.1.evil.example", 403)):
        with tap.case(f"Host {host.replace(str(port), 'PORT')}: {want}"):
            for path in ("/metrics", "/healthz"):
                equal(agent.get(path, {"Host": host})[0], want, path)


def formats(agent, bed, tap):
    _server, port = bed.server("delay_server")
    bed.load("127.0.0.1", port, ["/delay/0"], 50)
    agent.wait_requests(50, service_name="delay_server")
    with tap.case("text and OpenMetrics are both strict and say the same"):
        text, openmetrics = agent.metrics(), agent.metrics(openmetrics=True)
        for m in (text, openmetrics):
            equal(m.sum(REQUESTS + "_count", service_name="delay_server"), 50, "requests")
        series = [{k for k in m.samples if k[0].startswith("http_") and "_created" not in k[0]}
                  for m in (text, openmetrics)]
        equal(*series, "traffic series")
    with tap.case("the buckets are those of the semantic conventions"):
        bounds = agent.metrics().by(REQUESTS + "_bucket", "le", service_name="delay_server")
        want = [.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, float("inf")]
        equal(sorted(map(float, bounds)), want, "bounds")
    with tap.case("every family has a help text and sonde's own begin with sonde_"):
        m = agent.metrics()
        assert all(m.helps.get(name) for name in m.types), m.helps
        odd = [n for n in m.types if not n.startswith(("sonde_", "http_", "process_", "target_"))]
        equal(odd, [], "names")


def others_run(agent):
    """Whether daemons other than AGENT are on this machine."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            found |= {int(path.parent.name)} if path.read_text() == "sonded\n" else set()
    return found - {agent.broker_pid}


def readiness(agent, tap):
    with tap.case("/readyz is 200 once a self-made request came back, and does not count as one"):
        wait_for("ready", lambda: agent.get("/readyz")[0] == 200, 15)
        if others_run(agent):
            raise Skip("another sonded runs here, and its requests are seen")
        shown = agent.metrics().by(REQUESTS + "_count", "service_name")
        assert not [name for name in shown if "sonde" in name], shown
    with tap.case("/healthz is 200 as soon as the daemon is"):
        equal(agent.get("/healthz")[0], 200, "status")


def manners(agent, tap):
    with tap.case("what is not there is 404, what is not GET or HEAD is 405"):
        equal(agent.get("/nothing/here")[0], 404, "status")
        equal(raw(agent.port, b"POST /metrics HTTP/1.1\r\nHost: localhost\r\n"
                  b"Content-Length: 0\r\n\r\n"), 405, "status")
    with tap.case("HEAD is GET without a body"):
        c = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=5)
        c.request("HEAD", "/metrics")
        answer = c.getresponse()
        equal((answer.status, answer.read()), (200, b""), "answer")
    with tap.case("rubbish, a missing Host and a silent connection harm nobody"):
        silent = socket.create_connection(("127.0.0.1", agent.port))
        assert raw(agent.port, b"\x16\x03\x01\x00\xff rubbish\r\n\r\n") in (0, 400)
        assert raw(agent.port, b"GET /metrics HTTP/1.1\r\n\r\n") in (0, 400, 403)
        long = b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\n\r\n"
        assert raw(agent.port, long) in (0, 400, 414, 431)
        equal(agent.get("/healthz")[0], 200, "status afterwards")
        silent.close()


def body(tap):
    with Bed(build_dir()) as bed:
        agent = Sonded(bed, "listen:\n  allowed_hosts: [scraper.test]\n")
        trace = Trace(agent)
        readiness(agent, tap)
        hosts(agent, tap)
        formats(agent, bed, tap)
        manners(agent, tap)
        trace.process.stop()
        agent.stop()


if __name__ == "__main__":
    main(body)
