#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Claim: a process in a pod's container carries what a real API server tells of the pod.

kube-apiserver, etcd and kwok come from tests/kubernetes/build.sh (--tools DIR). kwok plays the
kubelet; the container is really started, in a cgroup as a kubelet names it, and the status of its
pod is patched with its id.
"""

import argparse
import json
import os
import signal
import ssl
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

from agent import Sonded, Trace  # noqa: E402
from bed import Bed, free_port, wait_for  # noqa: E402
from tap import Tap, equal  # noqa: E402

TOKEN, NODE = "secret-of-the-test", "n1"
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{url}", certificate-authority: "{ca}"}}}}]
users: [{{name: u, user: {{token: {token}}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
"""


class Cluster:
    """An API server with its store and a node that kwok keeps."""

    def __init__(self, bed, tools):
        self.bed, self.tools, self.dir = bed, tools, bed.dir / "cluster"
        self.dir.mkdir()
        self.url = f"https://127.0.0.1:{free_port()}"
        self.token, self.ca = self.dir / "token", self.dir / "certs/apiserver.crt"
        self.token.write_text(TOKEN + "\n")
        self.token.chmod(0o600)
        self.start_etcd()
        self.server = self.start_server()
        self.post("/api/v1/nodes", {"metadata": {"name": NODE}})
        self.start_kwok()

    def start_etcd(self):
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.etcd = client
        self.bed.start([self.tools / "bin/etcd", "--data-dir", self.dir / "etcd",
                        "--listen-client-urls", client, "--advertise-client-urls", client,
                        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                        "--initial-cluster", f"default={peer}"], cwd=self.dir)

    def start_server(self):
        key, users = self.dir / "sa.key", self.dir / "tokens.csv"
        if not key.exists():
            self.bed.run(["openssl", "genrsa", "-out", key, "2048"])
            users.write_text(f"{TOKEN},admin,admin,system:masters\n")
        server = self.bed.start(
            [self.tools / "bin/kube-apiserver", f"--etcd-servers={self.etcd}",
             f"--secure-port={self.url.rpartition(':')[2]}", "--bind-address=127.0.0.1",
             "--endpoint-reconciler-type=none", f"--cert-dir={self.dir}/certs",
             "--service-cluster-ip-range=10.0.0.0/24",
             "--service-account-issuer=https://127.0.0.1",
             f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
             f"--token-auth-file={users}", "--authorization-mode=RBAC",
             "--disable-admission-plugins=ServiceAccount"], cwd=self.dir)
        wait_for("the API server", self.is_ready, 120)
        return server

    def start_kwok(self):
        config = self.dir / "kubeconfig"
        config.write_text(KUBECONFIG.format(url=self.url, ca=self.ca, token=TOKEN))
        self.bed.start([self.tools / "bin/kwok", "--kubeconfig", config, "--manage-all-nodes=true",
                        "--config", self.tools / "stages.yaml"], cwd=self.dir)

    def ask(self, method, path, body=None, kind="application/json"):
        context = ssl._create_unverified_context()  # the daemon is the one that verifies
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, method=method, headers={
            "Authorization": f"Bearer {TOKEN}", "Content-Type": kind})
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return answer.read()

    def is_ready(self):
        try:
            return self.ask("GET", "/readyz") == b"ok"
        except (urllib.error.URLError, OSError):
            return False

    def post(self, path, body):
        return json.loads(self.ask("POST", path, body))

    def pod(self, name, cid, version):
        """A pod on the node, running; its only container is CID."""
        made = self.post("/api/v1/namespaces/default/pods", {
            "metadata": {"name": name, "labels": {"app": "till", "track": version}},
            "spec": {"nodeName": NODE, "containers": [
                {"name": "web", "image": f"registry.invalid/till:{version}"}]}})
        path = f"/api/v1/namespaces/default/pods/{name}"
        wait_for("the pod", lambda: json.loads(self.ask("GET", path))["status"]["phase"]
                 == "Running", 30)
        status = {"status": {"containerStatuses": [{
            "name": "web", "image": f"registry.invalid/till:{version}", "imageID": "",
            "containerID": f"containerd://{cid}", "ready": True, "restartCount": 0,
            "state": {"running": {}}}]}}
        self.ask("PATCH", path + "/status", status, "application/strategic-merge-patch+json")
        return made["metadata"]["uid"]


def serve(bed, cid, uid):
    """A server of ours in the cgroup that a kubelet would have made for the container."""
    root = next(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()
                if line.split()[2] == "cgroup2")
    pod = Path(root) / f"sonde-test-{os.getpid()}/kubepods/besteffort/pod{uid}"
    group = pod / cid
    group.mkdir(parents=True)
    # Undone in reverse: the innermost goes first, if another pod is not in it still.
    for made in (pod.parent.parent.parent, pod.parent.parent, pod.parent, pod, group):
        bed.undo(lambda d=made: d.exists() and not any(x.is_dir() for x in d.iterdir())
                 and d.rmdir())
    port = free_port()
    bed.start(["sh", "-c", f"echo $$ >{group}/cgroup.procs; exec busybox httpd -f -h / "
                           f"-p 127.0.0.1:{port}"])
    return port


def named(agent, trace, port, version):
    def look():
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/none", timeout=5)
        except urllib.error.HTTPError:
            trace.settle()
            found = trace.records(port)[-1:]
            return found and found[0].get("service_version") == version and found[0]
        except OSError:
            return None

    try:
        return wait_for(f"a record of version {version}", look, 40)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{agent.cli('status').stdout[:3000]}"
                             f"\n{json.dumps(trace.records(port)[-1:])}") from None


def check(record, name, cid, uid, version):
    p = record["process"]
    equal((p["container_id"], p["pod_uid"], p["pod"], p["namespace"], p["node"],
           p["container_name"], p["image"], p["labels"]),
          (cid, uid, name, "default", NODE, "web", f"registry.invalid/till:{version}",
           {"app": "till", "track": version}), "the pod")
    equal((record["service"], record["service_namespace"]), ("till", "default"), "the service")


def run(tap, bed, tools):
    cluster = Cluster(bed, tools)
    config = (f"metadata:\n  kubernetes:\n    api_server: {cluster.url}\n    node_name: {NODE}\n"
              f"    token_file: {cluster.token}\n    ca_file: {cluster.ca}\n")
    ids = [uuid.uuid4().hex * 2 for _ in range(3)]
    uid = cluster.pod("older", ids[0], "1.4")
    agent = Sonded(bed, config)
    trace = Trace(agent)
    with tap.case("a pod that was there before is in the list"):
        check(named(agent, trace, serve(bed, ids[0], uid), "1.4"), "older", ids[0], uid, "1.4")
    with tap.case("a pod that comes later is in the watch"):
        uid = cluster.pod("younger", ids[1], "1.5")
        check(named(agent, trace, serve(bed, ids[1], uid), "1.5"), "younger", ids[1], uid, "1.5")
        equal(agent.metrics().sum("sonde_metadata_failures_total"), 0, "failures")
    with tap.case("the API server restarts, and the watch goes on"):
        cluster.server.stop(signal.SIGKILL)  # it would wait a minute for watchers to leave
        wait_for("the end of the watch",
                 lambda: agent.metrics().sum("sonde_metadata_following") == 0, 30)
        cluster.start_server()
        uid = cluster.pod("later", ids[2], "1.6")
        check(named(agent, trace, serve(bed, ids[2], uid), "1.6"), "later", ids[2], uid, "1.6")
    with tap.case("the token is nowhere to be seen"):
        said = "\n".join(agent.process.errors) + agent.cli("status", "-o", "json").stdout
        assert TOKEN not in said + agent.cli("config", "print").stdout, "the token was shown"
    trace.process.stop()
    agent.stop()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--build", type=Path, required=True)
    options.add_argument("--tools", type=Path, required=True)
    args = options.parse_args()
    tap = Tap()
    with Bed(args.build.resolve()) as bed:
        run(tap, bed, args.tools.resolve())
    sys.exit(tap.finish())


if __name__ == "__main__":
    main()
