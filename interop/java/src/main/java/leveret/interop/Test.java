// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A test: a name, what it does, and how long that may take. */
record Test(String name, Body body, long limitSeconds) {
    /** What a test does; it fails by throwing. */
    interface Body {
        void run(Context context) throws Exception;
    }

    static Test of(String name, Body body) {
        return new Test(name, body, 30);
    }

    static Test withRestart(String name, Body body) {
        return new Test(name, body, 30 + Context.RESTART_SECONDS);
    }

    /** Runs the test and what cleans up behind it; returns why it failed, or null. */
    String run() {
        Context context = new Context();
        String failure = guarded(limitSeconds, () -> body.run(context));
        String cleaning = guarded(30, context::cleanUp);
        return failure != null ? failure : cleaning;
    }

    private interface Step {
        void run() throws Exception;
    }

    private static String guarded(long limitSeconds, Step step) {
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try {
            thread.submit(() -> {
                step.run();
                return null;
            }).get(limitSeconds, TimeUnit.SECONDS);
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

    // An IOException of this client often says nothing; its cause does.
    private static String describe(Throwable error) {
        StringBuilder text = new StringBuilder(error.toString());
        if (error.getCause() != null) {
            text.append(" <- ").append(error.getCause());
        }
        StackTraceElement[] stack = error.getStackTrace();
        for (StackTraceElement frame : stack) {
            boolean ours = frame.getClassName().startsWith("leveret.interop.");
            if (ours && !frame.getClassName().startsWith(Check.class.getName())) {
                text.append(" at ").append(frame.getFileName()).append(':').append(frame.getLineNumber());
                break;
            }
        }
        return text.toString().replaceAll("\\s+", " ");
    }
}
