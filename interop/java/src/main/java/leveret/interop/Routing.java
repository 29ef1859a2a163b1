// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import static leveret.interop.Watched.bytes;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.BuiltinExchangeType;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import leveret.interop.support.Check;
import leveret.interop.support.Suite;

/**
 * The exchange types, exchange-to-exchange bindings and alternate exchanges. Each test publishes with
 * confirms, so that what a queue holds afterwards is final.
 */
final class Routing {

    private Routing() {
    }

    static void addTo(Suite suite) {
        Context.add(suite, "direct_routing", Routing::direct);
        Context.add(suite, "topic_routing", Routing::topic);
        Context.add(suite, "fanout_routing", Routing::fanout);
        Context.add(suite, "headers_routing", Routing::headers);
        Context.add(suite, "exchange_to_exchange", Routing::exchangeToExchange);
        Context.add(suite, "alternate_exchange", Routing::alternateExchange);
        Context.add(suite, "cc_and_bcc", Routing::copies);
    }

    private static void direct(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String exchange = t.exchange(channel, "x", BuiltinExchangeType.DIRECT);
        String one = t.transientQueue(channel, "one");
        String two = t.transientQueue(channel, "two");
        channel.channel().queueBind(one, exchange, "red");
        channel.channel().queueBind(one, exchange, "green");
        channel.channel().queueBind(two, exchange, "green");
        for (String key : List.of("red", "green", "blue")) {
            channel.publishConfirmed(exchange, key, key);
        }
        channel.channel().queueUnbind(one, exchange, "green");
        channel.publishConfirmed(exchange, "green", "later");
        Check.equal("queue one", List.of("red", "green"), channel.drain(one));
        Check.equal("queue two", List.of("green", "later"), channel.drain(two));
        Check.equal("returns", 1, channel.returned().size());
    }

    private static void topic(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String exchange = t.exchange(channel, "x", BuiltinExchangeType.TOPIC);
        List<String> keys = List.of("a", "a.b", "a.b.c", "x.b", "x.b.c", "", "b", "a..b");
        Map<String, List<String>> expected = Map.of(
            "a.b", List.of("a.b"),
            "a.*", List.of("a.b"),
            "a.#", List.of("a", "a.b", "a.b.c", "a..b"),
            "*.b", List.of("a.b", "x.b"),
            "#.b", List.of("a.b", "x.b", "b", "a..b"),
            "#.b.#", List.of("a.b", "a.b.c", "x.b", "x.b.c", "b", "a..b"),
            "*", List.of("a", "b"),
            "a.*.b", List.of("a..b"),
            "", List.of(""),
            "#", keys);
        Map<String, String> queues = new HashMap<>();
        for (String pattern : expected.keySet()) {
            String queue = channel.channel().queueDeclare().getQueue();
            channel.channel().queueBind(queue, exchange, pattern);
            queues.put(pattern, queue);
        }
        for (String key : keys) {
            channel.publishConfirmed(exchange, key, key);
        }
        for (Map.Entry<String, String> one : queues.entrySet()) {
            Check.equal("pattern " + one.getKey(), expected.get(one.getKey()), channel.drain(one.getValue()));
        }
    }

    private static void fanout(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String exchange = t.exchange(channel, "x", BuiltinExchangeType.FANOUT);
        for (int i = 0; i < 10; i++) {
            channel.channel().queueBind(t.transientQueue(channel, "q" + i), exchange, "ignored" + i % 2);
        }
        channel.publishConfirmed(exchange, "whatever", "to all");
        for (int i = 0; i < 10; i++) {
            Check.equal("queue " + i, List.of("to all"), channel.drain(t.name("q" + i)));
        }
    }

    private static AMQP.BasicProperties headed(Map<String, Object> headers) {
        return new AMQP.BasicProperties.Builder().headers(headers).build();
    }

    private static void headers(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String exchange = t.exchange(channel, "x", BuiltinExchangeType.HEADERS);
        String all = t.transientQueue(channel, "all");
        String any = t.transientQueue(channel, "any");
        channel.channel().queueBind(all, exchange, "", Map.of("x-match", "all", "kind", "report", "size", 7));
        channel.channel().queueBind(any, exchange, "", Map.of("x-match", "any", "kind", "report", "size", 7));
        channel.publishConfirmed(exchange, "", headed(Map.of("kind", "report", "size", 7)), bytes("both"));
        channel.publishConfirmed(exchange, "", headed(Map.of("kind", "report", "size", 8)), bytes("kind"));
        channel.publishConfirmed(exchange, "", headed(Map.of("size", 7)), bytes("size"));
        channel.publishConfirmed(
            exchange, "", headed(Map.of("kind", "report", "size", 7, "other", true)), bytes("more"));
        channel.publishConfirmed(exchange, "", headed(Map.of("kind", "letter")), bytes("none"));
        channel.publishConfirmed(exchange, "", "without");
        Check.equal("all", List.of("both", "more"), channel.drain(all));
        Check.equal("any", List.of("both", "kind", "size", "more"), channel.drain(any));
        Check.equal("returns", 2, channel.returned().size());
    }

    private static void exchangeToExchange(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String source = t.exchange(channel, "source", BuiltinExchangeType.TOPIC);
        String target = t.exchange(channel, "target", BuiltinExchangeType.DIRECT);
        String queue = t.transientQueue(channel, "q");
        channel.channel().queueBind(queue, target, "a.b");
        channel.channel().exchangeBind(target, source, "a.*");
        for (String key : List.of("a.b", "a.c", "b.b")) {
            channel.publishConfirmed(source, key, key);
        }
        channel.channel().exchangeUnbind(target, source, "a.*");
        channel.publishConfirmed(source, "a.b", "after the unbind");
        Check.equal("messages", List.of("a.b"), channel.drain(queue));
    }

    private static void alternateExchange(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String other = t.exchange(channel, "other", BuiltinExchangeType.FANOUT);
        String main = t.exchange(
            channel, "main", BuiltinExchangeType.DIRECT, false, false, Map.of("alternate-exchange", other));
        String known = t.transientQueue(channel, "known");
        String unknown = t.transientQueue(channel, "unknown");
        channel.channel().queueBind(known, main, "known");
        channel.channel().queueBind(unknown, other, "");
        channel.publishConfirmed(main, "known", "known");
        channel.publishConfirmed(main, "unknown", "unknown");
        Check.equal("known", List.of("known"), channel.drain(known));
        Check.equal("unknown", List.of("unknown"), channel.drain(unknown));
        Check.equal("returns", 0, channel.returned().size());
    }

    private static void copies(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String to = t.transientQueue(channel, "to");
        String cc = t.transientQueue(channel, "cc");
        String bcc = t.transientQueue(channel, "bcc");
        channel.publishConfirmed("", to, headed(Map.of("CC", List.of(cc), "BCC", List.of(bcc))), bytes("x"));
        for (String queue : List.of(to, cc, bcc)) {
            Map<String, Object> headers = channel.get(queue, true).getProps().getHeaders();
            Check.equal("headers", "{CC=[" + cc + "]}", headers.toString());
        }
    }
}
