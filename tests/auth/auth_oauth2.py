# SPDX-License-Identifier: Apache-2.0
"""OAuth 2: tokens that a Python library signs."""

import base64
import hashlib
import hmac
import json
import os
import threading
import time

from auth_broker import outcome, update_secret
from auth_servers import KeySet, SigningKey, WebServer, make_certificates
from auth_suite import Suite, equal, is_login_refused, publish, publish_as_somebody, refused


class Tokens(Suite):
    def prepare(self):
        self.certificates = make_certificates(os.path.join(self.work, "certificates"))
        self.key_set = KeySet(self.certificates)
        self.servers.append(self.key_set)
        self.rsa, self.ec = SigningKey("rsa-1"), SigningKey("ec-1", "ES256")
        self.own = SigningKey("own-1")
        self.key_set.keys = [self.rsa, self.ec]
        self.own_file = os.path.join(self.work, "own.pem")
        with open(self.own_file, "wb") as out:
            out.write(self.own.public_pem())
        os.chmod(self.work, 0o755)

    def settings(self):
        return [
            "auth_backends.1 = %s" % ("oauth2" if self.kind == "leveret" else OAUTH2_MODULE),
            "auth_backends.2 = internal",
            "auth_oauth2.resource_server_id = broker",
            "auth_oauth2.jwks_url = %s/keys" % self.key_set.url,
            "auth_oauth2.https.peer_verification = verify_peer",
            "auth_oauth2.https.cacertfile = %s/ca.pem" % self.certificates,
            "auth_oauth2.signing_keys.own-1 = %s" % self.own_file,
            "auth_oauth2.additional_scopes_key = more",
        ]


OAUTH2_MODULE = "rabbit_auth_backend_oauth2"
ALL = ["broker.configure:*/*", "broker.write:*/*", "broker.read:*/*"]


class OAuth2(Tokens):
    name = "oauth2"

    def login(self, token):
        return self.broker.login("", token)

    def test_keys_of_the_set_and_of_files(self):
        for key in (self.rsa, self.ec):
            equal(self.login(key.sign(ALL)), "ok")
        # The keys that RabbitMQ 3.10 fetches take the place of those of files.
        if self.kind == "leveret":
            equal(self.login(self.own.sign(ALL)), "ok")

    def test_the_type_of_a_token_does_not_count(self):
        """RFC 9068 has at+jwt for access tokens."""
        for typ in ("at+jwt", "application/at+jwt", "jwt", None):
            equal(self.login(self.rsa.sign(ALL, typ)), "ok")

    def test_algorithms(self):
        for algorithm in ("RS384", "RS512", "PS256", "PS384", "PS512"):
            equal(self.login(self.rsa.sign(ALL, algorithm=algorithm)), "ok")

    def test_scopes_as_words_and_as_a_list(self):
        equal(self.login(self.rsa.sign(" ".join(ALL))), "ok")
        equal(self.login(self.rsa.sign(ALL)), "ok")

    def test_what_is_not_signed_by_us_is_refused(self):
        stranger = SigningKey("rsa-1")
        assert is_login_refused(self.login(stranger.sign(ALL)))
        token = self.rsa.sign(ALL)
        head, body, signature = token.split(".")
        other = self.rsa.sign(ALL, sub="root").split(".")[1]
        assert is_login_refused(self.login(".".join((head, other, signature))))
        assert is_login_refused(self.login(".".join((head, body, ""))))
        assert is_login_refused(self.login("no token"))
        assert is_login_refused(self.login(SigningKey("unknown").sign(ALL)))

    def test_a_public_key_is_no_secret(self):
        """The header may not turn the public key into the key of an HMAC."""
        claims = {"aud": "broker", "sub": "joe", "exp": int(time.time()) + 300, "scope": ALL}

        def encode(raw):
            return base64.urlsafe_b64encode(raw).rstrip(b"=")

        head = encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "own-1"}).encode())
        text = head + b"." + encode(json.dumps(claims).encode())
        for secret in (self.own.public_pem(), self.own.public_pem().rstrip(b"\n")):
            signature = encode(hmac.new(secret, text, hashlib.sha256).digest())
            assert is_login_refused(self.login((text + b"." + signature).decode()))
        nothing = encode(json.dumps({"alg": "none", "kid": "own-1"}).encode())
        token = nothing + b"." + encode(json.dumps(claims).encode()) + b"."
        assert is_login_refused(self.login(token.decode()))

    def test_expired_tokens_are_refused(self):
        assert is_login_refused(self.login(self.rsa.sign(ALL, exp=int(time.time()) - 10)))

    def test_a_token_without_an_end(self):
        self.only_leveret("RabbitMQ 3.10 takes it")
        assert is_login_refused(self.login(self.rsa.sign(ALL, exp=None)))

    def test_tokens_for_others_are_refused(self):
        assert is_login_refused(self.login(self.rsa.sign(ALL, aud="other")))
        equal(self.login(self.rsa.sign(ALL, aud=["other", "broker"])), "ok")

    def test_a_vhost_needs_a_scope(self):
        found = self.login(self.rsa.sign(["broker.read:elsewhere/*"]))
        assert "access to vhost '/' refused for user" in found, found
        found = self.login(self.rsa.sign(["other.read:*/*"]))
        assert "access to vhost '/' refused for user" in found, found

    def declare(self, token, queue, user="joe"):
        found = self.step("", token, lambda c: c.queue_declare(queue, exclusive=True))
        return found.replace(refused("configure", "queue '%s' in vhost '/'" % queue, user), "no")

    def test_wildcards_in_scopes(self):
        token = self.rsa.sign(["broker.configure:%2F/a*z", "broker.configure:*/b%2Ac"])
        for queue, expected in (
            ("az", "ok"),
            ("a-1-z", "ok"),
            ("a-1-y", "no"),
            ("xaz", "no"),
            ("b*c", "ok"),
            ("bxc", "no"),
        ):
            equal((queue, self.declare(token, queue)), (queue, expected))

    def test_topics_need_a_third_part(self):
        def go(scopes, key):
            token = self.rsa.sign(ALL[:1] + scopes)
            found = self.step("", token, lambda c: publish(c, "amq.topic", key))
            text = "topic '%s' in exchange 'amq.topic' in vhost '/'" % key
            return found.replace(refused("write", text, "joe"), "no")

        equal(go(["broker.write:*/*/a.*"], "a.1"), "ok")
        equal(go(["broker.write:*/*/a.*"], "b.1"), "no")
        equal(go(["broker.write:*/*"], "a.1"), "no")

    def test_more_scopes_in_other_claims(self):
        extra = ["broker.configure:*/more*"]
        token = self.rsa.sign(["broker.read:*/*"], more=extra)
        equal(self.declare(token, "more-1"), "ok")
        token = self.rsa.sign(["broker.read:*/*"], more={"broker": ["configure:*/more*"]})
        equal(self.declare(token, "more-2"), "ok")
        equal(self.declare(token, "other"), "no")

    def test_keys_change(self):
        equal(self.login(self.rsa.sign(ALL)), "ok")
        fresh = SigningKey("rsa-2")
        time.sleep(2.1)  # it is not fetched more often than once a second
        self.key_set.keys = [fresh, self.rsa, self.ec]
        equal(self.login(fresh.sign(ALL)), "ok")

    def test_a_new_secret_replaces_the_old_one(self):
        connection = self.broker.connect("", self.rsa.sign(["broker.configure:*/a*"]))
        channel = connection.channel()
        channel.queue_declare("a1", exclusive=True)
        update_secret(connection, self.rsa.sign(["broker.configure:*/b*"]), "more")
        connection.channel().queue_declare("b1", exclusive=True)
        found = outcome(lambda: connection.channel().queue_declare("a2", exclusive=True))
        equal(found, refused("configure", "queue 'a2' in vhost '/'", "joe"))
        connection.close()

    def test_a_bad_secret_ends_the_connection(self):
        connection = self.broker.connect("", self.rsa.sign(ALL))
        found = outcome(lambda: update_secret(connection, "no token", "because"))
        equal(found, "530 NOT_ALLOWED - New secret was refused by one of the backends")

    def test_secrets_that_are_refused(self):
        stranger = SigningKey("rsa-1")
        for secret in (
            "",
            stranger.sign(ALL),
            self.rsa.sign(ALL, aud="other"),
            self.rsa.sign(ALL) + "x",
        ):
            connection = self.broker.connect("", self.rsa.sign(ALL))
            found = outcome(lambda: update_secret(connection, secret))
            equal(found, "530 NOT_ALLOWED - New secret was refused by one of the backends")

    def test_a_secret_that_has_ended_is_taken_and_ends_the_connection(self):
        """RabbitMQ 3 takes it, and refuses operations from then on."""
        connection = self.broker.connect("", self.rsa.sign(ALL))
        channel = connection.channel()
        ended = int(time.time()) - 5
        secret, answers = self.rsa.sign(ALL, exp=ended), []
        found = outcome(lambda: update_secret(connection, secret, answers=answers))
        equal(len(answers), 1)
        if self.kind == "leveret":
            if found == "ok":
                found = outcome(lambda: connection.sleep(20))
            equal(found, "320 CONNECTION_FORCED - credential expired")
            return
        equal(found, "ok")
        found = outcome(lambda: channel.queue_declare("late", exclusive=True))
        text = 'rabbit_auth_backend_oauth2 returned an error: "Provided JWT token has expired'
        assert text in found, found

    def test_a_new_secret_must_let_into_the_vhost(self):
        self.only_leveret("RabbitMQ looks at the vhost since 4.3")
        connection = self.broker.connect("", self.rsa.sign(ALL))
        secret = self.rsa.sign(["broker.read:elsewhere/*"])
        found = outcome(lambda: update_secret(connection, secret))
        equal(found, "530 NOT_ALLOWED - access to vhost '/' refused for user 'joe'")

    def test_tags_change_with_the_secret(self):
        connection = self.broker.connect("", self.rsa.sign(ALL))
        found = outcome(lambda: publish_as_somebody(connection.channel()))
        assert "user_id property set to 'somebody'" in found, found
        update_secret(connection, self.rsa.sign(ALL + ["broker.tag:impersonator"]))
        found = outcome(lambda: publish_as_somebody(connection.channel()))
        # RabbitMQ keeps the tags of the login.
        assert self.kind != "leveret" or found == "ok", found
        connection.close()

    def test_another_user_is_no_refresh(self):
        self.only_leveret("RabbitMQ 3.10 does not look at the name")
        connection = self.broker.connect("", self.rsa.sign(ALL))
        found = outcome(lambda: update_secret(connection, self.rsa.sign(ALL, sub="eve"), "why"))
        equal(found, "530 NOT_ALLOWED - New secret was refused by one of the backends")

    def test_the_end_of_a_token_ends_the_connection(self):
        self.only_leveret("RabbitMQ closes connections whose token ended since 4.2")
        connection = self.broker.connect("", self.rsa.sign(ALL, exp=int(time.time()) + 2))
        found = outcome(lambda: connection.sleep(10))
        equal(found, "320 CONNECTION_FORCED - credential expired")

    def test_a_refreshed_token_does_not_end(self):
        connection = self.broker.connect("", self.rsa.sign(ALL, exp=int(time.time()) + 2))
        update_secret(connection, self.rsa.sign(ALL), "longer")
        connection.sleep(3)
        connection.channel().queue_declare("still-here", exclusive=True)
        connection.close()

    def test_the_next_back_end_is_asked(self):
        equal(self.broker.login("guest", "guest"), "ok")


class OAuth2Later(Tokens):
    """What later versions of RabbitMQ have."""

    name = "oauth2-later"

    def settings(self):
        if self.kind != "leveret":
            return []
        return [
            "auth_backends.1 = oauth2",
            "auth_oauth2.resource_server_id = broker",
            "auth_oauth2.issuer = %s" % self.key_set.url,
            "auth_oauth2.https.cacertfile = %s/ca.pem" % self.certificates,
            "auth_oauth2.scope_prefix = api/",
            "auth_oauth2.scope_aliases.admin = api/configure:*/* api/tag:impersonator",
            "auth_oauth2.scope_aliases.1.alias = https://example.org/reader",
            "auth_oauth2.scope_aliases.1.scope = api/read:*/*",
            "auth_oauth2.preferred_username_claims.1 = email",
            "auth_oauth2.preferred_username_claims.2 = nick",
            "auth_oauth2.verify_aud = false",
            "auth_oauth2.require_exp = false",
            "auth_oauth2.algorithms.1 = RS256",
        ]

    def declare(self, token, queue):
        self.only_leveret("RabbitMQ 3.10 does not know it")
        return self.step("", token, lambda c: c.queue_declare(queue, exclusive=True))

    def test_prefix_issuer_and_audience(self):
        equal(self.declare(self.rsa.sign(["api/configure:*/a"], aud=None), "a"), "ok")

    def test_aliases(self):
        equal(self.declare(self.rsa.sign(["admin"]), "q"), "ok")
        found = self.declare(self.rsa.sign(["https://example.org/reader"]), "q")
        equal(found, refused("configure", "queue 'q' in vhost '/'", "joe"))

    def test_the_name_is_a_preferred_claim(self):
        found = self.declare(self.rsa.sign(["api/read:*/*"], nick="n"), "q")
        equal(found, refused("configure", "queue 'q' in vhost '/'", "n"))
        found = self.declare(self.rsa.sign(["api/read:*/*"], nick="n", email="e"), "q")
        equal(found, refused("configure", "queue 'q' in vhost '/'", "e"))

    def test_variables_in_scopes(self):
        token = self.rsa.sign(["api/configure:*/{sub}-*", "api/read:{vhost}/{sub}-*"])
        equal(self.declare(token, "joe-1"), "ok")
        found = self.declare(token, "eve-1")
        equal(found, refused("configure", "queue 'eve-1' in vhost '/'", "joe"))
        # A vhost with a slash in its name makes one part too many of a scope.
        self.broker.ctl("add_vhost", "main")

        def declare_and_get(channel):
            channel.queue_declare("joe-2", exclusive=True)
            channel.basic_get("joe-2")

        equal(self.step("", token, declare_and_get, "main"), "ok")
        found = self.step("", token, declare_and_get)
        equal(found, refused("read", "queue 'joe-2' in vhost '/'", "joe"))

    def test_only_the_algorithms_that_are_named(self):
        self.only_leveret("see above")
        assert is_login_refused(self.broker.login("", self.ec.sign(["api/configure:*/*"])))

    def test_eternal_tokens_can_be_replaced(self):
        self.only_leveret("see above")
        eternal = self.rsa.sign(["api/configure:*/a"], exp=None)
        connection = self.broker.connect("", eternal)
        found = outcome(lambda: update_secret(connection, "no token"))
        equal(found, "530 NOT_ALLOWED - New secret was refused by one of the backends")
        connection = self.broker.connect("", eternal)
        update_secret(connection, self.rsa.sign(["api/configure:*/b"], exp=None))
        connection.channel().queue_declare("b", exclusive=True)
        connection.close()

    def test_tags_are_scopes(self):
        self.only_leveret("see above")
        token = self.rsa.sign(["admin", "api/write:*/*"])
        equal(self.step("", token, publish_as_somebody), "ok")


class OAuth2Split(Tokens):
    """Permissions by a token; the web service names the user and gives a tag."""

    name = "oauth2-split"

    def prepare(self):
        super().prepare()
        self.web = WebServer(lambda *_: (200, "allow impersonator"))
        self.servers.append(self.web)

    def settings(self):
        lines = [line for line in super().settings() if not line.startswith("auth_backends.")]
        module = "oauth2" if self.kind == "leveret" else OAUTH2_MODULE
        return lines + [
            "auth_backends.1.authn = http",
            "auth_backends.1.authz = " + module,
            "auth_http.user_path = %s/user" % self.web.url,
        ]

    def test_both_must_let_in(self):
        self.web.asked.clear()
        equal(self.broker.login("anna", self.rsa.sign(ALL)), "ok")
        equal([(path, f["username"]) for _, path, f in self.web.asked], [("/user", "anna")])
        assert is_login_refused(self.broker.login("anna", "no token"))

    def test_the_tags_of_the_first_stay_with_a_new_secret(self):
        connection = self.broker.connect("anna", self.rsa.sign(ALL))
        publish_as_somebody(connection.channel())
        update_secret(connection, self.rsa.sign(ALL))
        publish_as_somebody(connection.channel())
        connection.close()


class OAuth2Slow(Tokens):
    """The server of the keys takes its time."""

    name = "oauth2-slow"

    def prepare(self):
        super().prepare()
        self.delay_s = 1.5
        answer = self.key_set.answer

        def answer_late(path, fields):
            time.sleep(self.delay_s)
            return answer(path, fields)

        self.key_set.answer_with(answer_late)

    def at_once(self, tokens):
        found = [None] * len(tokens)

        def log_in(i):
            found[i] = self.broker.login("", tokens[i])

        threads = [threading.Thread(target=log_in, args=(i,)) for i in range(len(tokens))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return found

    def test_all_wait_for_the_first_keys(self):
        equal(self.at_once([self.rsa.sign(ALL)] * 6), ["ok"] * 6)

    def test_unknown_keys_do_not_add_up(self):
        """However many ask for them, they wait for one answer, or for two."""
        self.at_once([self.rsa.sign(ALL)])
        self.key_set.asked.clear()
        stranger = SigningKey("stranger").sign(ALL)
        assert all(is_login_refused(found) for found in self.at_once([stranger] * 8))
        assert len(self.key_set.asked) <= 2 or self.kind != "leveret", len(self.key_set.asked)


SUITES = [OAuth2, OAuth2Later, OAuth2Split, OAuth2Slow]
