// SPDX-License-Identifier: Apache-2.0
//
// Beginning the figures anew: rates and histories, of one node or of all, as before a measurement.

import { api, path } from './api.js';
import { ask, notice } from './dialog.js';
import { isAdministrator } from './session.js';

// The button of a heading, for who may press it. node: none for all of them.
export function resetAction(reload, node) {
  return isAdministrator() && { label: 'Reset statistics', run: () => ask({
    title: node ? `Reset the statistics of ${node}` : 'Reset all statistics', submit: 'Reset',
    intro: 'Rates and the histories of all charts are forgotten, and begin anew. Messages, queues and connections ' +
      'stay as they are.',
    run: async () => {
      await api.delete(node ? `reset/${path(node)}` : 'reset');
      notice('The statistics begin anew.');
      reload();
    },
  }) };
}
