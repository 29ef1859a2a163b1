// SPDX-License-Identifier: Apache-2.0

package leveret.interop.spring;

import static leveret.interop.spring.Listeners.started;
import static leveret.interop.spring.Listeners.text;

import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;
import org.aopalliance.aop.Advice;
import org.springframework.amqp.AmqpRejectAndDontRequeueException;
import org.springframework.amqp.ImmediateRequeueAmqpException;
import org.springframework.amqp.core.DirectExchange;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.MessageProperties;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.rabbit.config.RetryInterceptorBuilder;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.rabbit.listener.DirectMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.SimpleMessageListenerContainer;
import org.springframework.amqp.rabbit.retry.MessageRecoverer;
import org.springframework.amqp.rabbit.retry.RejectAndDontRequeueRecoverer;
import org.springframework.amqp.rabbit.retry.RepublishMessageRecoverer;
import org.springframework.amqp.rabbit.retry.RepublishMessageRecovererWithConfirms;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory.ConfirmType;

/** Listeners that fail: retries in the client and by the broker, dead letters, republished messages. */
final class Retries {
    private final Scope scope;
    private final Application application;
    private final Queue work;
    private final Queue dead;
    private final BlockingQueue<Message> tries = new LinkedBlockingQueue<>();

    /** A queue whose dead letters go by a direct exchange to another. */
    private Retries(Scope scope, QueueBuilder builder) {
        this.scope = scope;
        String name = scope.name("dead");
        work = builder.deadLetterExchange(name).deadLetterRoutingKey(name).build();
        dead = QueueBuilder.durable(name).build();
        application = new Application(scope).declaring(Application.boundQueue(dead)).declaring(work).start();
        application.admin().initialize();
    }

    private Retries(Scope scope) {
        this(scope, QueueBuilder.durable(scope.name("work")));
    }

    static void addTo(Suite suite) {
        suite.add("spring_retry_then_dead_letter", Retries::deadLetter);
        suite.add("spring_retry_then_republish", scope -> republish(scope, false));
        suite.add("spring_retry_then_republish_with_confirms", scope -> republish(scope, true));
        suite.add("spring_republish_cuts_a_long_stack_trace", Retries::longTrace);
        suite.add("spring_stateful_retry_by_redelivery", Retries::stateful);
        suite.add("spring_failure_requeues_by_default", Retries::requeues);
        suite.add("spring_rejection_by_exception", Retries::rejects);
        suite.add("spring_poison_message_of_a_quorum_queue", Retries::poison);
        suite.add("spring_poison_message_of_a_quorum_queue_in_a_direct_container", Retries::poisonDirect);
        suite.add("spring_retry_loop_with_a_waiting_queue", Retries::loop);
        suite.add("spring_dead_letters_of_ttl_and_length", Retries::ttlAndLength);
    }

    private SimpleMessageListenerContainer container(Advice advice) {
        SimpleMessageListenerContainer container = new SimpleMessageListenerContainer();
        if (advice != null) {
            container.setAdviceChain(advice);
        }
        return container;
    }

    private void fail(Message message) {
        tries.add(message);
        throw new IllegalStateException("on purpose");
    }

    private static Advice threeTries(MessageRecoverer recoverer) {
        return RetryInterceptorBuilder.stateless().maxAttempts(3).backOffOptions(20, 2, 100).recoverer(recoverer)
            .build();
    }

    private void send(String text) {
        application.template().convertAndSend("", work.getName(), text);
    }

    private Message takeDead() {
        Message message = application.template().receive(dead.getName());
        Check.isTrue("a dead letter comes", message != null);
        return message;
    }

    private static void expectDeath(Message message, String queue, String reason, long count) {
        Map<String, ?> death = message.getMessageProperties().getXDeathHeader().get(0);
        Check.equal("death", List.of(queue, reason, count, "", List.of(queue)), List.of(death.get("queue"),
            death.get("reason"), death.get("count"), death.get("exchange"), death.get("routing-keys")));
        Check.equal("first death", queue + " " + reason, message.getMessageProperties().getHeader("x-first-death-queue")
            + " " + message.getMessageProperties().getHeader("x-first-death-reason"));
    }

    private static void deadLetter(Scope scope) throws Exception {
        Retries t = new Retries(scope);
        started(scope, t.application, t.container(threeTries(new RejectAndDontRequeueRecoverer())), t::fail,
            t.work.getName());
        t.send("bad");
        Message message = t.takeDead();
        Check.equal("body", "bad", text(message));
        expectDeath(message, t.work.getName(), "rejected", 1);
        Check.equal("tries", 3, t.tries.size());
        // They were all one delivery.
        Check.equal("redelivered", List.of(false, false, false),
            t.tries.stream().map(tried -> tried.getMessageProperties().isRedelivered()).toList());
    }

    private MessageRecoverer republisher(boolean confirms) {
        String name = dead.getName();
        if (!confirms) {
            return new RepublishMessageRecoverer(application.template(), name, name);
        }
        return new RepublishMessageRecovererWithConfirms(application.template(), name, name, ConfirmType.CORRELATED);
    }

    private static void republish(Scope scope, boolean confirms) throws Exception {
        Retries t = new Retries(scope);
        started(scope, t.application, t.container(threeTries(t.republisher(confirms))), t::fail, t.work.getName());
        t.send("bad");
        MessageProperties properties = t.takeDead().getMessageProperties();
        Map<String, Object> headers = properties.getHeaders();
        Check.equal("message", "on purpose", headers.get(RepublishMessageRecoverer.X_EXCEPTION_MESSAGE));
        Check.equal("original", " " + t.work.getName(), headers.get(RepublishMessageRecoverer.X_ORIGINAL_EXCHANGE) + " "
            + headers.get(RepublishMessageRecoverer.X_ORIGINAL_ROUTING_KEY));
        String trace = String.valueOf(headers.get(RepublishMessageRecoverer.X_EXCEPTION_STACKTRACE));
        Check.isTrue("the trace names the listener", trace.contains("Retries"));
        Check.equal("deaths", null, headers.get("x-death"));
        Check.equal("tries", 3, t.tries.size());
    }

    /** The headers of a message must fit a frame: the recoverer cuts the trace by the negotiated size. */
    private static void longTrace(Scope scope) throws Exception {
        Retries t = new Retries(scope);
        String reason = "x".repeat(200_000);
        started(scope, t.application, t.container(threeTries(t.republisher(false))), message -> {
            throw new IllegalStateException(reason);
        }, t.work.getName());
        t.send("bad");
        Map<String, Object> headers = t.takeDead().getMessageProperties().getHeaders();
        String trace = String.valueOf(headers.get(RepublishMessageRecoverer.X_EXCEPTION_STACKTRACE));
        Check.between("the trace's length", 1, 131_072, trace.length());
        Check.eventually("nothing is left", () -> t.application.count(t.work) == 0);
    }

    /** Each try is a delivery of its own; the recoverer knows the message by its identifier. */
    private static void stateful(Scope scope) throws Exception {
        Retries t = new Retries(scope);
        Advice advice = RetryInterceptorBuilder.stateful().maxAttempts(3).recoverer(t.republisher(false)).build();
        started(scope, t.application, t.container(advice), t::fail, t.work.getName());
        t.application.template().convertAndSend("", t.work.getName(), "bad", message -> {
            message.getMessageProperties().setMessageId(scope.name("id"));
            return message;
        });
        Check.equal("body", "bad", text(t.takeDead()));
        Check.equal("redelivered", List.of(false, true, true),
            t.tries.stream().map(tried -> tried.getMessageProperties().isRedelivered()).toList());
    }

    private static void requeues(Scope scope) throws Exception {
        Retries t = new Retries(scope);
        started(scope, t.application, t.container(null), message -> {
            t.tries.add(message);
            if (t.tries.size() < 4) {
                throw new IllegalStateException("on purpose");
            }
        }, t.work.getName());
        t.send("bad at first");
        Check.eventually("four tries", () -> t.tries.size() == 4);
        Check.eventually("nothing is left", () -> t.application.count(t.work) == 0);
        Check.equal("dead letters", 0, t.application.count(t.dead));
    }

    private static void rejects(Scope scope) throws Exception {
        Retries t = new Retries(scope);
        started(scope, t.application, t.container(null), message -> {
            t.tries.add(message);
            if (t.tries.size() == 1) {
                throw new ImmediateRequeueAmqpException("once more");
            }
            throw new AmqpRejectAndDontRequeueException("never again");
        }, t.work.getName());
        t.send("bad");
        expectDeath(t.takeDead(), t.work.getName(), "rejected", 1);
        Check.equal("tries", 2, t.tries.size());
    }

    private static Retries quorum(Scope scope) {
        return new Retries(scope, QueueBuilder.durable(scope.name("work")).quorum().deliveryLimit(3));
    }

    private void expectPoison() throws Exception {
        send("poison");
        expectDeath(takeDead(), work.getName(), "delivery_limit", 1);
        List<Long> counts = tries.stream()
            .map(tried -> tried.getMessageProperties().<Long>getHeader("x-delivery-count"))
            .map(count -> count == null ? 0L : count)
            .toList();
        Check.equal("counts of the deliveries", List.of(0L, 1L, 2L, 3L), counts);
        send("poison");
        takeDead();
    }

    private static void poison(Scope scope) throws Exception {
        Retries t = quorum(scope);
        started(scope, t.application, t.container(null), t::fail, t.work.getName());
        t.expectPoison();
    }

    private static void poisonDirect(Scope scope) throws Exception {
        Retries t = quorum(scope);
        started(scope, t.application, new DirectMessageListenerContainer(), t::fail, t.work.getName());
        t.expectPoison();
    }

    /**
     * The pattern of Spring's documentation for retries with a delay: a refused message waits in a queue whose
     * time to live brings it back, and the count of its deaths ends the loop.
     */
    private static void loop(Scope scope) throws Exception {
        String waiting = scope.name("waiting");
        String work = scope.name("work");
        Application application = new Application(scope)
            .declaring(new DirectExchange(work), QueueBuilder.durable(work).deadLetterExchange("")
                .deadLetterRoutingKey(waiting).build())
            .declaring(QueueBuilder.durable(waiting).ttl(150).deadLetterExchange("").deadLetterRoutingKey(work).build())
            .declaring(QueueBuilder.durable(scope.name("dead")).build())
            .start();
        RabbitTemplate template = application.template();
        application.admin().initialize();
        BlockingQueue<Long> counts = new LinkedBlockingQueue<>();
        started(scope, application, new SimpleMessageListenerContainer(), message -> {
            List<Map<String, ?>> deaths = message.getMessageProperties().getXDeathHeader();
            long count = deaths == null ? 0 : deaths.stream().filter(death -> work.equals(death.get("queue")))
                .mapToLong(death -> (Long) death.get("count")).sum();
            counts.add(count);
            if (count == 3) {
                template.send("", scope.name("dead"), message);
                return;
            }
            throw new AmqpRejectAndDontRequeueException("not yet");
        }, work);
        long startedMs = System.currentTimeMillis();
        template.convertAndSend("", work, "again and again");
        Message message = template.receive(scope.name("dead"));
        Check.between("time", 450, 10_000, System.currentTimeMillis() - startedMs);
        Check.equal("counts", List.of(0L, 1L, 2L, 3L), List.copyOf(counts));
        List<Map<String, ?>> deaths = message.getMessageProperties().getXDeathHeader();
        Check.equal("deaths", List.of(waiting + " expired 3", work + " rejected 3"), deaths.stream()
            .map(death -> death.get("queue") + " " + death.get("reason") + " " + death.get("count")).toList());
    }

    private static void ttlAndLength(Scope scope) throws Exception {
        Retries t = new Retries(scope, QueueBuilder.durable(scope.name("work")).maxLength(2L).ttl(60_000));
        t.application.sendInOrder("", t.work.getName(), List.of("0", "1", "2"));
        Message oldest = t.takeDead();
        Check.equal("pushed out", "0", text(oldest));
        expectDeath(oldest, t.work.getName(), "maxlen", 1);
        t.application.admin().purgeQueue(t.work.getName());
        t.application.template().convertAndSend("", t.work.getName(), "short", message -> {
            message.getMessageProperties().setExpiration("100");
            return message;
        });
        Message expired = t.takeDead();
        expectDeath(expired, t.work.getName(), "expired", 1);
        Check.equal("expiration", null, expired.getMessageProperties().getExpiration());
        Check.equal("original expiration", "100",
            expired.getMessageProperties().getXDeathHeader().get(0).get("original-expiration"));
    }
}
