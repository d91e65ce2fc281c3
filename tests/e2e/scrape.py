# SPDX-License-Identifier: Apache-2.0
"""Reads what /metrics serves, and refuses whatever a strict Prometheus reader would refuse.

Both text formats, told apart by the content type. Checked beside the grammar: HELP and TYPE before
a family's samples, families in one piece, no sample twice, histograms cumulative with an +Inf
bucket that equals the count, and in OpenMetrics the `_total` of counters and the `# EOF`.
"""

import collections
import http.client
import re

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*?)\})? (\S+)(?: (\d+(?:\.\d+)?))?'
                    r'(?: # \{(.*?)\} (\S+)(?: (\d+(?:\.\d+)?))?)?$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
SUFFIXES = {"counter": ("_total", "_created"), "gauge": ("",), "unknown": ("",), "info": ("_info",),
            "histogram": ("_bucket", "_sum", "_count", "_created")}
TEXT, OPENMETRICS = "text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"


def get(address, port, path, headers=None, seconds=10):
    """One GET; returns (status, headers, body)."""
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


class Metrics:
    """One scrape: `samples` maps (name, frozenset of label pairs) to a float."""

    def __init__(self, text, openmetrics=False):
        self.samples, self.exemplars, self.types, self.helps = {}, {}, {}, {}
        self.openmetrics = openmetrics
        lines = text.split("\n")
        assert lines.pop() == "", "the last line does not end"
        if openmetrics:
            assert lines and lines.pop() == "# EOF", "no # EOF at the end"
        self.family, done = None, set()
        for line in lines:
            if line.startswith("# "):
                self.take_comment(line, done)
            else:
                self.take_sample(line)
        self.check_histograms()

    def take_comment(self, line, done):
        word, name, rest = (line[2:].split(" ", 2) + ["", ""])[:3]
        if word not in ("HELP", "TYPE", "UNIT"):
            return
        if name != self.family:
            assert name not in done, f"family {name} comes in two pieces"
            done.add(name)
            self.family = name
        table = {"HELP": self.helps, "TYPE": self.types}.get(word, {})
        assert name not in table, f"{word} of {name} twice"
        assert word != "TYPE" or rest in SUFFIXES, f"type {rest!r} of {name}"
        table[name] = rest

    def take_sample(self, line):
        match = SAMPLE.match(line)
        assert match, f"not a sample: {line!r}"
        name, labels, value = match[1], self.labels(match[2] or ""), float(match[3])
        family = self.family
        assert family in self.types and family in self.helps, f"no HELP and TYPE before {line!r}"
        kind = self.types[family]
        ends = SUFFIXES[kind] if self.openmetrics or kind == "histogram" else ("",)
        assert name in [family + end for end in ends], f"{name} in the family {family}"
        assert (name, labels) not in self.samples, f"twice: {line!r}"
        if kind == "counter" or name.endswith(("_bucket", "_count")):
            assert value >= 0, f"negative: {line!r}"
        self.samples[name, labels] = value
        if match[5] is not None:
            assert self.openmetrics, f"an exemplar in the text format: {line!r}"
            self.exemplars[name, labels] = (self.labels(match[5]), float(match[6]))

    @staticmethod
    def labels(text):
        pairs, at = [], 0
        while at < len(text):
            match = LABEL.match(text, at)
            assert match, f"labels: {text!r}"
            value = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match[2])
            if match[1] in ("le", "quantile"):
                value = repr(float(value))  # OpenMetrics writes 1.0 where the text format has 1
            pairs.append((match[1], value))
            at = match.end()
        assert len(dict(pairs)) == len(pairs), f"a label twice: {text!r}"
        return frozenset(pairs)

    def check_histograms(self):
        buckets = collections.defaultdict(list)
        for (name, labels), value in self.samples.items():
            if name.endswith("_bucket") and self.types.get(name[:-7]) == "histogram":
                le = dict(labels)["le"]
                rest = frozenset(pair for pair in labels if pair[0] != "le")
                buckets[name[:-7], rest].append((float(le), value))
        for (family, labels), pairs in buckets.items():
            pairs.sort()
            values = [value for _, value in pairs]
            assert values == sorted(values), f"{family}{set(labels)}: buckets not cumulative"
            assert pairs[-1][0] == float("inf"), f"{family}{set(labels)}: no +Inf bucket"
            count = self.samples.get((family + "_count", labels))
            assert count == values[-1], f"{family}{set(labels)}: count {count}, +Inf {values[-1]}"

    def by(self, name, *keys, **match):
        """Sums of the samples called NAME that carry the labels MATCH, by the values of KEYS."""
        sums = collections.Counter()
        for (sample, labels), value in self.samples.items():
            labels = dict(labels)
            if sample == name and all(labels.get(k) == v for k, v in match.items()):
                key = tuple(labels.get(k, "") for k in keys)
                key = key[0] if len(keys) == 1 else key
                sums[key] += int(value) if value.is_integer() else value
        return sums

    def sum(self, name, **match):
        return self.by(name, **match)[()]

    def quantile(self, family, q, **match):
        """As PromQL's histogram_quantile: linear within the bucket."""
        buckets = self.by(family + "_bucket", "le", **match)
        pairs = sorted((float(le), n) for le, n in buckets.items())
        rank, low, below = q * pairs[-1][1], 0.0, 0
        for bound, n in pairs:
            if n >= rank:
                return low + (bound - low) * (rank - below) / (n - below) if n > below else bound
            low, below = bound, n
        return low


def scrape(address, port, openmetrics=False):
    """GET /metrics in the format asked for."""
    accept = OPENMETRICS if openmetrics else "text/plain"
    status, headers, body = get(address, port, "/metrics", {"Accept": accept})
    assert status == 200, f"/metrics: {status} {body[:200]!r}"
    kind = headers["Content-Type"].split(";")[0]
    assert kind == ("application/openmetrics-text" if openmetrics else "text/plain"), kind
    return Metrics(body.decode("utf-8"), openmetrics)
