// SPDX-License-Identifier: Apache-2.0

package leveret.interop.jms;

import com.rabbitmq.jms.admin.RMQConnectionFactory;
import leveret.interop.support.Suite;

/** The RabbitMQ JMS client (Jakarta Messaging). What restarts the broker comes last. */
public final class Main {
    private Main() {
    }

    public static void main(String[] names) {
        System.out.println("# rabbitmq-jms " + RMQConnectionFactory.class.getPackage().getImplementationVersion()
            + ", Java " + Runtime.version());
        Suite suite = new Suite();
        Queues.addTo(suite);
        MessageTypes.addTo(suite);
        Sessions.addTo(suite);
        Topics.addTo(suite);
        Selectors.addTo(suite);
        Requests.addTo(suite);
        Amqp.addTo(suite);
        Delays.addTo(suite);
        Restarts.addTo(suite);
        suite.run(names);
    }
}
