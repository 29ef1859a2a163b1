// SPDX-License-Identifier: Apache-2.0
//
// The history that the API sends with figures, made into lines of a chart. Samples come newest first; those of
// a counter only grow, and what is drawn is by how much in a second.

export const RANGES = [
  { name: '60', label: 'last minute', age: 60, step: 5 },
  { name: '600', label: 'last ten minutes', age: 600, step: 10 },
  { name: '3600', label: 'last hour', age: 3600, step: 60 },
  { name: '28800', label: 'last eight hours', age: 28800, step: 1800 },
  { name: '86400', label: 'last day', age: 86400, step: 1800 },
];

export function rangeOf(search) {
  return RANGES.find(({ name }) => name === search.range) ?? RANGES[1];
}

// The parameters that ask for the history of queue lengths and rates.
export function ages({ age, step }) {
  return { lengths_age: age, lengths_incr: step, msg_rates_age: age, msg_rates_incr: step };
}

// The columns of these lines: what an object says of all its counters is some ten times as much.
export function columnsOf(wanted, within) {
  const stem = within === undefined ? '' : `${within}.`;
  return wanted.flatMap(([name]) => [`${stem}${name}`, `${stem}${name}_details`]);
}

function inOrder(details) {
  return [...(details?.samples ?? [])].sort((a, b) => a.timestamp - b.timestamp);
}

export function values(details) {
  return inOrder(details).map(({ timestamp, sample }) => ({ time: timestamp, value: sample }));
}

export function rates(details) {
  const samples = inOrder(details);
  return samples.slice(1).map(({ timestamp, sample }, index) => {
    const before = samples[index];
    const seconds = (timestamp - before.timestamp) / 1000;
    return { time: timestamp, value: seconds > 0 ? Math.max(0, (sample - before.sample) / seconds) : 0 };
  });
}

// Lines of a chart from what an object says: [name in the API, label].
export function valueLines(object, wanted) {
  return wanted.map(([name, label]) => ({ label, now: object?.[name], points: values(object?.[`${name}_details`]) }));
}

// Of what cannot be zero: a sample of zero was not taken, since the server did not run.
export function sinceStart(line) {
  return { ...line, points: line.points.filter(({ value }) => value > 0) };
}

// Those that the object has ever had; a line that is `always` there shows that nothing happened.
export function rateLines(stats, wanted) {
  return wanted.filter(([name, , always]) => always || stats?.[name] > 0).map(([name, label]) => {
    const details = stats?.[`${name}_details`];
    return { label, now: details?.rate ?? (stats ? 0 : undefined), points: rates(details) };
  });
}

// What clients sent and got, of a connection or of all those of a virtual host.
export function dataLines(object) {
  return [['recv_oct', 'From client'], ['send_oct', 'To client']].map(([name, label]) =>
    ({ label, now: object[`${name}_details`]?.rate, points: rates(object[`${name}_details`]) }));
}

export const MESSAGE_RATES = [
  ['publish', 'Published', true],
  ['confirm', 'Confirmed to publishers'],
  ['deliver_get', 'Delivered', true],
  ['ack', 'Acknowledged', true],
  ['redeliver', 'Redelivered'],
  ['return_unroutable', 'Returned, unroutable'],
  ['drop_unroutable', 'Dropped, unroutable'],
  ['get_empty', 'Asked for in vain'],
];

export const QUEUE_LENGTHS = [
  ['messages_ready', 'Ready'],
  ['messages_unacknowledged', 'Unacknowledged'],
  ['messages', 'All'],
];
