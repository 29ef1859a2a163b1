# SPDX-License-Identifier: Apache-2.0
"""How one comes in: through a proxy, as anybody, with a certificate."""

import ipaddress
import os
import socket
import struct
import time

import pika
from cryptography import x509
from cryptography.x509.name import _ASN1Type as Asn1
from cryptography.x509.oid import NameOID, ObjectIdentifier

from auth_broker import longstr, method_frame, outcome, raw_login, receive_method
from auth_servers import Authority, WebServer
from auth_suite import Suite, equal, is_login_refused, refused


def proxy_v1(source):
    return b"PROXY TCP4 %s 192.0.2.1 40000 5672\r\n" % source.encode()


V2 = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, TCP4, TCP6, UNIX = b"\x20\x00", b"\x21\x11", b"\x21\x21", b"\x21\x31"


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


NOOP, AUTHORITY, UNIQUE_ID, SSL, NETWORK = 4, 2, 5, 0x20, 0x30
# What a load balancer adds: a name, an id, what it knows of the client's TLS.
EXTRAS = tlv(AUTHORITY, b"broker.example.org") + tlv(UNIQUE_ID, 128 * b"u")
EXTRAS += tlv(SSL, b"\x07\0\0\0\0" + tlv(0x21, b"TLSv1.3") + tlv(0x22, b"somebody else"))
EXTRAS += tlv(NETWORK, b"net") + tlv(0xEA, b"\x01vpce-08d2bf15fac5001c9")


# By 3.10: those that name no address of IP.
CLOSED_BY_RABBITMQ = (b"PROXY UNKNOWN", V2 + LOCAL, V2 + UNIX)


def proxy_v2(source, extras=tlv(NOOP, b"\0"), kind=TCP4):
    ports, addresses = struct.pack(">HH", 40000, 5672), b""
    if kind == TCP4:
        addresses = socket.inet_aton(source) + socket.inet_aton("192.0.2.1") + ports
    elif kind == TCP6:
        addresses = socket.inet_pton(socket.AF_INET6, source) * 2 + ports
    elif kind == UNIX:
        addresses = 216 * b"/"
    return V2 + kind + struct.pack(">H", len(addresses + extras)) + addresses + extras


def start_of_answer(client):
    try:
        return client.recv(8)
    except ConnectionResetError:
        return b""


def talk(port, first):
    """The start of the answer to the bytes and a protocol header."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(first + b"AMQP\0\0\x09\x01")
        return start_of_answer(client)


def is_started(answer):
    return answer[:3] == b"\x01\0\0"


class Proxy(Suite):
    name = "entrance-proxy"

    def settings(self):
        return ["proxy_protocol = true", "handshake_timeout = 2000"]

    def log_in(self, header):
        """As guest, who may only come from this machine."""
        with socket.create_connection(("127.0.0.1", self.broker.port), timeout=20) as client:
            client.sendall(header)
            return raw_login(client, "guest", "guest")

    def test_headers_of_both_versions(self):
        for header in (
            proxy_v1("127.0.0.1"),
            proxy_v2("127.0.0.1"),
            proxy_v2("127.0.0.1", b"", LOCAL),
            proxy_v2("127.0.0.1", EXTRAS, LOCAL),
            proxy_v2("127.0.0.1", EXTRAS),
            proxy_v2("::1", kind=TCP6),
            proxy_v2("127.0.0.1", kind=UNIX),
            b"PROXY UNKNOWN\r\n",
            b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
            b"PROXY TCP6 ::1 ::1 1 2\r\n",
            b"PROXY TCP6 %s %s 65535 65535\r\n" % (2 * (b":".join(8 * [b"ffff"]),)),
        ):
            if self.kind != "leveret" and header.startswith(CLOSED_BY_RABBITMQ):
                continue
            assert is_started(talk(self.broker.port, header)), header

    def test_headers_come_in_pieces(self):
        self.only_leveret("RabbitMQ 3.10 wants them whole")
        for header in (proxy_v1("127.0.0.1"), proxy_v2("127.0.0.1", EXTRAS)):
            with socket.create_connection(("127.0.0.1", self.broker.port), timeout=20) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for i in range(len(header)):
                    client.sendall(header[i : i + 1])
                equal(raw_login(client, "guest", "guest"), (10, 30))

    def test_a_header_that_does_not_end_is_not_waited_for(self):
        for start in (b"PROXY TCP4 127.0", V2 + TCP4 + b"\x01\0"):
            with socket.create_connection(("127.0.0.1", self.broker.port), timeout=20) as client:
                client.sendall(start)
                equal(start_of_answer(client), b"")

    def test_headers_are_bounded(self):
        self.only_leveret("RabbitMQ 3.10 fails at 3 KiB already")
        for extras in (tlv(NOOP, 3000 * b"x"), (4096 - 28) * b"\0"):
            assert is_started(talk(self.broker.port, proxy_v2("1.2.3.4", extras)))
        found = talk(self.broker.port, V2 + TCP4 + struct.pack(">H", 4096 - 16 + 1))
        equal(found, b"")

    def test_what_is_no_header_is_refused(self):
        for header in (
            b"",
            b"PROXY TCP4 1.2.3.4\r\n",
            b"PROXY TCP4 nobody 192.0.2.1 1 2\r\n",
            b"PROXY " + 120 * b"x",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
            b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
            V2 + b"\x11\x11\0\x0c" + 12 * b"\0",
            V2 + b"\x22\x11\0\x0c" + 12 * b"\0",
            V2 + TCP4 + b"\0\x04" + 4 * b"\0",
            V2 + TCP6 + b"\0\x0c" + 12 * b"\0",
            V2[:-1] + b"x" + TCP4 + b"\0\x0c" + 12 * b"\0",
        ):
            equal((header, talk(self.broker.port, header)), (header, b""))

    def test_the_clients_address_counts_for_loopback_users(self):
        self.only_leveret("RabbitMQ looks at the proxy's")
        for make in (proxy_v1, proxy_v2):
            equal(self.log_in(make("127.0.0.1")), (10, 30))
            equal(self.log_in(make("203.0.113.7")), (10, 50))

    def test_the_clients_address_is_logged(self):
        self.only_leveret("RabbitMQ logs logins alone")
        talk(self.broker.port, proxy_v1("203.0.113.9"))
        deadline = time.time() + 20
        while "203.0.113.9:40000" not in self.broker.log() and time.time() < deadline:
            time.sleep(0.1)
        assert "203.0.113.9:40000" in self.broker.log()


class ProxyTls(Suite):
    """In front of TLS."""

    name = "entrance-proxy-tls"
    has_tls = True

    def settings(self):
        return ["proxy_protocol = true"]

    def log_in(self, header):
        with socket.create_connection(("127.0.0.1", self.broker.tls_port), timeout=20) as client:
            client.sendall(header)
            context = self.broker.tls_context()
            with context.wrap_socket(client, server_hostname="localhost") as secured:
                return raw_login(secured, "guest", "guest")

    def test_the_header_stands_in_front_of_tls(self):
        for header in (
            proxy_v1("127.0.0.1"),
            proxy_v2("127.0.0.1"),
            proxy_v2("127.0.0.1", EXTRAS),
            proxy_v2("127.0.0.1", b"", LOCAL),
        ):
            if self.kind == "leveret" or not header.startswith(CLOSED_BY_RABBITMQ):
                equal(self.log_in(header), (10, 30))

    def test_the_clients_address_counts_for_loopback_users(self):
        self.only_leveret("RabbitMQ looks at the proxy's")
        self.only_leveret("RabbitMQ looks at the proxy's")
        for make in (proxy_v1, proxy_v2):
            equal(self.log_in(make("203.0.113.7")), (10, 50))

    def test_without_a_header_there_is_no_tls(self):
        for header in (b"", b"PROXY TCP4 1.2.3.4\r\n", V2 + b"\x11\x11\0\0"):
            try:
                found = self.log_in(header)
            except (OSError, struct.error):
                found = "closed"
            equal(found, "closed")

    def test_the_header_inside_of_tls_is_none(self):
        with socket.create_connection(("127.0.0.1", self.broker.tls_port), timeout=20) as client:
            client.sendall(proxy_v1("127.0.0.1"))
            context = self.broker.tls_context()
            with context.wrap_socket(client, server_hostname="localhost") as secured:
                secured.sendall(proxy_v1("127.0.0.1"))
                equal(secured.recv(8), b"AMQP\0\0\x09\x01")


class Anonymous(pika.credentials.ExternalCredentials):
    TYPE = "ANONYMOUS"

    def response_for(self, start):
        offered = start.mechanisms.split()
        return ("ANONYMOUS", b"me") if b"ANONYMOUS" in offered else (None, None)


pika.credentials.VALID_TYPES.append(Anonymous)


class WithAnonymous(Suite):
    name = "entrance-anonymous"

    def settings(self):
        if self.kind != "leveret":
            return []
        return ["anonymous_login_user = passer", "anonymous_login_pass = by"]

    def test_somebody_comes_in_as_the_configured_user(self):
        self.only_leveret("RabbitMQ has ANONYMOUS since 4.0")
        found = self.broker.login(credentials=Anonymous())
        assert is_login_refused(found), found
        self.broker.ctl("add_user", "passer", "by")
        self.broker.ctl("set_permissions", "-p", "/", "passer", "^pass", "", "")
        connection = self.broker.connect(credentials=Anonymous())
        connection.channel().queue_declare("pass", exclusive=True)
        found = outcome(lambda: connection.channel().queue_declare("other"))
        equal(found, refused("configure", "queue 'other' in vhost '/'", "passer"))
        connection.close()


class WithoutAnonymous(Suite):
    name = "entrance-plain"

    def test_it_is_not_offered_unless_configured(self):
        found = self.broker.login(credentials=Anonymous())
        assert "could not negotiate use of the ANONYMOUS" in found, found

    def test_a_proxys_header_is_none_unless_configured(self):
        equal(talk(self.broker.port, proxy_v1("127.0.0.1")), b"AMQP\0\0\x09\x01")


class ChallengeResponse(Suite):
    name = "entrance-challenge"

    def settings(self):
        names = ("PLAIN", "RABBIT-CR-DEMO")
        return ["auth_mechanisms.%d = %s" % (i + 1, name) for i, name in enumerate(names)]

    def answer_challenge(self, user, answer):
        """The class and method that come of it."""
        with socket.create_connection(("127.0.0.1", self.broker.port), timeout=20) as client:
            raw_login(client, user, "", waits=False, mechanism="RABBIT-CR-DEMO")
            secure = (10, 20, longstr(b"Please tell me your password"))
            equal(receive_method(client), secure)
            client.sendall(method_frame(10, 21, longstr(answer)))
            try:
                return (receive_method(client) or ())[:2]
            except ConnectionResetError:
                return ()

    def test_the_password_is_told_when_it_is_asked_for(self):
        tune, close = (10, 30), (10, 50)
        equal(self.answer_challenge("guest", b"My password is guest"), tune)
        equal(self.answer_challenge("guest", b"My password is wrong"), close)
        equal(self.answer_challenge("guest", b"My password is "), close)
        equal(self.answer_challenge("", b"My password is guest"), close)

    def test_another_answer_is_none(self):
        equal(self.answer_challenge("guest", b"guest"), ())
        equal(self.answer_challenge("guest", b""), ())


# --- certificates --------------------------------------------------------------------------------


def rdn(*pairs):
    """A part of a name, of pairs of a type and a value, and perhaps how that is written."""
    return x509.RelativeDistinguishedName([x509.NameAttribute(*pair) for pair in pairs])


def subject(*pairs):
    return x509.Name([rdn(pair) for pair in pairs])


JOE = subject((NameOID.ORGANIZATION_NAME, "Org"), (NameOID.COMMON_NAME, "joe"))

# A subject, the least specific part first, and the name that RabbitMQ makes of it.
DISTINGUISHED_NAMES = [
    (JOE, "CN=joe,O=Org"),
    (subject((NameOID.COMMON_NAME, "Jörg")), "CN=J\\C3\\B6rg"),
    (subject((NameOID.COMMON_NAME, "a~b\x7fc\x01d")), "CN=a\\7Eb\\7Fc\\01d"),
    (subject((NameOID.COMMON_NAME, ' a,b+c;d<e>f"g\\h= ')), 'CN=\\ a\\,b\\+c\\;d\\<e\\>f\\"g\\\\h=\\ '),
    (subject((NameOID.COMMON_NAME, "#1")), "CN=\\#1"),
    (subject((NameOID.COMMON_NAME, "a#1 b")), "CN=a#1 b"),
    (subject((NameOID.COMMON_NAME, " ")), "CN=\\ "),
    (
        x509.Name([rdn((NameOID.COMMON_NAME, "j"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "u"))]),
        "CN=j+OU=u",
    ),
    (subject((NameOID.COMMON_NAME, "one"), (NameOID.COMMON_NAME, "two")), "CN=two,CN=one"),
    (
        subject(
            (NameOID.COUNTRY_NAME, "DE"),
            (NameOID.STATE_OR_PROVINCE_NAME, "st"),
            (NameOID.LOCALITY_NAME, "l"),
            (NameOID.ORGANIZATION_NAME, "o"),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, "ou"),
            (NameOID.DOMAIN_COMPONENT, "dc"),
            (NameOID.USER_ID, "uid"),
        ),
        "UID=uid,DC=dc,OU=ou,O=o,L=l,ST=st,C=DE",
    ),
    (
        subject(
            (NameOID.SURNAME, "sn"),
            (NameOID.GIVEN_NAME, "gn"),
            (NameOID.GENERATION_QUALIFIER, "gq"),
            (NameOID.TITLE, "t"),
            (NameOID.SERIAL_NUMBER, "1"),
            (NameOID.PSEUDONYM, "p"),
            (NameOID.EMAIL_ADDRESS, "a@b.c"),
            (ObjectIdentifier("2.5.4.43"), "i"),
        ),
        "INITIALS=i,EMAILADDRESS=a@b.c,PSEUDONYM=p,SERIALNUMBER=1,TITLE=t,GENERATIONQUALIFIER=gq,"
        "GIVENNAME=gn,SN=sn",
    ),
    (
        subject((NameOID.STREET_ADDRESS, "s"), (ObjectIdentifier("2.5.4.13"), "x,ü")),
        "2.5.4.13=x\\,\\C3\\BC,2.5.4.9=s",
    ),
    (subject((NameOID.COMMON_NAME, "bmp é", Asn1.BMPString)), "CN=bmp \\C3\\A9"),
    (subject((NameOID.COMMON_NAME, "plain", Asn1.PrintableString)), "CN=plain"),
]

# Subjects, and the name from their common names.
COMMON_NAMES = [
    (JOE, "joe"),
    (subject((NameOID.COMMON_NAME, "one"), (NameOID.COMMON_NAME, "two")), "one,two"),
    (subject((NameOID.COMMON_NAME, " Jörg, #~ ")), " Jörg, #~ "),
    (subject((NameOID.COMMON_NAME, "bmp é", Asn1.BMPString)), "bmp é"),
]

OTHER_NAMES = [
    x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x05j\xc3\xb6@x"),
    x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x13\x03two"),
    x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x1e\x04\0b\0m"),
]
ALTERNATIVE_NAMES = [
    x509.DNSName("one.example"),
    x509.RFC822Name("joe@example.org"),
    x509.DNSName("two.example"),
    x509.UniformResourceIdentifier("urn:joe"),
    x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
] + OTHER_NAMES


class External(Suite):
    """The web service is told who the client's certificate says it is."""

    has_tls = True
    login_from = "distinguished_name"
    san_type, san_index = None, 0

    def prepare(self):
        self.web = WebServer(lambda *_: (200, "allow"))
        self.servers.append(self.web)

    def settings(self):
        paths = ["user", "vhost", "resource", "topic"]
        lines = ["auth_http.%s_path = %s/%s" % (path, self.web.url, path) for path in paths]
        lines += ["auth_backends.1 = http", "ssl_cert_login_from = " + self.login_from]
        if self.san_type:
            lines += [
                "ssl_cert_login_san_type = " + self.san_type,
                "ssl_cert_login_san_index = %d" % self.san_index,
            ]
        return lines

    def authority(self):
        return Authority(os.path.join(self.broker.folder, "certificates"))

    def login(self, certificate):
        credentials = pika.credentials.ExternalCredentials()
        return self.broker.login(credentials=credentials, certificate=certificate)

    def name_of(self, certificate):
        """Whom the web service is asked for."""
        self.web.asked.clear()
        equal(self.login(certificate), "ok")
        method, path, fields = self.web.asked[0]
        equal((method, path, list(fields)), ("GET", "/user", ["username"]))
        return fields["username"]


class ExternalByDistinguishedName(External):
    name = "entrance-external-dn"

    def test_distinguished_names(self):
        authority = self.authority()
        wrong = []
        for name, expected in DISTINGUISHED_NAMES:
            found = self.name_of(authority.sign(name))
            if found != expected:
                wrong.append("found %s, expected %s" % (found, expected))
        assert not wrong, "\n".join(wrong)

    def test_without_a_certificate_nobody_comes_in(self):
        found = self.login("")
        assert is_login_refused(found) and "EXTERNAL" in found, found

    def test_a_strangers_certificate_is_no_certificate(self):
        folder = os.path.join(self.broker.folder, "certificates")
        stranger = [os.path.join(folder, "stranger." + kind) for kind in ("pem", "key")]
        assert self.login(stranger) != "ok"

    def test_it_is_not_offered_without_tls(self):
        found = self.broker.login(credentials=pika.credentials.ExternalCredentials())
        assert found != "ok" and "ACCESS_REFUSED" not in found, found


class ExternalByCommonName(External):
    name = "entrance-external-cn"
    login_from = "common_name"

    def test_common_names(self):
        authority = self.authority()
        for name, expected in COMMON_NAMES:
            equal(self.name_of(authority.sign(name)), expected)

    def test_a_subject_without_one(self):
        found = self.login(self.authority().sign(subject((NameOID.ORGANIZATION_NAME, "Org"))))
        assert is_login_refused(found) and "EXTERNAL" in found, found


class ExternalByAlternativeName(External):
    login_from = "subject_alternative_name"
    expected = None

    def test_the_alternative_name(self):
        equal(self.name_of(self.authority().sign(JOE, ALTERNATIVE_NAMES)), self.expected)

    def test_a_certificate_without_one(self):
        found = self.login(self.authority().sign(JOE, [x509.RegisteredID(NameOID.TITLE)]))
        assert is_login_refused(found) and "EXTERNAL" in found, found
        assert is_login_refused(self.login(self.authority().sign(JOE)))


class ExternalByDns(ExternalByAlternativeName):
    name, san_type, san_index = "entrance-external-dns", "dns", 1
    expected = "two.example"


class ExternalByEmail(ExternalByAlternativeName):
    name, san_type = "entrance-external-email", "email"
    expected = "joe@example.org"


class ExternalByUri(ExternalByAlternativeName):
    name, san_type = "entrance-external-uri", "uri"
    expected = "urn:joe"


class ExternalByAddress(ExternalByAlternativeName):
    name, san_type = "entrance-external-ip", "ip"
    expected = "192.0.2.7"

    def test_the_alternative_name(self):
        self.only_leveret("RabbitMQ takes the four octets for a name")
        super().test_the_alternative_name()


class ExternalByOtherName(ExternalByAlternativeName):
    name, san_type = "entrance-external-other", "other_name"
    expected = "jö@x"


class ExternalByThirdOtherName(ExternalByAlternativeName):
    name, san_type, san_index = "entrance-external-other-3", "other_name", 2
    expected = "bm"

    def test_the_alternative_name(self):
        self.only_leveret("RabbitMQ fails at a BMPString")
        super().test_the_alternative_name()


SUITES = [
    Proxy,
    ProxyTls,
    WithAnonymous,
    WithoutAnonymous,
    ChallengeResponse,
    ExternalByDistinguishedName,
    ExternalByCommonName,
    ExternalByDns,
    ExternalByEmail,
    ExternalByUri,
    ExternalByAddress,
    ExternalByOtherName,
    ExternalByThirdOtherName,
]
