// SPDX-License-Identifier: Apache-2.0
//
// Bindings as a drawing: exchanges on the left, what they are bound to on the right. The columns come from the longest
// way from an exchange that nothing is bound to; in a column each thing stands near those that it is bound to (the mean
// of their places, a few passes in both directions), which keeps crossings few. A table always stands beside it.

import { h, svg } from './dom.js';
import { exchangeName, plural } from './format.js';
import { link } from './router.js';

const NODES_MAX = 60;
const BOX = { width: 210, height: 34, down: 14, across: 150, edge: 8 };
const NAME_MAX = 26;
const KEY_MAX = 20;

function cut(text, length) {
  const letters = [...text];
  return letters.length > length ? `${letters.slice(0, length - 1).join('')}…` : text;
}

function nodeKey(kind, name) {
  return `${kind} ${name}`;
}

// The things and lines of the first bindings that fit.
function gather(bindings) {
  const nodes = new Map();
  const lines = new Map();
  const node = (kind, name) => {
    const key = nodeKey(kind, name);
    if (!nodes.has(key)) nodes.set(key, { key, kind, name, column: 0, place: nodes.size });
    return nodes.get(key);
  };
  let left = 0;
  for (const { source, destination_type: kind, destination, routing_key: routingKey } of bindings) {
    const isNew = !nodes.has(nodeKey('exchange', source)) + !nodes.has(nodeKey(kind, destination));
    if (nodes.size + isNew > NODES_MAX) {
      left += 1;
      continue;
    }
    const [from, to] = [node('exchange', source), node(kind, destination)];
    const key = `${from.key} ${to.key}`;
    if (!lines.has(key)) lines.set(key, { from, to, keys: [] });
    lines.get(key).keys.push(routingKey);
  }
  return { nodes: [...nodes.values()], lines: [...lines.values()], left };
}

// As many rounds as there are things: a circle of exchanges ends it.
function setColumns({ nodes, lines }) {
  let isMoving = true;
  for (let round = 0; isMoving && round < nodes.length; round += 1) {
    isMoving = false;
    for (const { from, to } of lines) {
      if (from !== to && to.column <= from.column && from.column + 1 < nodes.length) {
        to.column = from.column + 1;
        isMoving = true;
      }
    }
  }
  const used = [...new Set(nodes.map(({ column }) => column))].sort((a, b) => a - b);
  const last = used.length - 1;
  for (const node of nodes) node.column = node.kind === 'queue' ? Math.max(1, last) : used.indexOf(node.column);
}

function columnsOf(nodes) {
  const columns = [];
  for (const node of nodes) (columns[node.column] ??= []).push(node);
  return [...columns].map((column) => column ?? []);
}

function neighbours(node, lines) {
  return lines.flatMap(({ from, to }) => (from === node ? [to] : to === node ? [from] : []));
}

function order(columns, lines) {
  for (let pass = 0; pass < 6; pass += 1) {
    for (const column of pass % 2 === 0 ? columns : [...columns].reverse()) {
      for (const node of column) {
        const places = neighbours(node, lines).map(({ place }) => place);
        node.wish = places.length > 0 ? places.reduce((sum, place) => sum + place, 0) / places.length : node.place;
      }
      column.sort((a, b) => a.wish - b.wish);
      column.forEach((node, index) => {
        node.place = index - column.length / 2;
      });
    }
  }
}

function setPlaces(columns) {
  const highest = Math.max(...columns.map((column) => column.length));
  const step = BOX.height + BOX.down;
  columns.forEach((column, index) => column.forEach((node, row) => {
    node.x = BOX.edge + index * (BOX.width + BOX.across);
    node.y = BOX.edge + row * step + ((highest - column.length) * step) / 2;
  }));
  return { width: columns.length * (BOX.width + BOX.across) - BOX.across + 2 * BOX.edge,
    height: highest * step - BOX.down + 2 * BOX.edge };
}

function keysOf(keys) {
  const first = cut(keys[0], KEY_MAX);
  return keys.length === 1 ? first : `${first} +${keys.length - 1}`;
}

function drawEdge({ from, to, keys }) {
  const [x1, y1] = [from.x + BOX.width, from.y + BOX.height / 2];
  const isForward = to.column > from.column;
  const [x2, y2] = [isForward ? to.x : to.x + BOX.width, to.y + BOX.height / 2];
  const bend = isForward ? (x2 - x1) / 2 : BOX.across / 2;
  const end = isForward ? x2 - bend : x2 + bend;
  return svg('g', { class: 'edge' }, svg('title', null, keys.join('\n')),
    svg('path', { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${end} ${y2} ${x2} ${y2}` }),
    svg('path', { class: 'head', d: isForward ? `M${x2} ${y2}l-7 -4v8z` : `M${x2} ${y2}l7 -4v8z` }),
    svg('text', { x: x1 + 10 + (x2 - x1 - 20) * 0.28, y: y1 + (y2 - y1) * 0.16 - 5 }, keysOf(keys)));
}

function drawNode(node, vhost) {
  const isQueue = node.kind === 'queue';
  const name = isQueue ? node.name : exchangeName(node.name);
  const box = svg('g', { class: isQueue ? 'thing queue' : 'thing exchange' },
    svg('title', null, `${node.kind} ${name}`),
    svg('rect', { x: node.x, y: node.y, width: BOX.width, height: BOX.height, rx: isQueue ? 4 : BOX.height / 2 }),
    svg('text', { x: node.x + BOX.width / 2, y: node.y + BOX.height / 2 + 5, 'text-anchor': 'middle' },
      cut(name, NAME_MAX)));
  const open = () => {
    location.hash = link(isQueue ? 'queues' : 'exchanges', vhost, node.name === '' ? 'amq.default' : node.name);
  };
  box.onclick = open;
  return box;
}

// The drawing hides itself from screen readers: the table beside it says the same.
export function bindingGraph(bindings, vhost) {
  if (bindings.length === 0) return null;
  const graph = gather(bindings);
  setColumns(graph);
  const columns = columnsOf(graph.nodes);
  order(columns, graph.lines);
  const { width, height } = setPlaces(columns);
  return h('div', { class: 'graph scroll', 'data-key': 'graph', tabindex: '0', role: 'region',
    'aria-label': 'Drawing of the bindings; the table below says the same' },
  svg('svg', { width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' },
    graph.lines.map(drawEdge), graph.nodes.map((node) => drawNode(node, vhost))),
  graph.left > 0 && h('p', { class: 'more' }, `${plural(graph.left, 'binding is', 'bindings are')} not drawn.`));
}
