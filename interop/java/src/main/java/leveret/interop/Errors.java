// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import static leveret.interop.Watched.bytes;
import static leveret.interop.Watched.text;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.ShutdownSignalException;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Suite;

/** Mistakes, and what the broker answers: the code, the text, and that only what had to close was closed. */
final class Errors {

    private Errors() {
    }

    static void addTo(Suite suite) {
        Context.add(suite, "passive_declare_of_a_missing_queue_404", Errors::missingQueue);
        Context.add(suite, "passive_declare_of_a_missing_exchange_404", Errors::missingExchange);
        Context.add(suite, "redeclare_of_a_queue_inequivalent_406", Errors::inequivalentQueue);
        Context.add(suite, "redeclare_of_an_exchange_inequivalent_406", Errors::inequivalentExchange);
        Context.add(suite, "publish_to_a_missing_exchange_404", Errors::publishToMissing);
        Context.add(suite, "bind_to_a_missing_exchange_404", Errors::bindToMissing);
        Context.add(suite, "exclusive_queue_of_another_connection_405", Errors::exclusiveLocked);
        Context.add(suite, "second_exclusive_consumer_403", Errors::exclusiveConsumer);
        Context.add(suite, "reserved_queue_name_403", Errors::reservedName);
        Context.add(suite, "delete_of_a_queue_in_use_406", Errors::deleteInUse);
        Context.add(suite, "delete_of_a_queue_not_empty_406", Errors::deleteNotEmpty);
        Context.add(suite, "double_ack_406", Errors::doubleAck);
        Context.add(suite, "commit_without_transaction_406", Errors::commitWithoutTransaction);
        Context.add(suite, "wrong_user_id_406", Errors::wrongUserId);
        Context.add(suite, "reused_consumer_tag_530", Errors::reusedConsumerTag);
        Context.add(suite, "wrong_password_403", Errors::wrongPassword);
        Context.add(suite, "missing_vhost_530", Errors::missingVhost);
        Context.add(suite, "errors_leave_other_channels_alone", Errors::leaveOthersAlone);
    }

    private static String noQueue(String name) {
        return "NOT_FOUND - no queue '" + name + "' in vhost '/'";
    }

    private static String noExchange(String name) {
        return "NOT_FOUND - no exchange '" + name + "' in vhost '/'";
    }

    private static void missingQueue(Context t) throws Exception {
        Watched channel = t.channel();
        String queue = t.name("missing");
        Refusal.channelError(channel, 404, noQueue(queue), () -> channel.channel().queueDeclarePassive(queue));
    }

    private static void missingExchange(Context t) throws Exception {
        Watched channel = t.channel();
        String exchange = t.name("missing");
        Refusal.channelError(
            channel, 404, noExchange(exchange), () -> channel.channel().exchangeDeclarePassive(exchange));
    }

    private static void inequivalentQueue(Context t) throws Exception {
        Connection connection = t.connect();
        String queue = t.transientQueue(t.channel(connection), "q");
        String start = "PRECONDITION_FAILED - inequivalent arg '%s' for queue '" + queue + "' in vhost '/': received ";
        Watched one = t.channel(connection);
        Refusal.channelError(one, 406, start.formatted("durable") + "'true' but current is 'false'",
            () -> one.channel().queueDeclare(queue, true, false, false, null));
        Watched two = t.channel(connection);
        Refusal.channelError(two, 406,
            start.formatted("x-max-length") + "the value '10' of type 'signedint' but current is none",
            () -> two.channel().queueDeclare(queue, false, false, false, Map.of("x-max-length", 10)));
    }

    private static void inequivalentExchange(Context t) throws Exception {
        Watched channel = t.channel();
        String exchange = t.exchange(channel, "x", BuiltinExchangeType.DIRECT);
        Refusal.channelError(channel, 406,
            "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '" + exchange
                + "' in vhost '/': received 'fanout' but current is 'direct'",
            () -> channel.channel().exchangeDeclare(exchange, BuiltinExchangeType.FANOUT));
    }

    private static void publishToMissing(Context t) throws Exception {
        Watched channel = t.channel();
        String exchange = t.name("missing");
        channel.publish(exchange, "", "x");
        Refusal.closed(channel, 404, noExchange(exchange));
    }

    private static void bindToMissing(Context t) throws Exception {
        Watched channel = t.channel();
        String queue = t.transientQueue(channel, "q");
        String exchange = t.name("missing");
        Refusal.channelError(channel, 404, noExchange(exchange),
            () -> channel.channel().queueBind(queue, exchange, ""));
    }

    private static void exclusiveLocked(Context t) throws Exception {
        Watched owner = t.channel();
        String queue = t.exclusiveQueue(owner, "q");
        String locked = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '" + queue
            + "' in vhost '/'. It could be originally declared on another connection or the exclusive property value"
            + " does not match that of the original declaration.";
        Connection connection = t.connect();
        Watched consuming = t.channel(connection);
        Refusal.channelError(consuming, 405, locked, () -> consuming.consume(queue, true));
        Watched declaring = t.channel(connection);
        Refusal.channelError(declaring, 405, locked,
            () -> declaring.channel().queueDeclare(queue, false, true, false, null));
        Watched deleting = t.channel(connection);
        Refusal.channelError(deleting, 405, locked, () -> deleting.channel().queueDelete(queue));
        Check.equal("messages", 0, owner.ready(queue));
    }

    private static void exclusiveConsumer(Context t) throws Exception {
        Watched channel = t.channel();
        String queue = t.transientQueue(channel, "q");
        channel.channel().basicConsume(queue, true, "", false, true, null, (tag, delivery) -> { }, tag -> { });
        Watched other = t.channel();
        Refusal.channelError(other, 403, "ACCESS_REFUSED - queue '" + queue + "' in vhost '/' in exclusive use",
            () -> other.consume(queue, true));
    }

    private static void reservedName(Context t) throws Exception {
        Watched channel = t.channel();
        Refusal.channelError(channel, 403,
            "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
            () -> channel.channel().queueDeclare("amq.mine", false, false, false, null));
    }

    private static void deleteInUse(Context t) throws Exception {
        Watched channel = t.channel();
        String queue = t.transientQueue(channel, "q");
        channel.consume(queue, true);
        Watched other = t.channel();
        Refusal.channelError(other, 406, "PRECONDITION_FAILED - queue '" + queue + "' in vhost '/' in use",
            () -> other.channel().queueDelete(queue, true, false));
    }

    private static void deleteNotEmpty(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = t.transientQueue(channel, "q");
        channel.publishConfirmed("", queue, "x");
        Refusal.channelError(channel, 406, "PRECONDITION_FAILED - queue '" + queue + "' in vhost '/' not empty",
            () -> channel.channel().queueDelete(queue, false, true));
    }

    private static void doubleAck(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = t.transientQueue(channel, "q");
        channel.publishConfirmed("", queue, "x");
        long tag = channel.get(queue, false).getEnvelope().getDeliveryTag();
        channel.channel().basicAck(tag, false);
        channel.channel().basicAck(tag, false);
        Refusal.closed(channel, 406, "PRECONDITION_FAILED - unknown delivery tag 1");
    }

    private static void commitWithoutTransaction(Context t) throws Exception {
        Watched channel = t.channel();
        Refusal.channelError(channel, 406, "PRECONDITION_FAILED - channel is not transactional",
            () -> channel.channel().txCommit());
    }

    private static void wrongUserId(Context t) throws Exception {
        Watched channel = t.channel();
        String queue = t.transientQueue(channel, "q");
        AMQP.BasicProperties properties = new AMQP.BasicProperties.Builder().userId("somebody").build();
        channel.channel().basicPublish("", queue, properties, bytes("x"));
        Refusal.closed(channel, 406,
            "PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was '" + Broker.user()
                + "'");
    }

    private static void reusedConsumerTag(Context t) throws Exception {
        Connection connection = t.connect();
        BlockingQueue<ShutdownSignalException> closed = new LinkedBlockingQueue<>();
        connection.addShutdownListener(closed::add);
        Watched channel = t.channel(connection);
        String queue = t.transientQueue(channel, "q");
        channel.consume(queue, true, "twice");
        String text = "NOT_ALLOWED - attempt to reuse consumer tag 'twice'";
        Refusal.reply(Refusal.failure(() -> channel.consume(queue, true, "twice")), 530, text);
        Refusal.reply(Check.next("the connection to be closed", closed), 530, text);
    }

    private static void wrongPassword(Context t) throws Exception {
        ConnectionFactory factory = Context.factory();
        factory.setPassword("wrong");
        try {
            t.connect(factory);
        } catch (AuthenticationFailureException refused) {
            Check.equal("text", "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
                + "For details see the broker logfile.", refused.getMessage());
            return;
        }
        throw new AssertionError("the wrong password was accepted");
    }

    private static void missingVhost(Context t) throws Exception {
        ConnectionFactory factory = Context.factory();
        factory.setVirtualHost("missing");
        Refusal.reply(Refusal.failure(() -> t.connect(factory)), 530, "NOT_ALLOWED - vhost missing not found");
    }

    private static void leaveOthersAlone(Context t) throws Exception {
        Connection connection = t.connect();
        Watched healthy = t.confirmChannel(connection);
        String queue = t.transientQueue(healthy, "q");
        Watched.Consumer consumer = healthy.consume(queue, true);
        for (int i = 0; i < 20; i++) {
            Watched channel = t.channel(connection);
            String missing = t.name("missing");
            Refusal.channelError(channel, 404, noQueue(missing), () -> channel.channel().queueDeclarePassive(missing));
            healthy.publishConfirmed("", queue, Integer.toString(i));
            Check.equal("body", Integer.toString(i), text(consumer.next()));
        }
    }
}
