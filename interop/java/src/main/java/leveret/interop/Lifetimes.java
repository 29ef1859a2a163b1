// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import static leveret.interop.Watched.PERSISTENT;
import static leveret.interop.Watched.bytes;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Connection;
import leveret.interop.support.Check;
import leveret.interop.support.Suite;

/** Queues and exchanges that come and go with their users. */
final class Lifetimes {

    private Lifetimes() {
    }

    static void addTo(Suite suite) {
        Context.add(suite, "server_named_queue", Lifetimes::serverNamedQueue);
        Context.add(suite, "exclusive_queue_vanishes_with_its_connection", Lifetimes::exclusiveQueueVanishes);
        Context.add(suite, "exclusive_queue_vanishes_with_a_dropped_connection",
            Lifetimes::exclusiveQueueVanishesOnDrop);
        Context.add(suite, "auto_delete_queue_vanishes_with_its_last_consumer", Lifetimes::autoDeleteQueueVanishes);
        Context.add(suite, "auto_delete_exchange_vanishes_with_its_last_binding",
            Lifetimes::autoDeleteExchangeVanishes);
        Context.add(suite, "auto_delete_exchange_vanishes_with_its_queue",
            Lifetimes::autoDeleteExchangeVanishesWithQueue);
        Context.add(suite, "declaring_again_is_idempotent", Lifetimes::declaringAgain);
        Context.add(suite, "deleting_what_is_missing_succeeds", Lifetimes::deletingWhatIsMissing);
    }

    private static void serverNamedQueue(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String one = channel.channel().queueDeclare().getQueue();
        String two = channel.channel().queueDeclare().getQueue();
        Check.isTrue("name " + one, one.matches("amq\\.gen-[A-Za-z0-9_-]{22}"));
        Check.isTrue("each has a name of its own", !one.equals(two));
        channel.publishConfirmed("", one, "x");
        Check.equal("messages", 1, channel.ready(one));
    }

    private static void exclusiveQueueVanishes(Context t) throws Exception {
        Connection owner = t.connect();
        Connection other = t.connect();
        String queue = t.exclusiveQueue(t.channel(owner), "q");
        owner.close();
        Check.eventually("the queue to be gone", () -> !t.exists(other, queue));
    }

    private static void exclusiveQueueVanishesOnDrop(Context t) throws Exception {
        Connection owner = t.connect();
        String queue = t.exclusiveQueue(t.channel(owner), "q");
        t.drop(owner);
        // Until then it is locked, for which the channel is closed as well.
        Connection other = t.connect();
        Check.eventually("the queue to be gone", () -> {
            Watched channel = t.channel(other);
            Refusal.failure(() -> channel.channel().queueDeclarePassive(queue));
            AMQP.Channel.Close reply = (AMQP.Channel.Close) channel.channel().getCloseReason().getReason();
            return reply.getReplyCode() == 404;
        });
    }

    private static void autoDeleteQueueVanishes(Context t) throws Exception {
        Connection connection = t.connect();
        Watched channel = t.channel(connection);
        String queue = t.autoDeleteQueue(channel, "q");
        channel.consume(queue, true, "one");
        channel.consume(queue, true, "two");
        channel.channel().basicCancel("one");
        Check.equal("exists with a consumer left", true, t.exists(connection, queue));
        channel.channel().basicCancel("two");
        Check.eventually("the queue to be gone", () -> !t.exists(connection, queue));
    }

    private static void checkGone(Watched channel, String exchange) throws Exception {
        Refusal.channelError(channel, 404, "NOT_FOUND - no exchange '" + exchange + "' in vhost '/'",
            () -> channel.channel().exchangeDeclarePassive(exchange));
    }

    private static void autoDeleteExchangeVanishes(Context t) throws Exception {
        Watched channel = t.channel();
        String exchange = t.exchange(channel, "x", BuiltinExchangeType.FANOUT, false, true, null);
        String queue = t.transientQueue(channel, "q");
        channel.channel().queueBind(queue, exchange, "");
        channel.channel().exchangeDeclarePassive(exchange);
        channel.channel().queueUnbind(queue, exchange, "");
        checkGone(channel, exchange);
    }

    private static void autoDeleteExchangeVanishesWithQueue(Context t) throws Exception {
        Watched channel = t.channel();
        String exchange = t.exchange(channel, "x", BuiltinExchangeType.FANOUT, false, true, null);
        String queue = t.transientQueue(channel, "q");
        channel.channel().queueBind(queue, exchange, "");
        channel.channel().queueDelete(queue);
        checkGone(channel, exchange);
    }

    private static void declaringAgain(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = t.durableQueue(channel, "q");
        channel.publishConfirmed("", queue, PERSISTENT, bytes("x"));
        AMQP.Queue.DeclareOk again = channel.channel().queueDeclare(queue, true, false, false, null);
        Check.equal("messages", 1, again.getMessageCount());
        t.exchange(channel, "x", BuiltinExchangeType.TOPIC, true, false, null);
        t.exchange(channel, "x", BuiltinExchangeType.TOPIC, true, false, null);
    }

    private static void deletingWhatIsMissing(Context t) throws Exception {
        Watched channel = t.channel();
        Check.equal("messages", 0, channel.channel().queueDelete(t.name("missing")).getMessageCount());
        channel.channel().exchangeDelete(t.name("missing"));
    }
}
