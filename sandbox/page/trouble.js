// The menu that breaks things on purpose.

import { api } from './api.js';
import { el, fill, icon } from './dom.js';
import { onLanguage, t } from './i18n.js';
import { reportError } from './toast.js';

const POLL_MS = 1500;
const OUTAGE_MS = 10000;
const SERVICES = { freshchat: ['freshchat'], teams: ['graph', 'connector'] };
const KINDS = {
  429: { kind: 'status', status: 429, retry_after: 1, times: 3 },
  503: { kind: 'status', status: 503, times: 3 },
  drop: { kind: 'drop_after', times: 1 },
  outage: { kind: 'status', status: 503, times: null },
};

const state = { open: false, where: 'freshchat', faults: [], timer: null, ends: new Map() };
const parts = {};

export function mountTrouble(anchor) {
  parts.anchor = anchor;
  parts.badge = el('span', { class: 'button-count', hidden: true });
  parts.button = el(
    'button', { class: 'button quiet', type: 'button', 'aria-haspopup': 'dialog', 'aria-expanded': 'false', 'aria-controls': 'trouble-panel', data: { testid: 'trouble' }, on: { click: () => setOpen(!state.open) } },
    icon('bolt'), el('span', { 'data-i18n': 'trouble.button' }), parts.badge,
  );
  parts.panel = el('div', { class: 'menu', id: 'trouble-panel', role: 'dialog', 'data-i18n-label': 'trouble.title', hidden: true });
  parts.active = el('div', { class: 'menu-active', 'aria-live': 'polite' });
  anchor.append(parts.button, parts.panel);
  document.addEventListener('keydown', (event) => state.open && event.key === 'Escape' && setOpen(false, true));
  document.addEventListener('pointerdown', (event) => state.open && !anchor.contains(event.target) && setOpen(false));
  onLanguage(draw);
  draw();
  refresh();
}

function setOpen(open, refocus = false) {
  state.open = open;
  parts.panel.hidden = !open;
  parts.button.setAttribute('aria-expanded', String(open));
  if (open) {
    refresh();
    parts.panel.querySelector('button')?.focus();
  } else if (refocus) {
    parts.button.focus();
  }
}

function draw() {
  fill(
    parts.panel,
    el('h3', { text: t('trouble.title') }),
    el('p', { text: t('trouble.help') }),
    el('div', { class: 'segments', role: 'group', 'aria-label': t('trouble.where') }, Object.keys(SERVICES).map(segment)),
    el('div', { class: 'menu-items' }, Object.keys(KINDS).map(faultButton)),
    parts.active,
  );
  drawActive();
}

function segment(where) {
  const choose = () => {
    state.where = where;
    draw();
    parts.panel.querySelector(`[data-where="${where}"]`).focus();
  };
  return el('button', { type: 'button', 'aria-pressed': String(state.where === where), data: { where }, on: { click: choose }, text: t(`trouble.${where}`) });
}

function faultButton(name) {
  return el(
    'button', { class: 'menu-item', type: 'button', data: { testid: `trouble-${name}` }, on: { click: () => start(name) } },
    el('strong', { text: t(`trouble.${name}`) }), el('small', { text: t(`trouble.${name}.help`) }),
  );
}

async function start(name) {
  try {
    const answers = await Promise.all(SERVICES[state.where].map((on) => api.addFault({ on, ...KINDS[name] })));
    if (name === 'outage') for (const { id } of answers) endLater(id);
    await refresh();
  } catch (error) {
    reportError(error);
  }
}

function endLater(id) {
  state.ends.set(id, Date.now() + OUTAGE_MS);
  setTimeout(() => clear(id), OUTAGE_MS);
}

async function clear(id) {
  state.ends.delete(id);
  await (id === undefined ? api.clearFaults() : api.clearFault(id)).catch((error) => error.status !== 404 && reportError(error));
  await refresh();
}

const isActive = (fault) => fault.times === null || fault.times === undefined || hitsOf(fault) < fault.times;
const hitsOf = (fault) => fault.hits ?? fault.count ?? 0;

async function refresh() {
  clearTimeout(state.timer);
  const answer = await api.faults().catch(() => null);
  const all = Array.isArray(answer) ? answer : answer?.faults ?? [];
  state.faults = all.filter(isActive);
  drawActive();
  if (state.open || state.faults.length) state.timer = setTimeout(refresh, POLL_MS);
}

function drawActive() {
  const { faults } = state;
  parts.badge.hidden = !faults.length;
  parts.badge.textContent = faults.length;
  parts.button.classList.toggle('is-hot', faults.length > 0);
  if (!faults.length) return fill(parts.active, el('p', { class: 'quiet-text', text: t('trouble.none') }));
  return fill(
    parts.active,
    el('div', { class: 'menu-active-head' }, el('h4', { text: t('trouble.active') }), clearButton(undefined, t('trouble.clearAll'))),
    el('ul', {}, faults.map(activeItem)),
  );
}

function activeItem(fault) {
  return el('li', {}, el('span', {}, el('strong', { text: nameOf(fault) }), el('small', { text: progressOf(fault) })), clearButton(fault.id, t('trouble.clear')));
}

function nameOf(fault) {
  const what = fault.kind === 'status' ? fault.status : String(fault.kind).replaceAll('_', ' ');
  return `${fault.on} · ${what}`;
}

function progressOf(fault) {
  const end = state.ends.get(fault.id);
  if (end) return t('trouble.secondsLeft', { n: Math.max(0, Math.ceil((end - Date.now()) / 1000)) });
  const hits = hitsOf(fault);
  return fault.times ? t('trouble.hits', { hits, times: fault.times }) : t('trouble.hitsForever', { hits });
}

function clearButton(id, text) {
  return el('button', { class: 'button quiet small', type: 'button', data: { testid: 'trouble-clear' }, on: { click: () => clear(id) }, text });
}
