# SPDX-License-Identifier: Apache-2.0
"""TAP for the end-to-end scripts: one case, one line, its failure explained in comments.

    tap = Tap()
    with tap.case("requests agree"):
        tap.equal(seen, sent, "requests")
    sys.exit(tap.finish())

A case that raises is `not ok` and the next one goes on; Skip inside one makes it a skip that names
what is missing. The plan comes last, so a script that dies before it is seen to have died.
"""

import contextlib
import sys
import traceback


class Skip(Exception):
    """What this machine lacks for a case."""


class Tap:
    def __init__(self):
        self.count, self.failures = 0, 0

    @contextlib.contextmanager
    def case(self, name):
        """Runs the body as one test called NAME."""
        self.count += 1
        try:
            yield
        except Skip as why:
            print(f"ok {self.count} - {name} # SKIP {why}", flush=True)
        except Exception as error:  # any way to fail is a failed case
            self.failures += 1
            self.explain(error)
            print(f"not ok {self.count} - {name}", flush=True)
        else:
            print(f"ok {self.count} - {name}", flush=True)

    @staticmethod
    def explain(error):
        if not isinstance(error, AssertionError) or not str(error):
            for line in "".join(traceback.format_exception(error)).splitlines():
                print(f"#   {line}")
            return
        where = traceback.extract_tb(error.__traceback__)[-1]
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.endswith("_e2e.py"):
                where = frame
        print(f"# {where.filename.rsplit('/', 1)[-1]}:{where.lineno}: {where.line}")
        for line in str(error).splitlines():
            print(f"#   {line}")

    def finish(self):
        """Prints the plan; returns the exit code."""
        print(f"1..{self.count}")
        return 1 if self.failures else 0


def equal(got, want, what):
    """Asserts equality; mappings are compared key by key in the message."""
    if got == want:
        return
    if isinstance(got, dict) and isinstance(want, dict):
        keys = [k for k in {**got, **want} if got.get(k) != want.get(k)]
        lines = [f"{k}: got {got.get(k)!r}, want {want.get(k)!r}" for k in keys[:20]]
        raise AssertionError(f"{what} differ:\n" + "\n".join(lines))
    if isinstance(got, (set, frozenset)) and isinstance(want, (set, frozenset)):
        got, want = sorted(got - want, key=str)[:5], sorted(want - got, key=str)[:5]
        raise AssertionError(f"{what}: too many, such as {got}; missing, such as {want}")
    raise AssertionError(f"{what}: got {str(got)[:1000]}, want {str(want)[:1000]}")


def near(got, want, share, what, slack=0):
    """Asserts |GOT - WANT| <= SHARE of WANT, or SLACK."""
    if abs(got - want) > max(share * want, slack):
        raise AssertionError(f"{what}: got {got}, want {want} within {share:.0%}")


def main(body):
    """Runs BODY(tap) with the plan printed at the end, and exits."""
    tap = Tap()
    body(tap)
    sys.exit(tap.finish())
