// SPDX-License-Identifier: Apache-2.0

package leveret.interop.support;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** What a test may expect. Each throws an AssertionError that says what was expected and what came. */
public final class Check {
    public static final long WAIT_SECONDS = 15;

    private Check() {
    }

    public interface Operation {
        void run() throws Exception;
    }

    public static void isTrue(String what, boolean holds) {
        if (!holds) {
            throw new AssertionError("not so: " + what);
        }
    }

    public static void equal(String what, Object expected, Object got) {
        if (!Objects.deepEquals(expected, got)) {
            throw new AssertionError(what + ": expected " + expected + ", got " + got);
        }
    }

    public static void between(String what, long lowest, long highest, long got) {
        isTrue(what + " is " + got + ", between " + lowest + " and " + highest, lowest <= got && got <= highest);
    }

    public static void eventually(String what, Callable<Boolean> holds) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS);
        while (!holds.call()) {
            isTrue(what + " within " + WAIT_SECONDS + " s", System.nanoTime() < deadline);
            Thread.sleep(20);
        }
    }

    public static <E> E next(String what, BlockingQueue<E> queue) throws InterruptedException {
        E element = queue.poll(WAIT_SECONDS, TimeUnit.SECONDS);
        isTrue(what + " within " + WAIT_SECONDS + " s", element != null);
        return element;
    }

    public static <E> List<E> take(String what, int count, BlockingQueue<E> queue) throws InterruptedException {
        List<E> taken = new ArrayList<>();
        while (taken.size() < count) {
            taken.add(next(what + ", number " + (taken.size() + 1), queue));
        }
        return taken;
    }

    /** Nothing comes while one waits a little: for what must not happen, and so cannot be waited for. */
    public static void nothing(String what, BlockingQueue<?> queue) throws InterruptedException {
        Object element = queue.poll(300, TimeUnit.MILLISECONDS);
        isTrue(what + " does not come, but there was " + element, element == null);
    }

    /** The operation must fail with an error of this class, which is returned. */
    public static <E extends Throwable> E fails(Class<E> kind, Operation operation) throws Exception {
        try {
            operation.run();
        } catch (Throwable error) {
            if (kind.isInstance(error)) {
                return kind.cast(error);
            }
            throw new AssertionError("expected " + kind.getSimpleName() + ", got " + error, error);
        }
        throw new AssertionError("expected " + kind.getSimpleName() + ", but nothing failed");
    }

    /** The error or one of its causes must say this. */
    public static void says(String text, Throwable error) {
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (String.valueOf(cause.getMessage()).contains(text)) {
                return;
            }
        }
        throw new AssertionError("expected an error that says \"" + text + "\", got " + error, error);
    }
}
