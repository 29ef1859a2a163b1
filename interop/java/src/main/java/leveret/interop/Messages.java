// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import static leveret.interop.Watched.PERSISTENT;
import static leveret.interop.Watched.bytes;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.LongString;
import com.rabbitmq.client.impl.LongStringHelper;
import java.math.BigDecimal;
import java.util.Arrays;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Suite;

/**
 * What a message carries must come out as it went in: the body of any size, every property, every type of
 * a header table that this client knows.
 */
final class Messages {

    private Messages() {
    }

    static void addTo(Suite suite) {
        Context.add(suite, "all_properties", Messages::allProperties);
        Context.add(suite, "no_properties", Messages::noProperties);
        Context.add(suite, "header_table_types", Messages::headerTableTypes);
        Context.add(suite, "frame_sized_messages", Messages::frameSized);
        Context.add(suite, "large_message", Messages::large);
        Context.add(suite, "small_frames", Messages::smallFrames);
    }

    private static GetResponse roundTrip(Context t, AMQP.BasicProperties properties) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = t.transientQueue(channel, "q");
        channel.publishConfirmed("", queue, properties, bytes("x"));
        return channel.get(queue, true);
    }

    private static void allProperties(Context t) throws Exception {
        AMQP.BasicProperties sent = new AMQP.BasicProperties.Builder()
            .contentType("application/json")
            .contentEncoding("gzip")
            .headers(Map.of("h", 1))
            .deliveryMode(2)
            .priority(5)
            .correlationId("correlation")
            .replyTo("reply")
            .expiration("60000")
            .messageId("message")
            .timestamp(new Date(1_700_000_000_000L))
            .type("kind")
            .userId(Broker.user())
            .appId("application")
            .clusterId("cluster")
            .build();
        Check.equal("properties", sent, roundTrip(t, sent).getProps());
    }

    private static void noProperties(Context t) throws Exception {
        AMQP.BasicProperties got = roundTrip(t, Watched.NONE).getProps();
        Check.equal("properties", Watched.NONE, got);
        Check.equal("headers", null, got.getHeaders());
    }

    private static LongString string(String text) {
        return LongStringHelper.asLongString(text);
    }

    private static void headerTableTypes(Context t) throws Exception {
        Map<String, Object> sent = new LinkedHashMap<>();
        sent.put("yes", true);
        sent.put("no", false);
        sent.put("byte", (byte) -128);
        sent.put("short", Short.MIN_VALUE);
        sent.put("int", Integer.MIN_VALUE);
        sent.put("long", Long.MIN_VALUE);
        sent.put("float", 0.1f);
        sent.put("double", Math.PI);
        sent.put("decimal", new BigDecimal("314.15"));
        sent.put("string", string("hällo wörld"));
        sent.put("empty", string(""));
        sent.put("long string", string("x".repeat(10_000)));
        sent.put("bytes", new byte[] {0, 1, -2, -1});
        sent.put("timestamp", new Date(1_700_000_000_000L));
        sent.put("nothing", null);
        sent.put("array", Arrays.asList(1, string("two"), Arrays.asList(true, null), Map.of("three", 3L)));
        sent.put("no array", List.of());
        sent.put("table", Map.of("nested", Map.of("deeper", Map.of("deepest", string("value")))));
        sent.put("no table", Map.of());
        AMQP.BasicProperties properties = new AMQP.BasicProperties.Builder().headers(sent).build();
        Map<String, Object> got = roundTrip(t, properties).getProps().getHeaders();
        Check.equal("names", sent.keySet(), got.keySet());
        sent.forEach((name, value) -> Check.equal(name, value, got.get(name)));
    }

    private static void checkSizes(Context t, Watched channel, int... sizes) throws Exception {
        String queue = t.durableQueue(channel, "q");
        for (int size : sizes) {
            byte[] body = new byte[size];
            new Random(size).nextBytes(body);
            channel.publishConfirmed("", queue, PERSISTENT, body);
            Check.isTrue("a body of " + size + " bytes is unchanged",
                Arrays.equals(body, channel.get(queue, true).getBody()));
        }
    }

    /** Around the frame size lies where a body is cut. */
    private static void frameSized(Context t) throws Exception {
        int frame = 131_072;
        checkSizes(t, t.confirmChannel(), 1, frame - 9, frame - 8, frame - 7, frame, 2 * (frame - 8), 2 * frame);
    }

    private static void large(Context t) throws Exception {
        checkSizes(t, t.confirmChannel(), (Broker.QUICK ? 8 << 20 : 32 << 20) + 1);
    }

    private static void smallFrames(Context t) throws Exception {
        ConnectionFactory factory = Context.factory();
        factory.setRequestedFrameMax(8192);
        Watched channel = t.confirmChannel(t.connect(factory));
        Check.equal("frame size", 8192, channel.getConnection().getFrameMax());
        checkSizes(t, channel, 8184, 8185, 100_000);
    }
}
