# SPDX-License-Identifier: Apache-2.0
"""What a broker asks about users, for the tests of its back ends: a web service, a key set with the
tokens that its keys sign, and a real slapd. All of them listen on loopback, on free ports."""

import base64
import datetime
import http.server
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def make_certificates(folder):
    subprocess.run([os.path.join(ROOT, "interop", "support", "certificates"), folder], check=True)
    return folder


class Authority:
    """Signs certificates of clients with the key of make_certificates."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0
        with open(os.path.join(folder, "ca.key"), "rb") as file:
            self.key = serialization.load_pem_private_key(file.read(), None)
        with open(os.path.join(folder, "ca.pem"), "rb") as file:
            self.certificate = x509.load_pem_x509_certificate(file.read())

    def sign(self, subject, alternative_names=()):
        """The files of a certificate and its key. subject: an x509.Name."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder(
            self.certificate.subject,
            subject,
            key.public_key(),
            x509.random_serial_number(),
            now - datetime.timedelta(hours=1),
            now + datetime.timedelta(days=1),
        )
        if alternative_names:
            names = x509.SubjectAlternativeName(alternative_names)
            builder = builder.add_extension(names, critical=False)
        self.count += 1
        stem = os.path.join(self.folder, "signed-%d" % self.count)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        signed = builder.sign(self.key, hashes.SHA256())
        for name, text in (
            (stem + ".key", private),
            (stem + ".pem", signed.public_bytes(serialization.Encoding.PEM)),
        ):
            with open(name, "wb") as out:
                out.write(text)
        return stem + ".pem", stem + ".key"


class WebServer:
    """Answers with what `answer(path, query)` returns: (status, text). Remembers what was asked."""

    def __init__(self, answer, certificates=None):
        self.asked = []
        self.answer_with(answer)
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self, method, query):
                path = urllib.parse.urlparse(self.path).path
                fields = {k: v[0] for k, v in urllib.parse.parse_qs(query, True).items()}
                server.asked.append((method, path, fields))
                status, text = server.current(path, fields)
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.reply("GET", urllib.parse.urlparse(self.path).query)

            def do_POST(self):
                size = int(self.headers.get("Content-Length", 0))
                self.reply("POST", self.rfile.read(size).decode())

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that does not trust us hangs up

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(
                os.path.join(certificates, "server.pem"), os.path.join(certificates, "server.key")
            )
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if certificates else "http"
        self.url = "%s://localhost:%d" % (scheme, self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer_with(self, answer):
        self.current = answer

    def end(self):
        self.server.shutdown()
        self.server.server_close()


# --- OAuth 2 -------------------------------------------------------------------------------------


def base64url(number, size):
    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).rstrip(b"=").decode()


class SigningKey:
    """A key pair, RSA or elliptic, with its id."""

    def __init__(self, key_id, kind="RS256"):
        self.key_id, self.kind = key_id, kind
        if kind == "RS256":
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        else:
            self.private = ec.generate_private_key(ec.SECP256R1())

    def public_pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def jwk(self):
        numbers = self.private.public_key().public_numbers()
        if self.kind == "RS256":
            size = (numbers.n.bit_length() + 7) // 8
            values = {"kty": "RSA", "n": base64url(numbers.n, size), "e": base64url(numbers.e, 3)}
        else:
            values = {"kty": "EC", "crv": "P-256"}
            values.update(x=base64url(numbers.x, 32), y=base64url(numbers.y, 32))
        return dict(values, kid=self.key_id, use="sig", alg=self.kind)

    def sign(self, scopes, typ="JWT", algorithm=None, **claims):
        whole = {"aud": "broker", "sub": "joe", "exp": int(time.time()) + 300, "scope": scopes}
        whole.update(claims)
        whole = {name: value for name, value in whole.items() if value is not None}
        headers = {"kid": self.key_id, "typ": typ}
        return jwt.encode(whole, self.private, algorithm or self.kind, headers=headers)


class KeySet(WebServer):
    def __init__(self, certificates):
        self.keys = []
        super().__init__(self.answer, certificates)

    def answer(self, path, _):
        if path == "/keys":
            return 200, json.dumps({"keys": [key.jwk() for key in self.keys]})
        if path == "/.well-known/openid-configuration":
            return 200, json.dumps({"issuer": self.url, "jwks_uri": self.url + "/keys"})
        return 404, "nothing here"


# --- LDAP ----------------------------------------------------------------------------------------

SLAPD_CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCACertificateFile {certificates}/ca.pem
TLSCertificateFile {certificates}/server.pem
TLSCertificateKeyFile {certificates}/server.key
database mdb
maxsize 10485760
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw admin-secret
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous {anonymous}
"""


class SilentServer:
    """Takes connections, and never says a word."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.socket.getsockname()[1]

    def end(self):
        self.socket.close()


class FullServer:
    """Takes no connection: its backlog is full, and a client's first packet is dropped."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.socket.getsockname()[1]
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self.fillers.append(filler)

    def end(self):
        for filler in self.fillers:
            filler.close()
        self.socket.close()


class Slapd:
    """Debian's slapd in a folder of its own, with the entries of an LDIF."""

    def __init__(self, ldif, certificates, anonymous="none", log_level=0):
        self.folder = tempfile.mkdtemp()
        os.mkdir(os.path.join(self.folder, "data"))
        self.port, self.tls_port = free_port(), free_port()
        configuration = os.path.join(self.folder, "slapd.conf")
        with open(configuration, "w") as out:
            out.write(
                SLAPD_CONFIGURATION.format(
                    folder=self.folder, certificates=certificates, anonymous=anonymous
                )
            )
        subprocess.run(
            ["/usr/sbin/slapadd", "-f", configuration], input=ldif, text=True, check=True
        )
        self.log = open(os.path.join(self.folder, "log"), "w")
        self.log_read = 0
        addresses = "ldap://127.0.0.1:%d/ ldaps://127.0.0.1:%d/" % (self.port, self.tls_port)
        self.process = subprocess.Popen(
            ["/usr/sbin/slapd", "-f", configuration, "-h", addresses, "-d", str(log_level)],
            stdout=self.log,
            stderr=self.log,
        )
        self.wait()

    def wait(self):
        deadline = time.time() + 20
        while time.time() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("slapd does not start: see %s/log" % self.folder)

    def searches(self):
        """Those that were logged since the last time: base, scope and filter."""
        with open(self.log.name) as log:
            log.seek(self.log_read)
            text = log.read()
        self.log_read += len(text)
        return re.findall(r"SRCH (base=.* filter=.*)", text)

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
