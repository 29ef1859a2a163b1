# SPDX-License-Identifier: Apache-2.0
"""What the objects of a page's JavaScript take, how many nodes it has, and how long it worked.

The size that the browser itself tells grows by about a kilobyte with each refresh of a page, whatever the page does:
who watches a page through DevTools has a record of each of its requests kept in the same process
(blink::NetworkResourcesData, about 300 bytes a request), and functions that run often are compiled. Neither is there
for a reader or has an end that a test could wait for, so what is counted is what the page has made itself.
"""

import json

OBJECTS = ("object", "closure", "array", "string", "concatenated string", "sliced string", "number", "bigint")


class Heap:
    def __init__(self, visit):
        self.devtools = visit.context.new_cdp_session(visit.page)
        self.devtools.send("Performance.enable")

    def snapshot(self):
        chunks = []
        self.devtools.on("HeapProfiler.addHeapSnapshotChunk", lambda event: chunks.append(event["chunk"]))
        self.devtools.send("HeapProfiler.collectGarbage")
        self.devtools.send("HeapProfiler.takeHeapSnapshot")
        return json.loads("".join(chunks))

    def object_bytes(self):
        found = self.snapshot()
        meta = found["snapshot"]["meta"]
        fields, types = meta["node_fields"], meta["node_types"][0]
        wanted = {number for number, name in enumerate(types) if name in OBJECTS}
        kinds = found["nodes"][fields.index("type") :: len(fields)]
        sizes = found["nodes"][fields.index("self_size") :: len(fields)]
        return sum(size for kind, size in zip(kinds, sizes) if kind in wanted)

    def nodes(self):
        """Those of the document and those that only a script still holds."""
        self.devtools.send("HeapProfiler.collectGarbage")
        return int(self.metric("Nodes"))

    def metric(self, name):
        metrics = self.devtools.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == name)

    def work_ms(self):
        """Of the page's thread since it was loaded: scripts, layout, painting."""
        return 1000 * self.metric("TaskDuration")
