# SPDX-License-Identifier: Apache-2.0
"""The frame of an interop suite in Python: registers tests, runs them, prints one line for each.

    from interop_suite import BROKER, expect, main, test, unique

    @test
    def publishes_and_consumes():
        ...
    main()

A test fails by an exception and is given a time limit, so that a broker that does not answer costs
a minute and not the run. What a test leaves to clean up it hands to `defer`.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
import traceback
import uuid
from types import SimpleNamespace

TEST_TIMEOUT_S = 60
RESTART_TIMEOUT_S = 180
SLOW_S = 3
QUICK = os.environ.get("INTEROP_QUICK") == "1"

_tests = []
_deferred = []


def _broker():
    names = (
        "AMQP_HOST AMQP_PORT AMQP_TLS_PORT AMQP_USER AMQP_PASSWORD AMQP_VHOST"
        " AMQP_CA_FILE AMQP_CLIENT_CERT AMQP_CLIENT_KEY BROKER_RESTART BROKER_CRASH BROKER_CTL"
    ).split()
    missing = [name for name in names if name not in os.environ]
    if missing:
        sys.exit("not set: %s (start the suite with interop/run)" % " ".join(missing))
    values = [os.environ[name] for name in names]
    broker = SimpleNamespace(
        **{name.lower().replace("amqp_", ""): v for name, v in zip(names, values)}
    )
    broker.port, broker.tls_port = int(broker.port), int(broker.tls_port)
    broker.management_port = int(os.environ.get("MANAGEMENT_PORT", "0"))
    control = shlex.split(broker.broker_ctl)
    broker.ctl = lambda *words: subprocess.run([*control, *words], check=True, stdout=sys.stderr)
    return broker


BROKER = _broker()


class Mismatch(Exception):
    pass


class Skip(Exception):
    """The test cannot run on this broker; the text says why."""


class Timeout(BaseException):
    """Not an Exception: a client library that catches everything must not swallow it."""


def expect(got, wanted, what="result"):
    if got != wanted:
        raise Mismatch("%s: expected %r, got %r" % (what, wanted, got))


def expect_true(condition, what):
    if not condition:
        raise Mismatch(what)


def poll(condition, what, timeout_s=20):
    """Returns the first true value of condition()."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Mismatch("%s: not within %g s" % (what, timeout_s))
        time.sleep(0.02)


def unique(name):
    return "interop.%s.%s" % (name, uuid.uuid4().hex[:12])


def defer(function, *arguments, **named):
    """Calls the function when the test is over, however it ends, last deferred first."""
    _deferred.append((function, arguments, named))


def restart_broker():
    _run_outside_of_the_limit(BROKER.broker_restart)


def crash_broker():
    """SIGKILL, and started again."""
    _run_outside_of_the_limit(BROKER.broker_crash)


def _run_outside_of_the_limit(command):
    signal.alarm(RESTART_TIMEOUT_S)
    subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL)
    signal.alarm(TEST_TIMEOUT_S)


def skip_without_plugin(error):
    """An exchange's type was refused: a plug-in that this RabbitMQ has not, or a failure."""
    if os.environ.get("BROKER_NAME") != "rabbitmq":
        raise error
    raise Skip("a plug-in that Debian's RabbitMQ has not")


def test(function):
    _tests.append(function)
    return function


def _on_alarm(_signal, _frame):
    raise Timeout("no result after %d s" % TEST_TIMEOUT_S)


def _clean_up():
    while _deferred:
        function, arguments, named = _deferred.pop()
        try:
            function(*arguments, **named)
        except Exception as error:
            print("# clean-up: %s: %s" % (type(error).__name__, error), flush=True)


def _print_where(error):
    """The way to the error, without the frames inside the client library but for the last."""
    frames = traceback.extract_tb(error.__traceback__)
    own = os.path.dirname(os.path.abspath(sys.argv[0]))
    shown = [frame for frame in frames if frame.filename.startswith(own)] + frames[-1:]
    for frame in shown:
        name = os.path.basename(frame.filename)
        print("#   %s:%d in %s: %s" % (name, frame.lineno, frame.name, frame.line), flush=True)


def _run(function):
    """The test's line of the contract, without its name: `ok`, or `skip` or `not ok` with a reason."""
    signal.alarm(TEST_TIMEOUT_S)
    try:
        function()
        return "ok", ""
    except Skip as reason:
        return "skip", ": %s" % reason
    except (Exception, Timeout) as error:
        _print_where(error)
        text = " ".join(("%s: %s" % (type(error).__name__, error)).split())
        return "not ok", ": " + text[:500]
    finally:
        signal.alarm(TEST_TIMEOUT_S)
        try:
            _clean_up()
        except Timeout:
            print("# clean-up did not end in time", flush=True)
        signal.alarm(0)


def main():
    """Runs the tests named by the arguments, or all; exits."""
    signal.signal(signal.SIGALRM, _on_alarm)
    selected = [t for t in _tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    failed = 0
    for function in selected:
        started_s = time.monotonic()
        status, reason = _run(function)
        took_s = time.monotonic() - started_s
        failed += status == "not ok"
        print("%s %s%s" % (status, function.__name__, reason), flush=True)
        if took_s > SLOW_S:
            print("# that took %.1f s" % took_s, flush=True)
    sys.exit(1 if failed or not selected else 0)
