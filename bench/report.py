# SPDX-License-Identifier: Apache-2.0
"""From results to verdicts, and from verdicts to Markdown.

A verdict holds, for each figure of a row, the median and the range of every contender, and how
Leveret's median compares with each target. Everything that is printed or drawn is made from the
document that bench/run writes with --json, so it can be made again from the file.
"""

import os
import statistics

from rows import LEVERET, RABBITMQ

BEGIN = "<!-- What stands up to the end mark is written by bench/run --write. -->\n"
END = "<!-- End of what bench/run writes. -->\n"
NEW_PAGE = """# Performance

How it is measured is described in [bench/README.md](../bench/README.md).

"""


# --- verdicts ----------------------------------------------------------------------------------


def values_of(figure, results):
    """The figure out of each run that has it; a reference has nothing else."""
    found = []
    for result in results:
        try:
            found.append(result["value"] if "value" in result else figure.of(result))
        except KeyError:
            pass
    return found


def compare(target, medians):
    verdict = {"against": target.against, "wanted": target.text()}
    if LEVERET in medians and medians.get(target.against):
        verdict["ratio"] = medians[LEVERET] / medians[target.against]
        verdict["is_met"] = target.is_met(verdict["ratio"])
    return verdict


def judge_figure(figure, results):
    values = {name: values_of(figure, each) for name, each in results.items()}
    values = {name: each for name, each in values.items() if each}
    medians = {name: statistics.median(each) for name, each in values.items()}
    return {
        "title": figure.title,
        "unit": figure.unit,
        "medians": medians,
        "ranges": {name: [min(each), max(each)] for name, each in values.items()},
        "targets": [compare(target, medians) for target in figure.targets],
    }


def judge(row, results):
    return {
        "row": row.name,
        "figures": [judge_figure(figure, results) for figure in row.figures],
        "reactors": {name: each[0]["reactors"] for name, each in results.items()
                     if "reactors" in each[0]},
        "runs": results,
    }  # fmt: skip


def is_missed(verdict):
    return any(target.get("is_met") is False
               for figure in verdict["figures"] for target in figure["targets"])  # fmt: skip


# --- lines of the table ------------------------------------------------------------------------


def number(value, unit=""):
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2
    return format(value, ",.%df" % digits) + (" " + unit if unit else "")


def show(figure, name):
    return number(figure["medians"][name], figure["unit"]) if name in figure["medians"] else "-"


def ratio_of(figure, name, against):
    medians = figure["medians"]
    return "%.2f" % (medians[name] / medians[against]) if name in medians and medians.get(against) else "-"


def line(title, figure, name, against, target, reactors):
    word = {True: "met", False: "MISSED", None: "-"}[target.get("is_met")]
    other = show(figure, against) if against else "-"
    return (title, other, show(figure, name), ratio_of(figure, name, against or RABBITMQ),
            target.get("wanted", "-"), str(reactors.get(name, "-")), word)  # fmt: skip


def lines_of(verdict):
    """For each figure: title, RabbitMQ's, Leveret's, ratio, wanted, reactors, word; below it what it is
    compared with besides, and what it is with other reactors."""
    reactors = verdict["reactors"]
    for figure in verdict["figures"]:
        targets = {target["against"]: target for target in figure["targets"]}
        beside = targets.pop(RABBITMQ, {})
        yield line(figure["title"], figure, LEVERET, RABBITMQ, beside, reactors)
        for against, target in targets.items():
            yield line("... beside %s" % against, figure, LEVERET, against, target, reactors)
        for name in figure["medians"]:
            if name.startswith(LEVERET + ","):
                yield line("... with" + name.partition(",")[2], figure, name, None, {}, reactors)


HEADINGS = ("work", "RabbitMQ", "Leveret", "ratio", "target", "reactors", "")


def described(about):
    return (
        "%(processor)s, %(cores)d cores, %(memory_gib)g GiB, Linux %(kernel)s, data on %(file_system)s,\n"
        "load %(load_average).2f before the first run, an append of 4 KiB and its sync take %(sync_us).0f us.\n"
        "RabbitMQ %(rabbitmq)s, Leveret %(leveret)s. Medians of %(runs)d runs of %(time)g s each, after\n"
        "%(warmup)g s of warm-up, on %(date)s." % about
    )


def table(headings, rows):
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def cores_lines(verdict):
    """Who used the processors: near all cores for the generator, and it is what was measured."""
    for name, runs in verdict["runs"].items():
        if "broker_cores" not in runs[0]:
            continue
        median = lambda key: "%.2f" % statistics.median(run[key] for run in runs)
        yield (verdict["row"], name, median("generator_cores"), median("broker_cores"),
               median("other_programs_cores"))  # fmt: skip


LOCK_HEADINGS = ("row", "broker", "ns in the lock per message", "bounds messages/s", "below 120 ns")
LOCK_NS_MAX = 120


def lock_lines(verdict):
    """How long the core's lock was held for each message; rows without messages have none."""
    for name, runs in verdict["runs"].items():
        if "lock_ns" not in runs[0]:
            continue
        held_ns = statistics.median(run["lock_ns"] for run in runs)
        bound = statistics.median(run["lock_bound_per_s"] for run in runs)
        yield (verdict["row"], name, number(held_ns), number(bound),
               "yes" if held_ns < LOCK_NS_MAX else "no")  # fmt: skip


def markdown(document, plots):
    verdicts = document["rows"]
    parts = [described(document["about"]) + "\n"]
    parts.append(table(HEADINGS, [line for verdict in verdicts for line in lines_of(verdict)]))
    parts += ["![%s](%s)\n" % plot for plot in plots]
    parts.append("Cores used, medians:\n")
    parts.append(table(("row", "broker", "leveret-perf", "the broker", "other programs"),
                       [line for verdict in verdicts for line in cores_lines(verdict)]))  # fmt: skip
    locks = [line for verdict in verdicts for line in lock_lines(verdict)]
    if locks:
        parts.append("Time inside the vhost's lock, medians:\n")
        parts.append(table(LOCK_HEADINGS, locks))
    return "\n".join(parts)


def write(document, path, plots):
    """Replaces what was written before and leaves what people wrote around it."""
    plots = [(title, os.path.relpath(file, os.path.dirname(path) or ".")) for title, file in plots]
    text = BEGIN + markdown(document, plots) + END
    before, after = NEW_PAGE, ""
    if os.path.exists(path):
        with open(path) as file:
            page = file.read()
        before, begin, rest = page.partition(BEGIN)
        after = rest.partition(END)[2]
        before += "" if begin else "\n"
    with open(path, "w") as file:
        file.write(before + text + after)
