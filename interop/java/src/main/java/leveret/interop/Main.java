// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import com.rabbitmq.client.impl.ClientVersion;
import java.util.List;
import java.util.stream.Stream;

/**
 * Runs every test below, in this order, and prints one line per test. Those that restart the broker come
 * last, so that a broker that does not come back spoils nothing else.
 */
public final class Main {
    private Main() {
    }

    private static List<Test> all() {
        return Stream
            .of(Publishing.TESTS, Consuming.TESTS, Routing.TESTS, Messages.TESTS, Features.TESTS,
                QueueTypes.TESTS, Lifetimes.TESTS, Errors.TESTS,
                Connections.TESTS, Tls.TESTS, Restart.TESTS)
            .flatMap(List::stream)
            .toList();
    }

    private static List<Test> selected(List<String> names) {
        List<String> known = all().stream().map(Test::name).toList();
        for (String name : names) {
            if (!known.contains(name)) {
                System.err.println("no such test: " + name);
                System.exit(64);
            }
        }
        return all().stream().filter(test -> names.isEmpty() || names.contains(test.name())).toList();
    }

    public static void main(String[] names) {
        System.out.println("# amqp-client " + ClientVersion.VERSION + ", Java " + Runtime.version());
        int failed = 0;
        for (Test test : selected(List.of(names))) {
            String failure = test.run();
            failed += failure == null ? 0 : 1;
            System.out.println(failure == null ? "ok " + test.name() : "not ok " + test.name() + ": " + failure);
        }
        // Threads of connections that a failed test left behind must not keep the process.
        System.exit(failed == 0 ? 0 : 1);
    }
}
