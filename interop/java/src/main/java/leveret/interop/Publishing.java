// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import static leveret.interop.Watched.PERSISTENT;
import static leveret.interop.Watched.bytes;
import static leveret.interop.Watched.text;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.Return;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.atomic.AtomicInteger;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Suite;

/** Publishing: confirms one by one, in batches and asynchronously, returns, and transactions. */
final class Publishing {

    private Publishing() {
    }

    static void addTo(Suite suite) {
        Context.add(suite, "publish_and_consume", Publishing::publishAndConsume);
        Context.add(suite, "publish_and_get", Publishing::publishAndGet);
        Context.add(suite, "empty_message", Publishing::emptyMessage);
        Context.add(suite, "confirm_single", Publishing::confirmSingle);
        Context.add(suite, "confirm_batch", Publishing::confirmBatch);
        Context.add(suite, "confirm_async", Publishing::confirmAsync);
        Context.add(suite, "mandatory_return", Publishing::mandatoryReturn);
        Context.add(suite, "return_comes_before_its_confirm", Publishing::returnBeforeConfirm);
        Context.add(suite, "tx_commit", Publishing::txCommit);
        Context.add(suite, "tx_rollback", Publishing::txRollback);
        Context.add(suite, "tx_of_acks", Publishing::txOfAcks);
    }

    private static void publishAndConsume(Context t) throws Exception {
        Watched channel = t.channel();
        String queue = t.transientQueue(channel, "q");
        Watched.Consumer consumer = channel.consume(queue, false);
        for (int i = 0; i < 100; i++) {
            channel.publish("", queue, "message " + i);
        }
        for (int i = 0; i < 100; i++) {
            Delivery delivery = consumer.next();
            Check.equal("body", "message " + i, text(delivery));
            Check.equal("delivery tag", i + 1L, delivery.getEnvelope().getDeliveryTag());
            Check.equal("exchange", "", delivery.getEnvelope().getExchange());
            Check.equal("routing key", queue, delivery.getEnvelope().getRoutingKey());
            Check.equal("redelivered", false, delivery.getEnvelope().isRedeliver());
            channel.ack(delivery);
        }
        AMQP.Queue.DeclareOk state = channel.channel().queueDeclarePassive(queue);
        Check.equal("messages", 0, state.getMessageCount());
        Check.equal("consumers", 1, state.getConsumerCount());
        Check.isTrue("tag " + consumer.tag(), consumer.tag().matches("amq\\.ctag-[A-Za-z0-9_-]{22}"));
    }

    private static void publishAndGet(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = t.transientQueue(channel, "q");
        channel.publishConfirmed("", queue, "one");
        channel.publishConfirmed("", queue, "two");
        GetResponse first = channel.get(queue, true);
        Check.equal("body", "one", text(first.getBody()));
        Check.equal("messages left", 1, first.getMessageCount());
        GetResponse second = channel.get(queue, false);
        Check.equal("body", "two", text(second.getBody()));
        channel.channel().basicAck(second.getEnvelope().getDeliveryTag(), false);
        Check.isTrue("there is no third message", channel.channel().basicGet(queue, true) == null);
    }

    private static void emptyMessage(Context t) throws Exception {
        Watched channel = t.channel();
        String queue = t.transientQueue(channel, "q");
        Watched.Consumer consumer = channel.consume(queue, true);
        channel.publish("", queue, "");
        Check.equal("length", 0, consumer.next().getBody().length);
    }

    private static void confirmSingle(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = t.durableQueue(channel, "q");
        for (int i = 1; i <= 20; i++) {
            channel.publishConfirmed("", queue, PERSISTENT, bytes("x"));
            Check.equal("messages", i, channel.ready(queue));
        }
    }

    private static void confirmBatch(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = t.durableQueue(channel, "q");
        for (int batch = 1; batch <= 5; batch++) {
            for (int i = 0; i < 200; i++) {
                channel.channel().basicPublish("", queue, PERSISTENT, bytes("x"));
            }
            channel.channel().waitForConfirmsOrDie(10_000);
            Check.equal("messages", 200 * batch, channel.ready(queue));
        }
    }

    private static void confirmAsync(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = t.durableQueue(channel, "q");
        int count = Broker.QUICK ? 2000 : 10_000;
        ConcurrentSkipListSet<Long> outstanding = new ConcurrentSkipListSet<>();
        AtomicInteger nacks = new AtomicInteger();
        channel.channel().addConfirmListener((tag, multiple) -> {
            if (multiple) {
                outstanding.headSet(tag, true).clear();
            } else {
                outstanding.remove(tag);
            }
        }, (tag, multiple) -> nacks.incrementAndGet());
        for (int i = 0; i < count; i++) {
            outstanding.add(channel.channel().getNextPublishSeqNo());
            channel.channel().basicPublish("", queue, PERSISTENT, bytes("x"));
        }
        Check.eventually("all confirmed", outstanding::isEmpty);
        Check.equal("nacks", 0, nacks.get());
        Check.equal("messages", count, channel.ready(queue));
    }

    private static void mandatoryReturn(Context t) throws Exception {
        Watched channel = t.channel();
        String key = t.name("nowhere");
        AMQP.BasicProperties properties =
            new AMQP.BasicProperties.Builder().messageId("m1").headers(Map.of("h", 1)).build();
        channel.channel().basicPublish("amq.direct", key, true, properties, bytes("back"));
        Return returned = Check.next("the return", channel.returned());
        Check.equal("code", 312, returned.getReplyCode());
        Check.equal("text", "NO_ROUTE", returned.getReplyText());
        Check.equal("exchange", "amq.direct", returned.getExchange());
        Check.equal("routing key", key, returned.getRoutingKey());
        Check.equal("properties", properties, returned.getProperties());
        Check.equal("body", "back", text(returned.getBody()));
    }

    private static void returnBeforeConfirm(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = t.transientQueue(channel, "q");
        channel.publishConfirmed("", t.name("nowhere"), "x");
        Check.equal("returns when confirmed", 1, channel.returned().size());
        channel.publishConfirmed("", queue, "x");
        Check.equal("returns when routed", 1, channel.returned().size());
    }

    private static void txCommit(Context t) throws Exception {
        Watched channel = t.channel();
        String queue = t.durableQueue(channel, "q");
        channel.channel().txSelect();
        for (int i = 0; i < 10; i++) {
            channel.channel().basicPublish("", queue, PERSISTENT, bytes("x"));
        }
        Check.equal("messages before the commit", 0, channel.ready(queue));
        channel.channel().txCommit();
        Check.equal("messages after the commit", 10, t.channel().ready(queue));
    }

    private static void txRollback(Context t) throws Exception {
        Watched channel = t.channel();
        String queue = t.transientQueue(channel, "q");
        channel.channel().txSelect();
        channel.publish("", queue, "rolled back");
        channel.channel().txRollback();
        channel.publish("", queue, "committed");
        channel.channel().txCommit();
        Check.equal("messages", List.of("committed"), channel.drain(queue));
    }

    private static void txOfAcks(Context t) throws Exception {
        Watched publisher = t.confirmChannel();
        String queue = t.transientQueue(publisher, "q");
        publisher.publishConfirmed("", queue, "a");
        publisher.publishConfirmed("", queue, "b");
        Watched channel = t.channel();
        channel.channel().txSelect();
        channel.channel().basicAck(channel.get(queue, false).getEnvelope().getDeliveryTag(), false);
        channel.channel().txCommit();
        channel.channel().basicAck(channel.get(queue, false).getEnvelope().getDeliveryTag(), false);
        channel.channel().txRollback();
        channel.channel().close();
        Check.eventually("b to be back", () -> publisher.ready(queue) == 1);
        GetResponse again = publisher.get(queue, true);
        Check.equal("body", "b", text(again.getBody()));
        Check.equal("redelivered", true, again.getEnvelope().isRedeliver());
    }
}
