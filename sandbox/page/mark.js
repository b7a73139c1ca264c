// The small line under a message that says what the bridge made of it.

import { el, fill, icon } from './dom.js';
import { duration, t } from './i18n.js';
import { world } from './store.js';

const GLYPHS = { ok: 'check', step: 'clock', wait: 'clock', bad: 'alert', off: 'close' };

const unsent = new Set();

/** Remember that the bridge did not take this message when it was sent. */
export function noteUnsent(messageId) {
  unsent.add(String(messageId));
  document.querySelectorAll(`[data-mark="${CSS.escape(String(messageId))}"]`).forEach(drawMark);
}

export function createMark(messageId) {
  return drawMark(el('span', { class: 'mark', data: { mark: String(messageId) } }));
}

/** Bring the marks of these traces up to date, on both sides. */
export function refreshMarks(traces) {
  for (const trace of traces) {
    if (!trace.sourceId) continue;
    document.querySelectorAll(`[data-mark="${CSS.escape(trace.sourceId)}"]`).forEach(drawMark);
  }
}

function drawMark(node) {
  const trace = world.traces.ofMessage(node.dataset.mark) ?? (unsent.has(node.dataset.mark) ? { tone: 'bad' } : null);
  node.dataset.tone = trace?.tone ?? '';
  if (!trace) return fill(node);
  return fill(node, icon(GLYPHS[trace.tone]), label(trace));
}

function label({ tone, direction, ms }) {
  if (tone !== 'ok') return t(`mark.${tone}`);
  const text = t(`mark.ok.${direction}`);
  return Number.isFinite(ms) ? `${text} · ${duration(ms)}` : text;
}
