// Messages about the page itself: what went wrong and what to do about it.

import { el, fill, icon } from './dom.js';
import { onLanguage, t } from './i18n.js';
import { ApiError } from './api.js';

const box = document.getElementById('toasts');
const shown = new Map();
const INFO_MS = 3500;

/** Show a toast once per `key`; problems stay until dismissed, the rest leaves by itself. */
export function toast(key, { kind = 'info', params = {} } = {}) {
  dismiss(key);
  const node = el('div', { class: `toast toast-${kind}`, role: kind === 'info' ? 'status' : 'alert', data: { testid: 'toast', key } });
  shown.set(key, { node, kind, params });
  box.append(node);
  draw(key);
  if (kind === 'info') setTimeout(() => shown.get(key)?.node === node && dismiss(key), INFO_MS);
}

export function dismiss(key) {
  shown.get(key)?.node.remove();
  shown.delete(key);
}

export const taken = (status) => status === undefined || status === null || (status >= 200 && status < 300);

/** Say how the bridge took a message, from the status it answered with. */
export function reportBridge(status) {
  for (const key of ['error.bridge', 'error.bridgeStatus', 'error.refused']) dismiss(key);
  if (taken(status)) return;
  if (status === 0) toast('error.bridge', { kind: 'problem' });
  else if (status >= 500 || status === 429) toast('error.bridgeStatus', { kind: 'problem', params: { status } });
  else toast('error.refused', { kind: 'problem', params: { status } });
}

/** Say why a call to the sandbox itself failed. */
export function reportError(error) {
  if (!(error instanceof ApiError)) throw error;
  if (error.status === 0) return toast('error.sandbox', { kind: 'problem' });
  const message = error.body?.message ?? error.body?.error ?? '';
  return toast('error.request', { kind: 'problem', params: { status: error.status, message } });
}

function draw(key) {
  const { node, kind, params } = shown.get(key);
  fill(
    node,
    icon(kind === 'info' ? 'check' : 'alert'),
    el('div', { class: 'toast-text' }, el('strong', { text: t(key, params) }), el('p', { text: t(`${key}.help`, params) })),
    el('button', { class: 'icon-button', type: 'button', 'aria-label': t('toast.close'), on: { click: () => dismiss(key) } }, icon('close')),
  );
}

onLanguage(() => [...shown.keys()].forEach(draw));
