// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import static leveret.interop.Watched.PERSISTENT;
import static leveret.interop.Watched.bytes;
import static leveret.interop.Watched.text;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.Recoverable;
import com.rabbitmq.client.RecoverableConnection;
import com.rabbitmq.client.RecoveryListener;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Suite;

/**
 * The broker restarts under its clients: what was durable is still there, what was not is gone, and the
 * client's automatic recovery of connections, channels, topology and consumers finds its way back.
 */
final class Restart {

    private Restart() {
    }

    static void addTo(Suite suite) {
        Context.add(suite, "client_recovers_after_a_dropped_connection", Restart::recoveryAfterDrop);
        Context.addWithRestart(suite, "durable_things_survive_a_restart", Restart::durableThings);
        Context.addWithRestart(suite, "client_recovers_after_a_restart", Restart::recoveryAfterRestart);
        Context.addWithRestart(suite, "what_was_confirmed_survives_a_crash", Restart::crash);
    }

    private static void durableThings(Context t) throws Exception {
        Connection connection = t.connect();
        BlockingQueue<ShutdownSignalException> closed = new LinkedBlockingQueue<>();
        connection.addShutdownListener(closed::add);
        Watched channel = t.confirmChannel(connection);
        String source = t.exchange(channel, "source", BuiltinExchangeType.TOPIC, true, false, null);
        String target = t.exchange(channel, "target", BuiltinExchangeType.FANOUT, true, false, null);
        String durable = t.durableQueue(channel, "durable");
        String lost = t.transientQueue(channel, "transient");
        channel.channel().queueBind(durable, target, "");
        channel.channel().exchangeBind(target, source, "kept.*");
        AMQP.BasicProperties properties = PERSISTENT.builder().headers(Map.of("count", 7)).build();
        for (int i = 0; i < 50; i++) {
            channel.publishConfirmed(source, "kept.yes", properties, bytes(Integer.toString(i)));
        }
        channel.publishConfirmed("", durable, "not persistent");
        for (int i = 0; i < 10; i++) {
            channel.channel().basicAck(channel.get(durable, false).getEnvelope().getDeliveryTag(), false);
        }
        Check.equal("messages before", 41, channel.ready(durable));

        Broker.restart();

        Refusal.reply(Check.next("the connection to be closed", closed), 320,
            "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'");
        Connection after = t.connect();
        Watched again = t.confirmChannel(after);
        Check.equal("messages after", 40, again.ready(durable));
        for (int i = 10; i < 50; i++) {
            GetResponse message = again.get(durable, true);
            Check.equal("body", Integer.toString(i), text(message.getBody()));
            Check.equal("properties", properties, message.getProps());
            Check.equal("redelivered", false, message.getEnvelope().isRedeliver());
            Check.equal("exchange", source, message.getEnvelope().getExchange());
            Check.equal("routing key", "kept.yes", message.getEnvelope().getRoutingKey());
        }
        again.publishConfirmed(source, "kept.again", "by the old bindings");
        Check.equal("messages", List.of("by the old bindings"), again.drain(durable));
        Check.equal("the transient queue exists", false, t.exists(after, lost));
    }

    /** A connection that recovers; `recovered` gets an element each time it has. */
    private static RecoverableConnection recovering(Context t, BlockingQueue<Recoverable> recovered)
        throws Exception {
        ConnectionFactory factory = Context.factory();
        factory.setAutomaticRecoveryEnabled(true);
        factory.setTopologyRecoveryEnabled(true);
        factory.setNetworkRecoveryInterval(200);
        RecoverableConnection connection = (RecoverableConnection) t.connect(factory);
        connection.addRecoveryListener(new RecoveryListener() {
            @Override
            public void handleRecovery(Recoverable what) {
                recovered.add(what);
            }

            @Override
            public void handleRecoveryStarted(Recoverable what) {
                // Only the end of a recovery is awaited.
            }
        });
        return connection;
    }

    /** A server-named queue, gone with its connection, bound to an exchange that is gone with the queue. */
    private static Watched.Consumer transientTopology(Context t, Watched channel) throws Exception {
        String exchange = t.exchange(channel, "auto", BuiltinExchangeType.TOPIC, false, true, null);
        String queue = channel.channel().queueDeclare().getQueue();
        channel.channel().queueBind(queue, exchange, "key.#");
        return channel.consume(queue, true);
    }

    private static void recoveryAfterDrop(Context t) throws Exception {
        BlockingQueue<Recoverable> recovered = new LinkedBlockingQueue<>();
        RecoverableConnection connection = recovering(t, recovered);
        Watched channel = t.confirmChannel(connection);
        Watched.Consumer consumer = transientTopology(t, channel);
        channel.publishConfirmed(t.name("auto"), "key.before", "before");
        Check.equal("body", "before", text(consumer.next()));
        t.drop(connection);
        Check.next("the recovery", recovered);
        channel.publishConfirmed(t.name("auto"), "key.after", "after");
        Check.equal("body", "after", text(consumer.next()));
    }

    private static void recoveryAfterRestart(Context t) throws Exception {
        BlockingQueue<Recoverable> recovered = new LinkedBlockingQueue<>();
        RecoverableConnection connection = recovering(t, recovered);
        Watched channel = t.confirmChannel(connection);
        Watched.Consumer transients = transientTopology(t, channel);
        String queue = t.durableQueue(channel, "durable");
        Watched.Consumer consumer = channel.consume(queue, false);
        channel.publishConfirmed("", queue, PERSISTENT, bytes("before"));
        Check.equal("redelivered at first", false, consumer.next().getEnvelope().isRedeliver());

        Broker.restart();
        Check.isTrue("the client recovers", recovered.poll(30, TimeUnit.SECONDS) != null);

        Delivery again = consumer.next();
        Check.equal("body", "before", text(again));
        Check.equal("redelivered", true, again.getEnvelope().isRedeliver());
        channel.ack(again);
        channel.publishConfirmed("", queue, PERSISTENT, bytes("after"));
        Delivery next = consumer.next();
        Check.equal("body", "after", text(next));
        channel.ack(next);
        channel.publishConfirmed(t.name("auto"), "key.after", "to the recovered topology");
        Check.equal("body", "to the recovered topology", text(transients.next()));
        Check.equal("messages left", 0, channel.ready(queue));
    }

    /** Publishes numbers in batches, each until it is confirmed; the client recovers by itself meanwhile. */
    private static void publishNumbers(Channel channel, String queue, AtomicBoolean crashed,
        AtomicInteger confirmed) throws InterruptedException {
        while (!crashed.get()) {
            try {
                for (int i = 0; i < 100; i++) {
                    channel.basicPublish("", queue, PERSISTENT, bytes(Integer.toString(confirmed.get() + i)));
                }
                if (channel.waitForConfirms(20_000)) {
                    confirmed.addAndGet(100);
                }
            } catch (IOException | ShutdownSignalException | TimeoutException lost) {
                Thread.sleep(100);
            }
        }
    }

    private static void crash(Context t) throws Exception {
        BlockingQueue<Recoverable> recovered = new LinkedBlockingQueue<>();
        Watched channel = t.confirmChannel(recovering(t, recovered));
        String queue = t.durableQueue(channel, "durable");
        AtomicInteger confirmed = new AtomicInteger();
        AtomicBoolean crashed = new AtomicBoolean();
        ExecutorService publisher = Executors.newSingleThreadExecutor();
        Future<?> publishing = publisher.submit(() -> {
            publishNumbers(channel.channel(), queue, crashed, confirmed);
            return null;
        });
        publisher.shutdown();
        Check.eventually("publishing has begun", () -> confirmed.get() >= 500);
        Broker.crash();
        Check.isTrue("the client recovers", recovered.poll(60, TimeUnit.SECONDS) != null);
        crashed.set(true);
        publishing.get(100, TimeUnit.SECONDS);
        Watched reader = t.channel();
        Watched.Consumer consumer = reader.consume(queue, false);
        Set<String> bodies = new HashSet<>();
        while (bodies.size() < confirmed.get()) {
            bodies.add(text(consumer.next()));
        }
    }
}
