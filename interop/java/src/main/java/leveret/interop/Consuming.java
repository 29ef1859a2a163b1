// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import static leveret.interop.Watched.bytes;
import static leveret.interop.Watched.text;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.RpcClient;
import com.rabbitmq.client.RpcClientParams;
import com.rabbitmq.client.RpcServer;
import com.rabbitmq.client.StringRpcServer;
import java.io.IOException;
import java.util.List;
import leveret.interop.support.Check;
import leveret.interop.support.Suite;

/** Consuming: prefetch, acknowledgements, requeueing, cancelling, request and reply. */
final class Consuming {

    private Consuming() {
    }

    static void addTo(Suite suite) {
        Context.add(suite, "prefetch_per_consumer", Consuming::prefetchPerConsumer);
        Context.add(suite, "prefetch_per_channel", Consuming::prefetchPerChannel);
        Context.add(suite, "work_is_shared_round_robin", Consuming::roundRobin);
        Context.add(suite, "nack_requeues_in_place", Consuming::nackRequeuesInPlace);
        Context.add(suite, "ack_and_nack_multiple", Consuming::ackAndNackMultiple);
        Context.add(suite, "reject_without_requeue_drops", Consuming::rejectDrops);
        Context.add(suite, "closing_a_channel_requeues", Consuming::closingRequeues);
        Context.add(suite, "a_dropped_connection_requeues", Consuming::droppingRequeues);
        Context.add(suite, "recover_redelivers", Consuming::recoverRedelivers);
        Context.add(suite, "cancelled_consumer_gets_nothing", Consuming::cancelledConsumer);
        Context.add(suite, "cancel_notification_on_queue_delete", Consuming::cancelNotification);
        Context.add(suite, "purge_and_delete_count_messages", Consuming::purgeAndDelete);
        Context.add(suite, "rpc", Consuming::rpc);
    }

    private static String fill(Context t, Watched publisher, String... bodies) throws Exception {
        String queue = t.transientQueue(publisher, "q");
        for (String body : bodies) {
            publisher.publishConfirmed("", queue, body);
        }
        return queue;
    }

    private static String[] digits(int count) {
        String[] bodies = new String[count];
        for (int i = 0; i < count; i++) {
            bodies[i] = Integer.toString(i);
        }
        return bodies;
    }

    private static void prefetchPerConsumer(Context t) throws Exception {
        Watched publisher = t.confirmChannel();
        String queue = fill(t, publisher, digits(10));
        Watched channel = t.channel();
        channel.channel().basicQos(3);
        Watched.Consumer consumer = channel.consume(queue, false);
        List<Delivery> first = consumer.take(3);
        Check.equal("messages left", 7, publisher.ready(queue));
        channel.ack(first.get(1));
        Check.equal("body", "3", text(consumer.next()));
        Check.equal("messages left", 6, publisher.ready(queue));
        channel.channel().basicAck(first.get(2).getEnvelope().getDeliveryTag(), true);
        consumer.take(2);
        Check.equal("messages left", 4, publisher.ready(queue));
    }

    private static void prefetchPerChannel(Context t) throws Exception {
        Watched publisher = t.confirmChannel();
        String queue = fill(t, publisher, digits(10));
        Watched channel = t.channel();
        channel.channel().basicQos(4, true);
        Watched.Consumer one = channel.consume(queue, false);
        Watched.Consumer two = channel.consume(queue, false);
        Check.eventually("4 delivered", () -> one.deliveries().size() + two.deliveries().size() == 4);
        Check.equal("messages left", 6, publisher.ready(queue));
        channel.channel().basicAck(0, true);
        Check.eventually("8 delivered", () -> one.deliveries().size() + two.deliveries().size() == 8);
        Check.equal("messages left", 2, publisher.ready(queue));
    }

    private static void roundRobin(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = t.transientQueue(channel, "q");
        Watched.Consumer one = channel.consume(queue, true);
        Watched.Consumer two = channel.consume(queue, true);
        for (String body : digits(10)) {
            channel.publishConfirmed("", queue, body);
        }
        for (int i = 0; i < 10; i += 2) {
            Check.equal("body", Integer.toString(i), text(one.next()));
            Check.equal("body", Integer.toString(i + 1), text(two.next()));
        }
    }

    private static void nackRequeuesInPlace(Context t) throws Exception {
        Watched publisher = t.confirmChannel();
        String queue = fill(t, publisher, "a", "b", "c");
        Watched channel = t.channel();
        GetResponse first = channel.get(queue, false);
        Check.equal("redelivered at first", false, first.getEnvelope().isRedeliver());
        channel.channel().basicNack(first.getEnvelope().getDeliveryTag(), false, true);
        for (String body : List.of("a", "b", "c")) {
            GetResponse message = channel.get(queue, false);
            Check.equal("body", body, text(message.getBody()));
            Check.equal("redelivered " + body, body.equals("a"), message.getEnvelope().isRedeliver());
        }
    }

    private static void ackAndNackMultiple(Context t) throws Exception {
        Watched publisher = t.confirmChannel();
        String queue = fill(t, publisher, digits(6));
        Watched channel = t.channel();
        Watched.Consumer consumer = channel.consume(queue, false);
        List<Delivery> deliveries = consumer.take(6);
        channel.channel().basicCancel(consumer.tag());
        channel.channel().basicNack(deliveries.get(1).getEnvelope().getDeliveryTag(), true, false);
        channel.channel().basicAck(deliveries.get(3).getEnvelope().getDeliveryTag(), true);
        channel.channel().basicNack(0, true, true);
        channel.channel().close();
        Check.equal("messages left", 2, publisher.ready(queue));
        for (String body : List.of("4", "5")) {
            GetResponse message = publisher.get(queue, true);
            Check.equal("body", body, text(message.getBody()));
            Check.equal("redelivered", true, message.getEnvelope().isRedeliver());
        }
    }

    private static void rejectDrops(Context t) throws Exception {
        Watched publisher = t.confirmChannel();
        String queue = fill(t, publisher, "gone", "kept");
        Watched channel = t.channel();
        channel.channel().basicReject(channel.get(queue, false).getEnvelope().getDeliveryTag(), false);
        channel.channel().close();
        Check.equal("messages", List.of("kept"), publisher.drain(queue));
    }

    private static void checkBackInQueue(Watched publisher, String queue) throws Exception {
        Check.eventually("b to be back", () -> publisher.ready(queue) == 1);
        GetResponse message = publisher.get(queue, true);
        Check.equal("body", "b", text(message.getBody()));
        Check.equal("redelivered", true, message.getEnvelope().isRedeliver());
    }

    private static void closingRequeues(Context t) throws Exception {
        Watched publisher = t.confirmChannel();
        String queue = fill(t, publisher, "a", "b");
        Watched channel = t.channel();
        channel.ack(channel.consume(queue, false).take(2).get(0));
        channel.channel().close();
        checkBackInQueue(publisher, queue);
    }

    private static void droppingRequeues(Context t) throws Exception {
        Watched publisher = t.confirmChannel();
        String queue = fill(t, publisher, "a", "b");
        Connection connection = t.connect();
        Watched channel = t.channel(connection);
        channel.ack(channel.consume(queue, false).take(2).get(0));
        channel.channel().basicQos(1); // its reply tells that the ack has arrived
        t.drop(connection);
        checkBackInQueue(publisher, queue);
    }

    private static void recoverRedelivers(Context t) throws Exception {
        Watched publisher = t.confirmChannel();
        String queue = fill(t, publisher, "a", "b");
        Watched channel = t.channel();
        Watched.Consumer consumer = channel.consume(queue, false);
        consumer.take(2);
        channel.channel().basicRecover(true);
        for (String body : List.of("a", "b")) {
            Delivery delivery = consumer.next();
            Check.equal("body", body, text(delivery));
            Check.equal("redelivered", true, delivery.getEnvelope().isRedeliver());
        }
    }

    private static void cancelledConsumer(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = t.transientQueue(channel, "q");
        Watched.Consumer consumer = channel.consume(queue, false, "mine");
        Check.equal("tag", "mine", consumer.tag());
        channel.channel().basicCancel("mine");
        channel.publishConfirmed("", queue, "x");
        AMQP.Queue.DeclareOk state = channel.channel().queueDeclarePassive(queue);
        Check.equal("messages", 1, state.getMessageCount());
        Check.equal("consumers", 0, state.getConsumerCount());
        Check.equal("deliveries", 0, consumer.deliveries().size());
    }

    private static void cancelNotification(Context t) throws Exception {
        Watched channel = t.channel();
        String queue = t.transientQueue(channel, "q");
        Watched.Consumer consumer = channel.consume(queue, false);
        t.channel().channel().queueDelete(queue);
        Check.equal("cancelled", consumer.tag(), Check.next("basic.cancel", consumer.cancelled()));
        channel.channel().exchangeDeclarePassive("amq.direct");
    }

    private static void purgeAndDelete(Context t) throws Exception {
        Watched publisher = t.confirmChannel();
        String queue = fill(t, publisher, "a", "b", "c");
        Watched channel = t.channel();
        channel.get(queue, false);
        Check.equal("purged", 2, channel.channel().queuePurge(queue).getMessageCount());
        publisher.publishConfirmed("", queue, "d");
        Check.equal("deleted", 1, publisher.channel().queueDelete(queue).getMessageCount());
    }

    private static void rpc(Context t) throws Exception {
        Watched serving = t.channel();
        String requests = t.transientQueue(serving, "requests");
        RpcServer server = new StringRpcServer(serving.channel(), requests) {
            @Override
            public String handleStringCall(String request, AMQP.BasicProperties properties) {
                int number = Integer.parseInt(request);
                return Integer.toString(number * number);
            }
        };
        Thread loop = new Thread(() -> {
            try {
                server.mainloop();
            } catch (IOException | RuntimeException ended) {
                // The channel was closed under it.
            }
        });
        loop.start();

        Watched calling = t.channel();
        String replies = t.exclusiveQueue(calling, "replies");
        RpcClientParams parameters = new RpcClientParams()
            .channel(calling.channel()).exchange("").routingKey(requests).replyTo(replies).timeout(10_000);
        RpcClient client = new RpcClient(parameters);
        for (int i = 0; i < 50; i++) {
            Check.equal("answer", Integer.toString(i * i), text(client.primitiveCall(bytes(Integer.toString(i)))));
        }
        client.close();
        serving.channel().close(); // which ends the server's wait for the next request
        loop.join(Check.WAIT_SECONDS * 1000);
        Check.isTrue("the server goes on", !loop.isAlive());
    }
}
