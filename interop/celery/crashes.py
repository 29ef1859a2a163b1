# SPDX-License-Identifier: Apache-2.0
"""Workers that are killed, workers that end, and a broker that restarts under them."""

import basics
import quorum
from interop_suite import defer, expect, poll, restart_broker, test, unique
from worker import RESULT_TIMEOUT_S, Site, delete_queues, marks, started, tasks


@test
def celery_tasks_of_a_killed_worker_are_delivered_again():
    """acks_late: the task that ran and the ones that the worker had prefetched."""
    site = Site("killed", "classic", arguments=("-P", "solo"))
    defer(delete_queues, site.queue)
    site.start().wait_until_ready()
    name, others = unique("survives"), [unique("prefetched") for _ in range(3)]
    result = site.call("survives", name, 60)
    poll(lambda: marks(name) == 1, "the task runs")
    for other in others:
        site.call("mark", other)

    expect(site.worker.kill(), -9, "exit status")
    defer(site.start().stop)

    expect(result.get(timeout=RESULT_TIMEOUT_S), True, "redelivered, the second time")
    poll(lambda: [marks(other) for other in others] == [1, 1, 1], "the others ran")
    expect(marks(name), 2, "times that it ran")


@test
def celery_worker_shuts_down_on_request():
    worker = started(basics.MAIN)
    tasks.app.control.shutdown(destination=[worker.name])
    poll(lambda: worker.process.poll() is not None, "the worker ended", timeout_s=30)
    expect(worker.process.returncode, 0, "exit status")
    basics.MAIN.worker = None


@test
def celery_workers_survive_a_broker_restart():
    """With a task in a queue that nobody consumes, and one that is delayed in the broker."""
    started(basics.MAIN)
    started(quorum.SITE)
    waiting, queue = unique("waiting"), unique("queue")
    defer(delete_queues, queue)
    tasks.mark.apply_async((waiting,), queue=queue)
    delayed = unique("delayed")
    quorum.SITE.call("mark", delayed, countdown=6)

    restart_broker()

    poll(basics.MAIN.answers, "the worker answers again", timeout_s=45)
    expect(tasks.add.delay(20, 22).get(timeout=RESULT_TIMEOUT_S), 42, "result")
    tasks.app.control.add_consumer(queue, destination=[basics.MAIN.worker.name])
    poll(lambda: marks(waiting) == 1, "the task that waited over the restart ran")
    poll(quorum.SITE.answers, "the worker of quorum queues answers again", timeout_s=45)
    poll(lambda: marks(delayed) == 1, "the task that was delayed over the restart ran")
    expect(
        quorum.SITE.value("delivery", countdown=1)["routing_key"][-len(quorum.SITE.queue) :],
        quorum.SITE.queue,
        "a delayed task after that",
    )
    for site in (basics.MAIN, quorum.SITE):
        expect(site.worker.process.poll(), None, "exit status of the worker " + site.name)
