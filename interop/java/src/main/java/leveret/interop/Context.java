// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import java.io.IOException;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import leveret.interop.support.Broker;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;

/**
 * What a test works with: connections to the broker, names that are unique to the run, and the removal of
 * all that the test declared, over a connection of its own because the test's may be dead. Nothing here
 * sleeps to wait for the broker: what is awaited is an event, or polled with a deadline.
 */
final class Context {
    /** What a test does; it fails by throwing. */
    interface Body {
        void run(Context context) throws Exception;
    }

    private final Scope scope;
    private final List<Connection> connections = new ArrayList<>();
    private final Map<Connection, Socket> sockets = new ConcurrentHashMap<>();
    private final List<String> queues = new ArrayList<>();
    private final List<String> exchanges = new ArrayList<>();

    private Context(Scope scope) {
        this.scope = scope;
        scope.defer(this::cleanUp);
    }

    static void add(Suite suite, String name, Body body) {
        suite.add(name, scope -> body.run(new Context(scope)));
    }

    static void addWithRestart(Suite suite, String name, Body body) {
        suite.addWithRestart(name, scope -> body.run(new Context(scope)));
    }

    /** A factory of connections that do not recover, so that a test sees each failure as it happens. */
    static ConnectionFactory factory() {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(Broker.host());
        factory.setPort(Broker.port());
        factory.setUsername(Broker.user());
        factory.setPassword(Broker.password());
        factory.setVirtualHost(Broker.vhost());
        factory.setAutomaticRecoveryEnabled(false);
        factory.setShutdownTimeout(1000);
        return factory;
    }

    Connection connect() throws Exception {
        return connect(factory());
    }

    Connection connect(ConnectionFactory factory) throws Exception {
        List<Socket> opened = new ArrayList<>();
        factory.setSocketConfigurator(socket -> {
            socket.setTcpNoDelay(true);
            opened.add(socket);
        });
        Connection connection = factory.newConnection();
        connections.add(connection);
        sockets.put(connection, opened.get(0));
        return connection;
    }

    /** Cuts the socket without a word, as a crash of the client would. */
    void drop(Connection connection) throws IOException {
        sockets.get(connection).close();
    }

    Watched channel() throws Exception {
        return channel(connect());
    }

    Watched channel(Connection connection) throws IOException {
        return Watched.of(connection.createChannel());
    }

    Watched confirmChannel() throws Exception {
        return confirmChannel(connect());
    }

    Watched confirmChannel(Connection connection) throws IOException {
        Watched channel = channel(connection);
        channel.channel().confirmSelect();
        return channel;
    }

    String name(String suffix) {
        return scope.name(suffix);
    }

    String queueName(String suffix) {
        queues.add(name(suffix));
        return name(suffix);
    }

    String exchangeName(String suffix) {
        exchanges.add(name(suffix));
        return name(suffix);
    }

    String transientQueue(Watched on, String suffix) throws IOException {
        return on.channel().queueDeclare(queueName(suffix), false, false, false, null).getQueue();
    }

    String durableQueue(Watched on, String suffix) throws IOException {
        return on.channel().queueDeclare(queueName(suffix), true, false, false, null).getQueue();
    }

    String exclusiveQueue(Watched on, String suffix) throws IOException {
        return on.channel().queueDeclare(queueName(suffix), false, true, false, null).getQueue();
    }

    String autoDeleteQueue(Watched on, String suffix) throws IOException {
        return on.channel().queueDeclare(queueName(suffix), false, false, true, null).getQueue();
    }

    String exchange(Watched on, String suffix, BuiltinExchangeType type) throws IOException {
        return exchange(on, suffix, type, false, false, null);
    }

    String exchange(Watched on, String suffix, BuiltinExchangeType type, boolean durable, boolean autoDelete,
        Map<String, Object> arguments) throws IOException {
        on.channel().exchangeDeclare(exchangeName(suffix), type, durable, autoDelete, arguments);
        return name(suffix);
    }

    /** Whether the queue exists; asked on a channel of its own, because a missing queue costs one. */
    boolean exists(Connection connection, String queue) throws Exception {
        Channel channel = connection.createChannel();
        try {
            channel.queueDeclarePassive(queue);
        } catch (IOException missing) {
            Refusal.reply(Refusal.failure(() -> {
                throw missing;
            }), 404, "NOT_FOUND - no queue '" + queue + "' in vhost '/'");
            return false;
        }
        channel.close();
        return true;
    }

    private void cleanUp() throws Exception {
        for (Connection connection : connections) {
            connection.abort(1000);
        }
        if (queues.isEmpty() && exchanges.isEmpty()) {
            return;
        }
        try (Connection own = factory().newConnection()) {
            Channel channel = own.createChannel();
            for (String queue : queues) {
                channel.queueDelete(queue);
            }
            for (String exchange : exchanges) {
                channel.exchangeDelete(exchange);
            }
        }
    }
}
