// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import com.rabbitmq.client.impl.ClientVersion;
import leveret.interop.support.Suite;

/**
 * RabbitMQ's Java client. The tests that restart the broker come last, so that a broker that does not come back
 * spoils nothing else.
 */
public final class Main {
    private Main() {
    }

    public static void main(String[] names) {
        System.out.println("# amqp-client " + ClientVersion.VERSION + ", Java " + Runtime.version());
        Suite suite = new Suite();
        Publishing.addTo(suite);
        Consuming.addTo(suite);
        Routing.addTo(suite);
        Messages.addTo(suite);
        Features.addTo(suite);
        QueueTypes.addTo(suite);
        Lifetimes.addTo(suite);
        Errors.addTo(suite);
        Connections.addTo(suite);
        Tls.addTo(suite);
        Restart.addTo(suite);
        suite.run(names);
    }
}
