// The lower pane: one row per message, with each step the bridge took and how long it needed.

import { el, fill, icon, reconcile } from './dom.js';
import { clock, duration, known, lang, onLanguage, t } from './i18n.js';
import { refreshMarks } from './mark.js';
import { emit, on, world } from './store.js';
import { toneOf } from './traces.js';

const PLAIN = new Set(['ts', 'action', 'ms', 'trace', 'level', 'logger']);
const STATE = /:conversation_(\w+?)(?::|%3A)/;
const parts = {};
let drawing = null;
let words = new Map();

export function mountTimeline(root) {
  parts.count = el('span', { class: 'count' });
  parts.toggle = el('button', { class: 'icon-button', type: 'button', 'aria-expanded': 'true', 'aria-controls': 'timeline-body', on: { click: toggle } }, icon('chevron'));
  parts.list = el('ol', { class: 'rows' });
  parts.empty = el('div', { class: 'empty slim' });
  parts.body = el('div', { class: 'timeline-body', id: 'timeline-body', tabindex: '0', 'data-i18n-label': 'time.title', role: 'region' }, parts.empty, parts.list);
  parts.root = root;
  root.append(
    el(
      'header', { class: 'pane-head' },
      el('span', { class: 'pane-glyph' }, icon('bridge')),
      el('h2', { id: 'timeline-title' }, el('span', { 'data-i18n': 'time.title' }), el('small', { 'data-i18n': 'time.subtitle' })),
      parts.count, parts.toggle,
    ),
    parts.body,
  );
  on('timeline', ({ traces, fresh }) => {
    drawSoon();
    refreshMarks(fresh ? world.traces.newestFirst() : traces);
  });
  for (const topic of ['teams', 'freshchat']) on(topic, drawSoon);
  onLanguage(() => {
    draw();
    refreshMarks(world.traces.newestFirst());
  });
  draw();
}

function toggle() {
  const folded = parts.root.classList.toggle('folded');
  document.getElementById('board').classList.toggle('timeline-folded', folded);
  parts.toggle.setAttribute('aria-expanded', String(!folded));
  drawHead();
}

function drawHead() {
  const size = world.traces.messages();
  const label = t(parts.root.classList.contains('folded') ? 'time.expand' : 'time.collapse');
  parts.count.textContent = size ? t(size === 1 ? 'time.count.one' : 'time.count', { n: size }) : '';
  parts.toggle.title = label;
  parts.toggle.setAttribute('aria-label', label);
}

/** A burst of events is drawn once. */
function drawSoon() {
  drawing ??= requestAnimationFrame(() => {
    drawing = null;
    draw();
  });
}

function draw() {
  words = wordsById();
  const traces = world.traces.newestFirst();
  drawHead();
  parts.empty.hidden = traces.length > 0;
  fill(parts.empty, el('h4', { text: t('time.empty') }), el('p', { text: t('time.empty.help') }));
  reconcile(parts.list, traces, {
    key: (trace) => trace.id,
    version: (trace) => `${lang()}|${trace.records.length}|${sourceText(trace)}`,
    create: createRow,
    update: drawRow,
  });
}

function createRow(trace) {
  const details = el('details', {}, el('summary'), el('div', { class: 'row-more' }));
  return el('li', { class: 'row', data: { testid: 'timeline-row', trace: trace.id } }, details);
}

function drawRow(node, trace) {
  const [summary, more] = node.firstChild.children;
  node.dataset.tone = trace.tone;
  node.dataset.direction = trace.direction ?? '';
  const first = trace.records[0];
  fill(
    summary,
    el('time', { text: clock(first.ts, true) }),
    directionBadge(trace.direction),
    el('span', { class: 'row-text' }, kindChip(trace), el('span', { class: 'row-words', text: sourceText(trace) || titleOf(trace) }), el('code', { text: shortId(trace) })),
    el('span', { class: 'steps', role: 'list' }, trace.records.map(step)),
    el('span', { class: 'total', text: duration(trace.ms) }),
    icon('chevron'),
  );
  fill(more, recordTable(trace), showButton(trace));
}

function directionBadge(direction) {
  const label = direction === 'to_teams' || direction === 'to_freshchat' ? t(`time.${direction}`) : t('time.system');
  return el('span', { class: 'way', title: label, 'aria-label': label, role: 'img' }, el('i'), icon('arrow'), el('i'));
}

function step(record) {
  const words = actionName(record.action);
  const ms = Number.isFinite(record.ms) ? duration(record.ms) : '';
  return el(
    'span', { class: 'step', role: 'listitem', data: { tone: toneOf(record), action: record.action ?? '' } },
    words, codeOf(record) && el('b', { text: codeOf(record) }), ms && el('small', { text: ms }),
  );
}

function codeOf({ code, status, reason, outcome }) {
  const word = code ?? status ?? reason ?? (outcome === 'stored' ? null : outcome);
  return word === null || word === undefined ? null : String(word).replaceAll('_', ' ');
}

function actionName(action) {
  const key = `action.${action}`;
  return known(key) ? t(key) : String(action ?? '…').replaceAll('_', ' ');
}

/** The words of the message a trace is about, on the side it came from; of a press or a reaction, those it became. */
const sourceText = (trace) => words.get(trace.sourceId) || words.get(trace.records.at(-1).message) || '';

function wordsById() {
  const sources = [...world.threads.values(), ...world.conversations.values()];
  return new Map(sources.flatMap(({ messages }) => messages.map((message) => [String(message.id), message.text ?? ''])));
}

/** What it is about when there are no words: a change of state, a reason to leave it alone, else its key. */
function titleOf({ key, records: [first] }) {
  const change = STATE.exec(key ?? '')?.[1] ?? first.outcome;
  if (known(`about.${change}`)) return t(`about.${change}`);
  return key ? key.split('/').slice(-2).join('/') : actionName(first.action);
}

function kindChip({ records }) {
  const kind = records.find((record) => record.kind)?.kind;
  return known(`kind.${kind}`) ? el('span', { class: 'badge', text: t(`kind.${kind}`) }) : null;
}

const shortId = (trace) => (trace.records[0].trace ? String(trace.id).slice(0, 8) : '');

function recordTable(trace) {
  const rows = trace.records.map((record) => el(
    'tr', {},
    el('td', { text: clock(record.ts, true) }),
    el('th', { scope: 'row', text: actionName(record.action) }),
    el('td', { class: 'number', text: Number.isFinite(record.ms) ? duration(record.ms) : '' }),
    el('td', {}, fieldsOf(record)),
  ));
  return el('table', { class: 'records' }, el('caption', { text: `${t('time.trace')} ${trace.id}` }), el('tbody', {}, rows));
}

function fieldsOf(record) {
  const entries = Object.entries(record).filter(([name, value]) => !PLAIN.has(name) && value !== null && value !== '');
  return entries.map(([name, value]) => el('span', { class: 'pair' }, el('i', { text: name }), typeof value === 'object' ? JSON.stringify(value) : String(value)));
}

function showButton(trace) {
  if (!trace.sourceId && !trace.conversation && !trace.thread) return null;
  return el('button', { class: 'button quiet small', type: 'button', on: { click: () => emit('show', trace) }, text: t('time.show') });
}
