// SPDX-License-Identifier: Apache-2.0

package leveret.interop.support;

import java.io.IOException;
import java.util.concurrent.TimeUnit;

/** The broker under test, as interop/run describes it in the environment. */
public final class Broker {
    public static final boolean QUICK = "1".equals(System.getenv("INTEROP_QUICK"));

    static final long RESTART_SECONDS = 120;

    private Broker() {
    }

    private static String environment(String name) {
        String value = System.getenv(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalStateException(name + " is not set (start the suite with interop/run)");
        }
        return value;
    }

    public static boolean isRabbitMQ() {
        return "rabbitmq".equals(System.getenv("BROKER_NAME"));
    }

    public static String host() {
        return environment("AMQP_HOST");
    }

    public static int port() {
        return Integer.parseInt(environment("AMQP_PORT"));
    }

    public static String user() {
        return environment("AMQP_USER");
    }

    public static String password() {
        return environment("AMQP_PASSWORD");
    }

    public static String vhost() {
        return environment("AMQP_VHOST");
    }

    /** Restarts the broker and returns once it accepts connections again. */
    public static void restart() throws IOException, InterruptedException {
        Process restart = new ProcessBuilder("sh", "-c", environment("BROKER_RESTART"))
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
        Check.isTrue("the restart ends", restart.waitFor(RESTART_SECONDS, TimeUnit.SECONDS));
        Check.equal("status of the restart", 0, restart.exitValue());
    }
}
