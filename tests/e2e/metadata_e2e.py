#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Claim: what a pod or a container is called is told as Kubernetes or its engine tells it now.

The answers are recorded ones, replayed by servers that fail as real ones do. Whatever they do, the
requests of the pods are told in time, by their ids where the names are not known.
"""

import json
import time

import scrape
from agent import Sonded, Trace
from bed import Bed, build_dir, wait_for
from recorded import (Engine, Facts, House, Kubernetes, another, hang, lines_of, recorded, refuse,
                      say)
from tap import equal, main

MORE = "metrics:\n  service_namespace: true\n  service_version: true\n"
TILL, STOCK = (Facts.of(json.loads(recorded(f"kubernetes-list-{i + 1}.json"))["items"][0], owner)
               for i, owner in enumerate(("till", "stock")))
NEWS = lines_of("kubernetes-watch.jsonl")
GONE = int(NEWS[4]["object"]["metadata"]["resourceVersion"])
LATER = 1000  # all that is recorded was before


class Told:
    """A daemon and what it says of the servers in the house."""

    def __init__(self, bed, house, config, more=MORE):
        self.house = house
        self.agent = Sonded(bed, config + more)
        self.trace = Trace(self.agent)

    def ask(self, port):
        """One request to PORT, and its record."""
        before = len(self.trace.records(port))
        status, _, _ = scrape.get("127.0.0.1", port, "/none")
        equal(status, 404, "the server's answer")
        return self.trace.wait_records(port, before + 1)[-1]

    def named(self, port, name):
        """A record of PORT under that name, asked for until there is one."""
        def look():
            record = self.ask(port)
            return record["service"] == name and record

        try:
            return wait_for(f"the name {name}", look, 25)
        except AssertionError as error:
            told = json.dumps(self.trace.records(port)[-1])
            raise AssertionError(f"{error}\n{told}\n{self.sources()}") from None

    def sources(self):
        return self.agent.status()["sources"]

    def count(self, name, **labels):
        return self.agent.metrics().sum(f"sonde_metadata_{name}", **labels)

    def wait_count(self, name, n):
        wait_for(f"{name} to be {n} or more", lambda: self.count(name) >= n, 20)

    def error(self):
        return self.sources()[0].get("error", "")

    def wait_error(self, text):
        try:
            wait_for(f"an error that says {text!r}", lambda: text in self.error(), 20)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.error()!r}") from None

    def wait_following(self):
        wait_for("a source that is followed", lambda: self.count("following") == 1, 20)

    def end(self):
        self.trace.process.stop()
        self.agent.stop()


def check_pod(record, facts):
    p = record["process"]
    equal({key: p.get(key) for key in ("container_id", "pod_uid", "pod", "namespace", "node",
                                       "owner", "image", "labels")},
          {"container_id": facts.cid, "pod_uid": facts.uid, "pod": facts.pod,
           "namespace": facts.namespace, "node": facts.node, "owner": facts.owner,
           "image": facts.image, "labels": facts.labels}, "the pod")
    equal((record["service_namespace"], record["service_version"]),
          (facts.namespace, facts.image.rpartition(":")[2]), "namespace and version")


# ---- Kubernetes ----

def check_list(tap, cluster, told, house):
    with tap.case("the pods are listed page by page, and watched from there"):
        check_pod(told.named(house.pod(TILL), TILL.labels["app"]), TILL)
        check_pod(told.named(house.pod(STOCK), STOCK.owner), STOCK)
        told.wait_following()
        first, second, watch = cluster.asked[:3]
        page = cluster.pages[0]["metadata"]
        equal([a.token for a in cluster.asked], ["first-secret"] * 3, "the token")
        equal([a.query["fieldSelector"] for a in cluster.asked], ["spec.nodeName=n1"] * 3, "node")
        assert int(first.query["limit"]) > 0 and "resourceVersion" not in first.query, first
        equal(second.query["continue"], page["continue"], "the second page")
        equal((watch.query["watch"], watch.query["allowWatchBookmarks"],
               watch.query["resourceVersion"]), ("true", "true", page["resourceVersion"]), "watch")
        equal((told.count("requests_total"), told.count("failures_total"),
               told.count("told_total"), told.count("entries")), (3, 0, 4, 4), "own metrics")
    with tap.case("metrics, connections and services have the names too"):
        m = told.agent.metrics()
        for facts, name in ((TILL, TILL.labels["app"]), (STOCK, STOCK.owner)):
            assert m.sum("http_server_request_duration_seconds_count", service_name=name,
                         service_namespace=facts.namespace,
                         service_version=facts.image.rpartition(":")[2]) > 0, f"metrics of {name}"
            conns = json.loads(told.agent.cli("conns", "--port", house.pod(facts), "-o",
                                              "json").stdout)
            conns = conns.get("connections", conns) if isinstance(conns, dict) else conns
            named = [c for c in conns if c["process"].get("pod") == facts.pod]
            assert named, f"connections of {facts.pod}: {conns[-1:]}"
            equal((named[0]["service"], named[0]["process"]["labels"]), (name, facts.labels),
                  "a connection")
            assert name in told.agent.cli("services").stdout, f"services without {name}"


def check_watch(tap, cluster, told, house):
    pending, running, relabelled = NEWS[:3]
    cart = Facts.of(running["object"], "cart")
    port = house.pod(cart)
    with tap.case("a pod that nobody has told of is its container's id"):
        equal(told.ask(port)["service"], cart.cid[:12], "the service")
    with tap.case("a pod that comes is named before its containers are known"):
        cluster.push(pending)
        record = told.named(port, "cart")
        equal((record["process"]["pod"], record["process"].get("image")), (cart.pod, None), "pod")
    with tap.case("its containers follow, and labels that change"):
        cluster.push(running)
        wait_for("the image", lambda: told.ask(port)["process"].get("image"))
        check_pod(told.ask(port), cart)
        cluster.push(relabelled)
        fresh = Facts.of(relabelled["object"], "cart")
        check_pod(told.named(port, fresh.labels["app"]), fresh)
    with tap.case("a pod that has gone keeps its name for its last connections"):
        told_before = told.count("told_total")
        cluster.push(*NEWS[3:5], another_event(77, GONE + 1))
        told.wait_count("told_total", told_before + 4)
        equal(told.count("told_total"), told_before + 4, "pods and containers")
        check_pod(told.ask(house.pod(TILL)), TILL)


def another_event(number, version):
    return {"type": "ADDED", "object": another(NEWS[1]["object"], number, version)}


def check_cuts(tap, cluster, told):
    with tap.case("a watch that is cut goes on from the last bookmark"):
        told.wait_following()
        cluster.push(NEWS[5])
        bookmark = NEWS[5]["object"]["metadata"]["resourceVersion"]
        before = len(cluster.asked)
        told_before = told.count("told_total")
        cluster.push(another_event(78, int(bookmark) + 1))
        told.wait_count("told_total", told_before + 2)
        cluster.push(*[{"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {
            "resourceVersion": str(int(bookmark) + 2)}}}, another_event(79, int(bookmark) + 3)])
        told.wait_count("told_total", told_before + 4)
        cluster.cut()
        at = cluster.wait_asked("the next watch", cluster.watches, before)
        equal(cluster.asked[at].query["resourceVersion"], str(int(bookmark) + 3), "its version")
        equal([a for a in cluster.asked[before:] if cluster.lists(a)], [], "lists")
        told.wait_following()
    with tap.case("half an event is none, and comes again as a whole"):
        before, told_before = len(cluster.asked), told.count("told_total")
        event = json.dumps(another_event(80, LATER)).encode() + b"\n"
        cluster.cut(event[:len(event) // 2])
        cluster.push(event)
        cluster.wait_asked("the next watch", cluster.watches, before)
        told.wait_count("told_total", told_before + 2)
        equal((told.count("told_total"), told.count("misunderstood_total")), (told_before + 2, 0),
              "pods")


def check_gone(tap, cluster, told, house):
    with tap.case("a watch from a version that is forgotten lists anew"):
        told.wait_following()
        pod = another(NEWS[1]["object"], 81, LATER + 1)
        pod["metadata"]["labels"] = {"app": "late"}
        before = len(cluster.asked)
        cluster.relist(pod)
        cluster.cut()
        at = cluster.wait_asked("a list", cluster.lists, before)
        assert "continue" not in cluster.asked[at].query, cluster.asked[at]
        told.named(house.pod(Facts.of(pod, "cart")), "late")
        told.wait_following()
        equal(cluster.asked[-1].query["resourceVersion"],
              cluster.pages[0]["metadata"]["resourceVersion"], "the version of the new list")
    with tap.case("so does one that is refused as gone at once"):
        before = len(cluster.asked)
        cluster.next(refuse(410, "kubernetes-continue-expired.json"))
        cluster.cut()
        cluster.wait_asked("a list", cluster.lists, before)
        told.wait_following()
    with tap.case("a list whose next page is forgotten begins again at the first"):
        before = len(cluster.asked)
        cluster.next(refuse(410), say(json.dumps(cluster.pages[0]).encode()),
                     refuse(410, "kubernetes-continue-expired.json"))
        cluster.cut()
        wait_for("two lists", lambda: len([a for a in cluster.asked[before:] if
                                           cluster.lists(a)]) >= 4, 25)
        equal([a.query.get("continue") is not None for a in cluster.asked[before:]
               if cluster.lists(a)][:4], [False, True, False, True], "pages")
        told.wait_following()
        equal(told.error(), "", "the last error")


def check_odd(tap, cluster, told):
    with tap.case("news that make no sense are counted, and the watch goes on"):
        before, told_before = len(cluster.asked), told.count("told_total")
        cluster.push(b"404 page not found\n", b'{"type":"ADDED","object":{}}\n', b"\n",
                     another_event(82, 10000))
        told.wait_count("told_total", told_before + 2)
        equal((told.count("misunderstood_total"), len(cluster.asked)), (2, before), "odd news")
    with tap.case("a line without end ends the watch, and is not kept"):
        before = len(cluster.asked)
        cluster.cut(b'{"type":"ADDED","object":"' + b"x" * (3 << 20))
        told.wait_error("a line is too long")
        cluster.wait_asked("the next watch", cluster.watches, before)
        told.wait_following()


def check_token(tap, cluster, told):
    with tap.case("a token that has been replaced is read anew"):
        before = len(cluster.asked)
        cluster.secret = "second-secret"
        cluster.cut()
        told.wait_error("401")
        cluster.set_token("second-secret")
        cluster.wait_asked("a question with the new token",
                           lambda a: a.token == "second-secret", before)
        told.wait_following()
        equal(told.error(), "", "the last error")
    with tap.case("no token is ever shown"):
        said = "\n".join(told.agent.process.errors + told.agent.process.lines)
        said += told.agent.cli("status", "-o", "json").stdout + told.agent.cli(
            "config", "print").stdout + told.agent.get("/metrics")[2].decode()
        assert "-secret" not in said, "a token was shown"


def check_crowd(tap, cluster, told, house):
    with tap.case("thousands of pods at once: all are told, the store keeps to its bound"):
        told_before = told.count("told_total")
        cluster.push(*[another_event(n, 20000 + n) for n in range(5000)])
        told.wait_count("told_total", told_before + 10000)
        equal(told.count("told_total"), told_before + 10000, "pods and containers")
        wait_for("the store", lambda: told.count("entries") == 4096)
        equal((told.count("dropped_total", what="workload"),
               told.count("dropped_total", what="question")), (0, 0), "what was dropped")
        assert told.count("dropped_total", what="evicted") > 5000, "nothing made room"
        check_pod(told.ask(house.pod(STOCK)), STOCK)


def kubernetes(tap, bed, house):
    cluster = Kubernetes(bed)
    told = Told(bed, house, cluster.config())
    check_list(tap, cluster, told, house)
    check_watch(tap, cluster, told, house)
    check_cuts(tap, cluster, told)
    check_gone(tap, cluster, told, house)
    check_odd(tap, cluster, told)
    check_token(tap, cluster, told)
    check_crowd(tap, cluster, told, house)
    told.end()


def check_hanging(tap, bed, house):
    with tap.case("a server that hangs holds up nothing, not even the end"):
        cluster = Kubernetes(bed)
        cluster.always = hang
        told = Told(bed, house, cluster.config())
        cluster.wait_asked("a question", cluster.lists)
        record = told.ask(house.pod(TILL))
        equal((record["service"], record["process"]["pod_uid"]), (TILL.cid[:12], TILL.uid), "ids")
        equal(told.count("following"), 0, "sources that are followed")
        began = time.monotonic()
        told.end()
        assert time.monotonic() - began < 5, "the end took its time"


def check_refusals(tap, bed, house):
    with tap.case("a server that is not there, then refuses, then is well again"):
        cluster = Kubernetes(bed)
        cluster.close()
        told = Told(bed, house, cluster.config())
        told.wait_error("connect")
        equal(told.ask(house.pod(TILL))["service"], TILL.cid[:12], "ids")
        cluster.next(refuse(503), refuse(403), say(b"<html>login</html>"))
        cluster.open()
        cluster.wait_asked("the fourth question", cluster.lists, 3)
        check_pod(told.named(house.pod(TILL), TILL.labels["app"]), TILL)
        told.wait_following()
        equal(told.error(), "", "the last error")
        assert told.count("failures_total") >= 4, "failures"
        told.end()


def check_name(tap, bed, house):
    with tap.case("a server by its name, and series without the labels that nobody asks for"):
        cluster = Kubernetes(bed, host="localhost")
        told = Told(bed, house, cluster.config(), more="")
        check_pod(told.named(house.pod(TILL), TILL.labels["app"]), TILL)
        keys = {key for (name, labels) in told.agent.metrics().samples for key, _ in labels
                if name == "http_server_request_duration_seconds_count"}
        assert "service_name" in keys, keys
        equal(keys & {"service_namespace", "service_version"}, set(), "labels")
        told.end()


def check_ca(tap, bed, house):
    with tap.case("a server that another CA vouches for is told nothing, not even the token"):
        cluster = Kubernetes(bed)
        cluster.certify(bed, cluster.dir / "other.crt")
        config = cluster.config().replace("ca.crt", "other.crt")
        told = Told(bed, house, config)
        told.wait_error("certificate")
        told.wait_count("failures_total", 2)
        equal(told.ask(house.pod(TILL))["service"], TILL.cid[:12], "ids")
        equal(cluster.asked, [], "questions")
        # The file is replaced: the next connection is content.
        (cluster.dir / "other.crt").write_bytes(cluster.ca.read_bytes())
        check_pod(told.named(house.pod(TILL), TILL.labels["app"]), TILL)
        told.end()
    with tap.case("without TLS the token stays here"):
        cluster = Kubernetes(bed, tls=False)
        told = Told(bed, house, cluster.config())
        check_pod(told.named(house.pod(TILL), TILL.labels["app"]), TILL)
        equal({a.token for a in cluster.asked}, {""}, "tokens")
        told.end()
    with tap.case("without a token file nobody is asked, and the status says why"):
        cluster = Kubernetes(bed)
        cluster.token.unlink()
        told = Told(bed, house, cluster.config())
        told.wait_error("No such file")
        equal(cluster.asked, [], "questions")
        cluster.set_token("late-secret")
        check_pod(told.named(house.pod(TILL), TILL.labels["app"]), TILL)
        equal(cluster.asked[0].token, "late-secret", "the token")
        told.end()


# ---- Docker and Podman ----

def check_container(record, told, engine):
    p = record["process"]
    equal((p["container_id"], p["container_runtime"], p["container_name"], p["image"],
           p["image_tag"], p["labels"]),
          (told["Id"], engine.name, told["Name"][1:], told["Config"]["Image"], "1.4",
           told["Config"]["Labels"]), "the container")
    equal(record["service_namespace"], "shop", "the project of compose")


def engine_of(tap, bed, house, name):
    engine = Engine(bed, name)
    inspected = next(iter(engine.containers.values()))
    older = next(c for c in engine.listed if c["Id"] != inspected["Id"])
    engine.listed = [older]
    hidden = engine.containers.pop(inspected["Id"])
    told = Told(bed, house, engine.config())
    port = house.container(hidden["Id"], name)
    with tap.case(f"{name}: the list names what runs already"):
        record = told.named(house.container(older["Id"], name), older["Names"][0][1:])
        equal((record["process"]["image"], record["process"]["labels"], record["service_version"]),
              (older["Image"], older["Labels"], "1.4"), "the container")
    with tap.case(f"{name}: of a container that nobody told of the engine is asked, once"):
        equal(told.ask(port)["service"], hidden["Id"][:12], "the service")
        engine.wait_asked("an inspection", engine.inspects(hidden["Id"]))
        for _ in range(5):
            told.ask(port)
        equal(len([a for a in engine.asked if engine.inspects(hidden["Id"])(a)]), 1, "inspections")
        equal((told.count("failures_total"), told.error()), (0, ""), "failures")
    with tap.case(f"{name}: recorded events have containers inspected, and renamed"):
        engine.containers[hidden["Id"]] = hidden
        engine.push(*lines_of(f"{name}-events.jsonl"))
        check_container(told.named(port, hidden["Name"][1:]), hidden, engine)
        renamed = dict(hidden, Name="/shop-db-3")
        engine.containers[hidden["Id"]] = renamed
        engine.push(lines_of(f"{name}-events.jsonl")[-1])
        check_container(told.named(port, "shop-db-3"), renamed, engine)
        equal(told.count("misunderstood_total"), 0, "odd news")
    with tap.case(f"{name}: an inspection that fails is made again"):
        again = dict(hidden, Name="/shop-db-4")
        engine.containers[hidden["Id"]] = again
        before = len(engine.asked)
        engine.next(refuse(500), say(b"{"))
        engine.push(lines_of(f"{name}-events.jsonl")[-1])
        check_container(told.named(port, "shop-db-4"), again, engine)
        assert len(engine.asked) >= before + 3, engine.asked[before:]
    with tap.case(f"{name}: an engine that restarts is listed anew, and followed"):
        before = len(engine.asked)
        engine.close()
        wait_for("the end of the stream", lambda: told.count("following") == 0)
        engine.listed.append({"Id": hidden["Id"], "Names": ["/shop-db-5"], "Image": "shop:1.5",
                              "Labels": None})
        engine.open()
        equal(told.named(port, "shop-db-5")["service_version"], "1.5", "version")
        told.wait_following()
        equal([a.path for a in engine.asked[before:]], ["/containers/json", "/events"], "asked")
        equal(told.error(), "", "the last error")
    told.end()


def check_engines_that_fail(tap, bed, house):
    with tap.case("an engine that is not there yet, hangs, and then answers"):
        engine = Engine(bed, "docker", start=False)
        told = Told(bed, house, engine.config())
        cid = engine.listed[0]["Id"]
        told.wait_error("No such file")
        engine.always = hang
        engine.open()
        engine.wait_asked("the list", lambda a: a.path == "/containers/json")
        equal(told.ask(house.container(cid))["service"], cid[:12], "ids")
        engine.close()
        engine.always = None
        engine.open()
        told.named(house.container(cid), engine.listed[0]["Names"][0][1:])
        told.wait_following()
        told.end()


def run(tap):
    with Bed(build_dir()) as bed:
        house = None
        with tap.case("servers in cgroups as kubelets and engines name them"):
            house = House(bed)
        if not house:
            return
        kubernetes(tap, bed, house)
        check_hanging(tap, bed, house)
        check_refusals(tap, bed, house)
        check_name(tap, bed, house)
        check_ca(tap, bed, house)
        for name in ("docker", "podman"):
            engine_of(tap, bed, house, name)
        check_engines_that_fail(tap, bed, house)


if __name__ == "__main__":
    main(run)
