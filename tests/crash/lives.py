# SPDX-License-Identifier: Apache-2.0
"""A broker that is started, worked with for a moment, and killed, again and again.

What its clients do, what must hold after each start, and what is checked at the end is a subclass's
business. What must not be is told to find(); a kill after which something was found counts as failed.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from amqp_client import Client, Lost, Refused
from server import ROOT, DidNotStart, Leveret, RabbitMQ

FINDINGS_MAX = 50
FINDINGS_TO_GIVE_UP = 1000


class Findings:
    def __init__(self):
        self.texts = []

    def __call__(self, text):
        """Notes something that must not be."""
        if len(self.texts) < FINDINGS_MAX:
            print("FAILED: " + text, flush=True)
        self.texts.append(text)

    def __len__(self):
        return len(self.texts)


class Lives:
    """A subclass has first_life(), after_start(), start_clients(choice) -> threads, after_crash(),
    says() -> str and checks() -> functions for the end, the first of which starts the broker."""

    load_s_max = 1.2
    load_s_min = 0.05

    @staticmethod
    def add_options(parser):
        """A subclass may have more than main() has."""

    def __init__(self, server, options):
        self.server = server
        self.random = random.Random(options.seed)
        self.find = Findings()
        self.is_ending = False
        self.has_lived = False

    def choice(self):
        """A source of choices for one thread."""
        return random.Random(self.random.random())

    def spawn(self, work, *arguments):
        """A client on a thread of its own, until the broker ends."""

        def run():
            try:
                work(Client(self.server.port), *arguments)
            except (Lost, Refused) as error:
                if not self.is_ending:
                    self.find("%s: %s %s" % (work.__qualname__, type(error).__name__, error))
            except Exception as error:
                self.find("%s: %r" % (work.__qualname__, error))

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def start_and_check(self):
        started = time.monotonic()
        self.server.start()
        start_s = time.monotonic() - started
        if not self.has_lived:
            self.first_life()
        self.has_lived = True
        self.after_start()
        return start_s

    def end(self):
        """True if it was a kill."""
        if not self.server.is_running():
            self.find("the broker ended by itself, %s:\n%s"
                      % (self.server.ended_with(), self.server.last_words()))  # fmt: skip
        self.is_ending = True
        how = "under load"
        if self.random.random() < 0.1:
            how = "while it stopped"
            self.server.signal(signal.SIGTERM)
            time.sleep(self.random.uniform(0, 0.05))
        return self.server.kill(), how

    def live(self):
        """Checks what was found, works for a while, and is killed; True if it was a kill."""
        start_s = self.start_and_check()
        self.is_ending = False
        clients = self.start_clients()
        load_s = self.random.uniform(self.load_s_min, self.load_s_max)
        time.sleep(load_s)
        was_killed, how = self.end()
        for client in clients:
            client.join()
        self.data_is_sound()
        self.after_crash()
        print("  start %.2f s, load %.2f s, then %s %s" % (start_s, load_s, ending(was_killed), how))
        return was_killed

    def die_young(self):
        """Is killed during its start."""
        self.server.begin_start()
        time.sleep(self.random.uniform(0, 0.1))
        was_killed = self.server.kill()
        self.data_is_sound()
        self.after_crash()
        print("  %s during its start" % ending(was_killed))
        return was_killed

    def run_kills(self, count):
        """The numbers of kills that went well and not well."""
        done, bad = 0, 0
        while done < count:
            findings = len(self.find)
            is_young = self.has_lived and self.random.random() < 0.1
            was_killed = self.die_young() if is_young else self.live()
            done += was_killed
            bad += len(self.find) > findings
            print("kill %d of %d: %s, %d findings"
                  % (done, count, self.says(), len(self.find)), flush=True)  # fmt: skip
            if len(self.find) > FINDINGS_TO_GIVE_UP:
                break
        return done - bad, bad

    # --- the end

    def data_is_sound(self):
        """What the offline check says of the data folder, in which nobody works."""
        if not isinstance(self.server, Leveret) or isinstance(self.server, RabbitMQ):
            return
        if self.server.is_running():
            self.server.stop()
        program = os.path.join(os.path.dirname(self.server.binary), "leveretctl")
        command = [program, "-q", "-D", self.server.folder("data"), "check"]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode != 0:
            self.find("leveretctl check: exit status %d\n%s" % (result.returncode, result.stdout))

    def no_sanitizer_spoke(self):
        for finding in self.server.sanitizer_findings():
            self.find(finding)

    def passes(self, check):
        findings = len(self.find)
        try:
            check()
        except (Lost, Refused, DidNotStart) as error:
            self.find("%s: %s %s" % (check.__name__, type(error).__name__, error))
        is_good = len(self.find) == findings
        print("[%s] %s" % ("       OK " if is_good else "  FAILED  ", check.__name__), flush=True)
        return is_good

    def run(self, kills):
        """(passed, failed)"""
        try:
            passed, failed = self.run_kills(kills)
            checks = [*self.checks(), self.data_is_sound, self.no_sanitizer_spoke]
            good = sum(self.passes(check) for check in checks)
            return passed + good, failed + len(checks) - good
        except (Lost, Refused, DidNotStart) as error:
            self.find("%s: %s" % (type(error).__name__, error))
            print(self.server.last_words())
            return 0, 1


def ending(was_killed):
    return "killed" if was_killed else "it had ended before the kill"


def parse_options(lives, text, kills, brokers):
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=kills)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--binary", default=os.path.join(ROOT, "build", "release", "leveretd"))
    parser.add_argument("--broker", choices=brokers, default="leveret")
    lives.add_options(parser)
    return parser.parse_args()


def main(lives, text, kills, brokers=("leveret",)):
    """Runs this class of Lives with the options of the command line; the exit status."""
    options = parse_options(lives, text, kills, brokers)
    print("seed %d" % options.seed, flush=True)
    base = tempfile.mkdtemp(prefix="leveret-kill-")
    folder = os.path.join(base, "broker")
    is_leveret = options.broker == "leveret"
    server = Leveret(folder, options.binary) if is_leveret else RabbitMQ(folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failed = 1
    try:
        passed, failed = lives(server, options).run(options.kills)
    finally:
        if server.process is not None or not is_leveret:
            server.kill()
        if failed:
            print("the broker's folder with its log and data: " + folder)
        else:
            shutil.rmtree(base)
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0
