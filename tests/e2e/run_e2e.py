#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `make run` starts once everything is built shows requests, ends by itself or on Ctrl-C, and
leaves nothing behind, neither process nor file.
"""

import os
import pty
import re
import signal
import subprocess
import tempfile
import termios
import time
from pathlib import Path

from bed import ROOT, Bed, build_dir, wait_for
from tap import equal, main


def start(bed, scratch, **options):
    """The script as leader of a session of its own, its temporary files in SCRATCH."""
    environment = dict(os.environ, BUILD=str(bed.build), TMPDIR=str(scratch), TERM="xterm")
    script = subprocess.Popen([ROOT / "tools/demo/run.sh"], env=environment, cwd=ROOT,
                              start_new_session=True, **options)
    bed.undo(end, script)
    return script


def end(script):
    """For the clean-up: the whole session, since it is the script's own."""
    for pid in session(script.pid):
        os.kill(pid, signal.SIGKILL)
    script.wait()


def session(sid):
    """The processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == sid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def nothing_left(script, scratch, run_dir):
    equal(session(script.pid), [], "processes")
    equal(list(scratch.iterdir()), [], "temporary files")
    assert not run_dir.exists(), f"{run_dir} is there"


def without_terminal(bed, tap):
    scratch = Path(tempfile.mkdtemp(dir=bed.dir))
    with tap.case("without a terminal: ten seconds of requests, a summary, exit 0"):
        began, out = time.monotonic(), bed.dir / "out"
        with out.open("w") as file:
            script = start(bed, scratch, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        equal(script.wait(60), 0, "exit code")
        took, text = time.monotonic() - began, out.read_text()
        run_dir = Path(re.search(r"Run directory: (\S+)", text)[1])
        for operation in ("GET /products/", "POST /checkout", "POST /payment", "GET /missing"):
            assert re.search(rf"demo-shop +demo-client .* {operation}", text), text
        assert re.search(r"^-- \d{3,} requests, \d+ errors, \d+ records lost --$", text, re.M), text
        assert re.search(r"^demo-shop +server +\d{3,} .*demo-client$", text, re.M), text
        assert took >= 10, f"{took:.1f} s"
    with tap.case("and nothing is left behind"):
        nothing_left(script, scratch, run_dir)


class Screen:
    """The far end of a terminal, and all that was written to it."""

    def __init__(self, bed):
        self.fd, self.near = pty.openpty()
        termios.tcsetwinsize(self.near, (30, 120))
        bed.undo(os.close, self.fd)
        os.set_blocking(self.fd, False)
        self.text = ""

    def shows(self, pattern):
        try:
            self.text += os.read(self.fd, 65536).decode("utf-8", "replace")
        except OSError:
            pass
        return re.search(pattern, self.text)


def on_a_terminal(bed, tap):
    scratch, screen = Path(tempfile.mkdtemp(dir=bed.dir)), Screen(bed)
    with tap.case("on a terminal: the live table of `sonde top`, until Ctrl-C"):
        script = start(bed, scratch, stdin=screen.near, stdout=screen.near, stderr=screen.near,
                       preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)))
        os.close(screen.near)
        wait_for("the shop on the screen", lambda: screen.shows("GET /products"), 20)
        run_dir = Path(screen.shows(r"Run directory: (\S+)")[1].strip())
        os.write(screen.fd, b"\x03")
        wait_for("its end", lambda: (screen.shows("$"), script.poll() is not None)[1], 15)
        assert script.returncode in (0, 130), f"exit code {script.returncode}"
    with tap.case("and nothing is left behind then either"):
        nothing_left(script, scratch, run_dir)


def body(tap):
    with Bed(build_dir()) as bed:
        without_terminal(bed, tap)
        on_a_terminal(bed, tap)


if __name__ == "__main__":
    main(body)
