# SPDX-License-Identifier: Apache-2.0
"""B9: what the limiter takes per packet over an empty program, and packets/s beside others."""

import json

import limit_flood

ROWS = [
    ("one_source_limited_ns", "one source, beyond its rate", "must 60, aim 35"),
    ("one_source_passed_ns", "one source, within it", "must 60, aim 35"),
    ("sources_32k_ns", "32k sources", "must 150, aim 90"),
    ("every_packet_new_ns", "every packet a new source", "must 150, aim 70"),
    ("prefixes_1k_ns", "one source, 1k allowed networks, none its own", "must 60, aim 20"),
    ("prefixes_10k_ns", "one source, 10k allowed networks", "must 120, aim 30"),
    ("prefixes_10k_32k_sources_ns", "32k sources, 10k allowed networks", ""),
]


def run(bed, report, blocks):
    values = json.loads(bed.run([bed.build / "tests/bench/limit_bench"], seconds=300))
    for key, text, target in ROWS:
        report.add(key, text, values[key], "ns", target)
    limit_flood.add_rows(bed, report, blocks)
