#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.x as it really is: each odd exchange becomes exactly the records it should, to the byte.

A case says both ends of a conversation and the records it wants: method, path, status and error,
and the bytes of each direction where they are not obvious. Most cases go on with a plain exchange
on the same connection, which shows that the message before was delimited rightly.
"""

from agent import Sonded, Trace, path_of
from bed import Bed, build_dir, wait_for
from tap import equal, main
from wire import Conversation, chunked, request, response

SECRET = "hunter2"


def record(path, status=200, method="GET", error=None, **more):
    return dict(path=path, status=status, method=method, error=error, **more)


def plain(c, path="/after"):
    """One ordinary exchange, to see that the connection is still understood."""
    c.ask(request(path=path))
    c.answer(response(body=b"ok"))
    return record(path)


def content_length(c):
    c.ask(request(path="/length"))
    c.answer(response(body=b"x" * 5000))
    return [record("/length"), plain(c)]


def head_method(c):
    c.ask(request("HEAD", "/head"))
    c.answer(response(fields="Content-Length: 1000\r\n", length=False))
    return [record("/head", method="HEAD"), plain(c)]


def no_content(c):
    c.ask(request("DELETE", "/gone"))
    c.answer(response("204 No Content", length=False))
    return [record("/gone", 204, "DELETE"), plain(c)]


def not_modified(c):
    c.ask(request(path="/cached", fields='If-None-Match: "a"\r\n'))
    c.answer(response("304 Not Modified", fields="Content-Length: 777\r\n", length=False))
    return [record("/cached", 304), plain(c)]


def chunked_answer(c):
    c.ask(request(path="/chunked"))
    c.answer(response(fields="Transfer-Encoding: chunked\r\n", length=False))
    c.answer(chunked(b"a" * 10, b"b" * 300, b"HTTP/1.1 500 no\r\n\r\n", trailer=b"X-T: 1\r\n"))
    return [record("/chunked"), plain(c)]


def chunks_in_small_segments(c):
    c.ask(request(path="/chunks"))
    c.answer(response(fields="Transfer-Encoding: chunked\r\n", length=False))
    c.answer(chunked(b"c" * 40, b"d" * 17), pieces=5)
    return [record("/chunks"), plain(c)]


def chunked_request(c):
    c.ask(request("POST", "/upload", "Transfer-Encoding: chunked\r\n") + chunked(b"e" * 5000))
    c.answer(response("201 Created", b"made"))
    return [record("/upload", 201, "POST"), plain(c)]


def ended_by_close(c):
    c.ask(request(path="/until-close"))
    c.answer(response(length=False) + b"f" * 3000)
    c.answer(b"g" * 3000)
    c.close("server")
    return [record("/until-close")]


def http_1_0(c):
    c.ask(request(path="/old", version="1.0"))
    c.answer(response(body=b"old", version="1.0"))
    c.close("server")
    return [record("/old", version="1.0")]


def early_hints(c):
    c.ask(request(path="/hints"))
    c.interim(b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n")
    c.answer(response(body=b"page"))
    return [record("/hints"), plain(c)]


def interim_and_final_in_one_segment(c):
    c.ask(request(path="/hints-at-once"))
    hints = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    c.answer(hints + response("404 Not Found", b"no"))
    c.sent["server"] -= len(hints)
    return [record("/hints-at-once", 404), plain(c)]


def expect_continue(c):
    c.ask(request("PUT", "/expect", "Expect: 100-continue\r\nContent-Length: 2000\r\n"))
    c.interim(b"HTTP/1.1 100 Continue\r\n\r\n")
    c.ask(b"h" * 2000)
    c.answer(response(body=b"thanks"))
    return [record("/expect", method="PUT"), plain(c)]


def expect_refused(c):
    c.ask(request("PUT", "/refused", "Expect: 100-continue\r\nContent-Length: 2000\r\n"))
    c.answer(response("417 Expectation Failed", b"no"))
    c.close("server")
    return [record("/refused", 417, "PUT")]


def upgrade(c):
    c.ask(request(path="/socket", fields="Connection: Upgrade\r\nUpgrade: websocket\r\n"))
    c.answer(b"HTTP/1.1 101 Switching Protocols\r\n"
             b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    for _ in range(3):
        c.ask(b"\x81\x05hello")
        c.answer(b"\x81\x05world")
    c.ask(b"GET /not-http HTTP/1.1\r\n\r\n")
    c.answer(b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n")
    c.close("client")
    return [record("/socket", 101)]


def connect_tunnel(c):
    c.ask(b"CONNECT db.test:443 HTTP/1.1\r\nHost: db.test:443\r\n\r\n")
    c.answer(b"HTTP/1.1 200 Connection established\r\n\r\n")
    c.ask(b"\x16\x03\x01 whatever")
    c.answer(b"\x16\x03\x03 whatever")
    c.close("client")
    return [record(None, 200, "CONNECT")]


def pipelined_in_one_segment(c):
    c.ask(b"".join(request(path=f"/pipe/{i}") for i in range(3)))
    c.answer(response(body=b"0") + response("404 Not Found", b"1") + response(body=b"2"))
    return [record("/pipe/0"), record("/pipe/1", 404), record("/pipe/2"), plain(c)]


def pipelined_answered_apart(c):
    c.ask(b"".join(request(path=f"/apart/{i}") for i in range(3)))
    for i in range(3):
        c.answer(response(body=b"x" * (10 + i)))
    return [*(record(f"/apart/{i}") for i in range(3)), plain(c)]


def heads_byte_by_byte(c):
    c.ask(request(path="/drip", fields="X-Long: " + "y" * 60 + "\r\n"), pieces=1)
    c.answer(response("503 Service Unavailable", b"slow"), pieces=1)
    return [record("/drip", 503, error="503"), plain(c)]


def head_beyond_the_capture_limit(c):
    c.ask(request(path="/cookies", fields="Cookie: " + "z" * 7000 + "\r\n"))
    c.answer(response(body=b"ok", fields="Set-Cookie: " + "z" * 3000 + "\r\n"))
    return [record("/cookies"), plain(c)]


def large_answer(c):
    c.ask(request(path="/large"))
    c.answer(response(body=b"l" * 3_000_000))
    return [record("/large"), plain(c)]


def large_request(c):
    c.ask(request("POST", "/large", body=b"m" * 3_000_000))
    c.answer(response(body=b"ok"))
    return [record("/large", method="POST"), plain(c)]


def body_that_looks_like_http(c):
    c.ask(request("POST", "/mirror", body=request(path="/inner") * 20))
    c.answer(response(body=response("500 no", b"inner") * 20))
    return [record("/mirror", method="POST"), plain(c)]


def absolute_form(c):
    c.ask(b"GET http://proxy.test/absolute?q=1 HTTP/1.1\r\nHost: other\r\n\r\n")
    c.answer(response(body=b"ok"))
    return [record("/absolute"), plain(c)]


def unknown_method(c):
    c.ask(request("BREW", "/pot"))
    c.answer(response("418 I'm a teapot", b"short"))
    return [record("/pot", 418, "_OTHER"), plain(c)]


def client_errors_are_no_errors(c):
    for status in (400, 404, 429, 499):
        c.ask(request(path=f"/status/{status}"))
        c.answer(response(f"{status} Whatever", b"no"))
    return [record(f"/status/{status}", status) for status in (400, 404, 429, 499)]


def server_errors_are(c):
    for status in (500, 502, 599):
        c.ask(request(path=f"/status/{status}"))
        c.answer(response(f"{status} Whatever", b"no"))
    return [record(f"/status/{status}", status, error=str(status)) for status in (500, 502, 599)]


def bare_line_feeds(c):
    c.ask(b"GET /bare HTTP/1.1\nHost: wire.test\n\n")
    c.answer(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok")
    return [record("/bare"), plain(c)]


def query_and_headers_stay_secret(c):
    fields = f"Authorization: Bearer {SECRET}\r\nCookie: a={SECRET}\r\n"
    c.ask(request("POST", f"/login?password={SECRET}#{SECRET}", fields, body=SECRET.encode()))
    c.answer(response(body=SECRET.encode(), fields=f"Set-Cookie: {SECRET}\r\n"))
    return [record("/login", method="POST"), plain(c)]


def trace_context(c):
    c.ask(request(path="/traced", fields="traceparent: 00-0af7651916cd43dd8448eb211c80319c-"
                  "b7ad6b7169203331-01\r\n"))
    c.answer(response(body=b"ok"))
    return [record("/traced", holds="0af7651916cd43dd8448eb211c80319c"), plain(c)]


def bytes_that_are_no_text(c):
    c.ask(b"GET /\xff\xfe\x1b[31m HTTP/1.1\r\nHost: h\r\n\r\n")
    c.answer(response("400 Bad Request", b"no"))
    return [record(None, 400)]


def answered_before_the_body(c):
    c.ask(request("POST", "/early", "Content-Length: 100\r\n") + b"n" * 50)
    c.answer(response("413 Content Too Large", b"no"))
    c.close("server")
    return [record("/early", 413, "POST")]


CASES = [content_length, head_method, no_content, not_modified, chunked_answer,
         chunks_in_small_segments, chunked_request, ended_by_close, http_1_0, early_hints,
         interim_and_final_in_one_segment, expect_continue, expect_refused, upgrade, connect_tunnel,
         pipelined_in_one_segment, pipelined_answered_apart, heads_byte_by_byte,
         head_beyond_the_capture_limit, large_answer, large_request, body_that_looks_like_http,
         absolute_form, unknown_method, client_errors_are_no_errors, server_errors_are,
         bare_line_feeds, query_and_headers_stay_secret, trace_context, bytes_that_are_no_text,
         answered_before_the_body]


def check(got, want):
    """One record against one expectation."""
    attributes = got["attributes"]
    what = want["path"] or "the record"
    equal(path_of(got), want["path"] or path_of(got), "path")
    equal(attributes["http.request.method"], want["method"], f"method of {what}")
    equal(int(got["status"]), want["status"], f"status of {what}")
    equal(got.get("error"), want["error"], f"error of {what}")
    equal((got["protocol"], got["role"]), ("http", "server"), f"protocol and role of {what}")
    assert got["duration_ns"] >= got["ttfb_ns"] > 0, f"times of {what}: {got}"
    if "version" in want:
        equal(attributes["network.protocol.version"], want["version"], f"version of {what}")
    assert want.get("holds", "") in str(got), f"no {want['holds']} in {got}"


def hold(trace, case):
    """Holds one conversation; returns its records and what was wanted of them."""
    with Conversation() as c:
        wants = case(c)
        c.close("client")
    trace.settle()
    wait_for(f"{len(wants)} records", lambda: len(trace.records(c.port)) >= len(wants))
    got = sorted(trace.records(c.port), key=lambda r: r["time"])
    equal(len(got), len(wants), f"records {[path_of(r) for r in got]}")
    return got, wants, c


def body(tap):
    with Bed(build_dir()) as bed:
        agent = Sonded(bed, "routes:\n  unmatched: path\n")
        trace = Trace(agent)
        for case in CASES:
            with tap.case(case.__name__.replace("_", " ")):
                got, wants, c = hold(trace, case)
                for one, want in zip(got, wants):
                    check(one, want)
                if case not in (upgrade, connect_tunnel):
                    equal(sum(r["request_bytes"] for r in got), c.sent["client"], "request bytes")
                    equal(sum(r["response_bytes"] for r in got), c.sent["server"], "answer bytes")
        with tap.case("nothing of a query, a header or a body has left the daemon"):
            shown = trace.file.read_text() + agent.get("/metrics")[2].decode()
            assert SECRET not in shown
        agent.stop()


if __name__ == "__main__":
    main(body)
