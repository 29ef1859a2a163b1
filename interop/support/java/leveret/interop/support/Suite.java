// SPDX-License-Identifier: Apache-2.0

package leveret.interop.support;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The tests of a suite, which run in the order in which they were added; one line is printed for each. */
public final class Suite {
    private static final long LIMIT_SECONDS = 45;
    private static final long SLOW_MS = 3000;

    /** What a test does; it fails by throwing. */
    public interface Body {
        void run(Scope scope) throws Exception;
    }

    private record Test(String name, Body body, long limitSeconds, String skipReason) {
    }

    private final List<Test> tests = new ArrayList<>();

    public Suite add(String name, Body body) {
        tests.add(new Test(name, body, LIMIT_SECONDS, null));
        return this;
    }

    public Suite addWithRestart(String name, Body body) {
        tests.add(new Test(name, body, LIMIT_SECONDS + Broker.RESTART_SECONDS, null));
        return this;
    }

    /** A test that needs something which the RabbitMQ at hand has not; other brokers run it. */
    public Suite addUnlessRabbitMQ(String name, String reason, Body body) {
        tests.add(new Test(name, body, LIMIT_SECONDS, Broker.isRabbitMQ() ? reason : null));
        return this;
    }

    /** Runs the tests of these names, or all; ends the process. */
    public void run(String[] names) {
        List<String> wanted = List.of(names);
        for (String name : wanted) {
            if (tests.stream().noneMatch(test -> test.name.equals(name))) {
                System.err.println("no such test: " + name);
                System.exit(64);
            }
        }
        boolean failed = false;
        for (Test test : tests) {
            if (wanted.isEmpty() || wanted.contains(test.name)) {
                failed |= !run(test);
            }
        }
        // Threads that a failed test left behind must not keep the process.
        System.exit(failed ? 1 : 0);
    }

    private static boolean run(Test test) {
        if (test.skipReason != null) {
            System.out.println("skip " + test.name + ": " + test.skipReason);
            return true;
        }
        long started = System.nanoTime();
        Scope scope = new Scope(test.name);
        String failure = guarded(test.limitSeconds, () -> {
            test.body.run(scope);
            return null;
        });
        String cleaning = guarded(LIMIT_SECONDS, () -> {
            scope.cleanUp();
            return null;
        });
        String reason = failure != null ? failure : cleaning;
        System.out.println(reason == null ? "ok " + test.name : "not ok " + test.name + ": " + reason);
        long tookMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - started);
        if (tookMs > SLOW_MS) {
            System.out.println("# that took " + tookMs + " ms");
        }
        return reason == null;
    }

    /** Why the step failed, or null. */
    private static String guarded(long limitSeconds, Callable<Void> step) {
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try {
            thread.submit(step).get(limitSeconds, TimeUnit.SECONDS);
            return null;
        } catch (ExecutionException failed) {
            return describe(failed.getCause());
        } catch (TimeoutException late) {
            return "not done after " + limitSeconds + " s";
        } catch (InterruptedException interrupted) {
            return describe(interrupted);
        } finally {
            thread.shutdownNow();
        }
    }

    /** The error with its causes, and the innermost line of the suite itself that it came through. */
    private static String describe(Throwable error) {
        StringBuilder text = new StringBuilder(error.toString());
        for (Throwable cause = error.getCause(); cause != null; cause = cause.getCause()) {
            text.append(" <- ").append(cause);
        }
        String support = Suite.class.getPackageName();
        for (StackTraceElement frame : error.getStackTrace()) {
            String name = frame.getClassName();
            if (name.startsWith("leveret.interop.") && !name.startsWith(support)) {
                text.append(" at ").append(frame.getFileName()).append(':').append(frame.getLineNumber());
                break;
            }
        }
        return text.toString().replaceAll("\\s+", " ");
    }
}
