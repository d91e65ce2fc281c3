# SPDX-License-Identifier: Apache-2.0
"""Who is asked for names, from recordings: an API server of Kubernetes and the socket of an engine.

The answers in tests/data/metadata are those that kube-apiserver, dockerd and podman gave. The
servers here replay them, and can be told to fail in the ways that real ones do: refuse, hang,
forget, break off. What they are asked is kept, so that tests see how the daemon went on.

    cluster = Kubernetes(bed)              # TLS on loopback, a token, a CA
    engine = Engine(bed, "docker")         # a unix socket
    cluster.next(refuse(403), hang)        # to the next two questions
"""

import collections
import contextlib
import copy
import http.server
import json
import os
import random
import re
import socket
import socketserver
import ssl
import threading
import time
import urllib.parse
from pathlib import Path

from bed import free_port, wait_for
from tap import Skip

DATA = Path(__file__).resolve().parent.parent / "data/metadata"
Asked = collections.namedtuple("Asked", "path query token")


def recorded(name):
    return (DATA / name).read_bytes()


def lines_of(name):
    return [json.loads(line) for line in recorded(name).splitlines()]


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection. Answers are the server's to give."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        if self.server.context:
            self.request.settimeout(10)
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
            self.request.settimeout(None)
        self.server.connections.add(self.request)
        super().setup()

    def finish(self):
        self.server.connections.discard(self.request)
        with contextlib.suppress(OSError):
            super().finish()
            self.request.close()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        api = self.server.api
        asked = Asked(url.path, query, (self.headers["Authorization"] or "")[len("Bearer "):])
        with contextlib.suppress(OSError):
            (api.note(asked) or api.answer)(self, asked)

    def whole(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin_stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def break_off(self):
        """No last chunk, no goodbye."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_args):
        pass


def refuse(status, name=None):
    """The answer of a server that does not want to."""
    body = recorded(name) if name else json.dumps({"kind": "Status", "code": status}).encode()
    return lambda handler, _asked: handler.whole(body, status)


def say(body):
    return lambda handler, _asked: handler.whole(body)


def hang(handler, _asked):
    """Nothing at all, until the other side has had enough."""
    handler.request.recv(1)
    handler.close_connection = True


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads, allow_reuse_address = True, True
    request_queue_size = 64

    def __init__(self, api, address, family, context):
        self.address_family = family
        self.api, self.context, self.connections = api, context, set()
        super().__init__(address, Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_args):
        """Whoever breaks off means to."""

    def close(self):
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Api:
    """What both have: a listener that comes and goes, scripted answers, and what was asked."""

    def __init__(self, bed, address, family, context=None):
        self.where = address, family, context
        self.changed = threading.Condition()
        self.asked, self.scripted, self.always = [], collections.deque(), None
        self.events, self.streams, self.cuts, self.last = [], 0, 0, b""
        self.listener = None
        self.open()
        bed.undo(self.close)

    def open(self):
        self.listener = Listener(self, *self.where)

    def close(self):
        if self.listener:
            self.listener.close()
            self.listener = None

    def note(self, asked):
        """Remembers a question; the scripted answer to it, if there is one."""
        with self.changed:
            self.asked.append(asked)
            self.changed.notify_all()
            return self.always or (self.scripted.popleft() if self.scripted else None)

    def next(self, *answers):
        """The next questions are answered so."""
        with self.changed:
            self.scripted.extend(answers)

    def wait_asked(self, what, condition, after=0, seconds=20):
        """Waits for a question that CONDITION accepts behind the first AFTER; returns its place."""
        def look():
            found = [i for i, a in enumerate(self.asked) if i >= after and condition(a)]
            return found and found[0] + 1
        try:
            return wait_for(what, look, seconds) - 1
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.asked[after:][-8:]}") from None

    def push(self, *events):
        """News, as values or as bytes, for whoever follows and will follow."""
        with self.changed:
            self.events.extend(e if isinstance(e, bytes) else json.dumps(
                e, separators=(",", ":")).encode() + b"\n" for e in events)
            self.changed.notify_all()

    def cut(self, last=b""):
        """Breaks off all streams, with LAST as the last bytes."""
        with self.changed:
            self.cuts, self.last = self.cuts + 1, last
            self.changed.notify_all()
        wait_for("the end of the streams", lambda: not self.streams)

    def stream(self, handler, wanted):
        """Sends the events that WANTED accepts, those that were and those that come."""
        with self.changed:
            cuts, at, self.streams = self.cuts, 0, self.streams + 1
        try:
            handler.begin_stream()
            while self.cuts == cuts:
                with self.changed:
                    if at == len(self.events):
                        self.changed.wait(0.1)
                    new, at = self.events[at:], len(self.events)
                for event in filter(wanted, new):
                    handler.chunk(event)
            if self.last:
                handler.chunk(self.last)
            handler.break_off()
        finally:
            with self.changed:
                self.streams -= 1


class Kubernetes(Api):
    """Pods page by page, one to a page as recorded, and a watch from any version."""

    def __init__(self, bed, tls=True, host="127.0.0.1"):
        self.dir = bed.dir / f"kubernetes-{random.randrange(1 << 30)}"
        self.dir.mkdir()
        self.token, self.ca = self.dir / "token", self.dir / "ca.crt"
        self.secret = None
        self.set_token("first-secret")
        self.port = free_port()
        context = self.certify(bed, self.ca)
        self.url = f"http{'s' * tls}://{host}:{self.port}"
        self.pages = [json.loads(recorded(f"kubernetes-list-{i}.json")) for i in (1, 2)]
        self.expired = 0  # versions below are forgotten
        super().__init__(bed, ("127.0.0.1", self.port), socket.AF_INET, context if tls else None)

    def certify(self, bed, ca):
        """A certificate that signs itself, as kube-apiserver makes one, into CA; a context of it."""
        key = ca.with_suffix(".key")
        bed.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-keyout", key, "-out", ca, "-days", 2, "-subj", "/CN=kube-apiserver",
                 "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(ca, key)
        return context

    def set_token(self, text):
        """The file changes as the kubelet changes it: another one takes its place."""
        fresh = self.dir / "token.new"
        fresh.write_text(text + "\n")
        fresh.chmod(0o600)
        fresh.rename(self.token)

    def config(self, node="n1"):
        return (f"metadata:\n  kubernetes:\n    api_server: {self.url}\n    node_name: {node}\n"
                f"    token_file: {self.token}\n    ca_file: {self.ca}\n")

    def answer(self, handler, asked):
        query = asked.query
        if self.secret and asked.token != self.secret:
            handler.whole(recorded("kubernetes-unauthorized.json"), 401)
        elif query.get("fieldSelector") != "spec.nodeName=n1" or asked.path != "/api/v1/pods":
            handler.whole(b"404 page not found\n", 404)
        elif "watch" in query:
            self.watch(handler, int(query["resourceVersion"]))
        else:
            page = 1 if query.get("continue") == self.pages[0]["metadata"]["continue"] else 0
            handler.whole(json.dumps(self.pages[page]).encode())

    def watch(self, handler, version):
        if version < self.expired:
            handler.begin_stream()
            handler.chunk(recorded("kubernetes-watch-expired.jsonl"))
            handler.chunk(b"")
            return
        self.stream(handler, lambda event: version_of(event) > version)

    @staticmethod
    def lists(asked):
        return "watch" not in asked.query

    @staticmethod
    def watches(asked):
        return "watch" in asked.query

    def relist(self, *pods):
        """From now on the list ends with PODS, and is of a version that all events led to."""
        version = str(max([int(p["metadata"]["resourceVersion"]) for p in pods]
                          + [version_of(e) for e in self.events]
                          + [int(self.pages[0]["metadata"]["resourceVersion"])]) + 1)
        with self.changed:
            self.pages[1]["items"] += pods
            for page in self.pages:
                page["metadata"]["resourceVersion"] = version
            self.expired = int(version)


def version_of(event):
    """The version of an event; what is none is always news."""
    try:
        return int(json.loads(event)["object"]["metadata"]["resourceVersion"])
    except (ValueError, KeyError, TypeError):
        return 1 << 62


class Facts(collections.namedtuple("Facts", "pod namespace uid cid owner image labels node")):
    """What a recorded pod with one container should be told as."""

    @classmethod
    def of(cls, pod, owner):
        meta, (status,) = pod["metadata"], pod["status"]["containerStatuses"]
        return cls(meta["name"], meta["namespace"], meta["uid"],
                   status["containerID"].rpartition("//")[2], owner,
                   pod["spec"]["containers"][0]["image"], meta.get("labels", {}),
                   pod["spec"]["nodeName"])


def another(pod, number, version):
    """A pod like POD that is another one."""
    made = copy.deepcopy(pod)
    made["metadata"].update(name=f"copy-{number}", resourceVersion=str(version),
                            uid=f"{number:08x}-0000-4000-8000-000000000000")
    made["status"]["containerStatuses"][0]["containerID"] = f"containerd://{number:064x}"
    return made


class Engine(Api):
    """Docker's or Podman's socket: a list, a stream of events, and one container at a time."""

    def __init__(self, bed, name, start=True):
        self.name, self.path = name, bed.dir / f"{name}-{random.randrange(1 << 30)}.sock"
        self.listed = json.loads(recorded(f"{name}-list.json"))
        self.containers = {c["Id"]: c for c in [json.loads(recorded(f"{name}-inspect.json"))]}
        super().__init__(bed, str(self.path), socket.AF_UNIX)
        if not start:
            self.close()

    def close(self):
        """As an engine that ends: the events are forgotten, the socket is there no more."""
        super().close()
        self.events = []
        self.path.unlink(missing_ok=True)

    def config(self):
        return f"metadata:\n  docker:\n    sockets: [{self.path}]\n"

    def answer(self, handler, asked):
        if asked.path == "/containers/json":
            handler.whole(json.dumps(self.listed).encode())
        elif asked.path == "/events":
            self.stream(handler, lambda _event: True)
        else:
            self.inspect(handler, asked.path)

    def inspect(self, handler, path):
        match = re.fullmatch(r"/containers/([0-9a-f]+)/json", path)
        found = match and self.containers.get(match[1])
        if found:
            handler.whole(json.dumps(found).encode())
        else:
            handler.whole(recorded(f"{self.name}-404.json"), 404)

    @staticmethod
    def follows(asked):
        return asked.path == "/events"

    @staticmethod
    def inspects(cid):
        return lambda asked: asked.path == f"/containers/{cid}/json"


class House:
    """Servers of ours in cgroups that are named as engines and kubelets name theirs."""

    def __init__(self, bed):
        self.bed, self.ports = bed, {}
        root = cgroup_root()
        if not root:
            raise Skip("no cgroup v2 hierarchy is mounted")
        self.top = Path(f"{root}/sonde-named-{random.randrange(1 << 30)}")
        bed.undo(self.remove)

    def remove(self):
        """The processes in it die with their parent, a moment after it."""
        for directory, _, _ in os.walk(self.top, topdown=False):
            for _ in range(200):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)
                    break
                time.sleep(0.05)

    def serve(self, cgroup):
        """A server in CGROUP below the top; its port."""
        group = self.top / cgroup.strip("/")
        group.mkdir(parents=True)
        process = self.bed.start(["sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh",
                                  self.bed.helper("delay_server"), "127.0.0.1", 0])
        return int(process.wait_line(r"^ready (\d+)$")[1])

    def pod(self, facts):
        """The server of that pod's container; the same one each time."""
        if facts.cid not in self.ports:
            self.ports[facts.cid] = self.serve(f"kubepods/besteffort/pod{facts.uid}/{facts.cid}")
        return self.ports[facts.cid]

    def container(self, cid, engine="docker"):
        if cid not in self.ports:
            self.ports[cid] = self.serve(f"docker/{cid}" if engine == "docker" else
                                         f"libpod_parent/libpod-{cid}")
        return self.ports[cid]


def cgroup_root():
    with open("/proc/self/mountinfo", encoding="ascii") as mounts:
        found = re.search(r"^\S+ \S+ \S+ / (\S+) .* - cgroup2 ", mounts.read(), re.MULTILINE)
    return found and found[1]
