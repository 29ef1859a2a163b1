// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.Return;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeoutException;
import leveret.interop.support.Check;

/** A channel together with queues of what the broker says on it without being asked, and short forms. */
record Watched(Channel channel, BlockingQueue<ShutdownSignalException> closed, BlockingQueue<Return> returned) {
    static final AMQP.BasicProperties NONE = new AMQP.BasicProperties();
    static final AMQP.BasicProperties PERSISTENT = MessageProperties.PERSISTENT_BASIC;

    static Watched of(Channel channel) {
        Watched watched = new Watched(channel, new LinkedBlockingQueue<>(), new LinkedBlockingQueue<>());
        channel.addShutdownListener(watched.closed::add);
        channel.addReturnListener(watched.returned::add);
        return watched;
    }

    Connection getConnection() {
        return channel.getConnection();
    }

    void publish(String exchange, String key, String body) throws IOException {
        channel.basicPublish(exchange, key, NONE, bytes(body));
    }

    /** Publishes on a confirm channel and returns when the broker has confirmed it. */
    void publishConfirmed(String exchange, String key, AMQP.BasicProperties properties, byte[] body)
        throws IOException, InterruptedException, TimeoutException {
        channel.basicPublish(exchange, key, true, properties, body);
        channel.waitForConfirmsOrDie(Check.WAIT_SECONDS * 1000);
    }

    void publishConfirmed(String exchange, String key, String body)
        throws IOException, InterruptedException, TimeoutException {
        publishConfirmed(exchange, key, NONE, bytes(body));
    }

    Consumer consume(String queue, boolean autoAck) throws IOException {
        return consume(queue, autoAck, "");
    }

    Consumer consume(String queue, boolean autoAck, String tag) throws IOException {
        BlockingQueue<Delivery> deliveries = new LinkedBlockingQueue<>();
        BlockingQueue<String> cancelled = new LinkedBlockingQueue<>();
        String given = channel.basicConsume(
            queue, autoAck, tag, (consumer, delivery) -> deliveries.add(delivery), cancelled::add);
        return new Consumer(given, deliveries, cancelled);
    }

    GetResponse get(String queue, boolean autoAck) throws IOException {
        GetResponse response = channel.basicGet(queue, autoAck);
        Check.isTrue("there is a message in queue " + queue, response != null);
        return response;
    }

    /** Takes all messages of the queue. */
    List<String> drain(String queue) throws IOException {
        List<String> bodies = new ArrayList<>();
        for (GetResponse one = channel.basicGet(queue, true); one != null; one = channel.basicGet(queue, true)) {
            bodies.add(text(one.getBody()));
        }
        return bodies;
    }

    int ready(String queue) throws IOException {
        return channel.queueDeclarePassive(queue).getMessageCount();
    }

    void ack(Delivery delivery) throws IOException {
        channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static String text(Delivery delivery) {
        return text(delivery.getBody());
    }

    /** A consumer: its tag, what it was delivered, and whether the broker cancelled it. */
    record Consumer(String tag, BlockingQueue<Delivery> deliveries, BlockingQueue<String> cancelled) {
        Delivery next() throws InterruptedException {
            return Check.next("a delivery", deliveries);
        }

        List<Delivery> take(int count) throws InterruptedException {
            List<Delivery> taken = new ArrayList<>();
            while (taken.size() < count) {
                taken.add(next());
            }
            return taken;
        }
    }
}
