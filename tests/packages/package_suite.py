# SPDX-License-Identifier: Apache-2.0
"""What the tests of packages have in common: each is a function of a build folder and a fresh folder
of its own."""

import argparse
import os
import subprocess
import sys
import tempfile
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT_S = 600


class Skip(Exception):
    """Why a test cannot be run here."""


def run(*command, **named):
    """What it prints to standard output; anything but success is an error that says what it printed."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, timeout=LIMIT_S, check=False, **named,
    )  # fmt: skip
    if done.returncode != 0:
        raise AssertionError(
            "%s: status %d\n%s%s" % (" ".join(command), done.returncode, done.stdout, done.stderr)
        )
    return done.stdout


def perform(test, build):
    """1 for the count that it adds to: passed, failed, skipped."""
    with tempfile.TemporaryDirectory(prefix="leveret-package-") as folder:
        try:
            test(build, folder)
        except Skip as reason:
            print("skip %s: %s" % (test.__name__, reason), flush=True)
            return 0, 0, 1
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print("not ok " + test.__name__, flush=True)
            return 0, 1, 0
    print("ok " + test.__name__, flush=True)
    return 1, 0, 0


def main(about, *tests):
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    unknown = set(options.names) - {test.__name__ for test in tests}
    if unknown:
        parser.error("no test " + ", ".join(sorted(unknown)))
    build = os.path.abspath(options.build)
    chosen = [test for test in tests if not options.names or test.__name__ in options.names]
    counts = [sum(column) for column in zip(*(perform(test, build) for test in chosen))]
    print("%d passed, %d failed, %d skipped" % tuple(counts))
    sys.exit(1 if counts[1] else 0)
