// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import static leveret.interop.Watched.bytes;
import static leveret.interop.Watched.text;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import leveret.interop.support.Check;
import leveret.interop.support.Suite;

/**
 * What a queue's arguments make of its messages: time to live, dead letters, limits, priorities; and the
 * reply queue that is none, as the client's RpcClient uses it.
 */
final class Features {

    private Features() {
    }

    static void addTo(Suite suite) {
        Context.add(suite, "expired_messages_are_dead_lettered", Features::expired);
        Context.add(suite, "expiration_of_a_message_is_taken_off_and_told", Features::expiration);
        Context.add(suite, "rejected_messages_get_the_dead_letter_routing_key", Features::rejected);
        Context.add(suite, "retry_queues_count_deaths", Features::retry);
        Context.add(suite, "max_length_drops_the_oldest", Features::maxLength);
        Context.add(suite, "full_queue_nacks_publishes", Features::fullQueue);
        Context.add(suite, "priorities_come_first", Features::priorities);
        Context.add(suite, "wrong_arguments_are_406", Features::wrongArguments);
        Context.add(suite, "rpc_by_direct_reply_to", Features::directReplyTo);
    }

    static String queue(Context t, Watched on, String suffix, boolean durable, Map<String, Object> arguments)
        throws IOException {
        return on.channel().queueDeclare(t.queueName(suffix), durable, false, false, arguments).getQueue();
    }

    /** An exchange and the queue of what arrives at it. */
    record DeadLetters(String exchange, String queue) {
        static DeadLetters of(Context t, Watched on) throws IOException {
            String exchange = t.exchange(on, "dlx", BuiltinExchangeType.FANOUT);
            String queue = t.transientQueue(on, "dead");
            on.channel().queueBind(queue, exchange, "");
            return new DeadLetters(exchange, queue);
        }
    }

    static GetResponse take(Watched from, String queue) throws Exception {
        AtomicReference<GetResponse> taken = new AtomicReference<>();
        Check.eventually("a message in " + queue, () -> {
            taken.set(from.channel().basicGet(queue, true));
            return taken.get() != null;
        });
        return taken.get();
    }

    static String header(AMQP.BasicProperties properties, String name) {
        return String.valueOf(properties.getHeaders().get(name));
    }

    /** x-death in a short form; its times must be there. */
    static List<String> deaths(AMQP.BasicProperties properties) {
        List<String> deaths = new ArrayList<>();
        for (Object one : (List<?>) properties.getHeaders().getOrDefault("x-death", List.of())) {
            Map<?, ?> death = (Map<?, ?>) one;
            Check.isTrue("a death has its time: " + death, death.get("time") instanceof java.util.Date);
            deaths.add(death.get("count") + " " + death.get("reason") + " " + death.get("queue") + " "
                + death.get("exchange") + " " + death.get("routing-keys"));
        }
        return deaths;
    }

    private static AMQP.BasicProperties properties(Integer priority, String expiration) {
        return new AMQP.BasicProperties.Builder().priority(priority).expiration(expiration).build();
    }

    private static void expired(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        DeadLetters dead = DeadLetters.of(t, channel);
        String queue = queue(t, channel, "q", true,
            Map.of("x-message-ttl", 50, "x-dead-letter-exchange", dead.exchange()));
        channel.publishConfirmed("", queue, Watched.PERSISTENT, bytes("x"));
        GetResponse message = take(channel, dead.queue());
        Check.equal("routing key", queue, message.getEnvelope().getRoutingKey());
        AMQP.BasicProperties got = message.getProps();
        Check.equal("x-death", List.of("1 expired " + queue + "  [" + queue + "]"), deaths(got));
        Check.equal("x-first-death-reason", "expired", header(got, "x-first-death-reason"));
        Check.equal("x-first-death-queue", queue, header(got, "x-first-death-queue"));
        Check.equal("x-first-death-exchange", "", header(got, "x-first-death-exchange"));
        Check.equal("messages left", 0, channel.ready(queue));
    }

    private static void expiration(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        DeadLetters dead = DeadLetters.of(t, channel);
        String queue = queue(t, channel, "q", false, Map.of("x-dead-letter-exchange", dead.exchange()));
        channel.publishConfirmed("", queue, properties(null, "40"), bytes("x"));
        AMQP.BasicProperties got = take(channel, dead.queue()).getProps();
        Check.equal("expiration", null, got.getExpiration());
        Map<?, ?> death = (Map<?, ?>) ((List<?>) got.getHeaders().get("x-death")).get(0);
        Check.equal("original-expiration", "40", String.valueOf(death.get("original-expiration")));
    }

    private static void rejected(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String dead = t.transientQueue(channel, "dead");
        String queue = queue(t, channel, "q", false,
            Map.of("x-dead-letter-exchange", "", "x-dead-letter-routing-key", dead));
        String source = t.exchange(channel, "x", BuiltinExchangeType.TOPIC);
        channel.channel().queueBind(queue, source, "a.*");
        channel.publishConfirmed(source, "a.b", "x");
        channel.channel().basicReject(channel.get(queue, false).getEnvelope().getDeliveryTag(), false);
        GetResponse buried = take(channel, dead);
        Check.equal("routing key", dead, buried.getEnvelope().getRoutingKey());
        Check.equal("x-death", List.of("1 rejected " + queue + " " + source + " [a.b]"), deaths(buried.getProps()));
    }

    /** The usual way to retry later: a work queue, and one whose messages expire back into it. */
    private static void retry(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String work = t.name("work");
        String later = t.name("later");
        queue(t, channel, "work", false, Map.of("x-dead-letter-exchange", "", "x-dead-letter-routing-key", later));
        queue(t, channel, "later", false,
            Map.of("x-dead-letter-exchange", "", "x-dead-letter-routing-key", work, "x-message-ttl", 20));
        Watched.Consumer consumer = channel.consume(work, false);
        channel.publishConfirmed("", work, new AMQP.BasicProperties.Builder().headers(Map.of("n", 1)).build(),
            bytes("x"));
        for (int attempt = 0; attempt < 4; attempt++) {
            Delivery delivery = consumer.next();
            List<String> wanted = attempt == 0 ? List.of() : List.of(
                attempt + " expired " + later + "  [" + later + "]",
                attempt + " rejected " + work + "  [" + work + "]");
            Check.equal("deaths at attempt " + attempt, wanted, deaths(delivery.getProperties()));
            channel.channel().basicReject(delivery.getEnvelope().getDeliveryTag(), false);
        }
    }

    private static void maxLength(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        DeadLetters dead = DeadLetters.of(t, channel);
        String queue = queue(t, channel, "q", false,
            Map.of("x-max-length", 2, "x-dead-letter-exchange", dead.exchange()));
        for (String body : List.of("1", "2", "3")) {
            channel.publishConfirmed("", queue, body);
        }
        Check.equal("what is left", List.of("2", "3"), channel.drain(queue));
        GetResponse dropped = take(channel, dead.queue());
        Check.equal("dead letter", "1", text(dropped.getBody()));
        Check.equal("reason", "maxlen", header(dropped.getProps(), "x-first-death-reason"));
    }

    private static void fullQueue(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = queue(t, channel, "q", false, Map.of("x-max-length", 1, "x-overflow", "reject-publish"));
        channel.publishConfirmed("", queue, "1");
        channel.publish("", queue, "2");
        Check.equal("acked", false, channel.channel().waitForConfirms(Check.WAIT_SECONDS * 1000));
        Check.equal("what is left", List.of("1"), channel.drain(queue));
        channel.publishConfirmed("", queue, "3");
    }

    private static void priorities(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = queue(t, channel, "q", true, Map.of("x-max-priority", 10));
        Object[][] messages = {{"a", 0}, {"b", 9}, {"c", 5}, {"d", 9}, {"e", null}, {"f", 99}};
        for (Object[] message : messages) {
            channel.publishConfirmed("", queue, properties((Integer) message[1], null), bytes((String) message[0]));
        }
        Check.equal("order", List.of("f", "b", "d", "c", "a", "e"), channel.drain(queue));
    }

    private static void wrongArguments(Context t) throws Exception {
        Map<String, Object> wrong = new HashMap<>(Map.of("x-message-ttl", -1, "x-max-priority", 256, "x-expires", 0));
        Map<String, String> reasons = Map.of("x-message-ttl", "{value_negative,-1}",
            "x-max-priority", "{max_value_exceeded,256}", "x-expires", "{value_zero,0}");
        String name = t.name("wrong");
        for (Map.Entry<String, Object> one : wrong.entrySet()) {
            Watched channel = t.channel();
            Refusal.channelError(channel, 406,
                "PRECONDITION_FAILED - invalid arg '" + one.getKey() + "' for queue '" + name + "' in vhost '/': "
                    + reasons.get(one.getKey()),
                () -> channel.channel().queueDeclare(name, false, false, false, Map.of(one.getKey(), one.getValue())));
        }
    }

    private static void directReplyTo(Context t) throws Exception {
        Watched server = t.channel();
        String requests = t.transientQueue(server, "rpc");
        server.channel().basicConsume(requests, true, (tag, request) -> {
            AMQP.BasicProperties asked = request.getProperties();
            AMQP.BasicProperties answer =
                new AMQP.BasicProperties.Builder().correlationId(asked.getCorrelationId()).build();
            server.channel().basicPublish("", asked.getReplyTo(), answer, bytes("re: " + text(request)));
        }, tag -> {
        });
        Watched client = t.channel();
        com.rabbitmq.client.RpcClient rpc = new com.rabbitmq.client.RpcClient(
            new com.rabbitmq.client.RpcClientParams().channel(client.channel()).exchange("").routingKey(requests)
                .timeout((int) Check.WAIT_SECONDS * 1000));
        for (int number = 0; number < 5; number++) {
            Check.equal("reply", "re: " + number, rpc.stringCall(String.valueOf(number)));
        }
        rpc.close();
    }
}
