// SPDX-License-Identifier: Apache-2.0
//
// Calls of the management API. The login is a header of each call and never a cookie, so no other site can
// make a browser act in its name.

import { authorization, endSession } from './session.js';

// What the server refused, with its own words.
export class ApiError extends Error {
  constructor(status, reason) {
    super(reason);
    this.name = 'ApiError';
    this.status = status;
  }
}

// A path from its parts, each of them one name. A browser takes "." and ".." for folders however they are
// written, and would call something else: those names it cannot say.
export function path(...names) {
  for (const name of names) {
    if (name === '.' || name === '..') {
      throw new ApiError(0, `A browser cannot address the name "${name}". leveretctl can.`);
    }
  }
  return names.map((name) => encodeURIComponent(name)).join('/');
}

export function query(values) {
  const set = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return set.length === 0 ? '' : `?${new URLSearchParams(set)}`;
}

const WORDS = { 403: 'Not allowed', 404: 'There is no such thing', 405: 'The server does not offer this',
  413: 'This is too large for the server', 500: 'The server failed', 503: 'The server is not ready' };

function reasonOf(status, body) {
  const reason = body && typeof body === 'object' ? (body.reason ?? body.error) : undefined;
  // RabbitMQ writes some of its reasons for a page that takes them as HTML.
  if (typeof reason === 'string' && reason !== '') return reason.replaceAll('&lt;', '<').replaceAll('&gt;', '>').trim();
  if (Array.isArray(reason)) return reason.join(': ');
  if (reason !== undefined) return JSON.stringify(reason);
  return WORDS[status] ?? `The server answered ${status}`;
}

async function bodyOf(reply, isText) {
  const text = await reply.text();
  if (isText && reply.ok) return text;
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isLoginGone(status, body) {
  return status === 401 && (body === null || body.reason === 'Login failed');
}

// isText: body and answer are JSON as text, and stay it: JavaScript would change long numbers, and 1.0 into 1.
async function call(method, where, { body, isText, headers, signal, login } = {}) {
  let reply;
  const sent = { Authorization: login ?? authorization(), ...headers };
  if (body !== undefined) sent['Content-Type'] = 'application/json';
  try {
    // Without credentials a browser does not put its own question for a password in front of the page.
    reply = await fetch(`api/${where}`, { method, headers: sent, signal, credentials: 'omit', cache: 'no-store',
      body: body === undefined || isText ? body : JSON.stringify(body) });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'The server does not answer');
  }
  const answer = await bodyOf(reply, isText);
  if (reply.ok) return answer;
  if (login === undefined && isLoginGone(reply.status, answer)) endSession('Your login is no longer accepted.');
  throw new ApiError(reply.status, reasonOf(reply.status, answer));
}

export const api = {
  get: (where, options) => call('GET', where, options),
  put: (where, body, options) => call('PUT', where, { ...options, body }),
  post: (where, body, options) => call('POST', where, { ...options, body }),
  delete: (where, options) => call('DELETE', where, options),
};

// The same, but what the user may not see or the server does not have is the given value.
export async function optional(promise, otherwise) {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof ApiError && [401, 403, 404, 405].includes(error.status)) return otherwise;
    throw error;
  }
}
