#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Claim: processes in containers of real engines are attributed to them, by id, name, image and labels.

dockerd, podman with runc, and containerd by ctr and by CRI each run the same server from an image that is made
of busybox alone, without a registry; Docker and Podman are asked for names by their sockets, and
tell of containers that were there before the daemon and of those that come later.
"""

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import scrape
from agent import Sonded, Trace
from bed import Bed, build_dir, free_port, wait_for
from recorded import Kubernetes
from tap import Skip, Tap, equal

PODMAN_CONF = """
[containers]
default_ulimits=["nofile=20000:20000","nproc=9000:9000"]
[engine]
cgroup_manager="cgroupfs"
runtime="runc"
events_logger="file"
"""
CONTAINERD_CONF = """
version = 2
root = "{dir}/containerd"
state = "{dir}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{dir}/containerd.sock"
"""
CRI_CONF = """
version = 2
root = "{dir}/containerd"
state = "{dir}/state"
[grpc]
  address = "{dir}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "localhost/shop:1.4"
"""


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def httpd(port):
    return ["/bin/httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", "/"]


class Image:
    """A root file system of busybox, as a tar archive."""

    def __init__(self, bed):
        self.root, self.tar = bed.dir / "rootfs", bed.dir / "rootfs.tar"
        (self.root / "bin").mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), self.root / "bin/busybox")
        (self.root / "bin/httpd").symlink_to("busybox")
        bed.run(["tar", "-C", self.root, "-cf", self.tar, "."])


class Docker:
    """dockerd with nothing but its own directories."""

    runtime = "docker"

    def __init__(self, bed, image):
        need("dockerd", "docker")
        self.bed, self.socket = bed, bed.dir / "docker.sock"
        self.command = ["docker", "-H", f"unix://{self.socket}"]
        bed.undo(subprocess.run, ["umount", bed.dir / "docker-exec/netns/default"],
                 capture_output=True)
        bed.start(["dockerd", "--data-root", bed.dir / "docker", "--exec-root",
                   bed.dir / "docker-exec", "-p", bed.dir / "docker.pid", "-H",
                   f"unix://{self.socket}", "--iptables=false", "--ip6tables=false",
                   "--bridge=none"], pdeathsig="TERM")
        wait_for("dockerd", self.answers, 30)
        bed.run([*self.command, "import", image.tar, "shop:1.4"])

    def answers(self):
        done = subprocess.run(["curl", "-s", "--unix-socket", self.socket, "http://x/_ping"],
                              capture_output=True, check=False)
        return done.stdout == b"OK"

    def run(self, name, port):
        cid = self.bed.run([*self.command, "run", "-d", "--network", "host", "--name", name,
                            "--label", "team=blue", "shop:1.4", *httpd(port)]).strip()
        self.bed.undo(subprocess.run, [*self.command, "rm", "-f", cid], capture_output=True)
        return cid


class Podman(Docker):
    """podman with runc, asked by the socket of its service."""

    runtime = "podman"

    def __init__(self, bed, image):
        need("podman", "runc")
        self.bed, self.socket = bed, bed.dir / "podman.sock"
        conf = bed.dir / "containers.conf"
        conf.write_text(PODMAN_CONF)
        os.environ["CONTAINERS_CONF"] = str(conf)
        self.command = ["podman", "--root", str(bed.dir / "podman"), "--runroot",
                        str(bed.dir / "podman-run")]
        bed.run([*self.command, "import", image.tar, "shop:1.4"])
        bed.start([*self.command, "system", "service", "--time", "0", f"unix://{self.socket}"],
                  pdeathsig="TERM")
        wait_for("podman's service", self.answers, 30)


def ask(ports):
    for port in ports:
        wait_for(f"an answer on {port}", lambda p=port: answers(p))


def answers(port):
    try:
        return scrape.get("127.0.0.1", port, "/bin/none")[0] == 404
    except OSError:
        return False


def last(trace, port):
    trace.settle()
    return trace.records(port)[-1]


def named(trace, port, name):
    """The record of a request once it carries the name."""
    def look():
        ask([port])
        record = last(trace, port)
        return record if record["service"] == name else None

    return wait_for(f"the name {name}", look, 15)


def check_named(record, engine, cid, name):
    process = record["process"]
    equal((process["container_id"], process["container_runtime"], process["container_name"]),
          (cid, engine.runtime, name), "the container")
    assert process["image"].endswith("shop:1.4"), process["image"]
    equal((record["service_version"], process["labels"]["team"]), ("1.4", "blue"), "its facts")
    equal(process["comm"], "httpd", "comm")


def check_engine(tap, bed, image, kind):
    ports = free_port(), free_port()
    with tap.case(f"{kind.runtime}: older and younger containers by id, name, image and labels"):
        engine = kind(bed, image)
        older = engine.run("older", ports[0])
        agent = Sonded(bed, f"metadata:\n  docker:\n    sockets: [{engine.socket}]\n"
                            "metrics:\n  service_version: true\n")
        trace = Trace(agent)
        younger = engine.run("younger", ports[1])
        for cid, port, name in ((older, ports[0], "older"), (younger, ports[1], "younger")):
            check_named(named(trace, port, name), engine, cid, name)
        m = agent.metrics()
        assert m.sum("http_server_request_duration_seconds_count", service_name="younger",
                     service_version="1.4") > 0, "no series with the version"
        equal(m.sum("sonde_metadata_following"), 1, "sources that are followed")
        assert m.sum("sonde_metadata_entries") >= 2, "entries"
        trace.process.stop()
        agent.stop()


def ctr_run(bed, command, image, cid, cgroup, port):
    argv = [*command, "run", "-d", "--net-host", "--rootfs", "--cgroup", cgroup, image.root, cid,
            *httpd(port)]
    bed.run(argv)
    bed.undo(subprocess.run, [*command, "task", "rm", "-f", cid], capture_output=True)


def check_containerd(tap, bed, image):
    with tap.case("containerd by ctr: id, and the pod's uid, from the cgroup alone"):
        need("containerd", "ctr")
        conf = bed.dir / "containerd.toml"
        conf.write_text(CONTAINERD_CONF.format(dir=bed.dir))
        bed.start(["containerd", "-c", conf], pdeathsig="TERM")
        socket = bed.dir / "containerd.sock"
        wait_for("containerd", socket.exists, 30)
        command = ["ctr", "-a", str(socket), "-n", "k8s.io"]
        port, cid, pod = free_port(), uuid.uuid4().hex * 2, str(uuid.uuid4())
        ctr_run(bed, command, image, cid, f"/kubepods/besteffort/pod{pod}/{cid}", port)
        agent = Sonded(bed)
        trace = Trace(agent)
        ask([port])
        record = last(trace, port)
        equal((record["process"]["container_id"], record["process"]["pod_uid"], record["service"]),
              (cid, pod, cid[:12]), "who it is")
        trace.process.stop()
        agent.stop()


class Cri:
    """What a kubelet asks of containerd, over gRPC as curl can speak it (k8s.io/cri-api, v1)."""

    def __init__(self, bed, socket):
        self.bed, self.socket = bed, socket

    def call(self, method, *fields):
        """The answer's first field, which is the id in all that are used here."""
        asked, answer = self.bed.dir / "cri.ask", self.bed.dir / "cri.answer"
        body = message(*fields)
        asked.write_bytes(b"\0" + len(body).to_bytes(4, "big") + body)
        said = self.bed.run(["curl", "-sS", "--http2-prior-knowledge", "--unix-socket", self.socket,
                             "-H", "content-type: application/grpc", "-H", "te: trailers",
                             "--data-binary", f"@{asked}", "-o", answer, "-D", "-",
                             f"http://localhost/runtime.v1.RuntimeService/{method}"], seconds=60)
        assert "grpc-status: 0" in said, f"{method}: {said}"
        got = answer.read_bytes()[5:]
        return got[2:2 + got[1]].decode() if got else ""

    def pod(self, name, uid, command):
        """A pod of one container on the host's network; returns the container's id."""
        sandbox = message(
            (1, message((1, name), (2, uid), (3, "blue"))), (3, str(self.bed.dir)),
            (8, message((1, f"/kubepods/besteffort/pod{uid}"),
                        (2, message((1, message((1, 2))))))))  # network: the node's
        pod = self.call("RunPodSandbox", (1, sandbox))
        self.bed.undo(self.call, "RemovePodSandbox", (1, pod))
        self.bed.undo(self.call, "StopPodSandbox", (1, pod))
        container = message((1, message((1, name))), (2, message((1, "localhost/shop:1.4"))),
                            *((3, word) for word in command),
                            (15, message((2, message((3, message((1, 2))))))))
        cid = self.call("CreateContainer", (1, pod), (2, container), (3, sandbox))
        self.call("StartContainer", (1, cid))
        return cid


def message(*fields):
    """Protobuf of (number, text, bytes or small number)."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += bytes([number << 3, value])
            continue
        value = value.encode() if isinstance(value, str) else value
        size = len(value)
        out += bytes([number << 3 | 2]) + (bytes([size]) if size < 128 else
                                           bytes([size & 127 | 128, size >> 7])) + value
    return out


def check_cri(tap, bed, image):
    with tap.case("a pod by CRI: container and pod from the cgroup, the rest from Kubernetes"):
        need("containerd", "ctr", "podman", "runc")
        home = bed.dir / "cri"
        home.mkdir()
        conf, socket, archive = home / "containerd.toml", home / "containerd.sock", home / "oci.tar"
        conf.write_text(CRI_CONF.format(dir=home))
        podman = ["podman", "--root", str(home / "podman"), "--runroot", str(home / "podman-run")]
        bed.run([*podman, "import", "--change", 'CMD ["/bin/busybox","sleep","1000000"]', image.tar,
                 "localhost/shop:1.4"])
        bed.run([*podman, "save", "--format", "oci-archive", "-o", archive, "localhost/shop:1.4"])
        bed.start(["containerd", "-c", conf], pdeathsig="TERM")
        wait_for("containerd", socket.exists, 30)
        bed.run(["ctr", "-a", socket, "-n", "k8s.io", "images", "import", archive], seconds=60)
        port, uid = free_port(), str(uuid.uuid4())
        cid = Cri(bed, socket).pod("shop", uid, httpd(port))
        cluster = Kubernetes(bed)
        agent = Sonded(bed, cluster.config())
        trace = Trace(agent)
        ask([port])
        process = last(trace, port)["process"]
        equal((process["container_id"], process["pod_uid"], process["comm"]), (cid, uid, "httpd"),
              "who it is")
        check_told(trace, port, cluster, cid, uid)
        trace.process.stop()
        agent.stop()


def check_told(trace, port, cluster, cid, uid):
    """A recorded server tells that the container is one of a pod that has come."""
    (pod,) = cluster.pages[0]["items"]
    pod["metadata"].update(uid=uid, resourceVersion="1000")
    pod["status"]["containerStatuses"][0]["containerID"] = f"containerd://{cid}"
    cluster.push({"type": "ADDED", "object": pod})
    process = named(trace, port, pod["metadata"]["labels"]["app"])["process"]
    equal((process["container_id"], process["pod"], process["namespace"], process["owner"],
           process["container_name"], process["image"], process["labels"]),
          (cid, pod["metadata"]["name"], "shop", "till", "web",
           pod["spec"]["containers"][0]["image"], pod["metadata"]["labels"]), "the pod")


def main():
    tap = Tap()
    os.umask(0o022)
    with Bed(Path(build_dir())) as bed:
        image = Image(bed)
        check_engine(tap, bed, image, Docker)
        check_engine(tap, bed, image, Podman)
        check_containerd(tap, bed, image)
        check_cri(tap, bed, image)
    sys.exit(tap.finish())


if __name__ == "__main__":
    main()
