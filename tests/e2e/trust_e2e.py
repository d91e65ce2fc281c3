#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Claim: ca_file says alone who may sign for the API server; without one the system's CAs do.

The daemon runs where the server's certificate is among the system's. Who is refused is told
nothing: the server sees neither a question nor the token.
"""

import http.server
import ssl
import threading

from agent import Sonded
from bed import Bed, build_dir, wait_for
from tap import equal, main

CONFIG = """
metadata:
  kubernetes: {{api_server: "{url}", node_name: n1, token_file: "{token}", ca_file: "{ca}"}}
"""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.tokens.append(self.headers["Authorization"])
        body = b'{"metadata":{"resourceVersion":"7"},"items":[]}'
        self.send_response(200 if "watch=" not in self.path else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


class Server(http.server.ThreadingHTTPServer):
    """An API server without pods, known by a certificate that signs itself."""

    daemon_threads = True

    def __init__(self, bed, certificate):
        super().__init__(("127.0.0.1", 0), Handler)
        self.tokens, self.refused = [], []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        bed.undo(self.server_close)
        bed.undo(self.shutdown)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def finish_request(self, request, client_address):
        request.settimeout(10)
        try:
            request = self.context.wrap_socket(request, server_side=True)
        except (ssl.SSLError, OSError) as error:
            self.refused.append(str(error))
            return
        super().finish_request(request, client_address)

    def handle_error(self, *_args):
        """Whoever breaks off means to."""

    @property
    def url(self):
        return f"https://127.0.0.1:{self.server_address[1]}"


class Trusting(Sonded):
    """A daemon that finds DIRECTORY where the system keeps its CAs."""

    def __init__(self, bed, config, directory):
        self.cas = directory
        super().__init__(bed, config)

    def start(self):
        mount = f'mount --bind {self.cas} /etc/ssl/certs && exec "$@"'
        self.process = self.bed.start(
            ["unshare", "--mount", "sh", "-c", mount, "sh", self.bed.build / "sonded", "--config",
             self.config, "--run-dir", self.run_dir, "--http", f"127.0.0.1:{self.port}"],
            ready=r"^sonded: ready", seconds=15, pdeathsig="TERM")


def certify(bed, name):
    certificate = bed.dir / f"{name}.crt"
    bed.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", certificate.with_suffix(".key"), "-out", certificate, "-days", 2,
             "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"])
    return certificate


def system_of(bed, certificate):
    """A directory as /etc/ssl/certs, in both ways in which it is read, with that CA alone."""
    directory = bed.dir / "certs"
    directory.mkdir()
    for name in ("server.pem", "ca-certificates.crt"):
        (directory / name).write_bytes(certificate.read_bytes())
    bed.run(["openssl", "rehash", directory])
    directory.chmod(0o755)
    return directory


def source(agent):
    return agent.status()["sources"][0]


def body(tap):
    with Bed(build_dir()) as bed:
        own, other, token = certify(bed, "own"), certify(bed, "other"), bed.dir / "token"
        token.write_text("secret\n")
        system, server = system_of(bed, own), Server(bed, own)
        with tap.case("without ca_file the system's CAs sign for the server"):
            agent = Trusting(bed, CONFIG.format(url=server.url, token=token, ca=""), system)
            wait_for("a question", lambda: server.tokens)
            equal(server.tokens[0], "Bearer secret", "the token")
            agent.stop()
        with tap.case("with ca_file they do not"):
            server.tokens.clear()
            server.refused.clear()
            agent = Trusting(bed, CONFIG.format(url=server.url, token=token, ca=other), system)
            wait_for("a second failure", lambda: source(agent).get("failures", 0) >= 2)
            assert "certificate" in source(agent)["error"], source(agent)
            assert server.refused and not server.tokens, (server.refused, server.tokens)
            agent.stop()


if __name__ == "__main__":
    main(body)
