// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import static leveret.interop.Watched.bytes;

import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.ShutdownSignalException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Suite;

/** Connections and channels as such: heartbeats, many channels, many threads, closing. */
final class Connections {

    private Connections() {
    }

    static void addTo(Suite suite) {
        Context.add(suite, "server_properties", Connections::serverProperties);
        Context.add(suite, "connect_by_uri", Connections::connectByUri);
        Context.add(suite, "heartbeats_keep_an_idle_connection", Connections::heartbeats);
        Context.add(suite, "many_channels", Connections::manyChannels);
        Context.add(suite, "channels_of_many_threads", Connections::manyThreads);
        Context.add(suite, "many_connections", Connections::manyConnections);
        Context.add(suite, "close_is_clean", Connections::closeIsClean);
        Context.add(suite, "publish_then_close_loses_nothing", Connections::publishThenClose);
    }

    private static void serverProperties(Context t) throws Exception {
        Connection connection = t.connect();
        Map<String, Object> properties = connection.getServerProperties();
        Check.equal("product", "RabbitMQ", properties.get("product").toString());
        Map<?, ?> capabilities = (Map<?, ?>) properties.get("capabilities");
        for (String name : List.of("publisher_confirms", "exchange_exchange_bindings", "basic.nack",
            "consumer_cancel_notify", "connection.blocked", "authentication_failure_close")) {
            Check.equal(name, true, capabilities.get(name));
        }
        Check.equal("channel max", 2047, connection.getChannelMax());
        Check.equal("frame max", 131_072, connection.getFrameMax());
        Check.equal("heartbeat", 60, connection.getHeartbeat());
    }

    private static void connectByUri(Context t) throws Exception {
        ConnectionFactory given = Context.factory();
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri("amqp://" + given.getUsername() + ":" + given.getPassword() + "@" + given.getHost() + ":"
            + given.getPort() + "/" + given.getVirtualHost().replace("/", "%2f") + "?heartbeat=30");
        Connection connection = t.connect(factory);
        Check.equal("heartbeat", 30, connection.getHeartbeat());
        t.channel(connection).channel().exchangeDeclarePassive("amq.topic");
    }

    // Longer than the two intervals after which either side would give up; only time shows this.
    private static void heartbeats(Context t) throws Exception {
        ConnectionFactory factory = Context.factory();
        factory.setRequestedHeartbeat(1);
        Connection connection = t.connect(factory);
        Check.equal("heartbeat", 1, connection.getHeartbeat());
        Watched channel = t.confirmChannel(connection);
        String queue = t.transientQueue(channel, "q");
        Thread.sleep(Broker.QUICK ? 4000 : 8000);
        channel.publishConfirmed("", queue, "still here");
        Check.equal("messages", List.of("still here"), channel.drain(queue));
    }

    private static void manyChannels(Context t) throws Exception {
        Connection connection = t.connect();
        int count = Broker.QUICK ? 200 : 1000;
        List<Watched> channels = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            channels.add(t.confirmChannel(connection));
        }
        String queue = t.transientQueue(channels.get(0), "q");
        for (Watched channel : channels) {
            channel.publish("", queue, "x");
        }
        for (Watched channel : channels) {
            channel.channel().waitForConfirmsOrDie(10_000);
        }
        Check.equal("messages", count, channels.get(count - 1).ready(queue));
        for (Watched channel : channels.subList(1, count)) {
            channel.channel().close();
        }
        Check.equal("messages", count, channels.get(0).ready(queue));
    }

    private static void manyThreads(Context t) throws Exception {
        Connection connection = t.connect();
        Watched channel = t.channel(connection);
        String queue = t.transientQueue(channel, "q");
        BlockingQueue<Object> results = new LinkedBlockingQueue<>();
        int threads = 8;
        int messages = 500;
        for (int i = 0; i < threads; i++) {
            new Thread(() -> {
                try {
                    Watched own = t.confirmChannel(connection);
                    for (int j = 0; j < messages; j++) {
                        own.channel().basicPublish("", queue, null, bytes("x"));
                    }
                    own.channel().waitForConfirmsOrDie(10_000);
                    results.add("done");
                } catch (Exception error) {
                    results.add(error);
                }
            }).start();
        }
        for (int i = 0; i < threads; i++) {
            Check.equal("a thread", "done", Check.next("a thread", results));
        }
        Check.equal("messages", threads * messages, channel.ready(queue));
    }

    private static void manyConnections(Context t) throws Exception {
        List<Connection> connections = new ArrayList<>();
        for (int i = 0; i < (Broker.QUICK ? 20 : 100); i++) {
            connections.add(t.connect());
        }
        for (Connection connection : connections) {
            t.channel(connection).channel().exchangeDeclarePassive("amq.direct");
        }
    }

    private static void closeIsClean(Context t) throws Exception {
        Connection connection = t.connect();
        BlockingQueue<ShutdownSignalException> closed = new LinkedBlockingQueue<>();
        connection.addShutdownListener(closed::add);
        Watched channel = t.channel(connection);
        connection.close();
        Check.isTrue("not by the application", Check.next("the close", closed).isInitiatedByApplication());
        Check.isTrue("not by the application", Check.next("the close", channel.closed()).isInitiatedByApplication());
    }

    private static void publishThenClose(Context t) throws Exception {
        Connection connection = t.connect();
        Watched channel = t.channel(connection);
        String queue = t.transientQueue(channel, "q");
        for (int i = 0; i < 1000; i++) {
            channel.publish("", queue, "x");
        }
        channel.channel().close();
        connection.close();
        Check.equal("messages", 1000, t.channel().ready(queue));
    }
}
