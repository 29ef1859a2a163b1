# SPDX-License-Identifier: Apache-2.0
"""The pictures of docs/performance.md, drawn by matplotlib from what bench/run found.

Three of them, for three kinds of figures that do not go on one axis: how many times RabbitMQ's rate,
each beside its target; latencies; memory. A kind that was not measured has no picture.
"""

import os

from rows import LEVERET, RABBITMQ

COLOURS = {RABBITMQ: "#ff9955", LEVERET: "#336699"}
TARGET_COLOUR = "#222222"
BAR = 0.38


class Missing(Exception):
    """matplotlib is not there."""


def pyplot():
    try:
        import matplotlib
    except ImportError:
        raise Missing("matplotlib is not installed: scripts/dependencies bench")
    matplotlib.use("svg")
    # The same figures make the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "leveret", "font.size": 9})
    import matplotlib.pyplot

    return matplotlib.pyplot


def figures(document, units):
    """Those in one of the units that both brokers have."""
    for verdict in document["rows"]:
        for figure in verdict["figures"]:
            medians = figure["medians"]
            if figure["unit"] in units and medians.get(RABBITMQ) and medians.get(LEVERET):
                yield figure


def begin(plt, count):
    picture, axes = plt.subplots(figsize=(9, 0.9 + 0.42 * count), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    axes.invert_yaxis()
    return picture, axes


def save(plt, picture, path):
    picture.savefig(path, metadata={"Date": None})
    plt.close(picture)
    with open(path) as file:
        lines = [line.rstrip() for line in file]
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


def wanted_of(figure):
    for target in figure["targets"]:
        if target["against"] == RABBITMQ:
            return float(target["wanted"].rpartition(" ")[2])
    return None


def draw_ratios(plt, chosen, path):
    picture, axes = begin(plt, len(chosen))
    ratios = [each["medians"][LEVERET] / each["medians"][RABBITMQ] for each in chosen]
    axes.barh(range(len(chosen)), ratios, color=COLOURS[LEVERET])
    for place, (figure, ratio) in enumerate(zip(chosen, ratios)):
        wanted = wanted_of(figure)
        if wanted is not None:
            axes.plot([wanted, wanted], [place - 0.4, place + 0.4], color=TARGET_COLOUR, linewidth=2)
        axes.text(max(ratio, wanted or 0), place, "  %.1f" % ratio, verticalalignment="center")
    axes.set_yticks(range(len(chosen)), [each["title"] for each in chosen])
    axes.set_xlabel("times RabbitMQ's rate; the mark is the target")
    save(plt, picture, path)


def draw_pairs(plt, chosen, label, path):
    picture, axes = begin(plt, len(chosen))
    for offset, name in ((-BAR / 2, RABBITMQ), (BAR / 2, LEVERET)):
        places = [place + offset for place in range(len(chosen))]
        values = [each["medians"][name] for each in chosen]
        bars = axes.barh(places, values, height=BAR, color=COLOURS[name], label=name)
        axes.bar_label(bars, fmt=" %.0f")
    axes.set_xscale("log")
    axes.set_xlim(left=1)  # Both bars of a pair begin where a difference can be seen.
    axes.set_yticks(range(len(chosen)), [each["title"] for each in chosen])
    axes.set_xlabel(label + ", logarithmic")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    save(plt, picture, path)


def draw(document, folder):
    """Draws into the folder; returns (title, path) of each picture."""
    plt = pyplot()
    os.makedirs(folder, exist_ok=True)
    drawn = []
    for title, unit, label in (
        ("Rates beside RabbitMQ's", "/s", None),
        ("Latencies", "us", "microseconds"),
        ("Memory", "B", "bytes for each"),
    ):
        chosen = list(figures(document, (unit,)))
        if not chosen:
            continue
        path = os.path.join(folder, title.split()[0].lower() + ".svg")
        if label is None:
            draw_ratios(plt, chosen, path)
        else:
            draw_pairs(plt, chosen, label, path)
        drawn.append((title, path))
    return drawn
