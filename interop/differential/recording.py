# SPDX-License-Identifier: Apache-2.0
"""What RabbitMQ said: its transcripts, kept in recordings/AREA.txt beside the scripts, so that a
comparison needs no RabbitMQ. They are compared with the real one whenever that runs."""

import functools
import os

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recordings")
TITLE = "== "
LICENCE = "# SPDX-License-Identifier: Apache-2.0"


def path_of(area):
    return os.path.join(FOLDER, area + ".txt")


@functools.lru_cache(maxsize=None)
def read(area):
    """{name of a script: the lines of its transcript}"""
    found = {}
    try:
        with open(path_of(area), encoding="utf-8", errors="surrogateescape") as file:
            for line in file.read().rstrip("\n").split("\n")[1:]:
                if line.startswith(TITLE):
                    lines = found[line[len(TITLE) :]] = []
                else:
                    lines.append(line)
    except FileNotFoundError:
        pass
    return found


def of(script):
    """The lines; None where there is no recording."""
    return read(script.area).get(script.name)


def write(scripts, transcripts):
    """Of all `scripts`, in their order: what the transcripts (by script) have; the others stay."""
    os.makedirs(FOLDER, exist_ok=True)
    for area in sorted({script.area for script in transcripts}):
        with open(path_of(area) + ".new", "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(LICENCE + "\n")
            for script in scripts:
                lines = transcripts.get(script, of(script)) if script.area == area else None
                if lines is not None:
                    file.write("\n".join([TITLE + script.name, *lines]) + "\n")
        os.rename(path_of(area) + ".new", path_of(area))
    read.cache_clear()
