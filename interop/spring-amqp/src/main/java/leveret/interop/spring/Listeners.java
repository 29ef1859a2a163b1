// SPDX-License-Identifier: Apache-2.0

package leveret.interop.spring;

import com.rabbitmq.client.Channel;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.MessageListener;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.rabbit.annotation.Argument;
import org.springframework.amqp.rabbit.annotation.Exchange;
import org.springframework.amqp.rabbit.annotation.QueueBinding;
import org.springframework.amqp.rabbit.annotation.RabbitListener;
import org.springframework.amqp.rabbit.batch.SimpleBatchingStrategy;
import org.springframework.amqp.rabbit.config.SimpleRabbitListenerContainerFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.core.BatchingRabbitTemplate;
import org.springframework.amqp.rabbit.listener.AbstractMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.DirectMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.RabbitListenerEndpointRegistry;
import org.springframework.amqp.rabbit.listener.SimpleMessageListenerContainer;
import org.springframework.amqp.support.AmqpHeaders;
import org.springframework.amqp.support.converter.Jackson2JsonMessageConverter;
import org.springframework.context.annotation.Bean;
import org.springframework.messaging.handler.annotation.Header;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;

/** Listener containers of both kinds, and listeners by annotation. */
final class Listeners {
    private Listeners() {
    }

    static void addTo(Suite suite) {
        suite.add("spring_simple_container", scope -> consumeAll(scope, new SimpleMessageListenerContainer()));
        suite.add("spring_direct_container", scope -> consumeAll(scope, new DirectMessageListenerContainer()));
        suite.add("spring_listener_by_annotation_declares_and_binds", Listeners::annotated);
        suite.add("spring_listener_of_json", Listeners::json);
        suite.add("spring_listener_acknowledges_by_hand", Listeners::manual);
        suite.add("spring_batch_listener", Listeners::consumerBatches);
        suite.add("spring_listener_of_producer_batches", Listeners::producerBatches);
        suite.add("spring_listener_of_priorities", Listeners::priorities);
        suite.add("spring_consumers_with_priorities", Listeners::consumerPriorities);
        suite.add("spring_exclusive_consumer_and_its_successor", Listeners::exclusive);
        suite.add("spring_single_active_consumer_fails_over", Listeners::singleActive);
        suite.add("spring_container_survives_the_deletion_of_its_queue", Listeners::deletedQueue);
        suite.add("spring_direct_container_changes_its_queues", Listeners::changedQueues);
        suite.add("spring_container_stops_and_returns_what_it_had", Listeners::stop);
    }

    /** A container of the test's own, stopped behind it. */
    static <C extends AbstractMessageListenerContainer> C started(
        Scope scope, Application application, C container, MessageListener listener, String... queues) {
        container.setConnectionFactory(application.connections());
        container.setAmqpAdmin(application.admin());
        container.setQueueNames(queues);
        container.setMessageListener(listener);
        container.setShutdownTimeout(2000);
        container.setRecoveryInterval(200);
        if (container instanceof SimpleMessageListenerContainer simple) {
            simple.setReceiveTimeout(100);
        }
        container.afterPropertiesSet();
        container.start();
        scope.defer(container::stop);
        return container;
    }

    static String text(Message message) {
        return new String(message.getBody(), java.nio.charset.StandardCharsets.UTF_8);
    }

    private static List<String> numbers(int count) {
        return IntStream.range(0, count).mapToObj(Integer::toString).toList();
    }

    private static void consumeAll(Scope scope, AbstractMessageListenerContainer container) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue("work");
        int count = Broker.QUICK ? 1000 : 20_000;
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        container.setPrefetchCount(50);
        if (container instanceof SimpleMessageListenerContainer simple) {
            simple.setConcurrentConsumers(2);
            simple.setMaxConcurrentConsumers(4);
        } else if (container instanceof DirectMessageListenerContainer direct) {
            direct.setConsumersPerQueue(3);
            direct.setMessagesPerAck(20);
            direct.setAckTimeout(200);
        }
        started(scope, application, container, message -> got.add(text(message)), queue.getName());
        for (int i = 0; i < count; i++) {
            application.template().convertAndSend("", queue.getName(), "" + i);
        }
        Set<String> different = new HashSet<>(Check.take("a message", count, got));
        Check.equal("different messages", count, different.size());
        container.stop();
        Check.nothing("a second delivery", got);
        Check.equal("messages left", 0, application.count(queue));
    }

    /** A queue and an exchange with arguments, bound by two keys; both are gone with the application. */
    static final class Annotated {
        final BlockingQueue<String> got = new LinkedBlockingQueue<>();

        @RabbitListener(bindings = @QueueBinding(
            value = @org.springframework.amqp.rabbit.annotation.Queue(value = "${names}.queue", durable = "true",
                arguments = @Argument(name = "x-message-ttl", value = "60000", type = "java.lang.Long")),
            exchange = @Exchange(value = "${names}.topic", type = "topic", autoDelete = "true"),
            key = {"a.*", "b.#"}))
        void listen(String text, @Header(AmqpHeaders.RECEIVED_ROUTING_KEY) String key) {
            got.add(key + " " + text);
        }
    }

    private static void annotated(Scope scope) throws Exception {
        Application application = Application.started(scope, Annotated.class);
        application.queue(QueueBuilder.durable(scope.name("queue")).ttl(60_000).build());
        BlockingQueue<String> got = application.get(Annotated.class).got;
        application.template().invoke(operations -> {
            for (String key : List.of("a.x", "c", "b", "b.x.y", "a.x.y")) {
                operations.convertAndSend(scope.name("topic"), key, "text");
            }
            return null;
        });
        Check.equal("messages", List.of("a.x text", "b text", "b.x.y text"), Check.take("a message", 3, got));
        Check.nothing("another message", got);
    }

    /** Converts to the type of its parameter, whatever the sender called it. */
    static final class Json {
        final BlockingQueue<Templates.Order> got = new LinkedBlockingQueue<>();

        @Bean
        Jackson2JsonMessageConverter converter() {
            return new Jackson2JsonMessageConverter("*");
        }

        @RabbitListener(queuesToDeclare = @org.springframework.amqp.rabbit.annotation.Queue("${names}.json"),
            messageConverter = "converter", replyContentType = "application/json")
        Templates.Order listen(Templates.Order order) {
            got.add(order);
            return new Templates.Order(order.id() + 1, order.items());
        }
    }

    private static void json(Scope scope) throws Exception {
        Application application = Application.started(scope, Json.class);
        application.queue("json");
        application.template().setMessageConverter(application.get(Jackson2JsonMessageConverter.class));
        Templates.Order order = new Templates.Order(1, List.of("one", "two"));
        Object reply = application.template().convertSendAndReceive("", scope.name("json"), order);
        Check.equal("order", order, Check.next("the order", application.get(Json.class).got));
        Check.equal("reply", new Templates.Order(2, List.of("one", "two")), reply);
    }

    /** Requeues the first delivery, rejects one for good, acknowledges the rest. */
    static final class Manual {
        final BlockingQueue<String> got = new LinkedBlockingQueue<>();

        @RabbitListener(queuesToDeclare = @org.springframework.amqp.rabbit.annotation.Queue("${names}.manual"),
            ackMode = "MANUAL")
        void listen(String text, Channel channel, @Header(AmqpHeaders.DELIVERY_TAG) long tag,
            @Header(AmqpHeaders.REDELIVERED) boolean redelivered) throws Exception {
            got.add(text + (redelivered ? " again" : ""));
            if (text.equals("requeue") && !redelivered) {
                channel.basicNack(tag, false, true);
            } else if (text.equals("reject")) {
                channel.basicReject(tag, false);
            } else {
                channel.basicAck(tag, false);
            }
        }
    }

    private static void manual(Scope scope) throws Exception {
        Application application = Application.started(scope, Manual.class);
        application.queue("manual");
        for (String text : List.of("plain", "requeue", "reject")) {
            application.template().convertAndSend("", scope.name("manual"), text);
        }
        List<String> got = new ArrayList<>(Check.take("a delivery", 4, application.get(Manual.class).got));
        got.sort(null);
        Check.equal("deliveries", List.of("plain", "reject", "requeue", "requeue again"), got);
        application.get(RabbitListenerEndpointRegistry.class).stop();
        Check.equal("messages left", 0, application.count(scope.name("manual")));
    }

    /** Gets lists of messages that the container gathered. */
    static final class Batches {
        final BlockingQueue<List<String>> got = new LinkedBlockingQueue<>();

        @Bean
        SimpleRabbitListenerContainerFactory batchFactory(CachingConnectionFactory connections) {
            SimpleRabbitListenerContainerFactory factory = new SimpleRabbitListenerContainerFactory();
            factory.setConnectionFactory(connections);
            factory.setBatchListener(true);
            factory.setConsumerBatchEnabled(true);
            factory.setBatchSize(10);
            factory.setPrefetchCount(20);
            factory.setReceiveTimeout(300L);
            return factory;
        }

        @RabbitListener(queuesToDeclare = @org.springframework.amqp.rabbit.annotation.Queue("${names}.batch"),
            containerFactory = "batchFactory", autoStartup = "false", id = "batches")
        void listen(List<String> batch) {
            got.add(batch);
        }
    }

    private static void consumerBatches(Scope scope) throws Exception {
        Application application = Application.started(scope, Batches.class);
        application.queue("batch");
        List<String> sent = numbers(25);
        application.sendInOrder("", scope.name("batch"), sent);
        application.get(RabbitListenerEndpointRegistry.class).getListenerContainer("batches").start();
        List<List<String>> batches = Check.take("a batch", 3, application.get(Batches.class).got);
        Check.equal("sizes", List.of(10, 10, 5), batches.stream().map(List::size).toList());
        List<String> all = batches.stream().flatMap(List::stream).toList();
        Check.equal("messages", sent, all);
        application.get(RabbitListenerEndpointRegistry.class).stop();
        Check.equal("messages left", 0, application.count(scope.name("batch")));
    }

    private static void producerBatches(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue("batches");
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        started(scope, application, new DirectMessageListenerContainer(), m -> got.add(text(m)), queue.getName());
        ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();
        scheduler.initialize();
        scope.defer(scheduler::shutdown);
        BatchingRabbitTemplate template = new BatchingRabbitTemplate(
            application.connections(), new SimpleBatchingStrategy(10, 100_000, 200), scheduler);
        List<String> sent = numbers(25);
        sent.forEach(text -> template.convertAndSend("", queue.getName(), text));
        Check.equal("messages", sent, Check.take("a message", 25, got));
    }

    private static void priorities(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue(QueueBuilder.durable(scope.name("queue")).maxPriority(5).build());
        int sent = 0;
        for (int priority : new int[] {0, 3, 9, 1, 5, 3}) {
            String text = "p" + priority + " " + sent++;
            application.template().convertAndSend("", queue.getName(), text, message -> {
                message.getMessageProperties().setPriority(priority);
                return message;
            });
            Check.eventually("it is there", () -> text.endsWith(" " + (application.count(queue) - 1)));
        }
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        SimpleMessageListenerContainer container = new SimpleMessageListenerContainer();
        container.setPrefetchCount(1);
        started(scope, application, container, message -> got.add(text(message)), queue.getName());
        Check.equal("order", List.of("p9 2", "p5 4", "p3 1", "p3 5", "p1 3", "p0 0"), Check.take("a message", 6, got));
    }

    private static void consumerPriorities(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue("queue");
        BlockingQueue<String> low = new LinkedBlockingQueue<>();
        BlockingQueue<String> high = new LinkedBlockingQueue<>();
        CountDownLatch release = new CountDownLatch(1);
        started(scope, application, new DirectMessageListenerContainer(), m -> low.add(text(m)), queue.getName());
        DirectMessageListenerContainer preferred = new DirectMessageListenerContainer();
        preferred.setConsumerArguments(Map.of("x-priority", 10));
        preferred.setPrefetchCount(2);
        started(scope, application, preferred, message -> {
            high.add(text(message));
            await(release);
        }, queue.getName());
        scope.defer(release::countDown);
        Check.eventually("two consumers",
            () -> application.admin().getQueueInfo(queue.getName()).getConsumerCount() == 2);
        application.sendInOrder("", queue.getName(), numbers(4));
        // Two fill the preferred consumer, which holds them; the others have to make do.
        Check.equal("to the preferred", "0", Check.next("a message", high));
        Check.equal("to the other", List.of("2", "3"), Check.take("a message", 2, low));
        release.countDown();
        Check.equal("to the preferred", "1", Check.next("a message", high));
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await(20, TimeUnit.SECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static void exclusive(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue("queue");
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        SimpleMessageListenerContainer first = new SimpleMessageListenerContainer();
        first.setExclusive(true);
        started(scope, application, first, message -> got.add("first " + text(message)), queue.getName());
        Check.eventually("it consumes",
            () -> application.admin().getQueueInfo(queue.getName()).getConsumerCount() == 1);
        SimpleMessageListenerContainer second = new SimpleMessageListenerContainer();
        second.setExclusive(true);
        started(scope, application, second, message -> got.add("second " + text(message)), queue.getName());
        application.template().convertAndSend("", queue.getName(), "one");
        Check.equal("message", "first one", Check.next("a message", got));
        first.stop();
        application.template().convertAndSend("", queue.getName(), "two");
        Check.equal("message", "second two", Check.next("a message", got));
    }

    private static void singleActive(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue(QueueBuilder.durable(scope.name("queue")).singleActiveConsumer().build());
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        List<SimpleMessageListenerContainer> containers = new ArrayList<>();
        for (String name : List.of("first", "second")) {
            int consumers = containers.size() + 1;
            containers.add(started(scope, application, new SimpleMessageListenerContainer(),
                message -> got.add(name + " " + text(message)), queue.getName()));
            Check.eventually("it consumes",
                () -> application.admin().getQueueInfo(queue.getName()).getConsumerCount() == consumers);
        }
        List<String> sent = numbers(20);
        application.sendInOrder("", queue.getName(), sent);
        Check.equal("to the first alone", sent.stream().map(text -> "first " + text).toList(),
            Check.take("a message", 20, got));
        containers.get(0).stop();
        application.template().convertAndSend("", queue.getName(), "after");
        Check.equal("to the second", "second after", Check.next("a message", got));
    }

    /** The broker cancels the consumer; the container declares the queue again and goes on. */
    private static void deletedQueue(Scope scope) throws Exception {
        Queue queue = QueueBuilder.durable(scope.name("queue")).autoDelete().build();
        Application application = new Application(scope).declaring(queue).start();
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        SimpleMessageListenerContainer container = new SimpleMessageListenerContainer();
        container.setMissingQueuesFatal(false);
        container.setDeclarationRetries(2);
        container.setFailedDeclarationRetryInterval(200);
        container.setApplicationContext(application.context());
        started(scope, application, container, message -> got.add(text(message)), queue.getName());
        application.template().convertAndSend("", queue.getName(), "before");
        Check.equal("message", "before", Check.next("a message", got));

        Check.equal("deleted", true, application.admin().deleteQueue(queue.getName()));

        Check.eventually("the queue is back", () -> application.admin().getQueueInfo(queue.getName()) != null
            && application.admin().getQueueInfo(queue.getName()).getConsumerCount() == 1);
        application.template().convertAndSend("", queue.getName(), "after");
        Check.equal("message", "after", Check.next("a message", got));
    }

    private static void changedQueues(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue one = application.queue("one");
        Queue two = application.queue("two");
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        DirectMessageListenerContainer container = started(scope, application,
            new DirectMessageListenerContainer(), message -> got.add(text(message)), one.getName());
        container.addQueueNames(two.getName());
        application.template().convertAndSend("", two.getName(), "to two");
        Check.equal("message", "to two", Check.next("a message", got));
        container.removeQueueNames(one.getName());
        Check.eventually("one is given up",
            () -> application.admin().getQueueInfo(one.getName()).getConsumerCount() == 0);
        application.template().convertAndSend("", one.getName(), "to one");
        Check.eventually("it waits", () -> application.count(one) == 1);
    }

    private static void stop(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue("queue");
        CountDownLatch release = new CountDownLatch(1);
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        SimpleMessageListenerContainer container = new SimpleMessageListenerContainer();
        container.setPrefetchCount(10);
        started(scope, application, container, message -> {
            got.add(text(message));
            await(release);
        }, queue.getName());
        application.sendInOrder("", queue.getName(), numbers(10));
        Check.equal("message", "0", Check.next("a message", got));
        Check.eventually("all are prefetched", () -> application.count(queue) == 0);
        Thread stopping = new Thread(container::stop);
        stopping.start();
        // The container cancels its consumer first; only then may its listener go on.
        Check.eventually("it is cancelled",
            () -> application.admin().getQueueInfo(queue.getName()).getConsumerCount() == 0);
        release.countDown();
        stopping.join(10_000);
        Check.eventually("what it did not process is back", () -> application.count(queue) + got.size() + 1 == 10);
    }
}
