// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import static leveret.interop.Watched.bytes;
import static leveret.interop.Watched.text;

import com.rabbitmq.client.Delivery;
import java.util.List;
import java.util.Map;
import leveret.interop.support.Check;
import leveret.interop.support.Suite;

/** Quorum queues and single active consumers. */
final class QueueTypes {

    private QueueTypes() {
    }

    static void addTo(Suite suite) {
        Context.add(suite, "single_active_consumer_hands_over", QueueTypes::singleActiveConsumer);
        Context.add(suite, "quorum_queue_counts_deliveries", QueueTypes::quorumCounts);
        Context.add(suite, "quorum_queue_buries_poison", QueueTypes::quorumPoison);
        Context.add(suite, "quorum_queue_must_be_durable", QueueTypes::quorumDurable);
    }

    private static void singleActiveConsumer(Context t) throws Exception {
        Watched publisher = t.confirmChannel();
        String queue = Features.queue(t, publisher, "q", false, Map.of("x-single-active-consumer", true));
        Watched one = t.channel();
        Watched.Consumer first = one.consume(queue, true);
        Watched.Consumer second = t.channel().consume(queue, true);
        for (String body : List.of("1", "2")) {
            publisher.publishConfirmed("", queue, body);
            Check.equal("to the first", body, text(first.next()));
        }
        one.channel().basicCancel(first.tag());
        publisher.publishConfirmed("", queue, "3");
        Check.equal("to the second", "3", text(second.next()));
    }

    private static void quorumCounts(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        String queue = Features.queue(t, channel, "q", true, Map.of("x-queue-type", "quorum"));
        Watched.Consumer consumer = channel.consume(queue, false);
        channel.publishConfirmed("", queue, Watched.PERSISTENT, bytes("x"));
        for (int attempt = 0; attempt < 3; attempt++) {
            Delivery delivery = consumer.next();
            Map<String, Object> headers = delivery.getProperties().getHeaders();
            Object count = headers == null ? null : headers.get("x-delivery-count");
            Check.equal("x-delivery-count", attempt == 0 ? null : (Object) (long) attempt, count);
            Check.equal("redelivered", attempt > 0, delivery.getEnvelope().isRedeliver());
            channel.channel().basicNack(delivery.getEnvelope().getDeliveryTag(), false, true);
        }
    }

    private static void quorumPoison(Context t) throws Exception {
        Watched channel = t.confirmChannel();
        Features.DeadLetters dead = Features.DeadLetters.of(t, channel);
        String queue = Features.queue(t, channel, "q", true,
            Map.of("x-queue-type", "quorum", "x-delivery-limit", 1, "x-dead-letter-exchange", dead.exchange()));
        Watched.Consumer consumer = channel.consume(queue, false);
        channel.publishConfirmed("", queue, Watched.PERSISTENT, bytes("poison"));
        for (int attempt = 0; attempt < 2; attempt++) {
            channel.channel().basicNack(consumer.next().getEnvelope().getDeliveryTag(), false, true);
        }
        Check.equal("reason", "delivery_limit",
            Features.header(Features.take(channel, dead.queue()).getProps(), "x-first-death-reason"));
    }

    private static void quorumDurable(Context t) throws Exception {
        Watched channel = t.channel();
        String name = t.name("q");
        Refusal.channelError(channel, 406,
            "PRECONDITION_FAILED - invalid property 'non-durable' for queue '" + name + "' in vhost '/'",
            () -> channel.channel().queueDeclare(name, false, false, false, Map.of("x-queue-type", "quorum")));
    }
}
