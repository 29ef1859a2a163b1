# SPDX-License-Identifier: Apache-2.0
"""rabbit-hole's own tests. They know the default ports of a broker alone, so these are replaced in a copy, and nothing
else is; what a real RabbitMQ needs for them, its authors' script sets up likewise."""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

from interop_suite import BROKER

FOLDER = os.environ["RABBIT_HOLE_FOLDER"]
LIMIT_S = 840  # most tests wait for statistics, seconds each
# Each part of a name, and why the tests with it are left out, on RabbitMQ, too.
LEFT_OUT = {
    "shovel": "there are no shovels",
    "federation": "there is no federation",
    "/api/parameters when there are runtime parameters": "it makes an upstream, of which there are none",
    "name} when the parameter does not exist creates": "it makes an upstream, of which there are none",
}


def prepared_source():
    folder = tempfile.mkdtemp(prefix="leveret-interop-rabbit-hole-")
    atexit.register(shutil.rmtree, folder)
    source = os.path.join(folder, "source")
    shutil.copytree(os.path.join(FOLDER, "source"), source)
    for name in os.listdir(source):
        if name.endswith("_test.go") and name != "unit_test.go":
            path = os.path.join(source, name)
            os.chmod(path, 0o644)
            with open(path) as file:
                text = file.read()
            text = re.sub(r"\b15672\b", str(BROKER.management_port), text)
            with open(path, "w") as file:
                file.write(re.sub(r"\b5672\b", str(BROKER.port), text))
    return source


def set_up():
    guest = ("guest", ".*", ".*", ".*")
    BROKER.ctl("add_vhost", "rabbit/hole")
    BROKER.ctl("set_permissions", "-p", "rabbit/hole", *guest)
    BROKER.ctl("set_cluster_name", "rabbitmq@localhost")


def run_tests(source, names):
    """Name and failure of each."""
    report = os.path.join(source, "report.xml")
    command = ["go", "test", "-vet=off", "-timeout", "%ds" % LIMIT_S]
    command += ["-args", "-ginkgo.noColor", "-ginkgo.reportFile", report]
    command += ["-ginkgo.skip=(?i)" + "|".join(map(re.escape, LEFT_OUT))]
    command += ["-ginkgo.focus=" + re.escape(name) for name in names]
    done = subprocess.run(command, cwd=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if not os.path.exists(report):
        print("\n".join("# " + line for line in done.stdout.splitlines()))
        return [("starts", "go test: exit status %d" % done.returncode)]
    cases = xml.etree.ElementTree.parse(report).getroot().iter("testcase")
    return [result_of(case) for case in cases]


def result_of(case):
    skipped, failure = case.find("skipped"), case.find("failure")
    name = case.get("name").replace("/%d" % BROKER.port, "/5672")  # as its authors call it
    if skipped is not None:
        return name, None
    return name, "" if failure is None else failure.text or "failed"


def main():
    set_up()
    failed = 0
    seen = {}
    for name, failure in run_tests(prepared_source(), sys.argv[1:]):
        seen[name] = seen.get(name, 0) + 1
        shown = name if seen[name] == 1 else "%s (%d)" % (name, seen[name])
        if failure:
            failed += 1
            print("not ok %s: %s" % (shown, " ".join(failure.split())[:300]))
        elif failure is None:
            reason = next((why for part, why in LEFT_OUT.items() if part in name.lower()), "left out")
            print("skip %s: %s" % (shown, reason))
        else:
            print("ok " + shown)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
