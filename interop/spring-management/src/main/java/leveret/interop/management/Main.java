// SPDX-License-Identifier: Apache-2.0

package leveret.interop.management;

import leveret.interop.support.Suite;

/** What Spring AMQP asks of the management API, and RabbitMQ's Java client of it, which Spring's manual names. */
public final class Main {
    private Main() {
    }

    public static void main(String[] names) {
        Suite suite = new Suite();
        Resources.addTo(suite);
        Users.addTo(suite);
        Spring.addTo(suite);
        suite.run(names);
    }
}
