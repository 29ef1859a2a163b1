// SPDX-License-Identifier: Apache-2.0

package leveret.interop.spring;

import leveret.interop.support.Suite;
import org.springframework.amqp.rabbit.core.RabbitTemplate;

/** Spring AMQP as applications use it. What restarts the broker comes last. */
public final class Main {
    private Main() {
    }

    public static void main(String[] names) {
        System.out.println("# spring-rabbit " + RabbitTemplate.class.getPackage().getImplementationVersion()
            + ", Java " + Runtime.version());
        Suite suite = new Suite();
        Templates.addTo(suite);
        Replies.addTo(suite);
        Transactions.addTo(suite);
        Administration.addTo(suite);
        Listeners.addTo(suite);
        Retries.addTo(suite);
        Delays.addTo(suite);
        Restarts.addTo(suite);
        suite.run(names);
    }
}
