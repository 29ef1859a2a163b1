// SPDX-License-Identifier: Apache-2.0

package leveret.interop.spring;

import static leveret.interop.spring.Listeners.started;
import static leveret.interop.spring.Listeners.text;

import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;
import org.springframework.amqp.AmqpException;
import org.springframework.amqp.core.AnonymousQueue;
import org.springframework.amqp.core.BindingBuilder;
import org.springframework.amqp.core.FanoutExchange;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.rabbit.connection.CorrelationData;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.rabbit.listener.DirectMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.SimpleMessageListenerContainer;

/** The broker restarts under an application: its admin declares again what is gone, its containers go on. */
final class Restarts {
    private Restarts() {
    }

    static void addTo(Suite suite) {
        suite.addWithRestart("spring_application_survives_a_restart", Restarts::restart);
    }

    private static void restart(Scope scope) throws Exception {
        Queue durable = new Queue(scope.name("durable"));
        Queue quorum = QueueBuilder.durable(scope.name("quorum")).quorum().build();
        Queue idle = new Queue(scope.name("idle"));
        Queue anonymous = new AnonymousQueue();
        FanoutExchange fanout = new FanoutExchange(scope.name("fanout"), false, true);
        Application application = new Application(scope)
            .declaring(durable, quorum, idle, anonymous, fanout, BindingBuilder.bind(anonymous).to(fanout)).start();
        BlockingQueue<Message> fromDurable = new LinkedBlockingQueue<>();
        BlockingQueue<Message> fromOthers = new LinkedBlockingQueue<>();
        started(scope, application, new SimpleMessageListenerContainer(), fromDurable::add, durable.getName());
        started(scope, application, new DirectMessageListenerContainer(), fromOthers::add, quorum.getName(),
            anonymous.getName());
        exchangeWithAll(application, durable, quorum, fanout, fromDurable, fromOthers, "before");
        for (int i = 0; i < 100; i++) {
            CorrelationData data = new CorrelationData();
            application.template().convertAndSend("", idle.getName(), "" + i, data);
            Check.equal("ack", true, data.getFuture().get(Check.WAIT_SECONDS, TimeUnit.SECONDS).isAck());
        }

        Broker.restart();

        // The first connection makes the admin declare everything that it knows.
        Check.eventually("the template works again", () -> works(application, idle));
        Check.eventually("the consumers are back", () -> consumers(application, durable) == 1
            && consumers(application, quorum) == 1 && consumers(application, anonymous) == 1);
        exchangeWithAll(application, durable, quorum, fanout, fromDurable, fromOthers, "after");
        for (int i = 0; i < 100; i++) {
            Message message = application.template().receive(idle.getName());
            Check.equal("message", "" + i, text(message));
            Check.equal("redelivered", false, message.getMessageProperties().isRedelivered());
        }
    }

    private static boolean works(Application application, Queue idle) {
        try {
            return application.count(idle) == 100;
        } catch (AmqpException notYet) {
            return false;
        }
    }

    private static int consumers(Application application, Queue queue) {
        var information = application.admin().getQueueInfo(queue.getName());
        return information == null ? 0 : information.getConsumerCount();
    }

    private static void exchangeWithAll(Application application, Queue durable, Queue quorum, FanoutExchange fanout,
        BlockingQueue<Message> fromDurable, BlockingQueue<Message> fromOthers, String text) throws Exception {
        RabbitTemplate template = application.template();
        template.convertAndSend("", durable.getName(), text);
        template.convertAndSend("", quorum.getName(), text + " by quorum");
        Check.equal("by the durable queue", text, text(Check.next("a message", fromDurable)));
        Check.equal("by the quorum queue", text + " by quorum", text(Check.next("a message", fromOthers)));
        template.convertAndSend(fanout.getName(), "", text + " by fanout");
        Check.equal("by the anonymous queue", text + " by fanout", text(Check.next("a message", fromOthers)));
        Check.equal("left", List.of(0, 0), List.of(fromDurable.size(), fromOthers.size()));
    }
}
