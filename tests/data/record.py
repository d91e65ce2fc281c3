#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records in tests/data/metadata what dockerd, Podman and kube-apiserver answer, for metadata_e2e.

    tests/data/record.py --build build docker podman
    tests/data/record.py --build build --tools build/k8s kubernetes

The tools are those of tests/kubernetes/build.sh. Answers are kept as they come, but that the
directories of the bed are called as engines call them elsewhere, and that nothing is said twice:
managedFields, and the parts of an inspection that nobody reads.
"""

import argparse
import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

DATA = Path(__file__).resolve().parent / "metadata"
sys.path[:0] = [str(DATA.parent.parent / "e2e"), str(DATA.parent.parent / "kubernetes")]

from bed import Bed, free_port  # noqa: E402
from containers_e2e import Docker, Image, Podman, httpd  # noqa: E402
from pods_e2e import NODE, TOKEN, Cluster  # noqa: E402

EVENTS = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D&since="
PODS = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{NODE}"
MERGE = "application/strategic-merge-patch+json"


# ---- Docker and Podman ----

class Engine:
    """One of Docker's kind, asked through its socket."""

    def __init__(self, bed, image, kind):
        self.engine, self.bed, self.name = kind(bed, image), bed, kind.runtime

    def ask(self, path, seconds=10):
        done = subprocess.run(["curl", "-s", "--max-time", str(seconds), "--unix-socket",
                               self.engine.socket, f"http://127.0.0.1{path}"],
                              capture_output=True, text=True, check=False)
        return done.stdout

    def write(self, what, text):
        text = text.replace(f"{self.bed.dir}/", "/var/lib/")
        (DATA / f"{self.name}-{what}").write_text(text.rstrip("\n") + "\n")

    def run(self, name, service):
        labels = ["com.docker.compose.project=shop", f"com.docker.compose.service={service}"]
        options = [word for label in labels for word in ("--label", label)]
        cid = self.bed.run([*self.engine.command, "run", "-d", "--network", "host", "--name", name,
                            *options, "shop:1.4", *httpd(free_port())]).strip()
        self.bed.undo(subprocess.run, [*self.engine.command, "rm", "-f", cid], capture_output=True)
        return cid

    def record(self):
        """One that was there before, one that comes, is renamed and goes."""
        self.run("shop-web-1", "web")
        self.write("list.json", self.ask("/containers/json"))
        began = json.loads((DATA / f"{self.name}-list.json").read_text())[0]["Created"]
        cid = self.run("shop-db-1", "db")
        self.write("inspect.json", self.ask(f"/containers/{cid}/json"))
        self.bed.run([*self.engine.command, "rename", "shop-db-1", "shop-db-2"])
        self.write("404.json", self.ask("/containers/0123456789ab/json"))
        told = self.ask(f"{EVENTS}{int(began)}", seconds=3).splitlines(keepends=True)
        self.write("events.jsonl", "".join(line for line in told if cid in line))


# ---- Kubernetes ----

class Recorded(Cluster):
    """A cluster in which nobody is the kubelet but this script."""

    def start_kwok(self):
        self.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})

    def refused(self, path, token=TOKEN):
        """The text of an answer that is an error."""
        request = urllib.request.Request(self.url + path, headers={
            "Authorization": f"Bearer {token}"})
        try:
            urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=10)
        except urllib.error.HTTPError as error:
            return error.read().decode()
        raise AssertionError(f"{path} was not refused")

    def compact(self, revision):
        """The store forgets what was before."""
        body = json.dumps({"revision": revision, "physical": True}).encode()
        urllib.request.urlopen(self.etcd + "/v3/kv/compaction", body, timeout=10)

    def schedule(self, name, owner, labels, image):
        kind, owner_name = owner
        self.post("/api/v1/namespaces/shop/pods", {
            "metadata": {"name": name, "labels": labels, "ownerReferences": [{
                "apiVersion": "batch/v1" if kind == "Job" else "apps/v1", "kind": kind,
                "name": owner_name, "uid": "5c1e7f0a-0000-4000-8000-00000000000a",
                "controller": True, "blockOwnerDeletion": True}]},
            "spec": {"nodeName": NODE, "containers": [{
                "name": "web", "image": image, "ports": [{"containerPort": 8080}]}]}})

    def start(self, name, number, image):
        """What a kubelet says of a pod whose container runs."""
        status = {"phase": "Running", "hostIP": "10.0.0.4", "podIP": f"10.1.0.{number}",
                  "startTime": "2026-01-05T10:00:00Z",
                  "containerStatuses": [{
                      "name": "web", "image": image, "ready": True, "restartCount": 0,
                      "imageID": f"sha256:{number:064x}", "containerID":
                      "containerd://" + f"{number}a2b3c4d5e6f708192"[:16] * 4,
                      "started": True, "state": {"running": {
                          "startedAt": "2026-01-05T10:00:01Z"}}}]}
        self.ask("PATCH", f"/api/v1/namespaces/shop/pods/{name}/status", {"status": status}, MERGE)

    def label(self, name, labels):
        self.ask("PATCH", f"/api/v1/namespaces/shop/pods/{name}",
                 {"metadata": {"labels": labels}}, MERGE)

    def watch(self, version, seconds):
        """All lines of a watch that ends by itself."""
        request = urllib.request.Request(
            f"{self.url}{PODS}&watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}"
            f"&resourceVersion={version}", headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, context=ssl._create_unverified_context(),
                                    timeout=seconds + 10) as answer:
            return answer.read().decode().splitlines()


def plain(text):
    """JSON without managedFields, one value a line as before."""
    def clean(value):
        if isinstance(value, dict):
            return {k: clean(v) for k, v in value.items() if k != "managedFields"}
        return [clean(v) for v in value] if isinstance(value, list) else value

    return "".join(json.dumps(clean(json.loads(line)), separators=(",", ":")) + "\n"
                   for line in text.splitlines())


def write(what, text):
    (DATA / f"kubernetes-{what}").write_text(plain(text))


def record_kubernetes(bed, tools):
    cluster = Recorded(bed, tools)
    for name, number, owner, labels, image in (
            ("till-7d9f8c6b5-x2x4z", 1, ("ReplicaSet", "till-7d9f8c6b5"),
             {"app": "till", "pod-template-hash": "7d9f8c6b5", "tier": "front"}, "shop/till:1.4"),
            ("warehouse-0", 2, ("StatefulSet", "stock"),
             {"apps.kubernetes.io/pod-index": "0", "tier": "store"}, "shop/stock:2.0")):
        cluster.schedule(name, owner, labels, f"registry.invalid/{image}")
        cluster.start(name, number, f"registry.invalid/{image}")
    first = cluster.ask("GET", f"{PODS}&limit=1").decode()
    meta = json.loads(first)["metadata"]
    write("list-1.json", first)
    write("list-2.json", cluster.ask("GET", f"{PODS}&limit=1&continue={meta['continue']}").decode())
    image = "registry.invalid/shop/cart:3.1"
    cluster.schedule("cart-6c7d8e9f5-a1b2c", ("ReplicaSet", "cart-6c7d8e9f5"),
                     {"app": "cart", "pod-template-hash": "6c7d8e9f5"}, image)
    cluster.start("cart-6c7d8e9f5-a1b2c", 3, image)
    cluster.label("cart-6c7d8e9f5-a1b2c", {"app": "basket"})
    cluster.ask("DELETE", "/api/v1/namespaces/shop/pods/cart-6c7d8e9f5-a1b2c?gracePeriodSeconds=0")
    lines = cluster.watch(meta["resourceVersion"], 90)[:6]
    assert [json.loads(line)["type"] for line in lines] == [
        "ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED", "BOOKMARK"], lines
    write("watch.jsonl", "\n".join(lines))
    write("unauthorized.json", cluster.refused(PODS, "another"))
    # What is told of versions that are forgotten: a server that starts has none from before.
    version = json.loads(cluster.ask("GET", PODS))["metadata"]["resourceVersion"]
    cluster.compact(int(version))
    cluster.server.stop(signal.SIGKILL)
    cluster.start_server()
    write("watch-expired.jsonl", "\n".join(cluster.watch(2, 6)))
    old = {"v": "meta.k8s.io/v1", "rv": 2, "start": "shop/till\0"}
    token = base64.urlsafe_b64encode(json.dumps(old).encode()).decode().rstrip("=")
    write("continue-expired.json", cluster.refused(f"{PODS}&limit=1&continue={token}"))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--build", type=Path, required=True)
    options.add_argument("--tools", type=Path)
    options.add_argument("what", nargs="+", choices=["docker", "podman", "kubernetes"])
    args = options.parse_args()
    os.umask(0o022)
    DATA.mkdir(exist_ok=True)
    with Bed(args.build.resolve()) as bed:
        image = Image(bed)
        for kind in (Docker, Podman):
            if kind.runtime in args.what:
                Engine(bed, image, kind).record()
        if "kubernetes" in args.what:
            record_kubernetes(bed, args.tools.resolve())


if __name__ == "__main__":
    main()
