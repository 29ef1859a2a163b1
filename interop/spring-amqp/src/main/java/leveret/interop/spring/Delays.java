// SPDX-License-Identifier: Apache-2.0

package leveret.interop.spring;

import static leveret.interop.spring.Listeners.started;
import static leveret.interop.spring.Listeners.text;

import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;
import org.springframework.amqp.core.BindingBuilder;
import org.springframework.amqp.core.Exchange;
import org.springframework.amqp.core.ExchangeBuilder;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.rabbit.connection.CorrelationData;
import org.springframework.amqp.rabbit.listener.SimpleMessageListenerContainer;

/** Delayed exchanges as Spring declares them (type x-delayed-message). */
final class Delays {
    static final String NO_PLUGIN = "Debian's RabbitMQ has no rabbitmq_delayed_message_exchange";

    private Delays() {
    }

    static void addTo(Suite suite) {
        suite.addUnlessRabbitMQ("spring_delayed_exchange", NO_PLUGIN, Delays::delays);
        suite.addUnlessRabbitMQ("spring_delayed_exchange_returns_nothing", NO_PLUGIN, Delays::returnsNothing);
    }

    private static Application delaying(Scope scope, Queue queue) {
        Exchange exchange = ExchangeBuilder.topicExchange(scope.name("delayed")).delayed().build();
        return new Application(scope)
            .declaring(queue, exchange, BindingBuilder.bind(queue).to(exchange).with("key.#").noargs()).start();
    }

    private static CorrelationData send(Application application, String key, String text, long delayMs) {
        CorrelationData data = new CorrelationData(text);
        application.template().convertAndSend(application.name("delayed"), key, text, message -> {
            message.getMessageProperties().setDelayLong(delayMs);
            return message;
        }, data);
        return data;
    }

    private static void delays(Scope scope) throws Exception {
        Queue queue = new Queue(scope.name("queue"));
        Application application = delaying(scope, queue);
        BlockingQueue<Map.Entry<Message, Long>> got = new LinkedBlockingQueue<>();
        started(scope, application, new SimpleMessageListenerContainer(),
            message -> got.add(Map.entry(message, System.currentTimeMillis())), queue.getName());
        long sentMs = System.currentTimeMillis();
        for (long delayMs : new long[] {900, 300, 600, 0}) {
            send(application, "key." + delayMs, "after " + delayMs, delayMs);
        }
        List<Map.Entry<Message, Long>> deliveries = Check.take("a message", 4, got);
        Check.equal("order", List.of("after 0", "after 300", "after 600", "after 900"),
            deliveries.stream().map(delivery -> text(delivery.getKey())).toList());
        for (int i = 1; i < 4; i++) {
            long delayMs = 300L * i;
            Message message = deliveries.get(i).getKey();
            Check.between("time of " + delayMs, delayMs, delayMs + 5000, deliveries.get(i).getValue() - sentMs);
            // The plug-in negates the delay of what it delivers.
            Check.equal("delay", delayMs, Math.abs(message.getMessageProperties().getReceivedDelayLong()));
        }
    }

    /** A delayed message is confirmed when it is stored, and is never returned, as nobody knows its route yet. */
    private static void returnsNothing(Scope scope) throws Exception {
        Application application = delaying(scope, new Queue(scope.name("queue")));
        CorrelationData data = send(application, "nowhere", "text", 100);
        Check.equal("ack", true, data.getFuture().get(Check.WAIT_SECONDS, TimeUnit.SECONDS).isAck());
        Check.equal("returned", null, data.getReturned());
    }
}
