#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks who includes whom: check_includes.py [ROOT].

Every source file is in a room, the longest prefix of its path in ROOMS. A room may include itself
and the rooms listed for it; a library's headers may be included in the rooms that LIBRARIES lists.
Project headers stand in quotes with their full path, libraries in angle brackets. Prints FILE:LINE
and the reason for each breach and ends with 1; a file that belongs to no room is a breach too.
"""

import pathlib
import re
import subprocess
import sys

CORE = {"agent/core"}
MODEL = CORE | {"agent/model"}
EXPORTERS = MODEL | {"exporters"}
DAEMON = MODEL | {
    "agent/proto", "agent/probe", "agent/track", "agent/meta", "agent/agg", "agent/limit",
    "exporters", "exporters/*", "tools/dash",
}
TEST = {"*"}

# room: what it may include beside itself; "x/*" is every room below x, "*" is everything
ROOMS = {
    "bpf/abi": set(),
    "bpf": {"bpf/abi"},
    "agent/core": set(),
    "agent/model": CORE,
    "agent/proto": MODEL,
    "agent/track": MODEL | {"agent/proto"},
    "agent/meta": MODEL,
    "agent/agg": MODEL,
    "agent/limit": MODEL,
    "agent/probe": MODEL | {"bpf/abi"},
    "agent/daemon": DAEMON,
    "agent/main.c": MODEL | {"agent/daemon"},
    "exporters/jsonl": EXPORTERS,
    "exporters/prometheus": EXPORTERS,
    "exporters": MODEL | {"exporters/*"},
    "tools/sonde": MODEL,
    "tools/dash": CORE,
    "tools/demo": set(),
    "tests": TEST,
}

# What single headers are open to beside the rooms above: the config's table, the arithmetic of
# histograms, the JSON writer of the ways out, what the doctor looks at, and the rules of rate limiting
# serve the command line too.
HEADERS = {
    "agent/agg/agg.h": {"tools/sonde"},
    "agent/daemon/config.h": {"tools/sonde"},
    "agent/daemon/config_limit.h": {"tools/sonde"},
    "agent/daemon/limit_kernel.h": {"tools/sonde"},
    "agent/probe/limit_probe.h": {"tools/sonde"},
    "agent/limit/evaluate.h": {"tools/sonde"},
    "agent/limit/packet.h": {"tools/sonde"},
    "agent/limit/pcap.h": {"tools/sonde"},
    "agent/limit/set.h": {"tools/sonde"},
    "agent/meta/identity.h": {"tools/sonde"},
    "agent/probe/features.h": {"tools/sonde"},
    "exporters/json.h": {"tools/sonde"},
}

# headers of libraries and generated ones: the rooms that need them; the tests may use all
LIBRARIES = (
    (r"bpf/.*\.skel\.h|bpf/(libbpf|bpf|btf)\.h|linux/(bpf|btf)\.h", {"agent/probe"}),
    (r"vmlinux\.h|bpf/bpf_\w+\.h", {"bpf"}),
    (r"agent/model/.*\.pb-c\.h|protobuf-c/.*", {"agent/model", "agent/daemon", "tools/sonde"}),
    (r"microhttpd\.h", {"agent/daemon", "exporters/prometheus"}),
    (r"yaml\.h", {"agent/daemon"}),
    (r"(cap-ng|seccomp)\.h", {"agent/daemon"}),
    (r"(ncurses|ncursesw|curses|panel)(/.*)?\.h", {"tools/sonde"}),
    (r"jansson\.h", {"tools/sonde", "agent/meta"}),
    (r"curl/.*\.h", {"agent/meta"}),
    (r"(gelf|libelf|elf)\.h", {"agent/probe"}),
    (r"cmocka\.h|liburing\.h", set()),
)

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    """The longest prefix of PATH in ROOMS, or None."""
    fits = [room for room in ROOMS if path == room or path.startswith(room + "/")]
    return max(fits, key=len, default=None)


def may_include(room, target):
    """Whether a file in ROOM may include the project header TARGET."""
    other = room_of(target)
    allowed = ROOMS[room]
    return (
        other == room
        or other in allowed
        or "*" in allowed
        or (other is not None and other.rpartition("/")[0] + "/*" in allowed)
        or room in HEADERS.get(target, ())
    )


def breach(room, bracket, target):
    """What is wrong with the include of TARGET in ROOM, or None."""
    for pattern, rooms in LIBRARIES:
        if re.fullmatch(pattern, target):
            return None if room in rooms or room == "tests" else f"{room} may not use {target}"
    if bracket == '"':
        if room_of(target) is None:
            return f'"{target}" is not a full path from the root'
        if not may_include(room, target):
            return f"{room} may not include {target}"
        return None
    if target.startswith(("agent/", "exporters/", "tools/")):
        return f"<{target}> is of the project and belongs in quotes"
    return None


def check(root, path):
    """Prints the breaches of the file at PATH below ROOT; returns their number."""
    room = room_of(path)
    if room is None:
        print(f"{path}:1: belongs to no room")
        return 1
    count = 0
    text = (root / path).read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        found = INCLUDE.match(line)
        wrong = found and breach(room, found[1], found[2])
        if wrong:
            print(f"{path}:{number}: {wrong}")
            count += 1
    return count


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard",
         "*.c", "*.h", ":!vmlinux/*"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout.split()
    breaches = sum(check(root, path) for path in sorted(set(listed)) if (root / path).exists())
    print(f"check_includes: {len(listed)} files, {breaches} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
