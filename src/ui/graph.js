// SPDX-License-Identifier: Apache-2.0
//
// Bindings as a drawing: exchanges on the left, what they are bound to on the right. The columns come from the longest
// way from an exchange that nothing is bound to; in a column each thing stands near those that it is bound to (the mean
// of their places, a few passes in both directions), which keeps crossings few. A table always stands beside it, and
// what is drawn is the page of that, so the drawing has an end however many bindings there are.

import { h, svg } from './dom.js';
import { exchangeName, plural } from './format.js';
import { link } from './router.js';

const NODES_MAX = 60;
const BOX = { width: 210, height: 34, knot: 4, down: 14, across: 124, edge: 8 };
const NAME_MAX = 27;
const SEEN = 540; // of its height, at once: style/figures.css
const KEY_MAX = 19;

// In the middle: names that begin alike end in another way.
function cut(text, length) {
  const letters = [...text];
  if (letters.length <= length) return text;
  const end = Math.floor(length / 2);
  return `${letters.slice(0, length - 1 - end).join('')}…${letters.slice(-end).join('')}`;
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

// A line over several columns has a knot in each between, so that it goes around what stands there.
function addKnots({ nodes, lines }) {
  for (const line of lines) {
    line.stops = [line.from];
    for (let column = line.from.column + 1; column < line.to.column; column += 1) {
      const knot = { kind: 'knot', column, place: line.to.place };
      nodes.push(knot);
      line.stops.push(knot);
    }
    line.stops.push(line.to);
  }
}

function setNeighbours({ nodes, lines }) {
  for (const node of nodes) node.near = [];
  for (const { stops } of lines) {
    stops.slice(1).forEach((stop, index) => {
      stop.near.push(stops[index]);
      stops[index].near.push(stop);
    });
  }
}

function order(columns) {
  for (let pass = 0; pass < 8; pass += 1) {
    for (const column of pass % 2 === 0 ? columns : [...columns].reverse()) {
      for (const node of column) {
        const sum = node.near.reduce((total, { place }) => total + place, 0);
        node.wish = node.near.length > 0 ? sum / node.near.length : node.place;
      }
      column.sort((a, b) => a.wish - b.wish);
      column.forEach((node, index) => {
        node.place = index - column.length / 2;
      });
    }
  }
}

function heightOf(node) {
  return node.kind === 'knot' ? BOX.knot : BOX.height;
}

function columnHeight(column) {
  return column.reduce((sum, node) => sum + heightOf(node) + BOX.down, -BOX.down);
}

// In a column with room to spare each thing stands in the middle of its neighbours; in a high drawing, of which the top
// is seen, beside the first of them.
function spread(column, height) {
  let free = BOX.edge;
  for (const node of column) {
    const middles = node.near.map(({ middle }) => middle);
    const mean = middles.reduce((sum, middle) => sum + middle, 0) / middles.length;
    const wish = middles.length === 0 ? node.middle : height > SEEN ? Math.min(...middles) : mean;
    node.y = Math.max(free, wish - heightOf(node) / 2);
    free = node.y + heightOf(node) + BOX.down;
  }
  let end = BOX.edge + height;
  for (const node of [...column].reverse()) {
    node.y = Math.min(node.y, end - heightOf(node));
    node.middle = node.y + heightOf(node) / 2;
    end = node.y - BOX.down;
  }
}

function setPlaces(columns) {
  const highest = Math.max(...columns.map(columnHeight));
  columns.forEach((column, index) => {
    let y = BOX.edge + (highest - columnHeight(column)) / 2;
    for (const node of column) {
      node.x = BOX.edge + index * (BOX.width + BOX.across);
      node.y = y;
      node.middle = y + heightOf(node) / 2;
      y += heightOf(node) + BOX.down;
    }
  });
  for (const column of [...columns].reverse()) {
    if (columnHeight(column) < highest) spread(column, highest);
  }
  return { width: columns.length * (BOX.width + BOX.across) - BOX.across + 2 * BOX.edge,
    height: highest + 2 * BOX.edge };
}

function keysOf(keys) {
  const first = cut(keys[0], KEY_MAX);
  return keys.length === 1 ? first : `${first} +${keys.length - 1}`;
}

function forwardPath(stops) {
  const parts = stops.slice(1).map((stop, index) => {
    const before = stops[index];
    const x = before.x + BOX.width;
    const half = (x + stop.x) / 2;
    return `L${x} ${before.middle}C${half} ${before.middle} ${half} ${stop.middle} ${stop.x} ${stop.middle}`;
  });
  return `M${stops[0].x + BOX.width} ${stops[0].middle}${parts.join('')}`;
}

// In a circle of exchanges a line goes back.
function backwardPath(from, to) {
  const [x1, x2, bend] = [from.x + BOX.width, to.x + BOX.width, BOX.across / 2];
  return `M${x1} ${from.middle}C${x1 + bend} ${from.middle} ${x2 + bend} ${to.middle} ${x2} ${to.middle}`;
}

// The keys stand at that end where fewer lines meet.
function keyText({ from, to, keys }, isForward) {
  const isAtEnd = isForward && from.near.length > to.near.length;
  const x = isAtEnd ? to.x - 12 : from.x + BOX.width + 8;
  const y = (isAtEnd ? to : from).middle - 5;
  return svg('text', { x, y, 'text-anchor': isAtEnd ? 'end' : 'start' }, keysOf(keys));
}

function drawEdge(line) {
  const { from, to, stops, keys } = line;
  const isForward = to.column > from.column;
  const end = isForward ? `M${to.x} ${to.middle}l-7 -4v8z` : `M${to.x + BOX.width} ${to.middle}l7 -4v8z`;
  return svg('g', { class: 'edge' }, svg('title', null, keys.join('\n')),
    svg('path', { d: isForward ? forwardPath(stops) : backwardPath(from, to) }),
    svg('path', { class: 'head', d: end }), keyText(line, isForward));
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

function leftOut(count) {
  return count > 0 && h('p', { class: 'more' }, `${plural(count, 'binding is', 'bindings are')} not drawn: here are ` +
    `those of this page of the table, and at most ${NODES_MAX} queues and exchanges.`);
}

// bindings: some of all, count. The drawing hides itself from screen readers: the table beside it says the same.
export function bindingGraph(bindings, count, vhost) {
  if (bindings.length === 0) return null;
  const graph = gather(bindings);
  setColumns(graph);
  addKnots(graph);
  setNeighbours(graph);
  const columns = columnsOf(graph.nodes);
  order(columns);
  const { width, height } = setPlaces(columns);
  return [h('div', { class: 'graph scroll', 'data-key': 'graph', tabindex: '0', role: 'region',
    'aria-label': 'Drawing of the bindings; the table below says the same' },
  svg('svg', { width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true',
    class: `columns-${columns.length > 5 ? 'more' : columns.length}` },
    graph.lines.map(drawEdge),
    graph.nodes.filter(({ kind }) => kind !== 'knot').map((node) => drawNode(node, vhost)))),
  leftOut(graph.left + count - bindings.length)];
}
