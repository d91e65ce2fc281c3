#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is told of a closed connection is what TCP, `ss -ti` and nftables count of it, exactly.

Between two namespaces, with nginx, redis-server and sockets of our own: clean and with 2 % loss
both ways, reset by either side, half-closed, held up by a slow reader, and over a delayed wire,
where round trip times are those of ss within 5 %.
"""

import json
import socket
import struct
import threading
import time

from agent import Sonded
from bed import Bed, Nginx, build_dir, free_port, wait_for
from conns import (Link, LongWire, Told, check_ledger, config, connect, count_port, counters,
                   listen, nft, ss)
from tap import equal, main, near

LOSS = """
table inet loss {{
    chain in {{ type filter hook prerouting priority -300;
        tcp {way} {port} numgen random mod 1000 < {rate} drop; }}
}}
"""
def counts(c):
    """(bytes, segments, retransmits) of a record, to the server and to the client."""
    return {way: tuple(c[f"{what}_to_{way}"] for what in ("bytes", "segments", "retransmits"))
            for way in ("server", "client")}


def check(bed, link, c, here, there, to_server, to_client):
    """C is what ss has said at both ends, and nft of the server's, plus the segments of the end.

    Those are, each way, a FIN and the ACK of the other's, which may be one segment. The SYN-ACK is
    in no count of TCP.
    """
    seen = counters(bed, link.right)
    equal(counts(c), {"server": (to_server, seen["c_in"], there["retrans"]),
                      "client": (to_client, seen["c_out"] - 1, here["retrans"])}, "counts")
    equal((here["bytes_received"], here["payload"]), (to_server, to_client), "bytes of ss")
    assert seen["c_in"] - here["segs_in"] in (1, 2), f"in: {seen}, before the end {here}"
    assert seen["c_out"] - 1 - here["segs_out"] in (1, 2), f"out: {seen}, before the end {here}"


def close_in_order(client, server):
    client.close()
    assert not server.recv(1)
    server.close()


def read_all(s, n):
    while n:
        got = len(s.recv(min(n, 65536)))
        assert got, "closed early"
        n -= got


def settle(bed, ns, *what):
    """What ss says once nothing more is under way; twice the same, a delayed ACK apart."""
    last = {}

    def quiet():
        nonlocal last
        before, last = last, ss(bed, ns, *what)
        time.sleep(0.06)
        return before == last

    wait_for("a quiet connection", quiet)
    return last


def both_ends(bed, link, port):
    """(of the server, of the client)"""
    return (settle(bed, link.right, "sport", "=", f":{port}"),
            settle(bed, link.left, "dport", "=", f":{port}"))


def meet(bed, link, address=None, **options):
    address = address or link.right_ip
    listener, port = listen(link.right, address)
    count_port(bed, link.right, port)
    client = connect(link.left, address, port, **options)
    server, _ = listener.accept()
    listener.close()
    return client, server, port


def end_count(bed, link):
    for ns in (link.left, link.right):
        bed.run(["nft", "flush", "ruleset"], ns=ns)


def with_nginx(bed, link, told):
    """One keep-alive connection that fetches a small and a large file."""
    page = bed.dir / "page"
    page.mkdir(exist_ok=True)
    page.chmod(0o755)
    for name, size in (("small", 100), ("large", 3_000_000)):
        (page / name).write_bytes(b"x" * size)
        (page / name).chmod(0o644)
    server = Nginx(bed, f"root {page};", addresses=(link.right_ip,), ns=link.right)
    count_port(bed, link.right, server.port)
    client = connect(link.left, link.right_ip, server.port)
    sent = got = 0
    for name in ("small", "large"):
        ask = f"GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        client.sendall(ask)
        sent += len(ask)
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        size = int(head.lower().split(b"content-length:")[1].split()[0])
        read_all(client, size)
        got += len(head) + size
    here, there = both_ends(bed, link, server.port)
    client.close()
    (c,) = told.closed(server.port, 1)
    check(bed, link, c, here, there, sent, got)
    equal((c["closed_by"], c["process"]["comm"], c["peer_process"]["comm"]),
          ("client", "nginx", "python3"), "who")


def with_redis(bed, link, told):
    port = free_port()
    bed.start(["redis-server", "--bind", link.right_ip, "--port", port, "--save", "",
               "--protected-mode", "no", "--dir", bed.dir], ns=link.right,
              ready="eady to accept")
    count_port(bed, link.right, port)
    client = connect(link.left, link.right_ip, port)
    sent = got = 0
    for i in range(200):
        value = b"v" * (i * 40)
        ask = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n" % (len(value), value)
        client.sendall(ask)
        read_all(client, 5)
        sent, got = sent + len(ask), got + 5
    here, there = both_ends(bed, link, port)
    client.close()
    (c,) = told.closed(port, 1)
    check(bed, link, c, here, there, sent, got)
    equal(c["process"]["comm"], "redis-server", "who")


def lossy(bed, link, told):
    """Each way loses one packet in fifty, before the socket's own namespace counts it."""
    client, server, port = meet(bed, link)
    for ns, way in ((link.right, "dport"), (link.left, "sport")):
        nft(bed, ns, LOSS.format(way=way, port=port, rate=20))
    client.settimeout(60)
    server.settimeout(60)
    sent = got = 0
    for _ in range(40):
        client.sendall(b"q" * 30_000)
        read_all(server, 30_000)
        server.sendall(b"a" * 50_000)
        read_all(client, 50_000)
        sent, got = sent + 30_000, got + 50_000
    here, there = both_ends(bed, link, port)
    assert there["retrans"] > 5 and here["retrans"] > 5, f"no loss to speak of: {there} {here}"
    for ns in (link.left, link.right):
        bed.run(["nft", "delete", "table", "inet", "loss"], ns=ns)
    close_in_order(client, server)
    (c,) = told.closed(port, 1)
    check(bed, link, c, here, there, sent, got)
    equal(c["out_of_order_to_server"], here["rcv_ooopack"], "out of order, at the server")
    equal(c["out_of_order_to_client"], there["rcv_ooopack"], "out of order, at the client")


def reset(bed, link, told, by_server):
    """In the middle of an answer, by a client that has had enough; or by a server."""
    client, server, port = meet(bed, link)
    client.sendall(b"more")
    read_all(server, 4)
    server.sendall(b"x" * 50_000)
    read_all(client, 1000)
    here = settle(bed, link.right, "sport", "=", f":{port}")
    (server if by_server else client).setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    (server if by_server else client).close()
    (c,) = told.closed(port, 1)
    (client if by_server else server).close()
    side = "server" if by_server else "client"
    equal((c["reset_by"], c["closed_by"]), (side, side), "who did it")
    equal((c["bytes_to_server"], c["bytes_to_client"]), (4, here["payload"]), "bytes")
    # The RST is a segment to whom it is sent; its sender has no count of it.
    equal(c["segments_to_server"], here["segs_in"] + (not by_server), "segments in")
    equal(c["segments_to_client"], here["segs_out"], "segments out")


def half_closed(bed, link, told):
    client, server, port = meet(bed, link)
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    read_all(server, 8)
    assert not server.recv(1)
    for _ in range(20):
        server.sendall(b"part of an answer")
    read_all(client, 20 * 17)
    here, there = both_ends(bed, link, port)
    told.settle()
    assert not told.to(port), "told as closed though half of it is open"
    server.close()
    assert not client.recv(1)
    client.close()
    (c,) = told.closed(port, 1)
    equal((c["closed_by"], c["close_state"], c.get("reset_by")), ("client", "last_ack", None),
          "how")
    equal((c["bytes_to_server"], c["bytes_to_client"]), (8, 340), "bytes")
    equal(c["segments_to_client"], here["segs_out"] + 1, "segments out: the FIN")
    equal(c["segments_to_server"], here["segs_in"] + 1, "segments in: its ACK")
    equal(there["bytes_received"], 340, "bytes of ss")


def slow_reader(bed, link, told):
    """The server sends to a client that sleeps: the time is that of the client's window."""
    client, server, port = meet(bed, link, receive_bytes=16384)
    client.settimeout(30)
    sent = threading.Event()

    def send():
        server.sendall(b"x" * 300_000)
        sent.set()

    threading.Thread(target=send, daemon=True).start()
    time.sleep(1)  # what the client is slow by
    read_all(client, 300_000)
    assert sent.wait(10)
    here, there = both_ends(bed, link, port)
    close_in_order(client, server)
    (c,) = told.closed(port, 1)
    check(bed, link, c, here, there, 0, 300_000)
    limited = {what: here.get(what, 0) for what in ("rwnd_limited", "sndbuf_limited")}
    equal({what: c[f"{what}_ns"] // 1_000_000 for what in limited}, limited, "time limited")
    assert limited["rwnd_limited"] > 700, f"limited for {limited} only"
    assert c["zero_windows"] > 0, "no window of 0"


def round_trips(bed, link, told):
    """10 ms each way: what is told is what ss says, and about what was set."""
    wire = LongWire(bed, link, 0.01)
    try:
        client, server, port = meet(bed, link, wire.right_ip)
        for _ in range(20):
            client.sendall(b"ping")
            read_all(server, 4)
            server.sendall(b"pong")
            read_all(client, 4)
        here, _ = both_ends(bed, link, port)
        close_in_order(client, server)
        (c,) = told.closed(port, 1)
    finally:
        wire.close()
    near(c["srtt_ns"] / 1e6, here["rtt_ms"], 0.05, "round trip")
    near(c["min_rtt_ns"] / 1e6, here["minrtt_ms"], 0.05, "least round trip")
    # What carries the packets may be late, never early.
    assert 20 <= c["min_rtt_ns"] / 1e6 < 30, f"least round trip {c['min_rtt_ns']}, want 20 ms"
    assert 20 <= c["connect_ns"] / 1e6 < 60, f"time to connect {c['connect_ns']}, want 20 ms"


def live(bed, link, told):
    """`sonde conns` takes a snapshot when it is asked; afterwards it shows the closed one."""
    client, server, port = meet(bed, link)
    for n in (100, 20_000, 3):
        client.sendall(b"q" * n)
        read_all(server, n)
        server.sendall(b"a" * 2 * n)
        read_all(client, 2 * n)
    here, there = both_ends(bed, link, port)
    (c,) = asked(told.agent, "--live", port)
    equal(counts(c), {"server": (here["bytes_received"], here["segs_in"], there["retrans"]),
                      "client": (here["payload"], here["segs_out"], here["retrans"])}, "counts")
    near(c["srtt_ns"] / 1e6, here["rtt_ms"], 0.05, "round trip")
    equal((c["state"], asked(told.agent, "--closed", port)), ("established", []), "live")
    close_in_order(client, server)
    (closed,) = told.closed(port, 1)
    (c,) = asked(told.agent, "--closed", port)
    equal((counts(c), c["connection_id"], asked(told.agent, "--live", port)),
          (counts(closed), closed["connection_id"], []), "closed")


def asked(agent, which, port):
    done = agent.cli("conns", which, "--port", port, "-o", "jsonl")
    equal(done.returncode, 0, f"exit code: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


CASES = [
    ("a live connection is shown as ss shows it, then as closed", live, ()),
    ("nginx: bytes, segments and retransmits are those of ss and nft", with_nginx, ()),
    ("redis: the same", with_redis, ()),
    ("2 % loss each way: the same, with what came out of order", lossy, ()),
    ("a reset in the middle by the client is told as its", reset, (False,)),
    ("a reset in the middle by the server is told as its", reset, (True,)),
    ("a half-closed connection is told when the other half closes", half_closed, ()),
    ("a slow reader shows in zero windows and in the time ss tells", slow_reader, ()),
    ("round trip times are those of ss within 5 %", round_trips, ()),
]


def body(tap):
    with Bed(build_dir()) as bed:
        link = Link(bed)
        text, path = config(bed)
        agent = Sonded(bed, text)
        told = Told(agent, path)
        for name, case, args in CASES:
            with tap.case(name):
                case(bed, link, told, *args)
            end_count(bed, link)
        with tap.case("every connection that was produced has been delivered"):
            check_ledger(agent)
        agent.stop()


if __name__ == "__main__":
    main(body)
