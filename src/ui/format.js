// SPDX-License-Identifier: Apache-2.0
//
// Figures as people read them. What is not known is a dash.

export const NOTHING = '–';

const whole = new Intl.NumberFormat('en-GB');
const short = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 });
const BYTES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const THOUSANDS = ['', 'k', 'M', 'G', 'T'];

export function isFigure(value) {
  return typeof value === 'number' && Number.isFinite(value);
}

export function number(value) {
  return isFigure(value) ? whole.format(value) : NOTHING;
}

function scaled(value, base, units, space) {
  let unit = 0;
  let left = value;
  while (Math.abs(left) >= base && unit < units.length - 1) {
    left /= base;
    unit += 1;
  }
  const size = Math.abs(left);
  const digits = size >= 100 ? 0 : size < 1 ? 2 : 1;
  return `${Number(left.toFixed(digits))}${space}${units[unit]}`.trim();
}

export function bytes(value) {
  return isFigure(value) ? scaled(value, 1024, BYTES, ' ') : NOTHING;
}

export function bytesRate(value) {
  return isFigure(value) ? `${bytes(Math.round(value))}/s` : NOTHING;
}

// For the axis of a chart, and where there is little room.
export function brief(value) {
  return isFigure(value) ? scaled(value, 1000, THOUSANDS, '') : NOTHING;
}

export function rate(value) {
  if (!isFigure(value)) return NOTHING;
  return `${value >= 100 ? whole.format(Math.round(value)) : short.format(value)}/s`;
}

// Of a part between 0 and 1.
export function share(value) {
  if (!isFigure(value)) return NOTHING;
  return value > 0 && value < 0.01 ? 'below 1 %' : `${Math.round(value * 100)} %`;
}

// By how much something becomes more or less.
export function trend(value) {
  if (!isFigure(value)) return NOTHING;
  if (Math.abs(value) < 0.05) return 'steady';
  return value > 0 ? `+${rate(value)}` : `−${rate(-value)}`;
}

export function rateOf(stats, name) {
  return stats?.[`${name}_details`]?.rate;
}

export function duration(ms) {
  if (!isFigure(ms)) return NOTHING;
  const s = Math.floor(ms / 1000);
  const parts = [[Math.floor(s / 86400), 'd'], [Math.floor(s / 3600) % 24, 'h'], [Math.floor(s / 60) % 60, 'min'],
    [s % 60, 's']];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return `${ms} ms`;
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}

const clockTime = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayTime = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

export function clock(ms) {
  return clockTime.format(ms);
}

// A time in milliseconds since 1970, or a text that RabbitMQ made of one.
export function moment(value) {
  if (isFigure(value)) return dayTime.format(value);
  const at = Date.parse(value); // a text of ISO 8601, or what some other server says
  if (Number.isFinite(at)) return dayTime.format(at);
  return typeof value === 'string' && value !== '' ? value : NOTHING;
}

// The name of an exchange for a reader: one has none.
export function exchangeName(name) {
  return name === '' ? '(AMQP default)' : name;
}

export function plural(count, one, many) {
  return `${number(count)} ${count === 1 ? one : many}`;
}
