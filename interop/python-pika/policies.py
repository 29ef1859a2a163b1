# SPDX-License-Identifier: Apache-2.0
"""What an operator changes while clients are connected: policies."""

from client import bodies, message_count, publish_all, queue_on, take
from features import confirming
from interop_suite import BROKER, expect, poll, test, unique


@test
def policy_changes_a_queue_at_once():
    ch = confirming()
    queue = queue_on(ch)
    publish_all(ch, queue, [b"%d" % n for n in range(5)])
    policy = unique("policy")
    BROKER.ctl("set_policy", policy, "^%s$" % queue, '{"max-length":2}', "--apply-to", "queues")
    try:
        poll(lambda: message_count(ch, queue) == 2, "cut down to the policy's length")
        publish_all(ch, queue, [b"new"])
        expect(bodies(take(ch, queue, 2)), [b"4", b"new"], "what is left")
    finally:
        BROKER.ctl("clear_policy", policy)
    publish_all(ch, queue, [b"%d" % n for n in range(5)])
    poll(lambda: message_count(ch, queue) == 5, "no limit without the policy")
