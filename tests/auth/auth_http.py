# SPDX-License-Identifier: Apache-2.0
"""The HTTP back end, and the cache in front of it."""

import re
import socket
import struct
import threading
import time

from auth_broker import outcome, raw_login, receive, start_ok, update_secret
from auth_servers import WebServer
from auth_suite import (
    Suite,
    check_end,
    equal,
    hang,
    is_login_refused,
    publish,
    publish_as_somebody,
    refused,
)


def web_answer(path, fields, denial):
    """What the web service of these tests says: the status and the text."""
    user = fields.get("username")
    if path == "/user":
        passwords = {"web": "a b&c=ü", "boss": "x", "chief": "x", "sullen": "x"}
        if user == "broken":
            return 500, "allow"
        if user == "odd":
            return 200, "perhaps"
        if fields.get("password") != passwords.get(user, object()):
            return 200, "deny"
        tags = {"boss": " allow administrator impersonator ", "chief": "allow IMPERSONATOR"}
        return 200, tags.get(user, "Allow")
    if path == "/vhost":
        return 200, "deny" if user == "sullen" else "allow"
    if path == "/resource" and fields["name"].startswith("bad"):
        return 200, denial
    if path == "/topic" and fields["routing_key"].startswith("bad"):
        return 200, "deny"
    if path == "/resource" and fields["name"].startswith("fail"):
        return 503, "no"
    return 200, "allow"


class Web(Suite):
    """A web service that knows three users."""

    method = "get"

    def prepare(self):
        self.web = WebServer(self.answer)
        self.servers.append(self.web)

    def answer(self, path, fields):
        # RabbitMQ 3.10 cannot read a reason.
        return web_answer(path, fields, "deny it is bad" if self.kind == "leveret" else "deny")

    def settings(self):
        paths = ["user", "vhost", "resource", "topic"]
        return [
            "auth_backends.1 = http",
            "auth_backends.2 = internal",
            "auth_http.http_method = " + self.method,
        ] + ["auth_http.%s_path = %s/%s" % (path, self.web.url, path) for path in paths]

    def asked(self, path):
        return [fields for _, asked, fields in self.web.asked if asked == path]


class Http(Web):
    name = "http"

    def test_the_service_decides_who_comes_in(self):
        equal(self.broker.login("web", "a b&c=ü"), "ok")
        assert is_login_refused(self.broker.login("web", "wrong"))
        assert is_login_refused(self.broker.login("nobody", "x"))

    def test_an_answer_that_makes_no_sense_lets_nobody_in(self):
        assert is_login_refused(self.broker.login("broken", "x"))
        assert is_login_refused(self.broker.login("odd", "x"))

    def test_the_next_back_end_is_asked(self):
        equal(self.broker.login("guest", "guest"), "ok")

    def test_a_vhost_may_be_refused(self):
        found = self.broker.login("sullen", "x")
        assert "access to vhost '/' refused for user 'sullen'" in found, found
        asked = [fields for fields in self.asked("/vhost") if fields["username"] == "sullen"][-1]
        equal((asked["vhost"], asked["ip"]), ("/", "127.0.0.1"))

    def test_a_vhost_that_is_not_there(self):
        assert "vhost nope not found" in self.broker.login("web", "a b&c=ü", "nope")

    def test_resources_are_asked_for(self):
        self.web.asked.clear()
        step = self.step("web", "a b&c=ü", lambda c: c.queue_declare("good", exclusive=True))
        equal(step, "ok")
        asked = self.asked("/resource")[0]
        found = tuple(asked[k] for k in ("username", "vhost", "resource", "name", "permission"))
        equal(found, ("web", "/", "queue", "good", "configure"))

    def test_a_refusal_closes_the_channel(self):
        found = self.step("web", "a b&c=ü", lambda c: c.queue_declare("bad"))
        equal(found, refused("configure", "queue 'bad' in vhost '/'", "web"))

    def test_a_failure_is_a_refusal(self):
        found = self.step("web", "a b&c=ü", lambda c: c.queue_declare("fail"))
        tail = ', backend rabbit_auth_backend_http returned an error: {503,"no"}'
        # Erlang breaks the line inside of the term.
        found = re.sub(r"\n +", "", found)
        equal(found, refused("configure", "queue 'fail' in vhost '/'", "web", tail))

    def test_topics_are_asked_for_with_their_keys(self):
        self.web.asked.clear()
        equal(self.step("web", "a b&c=ü", lambda c: publish(c, "amq.topic", "good.1")), "ok")
        asked = self.asked("/topic")[0]
        found = tuple(asked[k] for k in ("resource", "name", "permission", "routing_key"))
        equal(found, ("topic", "amq.topic", "write", "good.1"))
        found = self.step("web", "a b&c=ü", lambda c: publish(c, "amq.topic", "bad.1"))
        equal(found, refused("write", "topic 'bad.1' in exchange 'amq.topic' in vhost '/'", "web"))

    def test_what_is_allowed_is_not_asked_for_again(self):
        connection = self.broker.connect("web", "a b&c=ü")
        channel = connection.channel()
        channel.confirm_delivery()
        self.web.asked.clear()
        for _ in range(20):
            channel.basic_publish("", "nowhere", b"m")
        connection.close()
        equal(len(self.asked("/resource")), 1)

    def test_publishes_keep_their_order(self):
        connection = self.broker.connect("web", "a b&c=ü")
        channel = connection.channel()
        channel.queue_declare("ordered", exclusive=True)
        bodies = [b"%d" % i for i in range(50)]
        for body in bodies:
            channel.basic_publish("", "ordered", body)
        found = [channel.basic_get("ordered", auto_ack=True)[2] for _ in bodies]
        connection.close()
        equal(found, bodies)

    def test_tags_come_with_the_answer(self):
        equal(self.step("boss", "x", publish_as_somebody), "ok")
        found = self.step("web", "a b&c=ü", publish_as_somebody)
        assert "user_id property set to 'somebody' but authenticated user was 'web'" in found, found

    def test_tags_are_taken_in_lower_case(self):
        self.only_leveret("RabbitMQ 3.10 takes them as they are")
        equal(self.step("chief", "x", publish_as_somebody), "ok")

    def test_a_server_named_queue(self):
        def declare_and_use(channel):
            name = channel.queue_declare("", exclusive=True).method.queue
            channel.basic_get(name)

        equal(self.step("web", "a b&c=ü", declare_and_use), "ok")

    def test_a_name_with_a_nul_in_it_is_nobodys(self):
        """It could be one name here and another one there."""
        self.only_leveret("RabbitMQ asks for it")
        self.web.asked.clear()
        with socket.create_connection(("127.0.0.1", self.broker.port), timeout=20) as client:
            equal(raw_login(client, "web\0x", "a b&c=ü", mechanism="AMQPLAIN"), (10, 50))
        equal(self.web.asked, [])

    def test_a_new_secret_changes_nothing(self):
        connection = self.broker.connect("web", "a b&c=ü")
        update_secret(connection, "anything", "because")
        connection.channel()
        connection.close()


class HttpPost(Web):
    """By POST, the reasons told, and permissions of the internal back end for some."""

    name = "http-post"
    method = "post"

    def settings(self):
        more = ["auth_backends.2.authn = http", "auth_backends.2.authz = internal"]
        lines = [line for line in super().settings() if not line.startswith("auth_backends.")]
        disclosed = ["auth_http.authorization_failure_disclosure = true"]
        return lines + more + (disclosed if self.kind == "leveret" else [])

    def test_who_it_is_by_http_what_it_may_by_permissions(self):
        assert is_login_refused(self.broker.login("web", "a b&c=ü"))
        self.broker.ctl("add_user", "web", "unused")
        self.broker.ctl("set_permissions", "-p", "/", "web", "^own", "^own", "^own")
        self.web.asked.clear()
        equal(self.broker.login("web", "a b&c=ü"), "ok")
        equal([(method, path) for method, path, _ in self.web.asked], [("POST", "/user")])
        assert is_login_refused(self.broker.login("web", "unused"))
        found = self.step("web", "a b&c=ü", lambda c: c.queue_declare("other"))
        equal(found, refused("configure", "queue 'other' in vhost '/'", "web"))


class HttpReasons(Web):
    name = "http-reasons"

    def settings(self):
        if self.kind != "leveret":
            return super().settings()
        return super().settings() + ["auth_http.authorization_failure_disclosure = true"]

    def test_reasons_are_told_where_they_may_be(self):
        self.only_leveret("RabbitMQ 3.10 never tells reasons")
        found = self.step("web", "a b&c=ü", lambda c: c.queue_declare("bad"))
        tail = " by backend rabbit_auth_backend_http: it is bad"
        equal(found, refused("configure", "queue 'bad' in vhost '/'", "web", tail))


class Cache(Web):
    name = "cache"

    def settings(self):
        lines = [line for line in super().settings() if not line.startswith("auth_backends.")]
        return lines + [
            "auth_backends.1 = cache",
            "auth_cache.cached_backend = http",
            "auth_cache.cache_ttl = 3000",
        ]

    def test_what_was_allowed_is_remembered_for_a_while(self):
        def declare():
            return self.step("web", "a b&c=ü", lambda c: c.queue_declare("kept", exclusive=True))

        self.web.asked.clear()
        equal(declare(), "ok")
        first = len(self.web.asked)
        equal(declare(), "ok")
        equal(len(self.web.asked), first)
        deadline = time.time() + 20
        while len(self.web.asked) == first and time.time() < deadline:
            time.sleep(0.5)
            equal(declare(), "ok")
        assert len(self.web.asked) > first

    def test_refusals_are_not_remembered(self):
        self.web.asked.clear()
        assert is_login_refused(self.broker.login("web", "wrong"))
        assert is_login_refused(self.broker.login("web", "wrong"))
        equal(len(self.asked("/user")), 2)

    def test_another_password_is_another_question(self):
        equal(self.broker.login("web", "a b&c=ü"), "ok")
        assert is_login_refused(self.broker.login("web", "another"))


class CacheRefusals(Cache):
    """Refusals are kept as well; who it is by one back end, what it may by another."""

    name = "cache-refusals"

    def settings(self):
        lines = [line for line in super().settings() if "cached_backend" not in line]
        return lines + [
            "auth_cache.cached_backend.authn = http",
            "auth_cache.cached_backend.authz = internal",
            "auth_cache.cache_refusals = true",
        ]

    def test_what_was_allowed_is_remembered_for_a_while(self):
        self.broker.ctl("add_user", "web", "unused")
        self.broker.ctl("set_permissions", "-p", "/", "web", ".*", ".*", ".*")
        self.web.asked.clear()
        for _ in range(3):
            equal(self.broker.login("web", "a b&c=ü"), "ok")
        equal([path for _, path, _ in self.web.asked], ["/user"])

    def test_refusals_are_not_remembered(self):
        self.web.asked.clear()
        for _ in range(3):
            assert is_login_refused(self.broker.login("web", "wrong"))
        equal(len(self.asked("/user")), 1)

    def test_failures_are_not_remembered(self):
        self.web.asked.clear()
        for _ in range(2):
            assert is_login_refused(self.broker.login("broken", "x"))
        equal(len(self.asked("/user")), 2)

    def test_long_names_are_not_remembered(self):
        self.only_leveret("RabbitMQ remembers whatever it is asked")
        self.web.asked.clear()
        for _ in range(2):
            assert is_login_refused(self.broker.login("w" * 5000, "wrong"))
        equal(len(self.asked("/user")), 2)

    def test_another_password_is_another_question(self):
        assert is_login_refused(self.broker.login("web", "another"))
        self.web.asked.clear()
        assert is_login_refused(self.broker.login("web", "a third"))
        equal(len(self.asked("/user")), 1)


class CacheAlone(Suite):
    """What it remembers by default is what the internal back end says."""

    name = "cache-alone"

    def settings(self):
        return ["auth_backends.1 = cache"]

    def test_the_internal_back_end_is_cached(self):
        equal(self.broker.login(), "ok")
        assert is_login_refused(self.broker.login("guest", "wrong"))
        connection = self.broker.connect()
        update_secret(connection, "anything")
        connection.channel()
        connection.close()


class Waiting(Web):
    """A service that lets some wait until the end."""

    def prepare(self):
        self.let_go = threading.Event()
        super().prepare()

    def end(self):
        self.let_go.set()
        super().end()


class Slow(Waiting):
    """A service that does not answer keeps nobody waiting but whom it should answer for."""

    name = "http-slow"

    def answer(self, path, fields):
        is_slow = fields.get("username") == "sleepy" or fields.get("name", "").startswith("slow")
        if is_slow and not self.let_go.is_set():
            self.let_go.wait(60)
        return 200, "allow"

    def settings(self):
        return super().settings() + ["auth_http.request_timeout = 3000"]

    def test_logins_that_hang_delay_no_others(self):
        started = time.time()
        hung = [threading.Thread(target=self.broker.login, args=("sleepy", "x")) for _ in range(8)]
        for thread in hung:
            thread.start()
        connection = self.broker.connect("web", "x")
        channel = connection.channel()
        channel.queue_declare("quick", exclusive=True)
        for _ in range(20):
            publish(channel, "", "quick")
        equal(self.broker.login("guest", "guest"), "ok")
        is_early = time.time() < started + 2.5
        connection.close()
        for thread in hung:
            thread.join(60)
        assert is_early, "it took %.1f s" % (time.time() - started)

    def test_a_login_that_hangs_fails_in_time(self):
        assert is_login_refused(self.broker.login("sleepy", "x"))

    def test_a_question_that_hangs_delays_its_channel_alone(self):
        connection = self.broker.connect("web", "x")
        slow, quick = connection.channel(), connection.channel()
        reasons = []
        slow._impl.add_on_close_callback(lambda _, reason: reasons.append(reason))
        slow._impl.queue_declare("slow-1", exclusive=True)  # waits for no answer
        quick.queue_declare("quick-1", exclusive=True)
        started = time.time()
        for _ in range(20):
            quick.basic_get("quick-1")
        assert time.time() < started + 2.5
        while not reasons and time.time() < started + 30:
            connection.process_data_events(0.2)
        found = reasons[0].reply_text
        assert "queue 'slow-1' in vhost '/' refused for user 'web'" in found, found
        quick.basic_get("quick-1")
        connection.close()

    def test_little_is_read_before_the_login(self):
        """What is sent behind the password waits in the socket, not in the broker's memory."""
        self.only_leveret("RabbitMQ keeps a few hundred octets more")
        heartbeats = 8 * 1024 * b"\x08\0\0\0\0\0\0\xce"
        with socket.create_connection(("127.0.0.1", self.broker.port), timeout=20) as client:
            client.sendall(b"AMQP\0\0\x09\x01")
            head = receive(client, 7)
            receive(client, struct.unpack(">I", head[3:])[0] + 1)
            client.sendall(start_ok("sleepy", "x") + heartbeats)
            deadline = time.time() + 20
            while not self.asked("/user") and time.time() < deadline:
                time.sleep(0.05)
            assert self.broker.unread(client) > 40000, self.broker.unread(client)

    def test_who_goes_meanwhile_is_forgotten(self):
        before = self.broker.count_connections()
        clients = []
        for _ in range(5):
            client = socket.create_connection(("127.0.0.1", self.broker.port), timeout=20)
            raw_login(client, "sleepy", "x", waits=False)
            clients.append(client)
        for client in clients:
            client.close()
        deadline = time.time() + 30
        while self.broker.count_connections() > before and time.time() < deadline:
            time.sleep(0.1)
        assert self.broker.count_connections() <= before
        equal(self.broker.login("web", "x"), "ok")


class Sleepy(Waiting):
    """A service that does not answer one user's logins, for longer than any test takes."""

    def answer(self, path, fields):
        if fields.get("username") == "sleepy":
            self.let_go.wait(60)
        return 200, "allow"

    def settings(self):
        return super().settings() + [
            "auth_http.request_timeout = 60000",
            "handshake_timeout = 60000",
        ]


class Crowd(Sleepy):
    """More logins than there are threads wait for a service that does not answer them."""

    name = "http-crowd"
    count = 640

    def wait_until(self, condition):
        deadline = time.time() + 30
        while not condition() and time.time() < deadline:
            time.sleep(0.05)
        assert condition()

    def test_a_crowd_that_waits(self):
        self.only_leveret("how many threads there are is Leveret's own")
        before = self.broker.count_connections()
        connection = self.broker.connect("web", "x")
        clients = hang(self.broker, self.count)
        self.wait_until(lambda: len(self.asked("/user")) > 40)
        # Who is in is served before those who want to come in.
        started = time.time()
        connection.channel().queue_declare("quick", exclusive=True)
        publish(connection.channel(), "", "quick")
        taken = time.time() - started
        assert taken < 10, "it took %.1f s" % taken
        # Nobody is asked about those who have gone.
        for client in clients:
            client.close()
        self.wait_until(lambda: self.broker.count_connections() <= before + 1)
        self.let_go.set()
        equal(self.broker.login("other", "x"), "ok")
        connection.close()
        assert len(self.asked("/user")) < self.count / 2, len(self.asked("/user"))
        self.let_go.clear()


class HttpEnd(Sleepy):
    name = "http-end"

    def test_the_end_waits_for_nobody(self):
        check_end(self)


SUITES = [Http, HttpPost, HttpReasons, Cache, CacheRefusals, CacheAlone, Slow, Crowd, HttpEnd]
