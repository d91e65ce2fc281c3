#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A request that gets no whole answer ends as an error with its reason; none vanishes.

Reset by either side, closed before or within the answer, never answered: each kind a number of
times, and the number is exact in the trace and in the error.type of /metrics.
"""

import collections

from agent import REQUESTS, Sonded, Trace, path_of
from bed import Bed, build_dir, wait_for
from tap import equal, main
from wire import Conversation, request, response

TIMES = 20
HALF = response(fields="Content-Length: 1000\r\n", length=False) + b"half"
CONFIG = "routes:\n  unmatched: path\nhttp:\n  timeout: 1s\n"


def server_resets(c):
    c.reset("server")


def client_resets(c):
    c.reset("client")


def server_resets_within(c):
    c.answer(HALF)
    c.reset("server")


def server_closes(c):
    c.close("server")


def client_closes(c):
    c.close("client")


def server_closes_within(c):
    c.answer(HALF)
    c.close("server")


def closes_within_the_head(c):
    c.answer(b"HTTP/1.1 200 OK\r\nContent-")
    c.close("server")


# What happens after the request: (how, error, status or None for no answer)
CASES = [(server_resets, "reset", None), (client_resets, "reset", None),
         (server_resets_within, "reset", 200), (server_closes, "closed", None),
         (client_closes, "closed", None), (server_closes_within, "closed", 200),
         (closes_within_the_head, "closed", 200)]


def run_case(agent, trace, how, error, status):
    path = f"/{how.__name__}"
    for _ in range(TIMES):
        with Conversation() as c:
            c.ask(request(path="/fine"))
            c.answer(response(body=b"ok"))
            c.ask(request(path=path))
            how(c)
    trace.settle()
    mine = [r for r in trace.records() if path_of(r) == path]
    equal(len(mine), TIMES, f"records of {path}")
    seen = collections.Counter((r.get("error"), r.get("status") or None) for r in mine)
    seen = {(e, int(s) if s else None): n for (e, s), n in seen.items()}
    equal(seen, {(error, status): TIMES}, "error and status")
    counted = agent.metrics().by(REQUESTS + "_count", "error_type", http_route=path)
    equal(dict(counted), {error: TIMES}, "error_type in /metrics")


def never_answered(agent, trace):
    silent = [Conversation() for _ in range(TIMES)]
    for c in silent:
        c.ask(request(path="/silent"))
    wait_for("timeouts", lambda: len([r for r in trace.records() if path_of(r) == "/silent"])
             >= TIMES)
    for c in silent:
        c.close("client")
    trace.settle()
    mine = [r for r in trace.records() if path_of(r) == "/silent"]
    equal([r["error"] for r in mine], ["timeout"] * TIMES, "errors")
    assert all(r["duration_ns"] >= 1e9 for r in mine), [r["duration_ns"] for r in mine]
    counted = agent.metrics().by(REQUESTS + "_count", "error_type", http_route="/silent")
    equal(dict(counted), {"timeout": TIMES}, "error_type in /metrics")


def body(tap):
    with Bed(build_dir()) as bed:
        agent = Sonded(bed, CONFIG)
        trace = Trace(agent)
        for how, error, status in CASES:
            with tap.case(f"{how.__name__.replace('_', ' ')}: {error}"):
                run_case(agent, trace, how, error, status)
        with tap.case("never answered: timeout, reported once though the connection closes later"):
            never_answered(agent, trace)
        with tap.case("the exchanges before the failures are fine and all there"):
            fine = [r for r in trace.records() if path_of(r) == "/fine"]
            equal(len(fine), TIMES * len(CASES), "records of /fine")
            assert not any(r.get("error") for r in fine)
        with tap.case("nothing stays in flight"):
            m = agent.metrics()
            wait_for("no request in flight",
                     lambda: not agent.metrics().sum("http_server_active_requests"))
            assert m.sum(REQUESTS + "_count") >= TIMES * (2 * len(CASES) + 1)
        agent.stop()


if __name__ == "__main__":
    main(body)
