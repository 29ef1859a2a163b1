# SPDX-License-Identifier: Apache-2.0
"""What the scripts that run a private broker have in common.

A private broker lives in one folder: its data, logs, configuration, certificates and a file
`environment` of KEY=VALUE lines that a shell can source. The ports in it are chosen at the first
start and stay for the life of the folder, so a client reconnects where it was after a restart.

The ports come from below the range that the kernel gives to outgoing connections: a port of that
range may be taken by any client on the machine while the broker is down for a restart.

A broker is ended by process id, and only if the process is still the one that was started: its
start time is kept beside the id.
"""

import argparse
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time

SUPPORT = os.path.dirname(os.path.abspath(__file__))
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60


class BrokerError(Exception):
    pass


# --- ports -------------------------------------------------------------------------------------


def first_outgoing_port():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as range_file:
            return int(range_file.read().split()[0])
    except OSError:
        return 32768


def free_ports(count):
    """Distinct ports on which nothing listens now."""
    held = []
    end = max(first_outgoing_port(), 12000)
    try:
        while len(held) < count:
            candidate = socket.socket()
            try:
                candidate.bind(("127.0.0.1", random.randrange(10000, end)))
                held.append(candidate)
            except OSError:
                candidate.close()
        return [s.getsockname()[1] for s in held]
    finally:
        for s in held:
            s.close()


# --- the folder --------------------------------------------------------------------------------


class Folder:
    def __init__(self, path):
        self.path = os.path.abspath(path)

    def __call__(self, *names):
        return os.path.join(self.path, *names)

    def exists(self):
        return os.path.exists(self("environment"))

    def environment(self):
        if not self.exists():
            raise BrokerError("no broker was started in %s" % self.path)
        with open(self("environment")) as lines:
            return dict(line.rstrip("\n").split("=", 1) for line in lines if "=" in line)

    def write_environment(self, values):
        with open(self("environment.new"), "w") as out:
            out.writelines("%s=%s\n" % item for item in values.items())
        os.rename(self("environment.new"), self("environment"))

    def log(self, name):
        os.makedirs(self("log"), exist_ok=True)
        return open(self("log", name), "ab")


def settings(environment, certificates):
    """The rabbitmq.conf that every broker under test gets."""
    lines = ["listeners.tcp.default = 127.0.0.1:" + environment["AMQP_PORT"]]
    if "AMQP_TLS_PORT" in environment:
        lines += [
            "listeners.ssl.default = 127.0.0.1:" + environment["AMQP_TLS_PORT"],
            "ssl_options.cacertfile = " + certificates("ca.pem"),
            "ssl_options.certfile = " + certificates("server.pem"),
            "ssl_options.keyfile = " + certificates("server.key"),
            "ssl_options.verify = verify_peer",
            "ssl_options.fail_if_no_peer_cert = false",
            "ssl_cert_login_from = common_name",
            "auth_mechanisms.1 = PLAIN",
            "auth_mechanisms.2 = AMQPLAIN",
            "auth_mechanisms.3 = EXTERNAL",
        ]
    lines.append("loopback_users.guest = true")
    return lines


def new_environment(folder, options):
    ports = free_ports(4)
    environment = {
        "BROKER_DIR": folder.path,
        "AMQP_HOST": "127.0.0.1",
        "AMQP_PORT": str(options.port or ports[0]),
        "AMQP_USER": "guest",
        "AMQP_PASSWORD": "guest",
        "AMQP_VHOST": "/",
        "BROKER_EXTRA_PORT_1": str(ports[2]),
        "BROKER_EXTRA_PORT_2": str(ports[3]),
    }
    if not options.no_tls:
        environment.update(
            AMQP_TLS_PORT=str(options.tls_port or ports[1]),
            AMQP_CA_FILE=folder("certificates", "ca.pem"),
            AMQP_CLIENT_CERT=folder("certificates", "client.pem"),
            AMQP_CLIENT_KEY=folder("certificates", "client.key"),
        )
    return environment


def prepare(folder, options):
    """The environment and the configuration of a folder, made at its first start."""
    if folder.exists():
        return folder.environment()
    os.makedirs(folder.path, exist_ok=True)
    environment = new_environment(folder, options)
    if not options.no_tls:
        subprocess.run([os.path.join(SUPPORT, "certificates"), folder("certificates")], check=True)
    if "proxy_protocol=true" in [setting.replace(" ", "") for setting in options.set]:
        environment["BROKER_PROXIED"] = "1"
    lines = settings(environment, lambda name: folder("certificates", name))
    lines += [setting.replace("=", " = ", 1) for setting in options.set]
    with open(folder("broker.conf"), "w") as out:
        out.writelines(line + "\n" for line in lines)
        for path in options.config:
            with open(path) as extra:
                out.write(extra.read())
    return environment


# --- processes ---------------------------------------------------------------------------------


def start_time(pid):
    """When the process started, in ticks since boot; None if it is gone or only a zombie."""
    try:
        with open("/proc/%d/stat" % pid) as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def identity(pid):
    return "%d.%s" % (pid, start_time(pid))


def pid_of(environment, key):
    """The process id under the key if that very process still runs."""
    pid, _, started = environment.get(key, "").partition(".")
    if pid and start_time(int(pid)) == started:
        return int(pid)
    return None


def spawn(arguments, log, env=None, cwd=None):
    """A process in a session of its own, so that the end of the caller's terminal spares it."""
    with log:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )


def end(environment, key, signal_number):
    """Ends a process and returns once it is gone; one that outstays the time is killed."""
    pid = pid_of(environment, key)
    if pid is None:
        return
    os.kill(pid, signal_number)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while pid_of(environment, key) is not None:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            raise BrokerError("process %d did not end within %d s" % (pid, STOP_TIMEOUT_S))
        time.sleep(0.02)


# --- is it there? ------------------------------------------------------------------------------


def answers(port, ca_file=None, first=b""):
    """Whether something on the port answers the protocol header with connection.start."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=5)
        connection.sendall(first)
        if ca_file:
            context = ssl.create_default_context(cafile=ca_file)
            connection = context.wrap_socket(connection, server_hostname="localhost")
        with connection:
            connection.sendall(PROTOCOL_HEADER)
            head = connection.recv(11, socket.MSG_WAITALL if not ca_file else 0)
            return head[:3] == b"\x01\x00\x00" and head[7:11] == b"\x00\x0a\x00\x0a"
    except OSError:
        return False


def wait_until_ready(environment, process, log_path):
    deadline = time.monotonic() + START_TIMEOUT_S
    port = int(environment["AMQP_PORT"])
    tls_port = int(environment.get("AMQP_TLS_PORT", 0))
    # A broker behind a proxy wants to hear from it first (proxy_protocol = true).
    first = b"PROXY TCP4 127.0.0.1 127.0.0.1 9 9\r\n" if environment.get("BROKER_PROXIED") else b""
    while not (
        answers(port, first=first)
        and (not tls_port or answers(tls_port, environment["AMQP_CA_FILE"], first))
    ):
        if process.poll() is not None:
            raise BrokerError("the broker ended with %d; see %s" % (process.returncode, log_path))
        if time.monotonic() > deadline:
            raise BrokerError("not ready after %d s; see %s" % (START_TIMEOUT_S, log_path))
        time.sleep(0.05)


# --- the command line --------------------------------------------------------------------------


def parse_options(description, arguments):
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["start", "stop", "restart", "kill", "crash", "status", "ctl"])
    parser.add_argument("dir")
    parser.add_argument("--port", type=int, help="AMQP port (default: a free one)")
    parser.add_argument("--tls-port", type=int, help="AMQPS port (default: a free one)")
    parser.add_argument("--no-tls", action="store_true", help="no TLS listener")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--config", action="append", default=[], metavar="FILE")
    parser.add_argument("--plugins", default="", help="RabbitMQ only: comma-separated plugins")
    parser.add_argument("--binary", help="Leveret only: the server")
    if arguments[:1] == ["ctl"]:  # the rest belongs to another program
        options = parser.parse_args(arguments[:2])
        options.arguments = arguments[2:]
        return options
    return parser.parse_args(arguments)


def start(broker, folder, options):
    if folder.exists() and broker.is_running(folder.environment()):
        raise BrokerError("a broker runs in %s already" % folder.path)
    environment = prepare(folder, options)
    try:
        broker.start(folder, environment, options)
    except BaseException:
        broker.end(environment, signal.SIGKILL)
        raise
    finally:
        folder.write_environment(environment)
    return environment


def stop(broker, folder, signal_number):
    environment = folder.environment()
    broker.end(environment, signal_number)
    return environment


def run(broker, description):
    """Runs the command that the script was called with; returns its exit status."""
    options = parse_options(description, sys.argv[1:])
    folder = Folder(options.dir)
    try:
        if options.command == "start":
            start(broker, folder, options)
            with open(folder("environment")) as values:
                sys.stdout.write(values.read())
        elif options.command == "stop":
            stop(broker, folder, signal.SIGTERM)
        elif options.command == "kill":
            stop(broker, folder, signal.SIGKILL)
        elif options.command == "restart":
            stop(broker, folder, signal.SIGTERM)
            start(broker, folder, options)
        elif options.command == "crash":
            broker.settle_declarations(folder, folder.environment())
            stop(broker, folder, signal.SIGKILL)
            start(broker, folder, options)
        elif options.command == "status":
            running = broker.is_running(folder.environment())
            print("running" if running else "stopped")
            return 0 if running else 1
        else:
            return broker.control(folder, folder.environment(), options.arguments)
    except (BrokerError, OSError, subprocess.CalledProcessError) as error:
        print("%s: %s" % (os.path.basename(sys.argv[0]), error), file=sys.stderr)
        return 1
    return 0
