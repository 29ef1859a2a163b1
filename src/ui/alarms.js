// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with the nodes: in short beside every page, and in full on the overview.

import { api, optional } from './api.js';
import { mayMonitor } from './session.js';

const FIELDS = 'name,running,mem_alarm,disk_free_alarm,being_drained';

// The nodes, each with what may be wrong with it; who may not know sees none.
export async function loadNodes(signal, otherwise) {
  return mayMonitor() ? optional(api.get(`nodes?columns=${FIELDS}`, { signal }), otherwise) : [];
}

export function alarmsOf(nodes) {
  return nodes.flatMap((node) => [
    node.mem_alarm && { short: 'Memory alarm',
      text: `${node.name}: the memory is used up. Who publishes has to wait.` },
    node.disk_free_alarm && { short: 'Disk alarm',
      text: `${node.name}: the disk is nearly full. Who publishes has to wait.` },
    node.being_drained && { short: 'Drained', text: `${node.name} is drained: nobody can connect to it.` },
    node.running === false && { short: 'Node down', text: `${node.name} does not run.` },
  ]).filter(Boolean);
}
