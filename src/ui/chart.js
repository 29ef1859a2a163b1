// SPDX-License-Identifier: Apache-2.0
//
// Charts of lines over time. The figure has its numbers three times: drawn, in a legend with what each line
// is now, and in a table for who does not see the drawing. Colours are by the order of the lines, from the
// style sheet; a button of the legend hides its line. What was at one time is shown where the pointer is, or where
// the slider below the drawing stands, for keyboards and fingers.

import { h, morph, svg } from './dom.js';
import { clock, NOTHING } from './format.js';

const HEIGHT = 190;
const EDGE = { left: 54, right: 12, top: 10, bottom: 24, time: 26 };
const TABLE_ROWS_MAX = 12;

// By the chart's id: what is to be drawn, which lines are hidden, where the pointer is.
const charts = new Map();

const observer = new ResizeObserver((entries) => {
  for (const { target } of entries) redraw(target);
});

// A round step, so that about `count` of them reach the highest value.
function roundStep(highest, count, base) {
  if (base === 1024 && highest >= 1024) {
    const unit = 1024 ** Math.floor(Math.log(highest) / Math.log(1024));
    return unit * roundStep(highest / unit, count, 10);
  }
  const rough = highest / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough - 1e-9);
  return step * power;
}

function scaleOf(lines, base, least) {
  const highest = Math.max(least, ...lines.flatMap(({ points }) => points.map(({ value }) => value)));
  const step = roundStep(highest, 4, base);
  const top = Math.ceil(highest / step - 1e-9) * step;
  const ticks = [];
  for (let value = 0; value <= top + step / 2; value += step) ticks.push(value);
  return { top, ticks };
}

function spanOf(lines) {
  const times = lines.flatMap(({ points }) => points.map(({ time }) => time));
  return times.length === 0 ? null : { from: Math.min(...times), to: Math.max(...times) };
}

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

// Round times of the reader's clock, about `count` of them.
function timeTicks({ from, to }, count) {
  const step = 1000 * (STEPS_S.find((seconds) => (to - from) / 1000 / seconds <= count) ?? STEPS_S.at(-1));
  const ahead = 60000 * new Date(from).getTimezoneOffset();
  const ticks = [];
  for (let time = Math.ceil((from - ahead) / step) * step + ahead; time <= to; time += step) ticks.push(time);
  return { ticks, step };
}

function drawAxes(place, span, spec) {
  const count = Math.max(1, Math.min(5, Math.floor((place.width - EDGE.left) / 110)));
  const across = place.scale.ticks.map((value) => [
    svg('line', { class: value === 0 ? 'base' : 'grid', x1: EDGE.left, x2: place.width - EDGE.right,
      y1: place.y(value), y2: place.y(value) }),
    svg('text', { class: 'tick', x: EDGE.left - 8, y: place.y(value) + 4, 'text-anchor': 'end' },
      spec.axis(value)),
  ]);
  const { ticks, step } = timeTicks(span, count);
  // What would stand over the edge of the drawing is moved into it.
  const times = ticks.map((time) => svg('text', { class: 'tick', x: Math.min(place.x(time), place.width - EDGE.time),
    y: HEIGHT - 6, 'text-anchor': 'middle' }, step < 60000 ? clock(time) : clock(time).slice(0, 5)));
  return [across, times];
}

function pathOf(points, place) {
  return points.map(({ time, value }, index) =>
    `${index === 0 ? 'M' : 'L'}${place.x(time).toFixed(1)} ${place.y(value).toFixed(1)}`).join('');
}

// The first line has an area below it; several of them would be one grey.
function drawLine(line, place, hasArea) {
  if (line.points.length === 0) return null;
  const path = pathOf(line.points, place);
  const first = place.x(line.points[0].time).toFixed(1);
  const last = place.x(line.points[line.points.length - 1].time).toFixed(1);
  const floor = place.y(0).toFixed(1);
  return svg('g', { class: `line line-${line.colour}` },
    hasArea && svg('path', { class: 'area', d: `${path}L${last} ${floor}L${first} ${floor}Z` }),
    svg('path', { class: 'stroke', d: path }));
}

function nearest(points, time) {
  let best = null;
  for (const point of points) {
    if (best === null || Math.abs(point.time - time) < Math.abs(best.time - time)) best = point;
  }
  return best;
}

function drawPointer(state, lines, place) {
  if (state.pointer === null) return null;
  const time = nearest(lines.flatMap(({ points }) => points), state.pointer).time;
  const x = place.x(time);
  return svg('g', { class: 'pointer' },
    svg('line', { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
    lines.map((line) => {
      const point = nearest(line.points, time);
      return point && svg('circle', { class: `dot-${line.colour}`, cx: x, cy: place.y(point.value), r: 3.5 });
    }));
}

function describe(spec, lines, span) {
  const said = lines.filter(({ points }) => points.length > 0).map(({ label, points }) => {
    const found = points.map(({ value }) => value);
    const last = spec.figure(found[found.length - 1]);
    return `${label}: now ${last}, between ${spec.figure(Math.min(...found))} and ${spec.figure(Math.max(...found))}`;
  });
  const nothing = spec.lines.length > lines.length ? 'all lines are hidden' : 'no figures yet';
  return span === null ? `${spec.title}: ${nothing}`
    : `${spec.title}, ${clock(span.from)} to ${clock(span.to)}. ${said.join('; ')}.`;
}

function drawing(state, lines, width) {
  const span = spanOf(lines);
  const label = describe(state.spec, lines, span);
  if (span === null) {
    return h('div', { class: 'chart-empty', 'data-key': 'empty', role: 'img', 'aria-label': label },
      state.spec.lines.some(({ points }) => points.length > 0) ? 'All lines are hidden' : 'No figures yet');
  }
  const scale = scaleOf(lines, state.spec.base, state.spec.least);
  const [inner, high] = [width - EDGE.left - EDGE.right, HEIGHT - EDGE.top - EDGE.bottom];
  const place = { width, scale,
    x: (time) => EDGE.left + (span.to === span.from ? inner : ((time - span.from) / (span.to - span.from)) * inner),
    y: (value) => EDGE.top + high * (1 - value / scale.top) };
  const root = svg('svg', { class: 'chart-drawing', 'data-key': 'drawing', width, height: HEIGHT,
    viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': label },
  drawAxes(place, span, state.spec), lines.map((line, index) => drawLine(line, place, index === 0)).reverse(),
  drawPointer(state, lines, place));
  root.onpointermove = (event) => {
    const x = event.clientX - root.getBoundingClientRect().left - EDGE.left;
    state.pointer = span.from + (Math.max(0, Math.min(inner, x)) / inner) * (span.to - span.from);
    redraw(state.element);
  };
  root.onpointerleave = () => {
    state.pointer = null;
    redraw(state.element);
  };
  return root;
}

function legend(state) {
  const { spec, hidden, pointer } = state;
  const time = pointer === null ? null : nearest(spec.lines.flatMap(({ points }) => points), pointer)?.time;
  return h('ul', { class: 'legend', 'data-key': 'legend', 'aria-label': `Lines of ${spec.title}` },
    spec.lines.map((line) => {
      const value = time === null ? line.now : nearest(line.points, time)?.value;
      const toggle = () => {
        if (!hidden.delete(line.label)) hidden.add(line.label);
        redraw(state.element);
      };
      return h('li', null, h('button', { type: 'button', class: `swatch swatch-${line.colour}`,
        'aria-pressed': String(!hidden.has(line.label)), onclick: toggle },
      h('span', null, line.label), h('strong', null, value === undefined ? NOTHING : spec.figure(value))));
    }),
    h('li', { class: 'legend-time' }, time === null ? '' : clock(time)));
}

function timesOf(lines) {
  return [...new Set(lines.flatMap(({ points }) => points.map(({ time }) => time)))].sort((a, b) => a - b);
}

function slider(state, lines) {
  const times = timesOf(lines);
  if (times.length < 2) return null;
  const time = state.pointer === null ? times[times.length - 1]
    : nearest(lines.flatMap(({ points }) => points), state.pointer).time;
  const said = lines.map(({ label, points }) => `${label} ${state.spec.figure(nearest(points, time)?.value)}`);
  return h('input', { type: 'range', class: 'chart-slider', 'data-key': 'slider', min: '0', max: times.length - 1,
    value: times.indexOf(time), 'aria-label': `Time in ${state.spec.title}`,
    'aria-valuetext': `${clock(time)}: ${said.join(', ')}`,
    oninput: (event) => {
      state.pointer = times[event.target.value];
      redraw(state.element);
    },
    onblur: () => {
      state.pointer = null;
      redraw(state.element);
    } });
}

function thinned(times) {
  const step = Math.max(1, Math.ceil(times.length / TABLE_ROWS_MAX));
  return times.filter((_, index) => (times.length - 1 - index) % step === 0);
}

function table({ title, lines, figure }) {
  const times = timesOf(lines);
  return h('details', { class: 'chart-table', 'data-key': 'table' }, h('summary', null, 'As a table'),
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `${title}, as a table` },
      h('table', null, h('caption', { class: 'unseen' }, title),
        h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Time'),
          lines.map(({ label }) => h('th', { scope: 'col', class: 'figure' }, label)))),
        h('tbody', null, thinned(times).map((time) => h('tr', null, h('th', { scope: 'row' }, clock(time)),
          lines.map(({ points }) => {
            const point = points.find((one) => one.time === time);
            return h('td', { class: 'figure' }, point ? figure(point.value) : NOTHING);
          })))))));
}

function redraw(element) {
  const state = charts.get(element.dataset.key);
  const width = Math.round(element.clientWidth);
  if (!state || width === 0) return;
  state.element = element;
  const shown = state.spec.lines.filter(({ label }) => !state.hidden.has(label));
  morph(element, h('figcaption', { 'data-key': 'title' }, state.spec.title), drawing(state, shown, width),
    slider(state, shown), legend(state), table(state.spec));
}

// A chart. id: the same for the same chart each time; lines: [{label, now, points: [{time, value}]}];
// figure: how to write a value; axis: likewise, shorter; least: how high the axis is in any case.
export function chart(id, { title, lines, figure, axis = figure, base = 10, least = 1 }) {
  const key = `chart-${id}`;
  const spec = { title, figure, axis, base, least,
    lines: lines.map((line, index) => ({ ...line, colour: line.colour ?? (index % 7) + 1 })) };
  const state = charts.get(key) ?? { hidden: new Set(), pointer: null, element: null };
  charts.set(key, { ...state, spec });
  return h('figure', { class: 'chart', 'data-own': true, 'data-key': key });
}

// To be called when what is on the screen has changed: draws each chart that is there.
export function drawCharts(root) {
  for (const element of root.querySelectorAll('figure.chart')) {
    observer.observe(element);
    redraw(element);
  }
}

// Forgets the charts of a page that was left.
export function forgetCharts() {
  observer.disconnect();
  charts.clear();
}
