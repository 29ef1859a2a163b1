# SPDX-License-Identifier: Apache-2.0
"""Refreshes of a page one after the other, each known to be over, and what they ask for."""

COUNT_CALLS = """
  window.calls = {begun: 0, ended: 0, bytes: 0};
  const ask = window.fetch;
  const end = (error) => {
    window.calls.ended += 1;
    throw error;
  };
  window.fetch = async (...wish) => {
    window.calls.begun += 1;
    const reply = await ask(...wish).catch(end);
    const text = reply.text.bind(reply);
    reply.text = async () => {
      const found = await text().catch(end);
      window.calls.ended += 1;
      window.calls.bytes += found.length;
      return found;
    };
    return reply;
  };
"""
# What follows from an answer is asked for before a timer runs, so when all calls have ended it is over.
REFRESH = """async () => {
  const before = {...window.calls};
  document.querySelector('[title="Refresh now"]').click();
  do await new Promise((done) => setTimeout(done, 5));
  while (window.calls.ended === before.ended || window.calls.ended < window.calls.begun);
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return {calls: window.calls.ended - before.ended, bytes: window.calls.bytes - before.bytes};
}"""


def enter_and_count(visit):
    """Logs in; refreshes are made by hand, and counted."""
    visit.page.add_init_script(COUNT_CALLS)
    visit.enter()
    visit.page.get_by_role("combobox", name="Refresh").select_option("0")


def refresh(page, times=1):
    """What the last one took: calls, and bytes of their answers."""
    for _ in range(times):
        taken = page.evaluate(REFRESH)
    return taken
