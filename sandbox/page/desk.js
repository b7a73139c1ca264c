// The right pane: what an agent sees. The inbox, and the conversation that is open.

import { api } from './api.js';
import { mountConversation, drawConversation } from './desk-conversation.js';
import { previewOf } from './desk-parts.js';
import { avatar, el, fill, icon, reconcile } from './dom.js';
import { clock, lang, onLanguage, t } from './i18n.js';
import { agentOf, customerName, statusChip } from './people.js';
import { agentKey, agentName, agents } from './places.js';
import { on, world } from './store.js';
import { reportBridge, reportError, taken } from './toast.js';

const view = { agent: null, open: null, seen: new Map() };
const parts = {};
const WEBHOOK_LOOK_MS = 1200;
const WEBHOOK_LOOKS = 5;
const CLOCK_SLACK_MS = 50;

const currentAgent = () => agents().find((agent) => agentKey(agent) === view.agent) ?? agents()[0];
const opened = () => world.conversations.get(view.open) ?? null;

export function mountDesk(root) {
  parts.agent = el('select', { class: 'select', data: { testid: 'fc-agent-select' }, on: { change: switchAgent } });
  parts.agentFace = el('span', { class: 'face' });
  parts.list = el('ul', { class: 'inbox-list' });
  parts.empty = el('div', { class: 'empty' });
  parts.stage = el('div', { class: 'stage' });
  root.append(
    head(),
    el(
      'div', { class: 'pane-body' },
      el('nav', { class: 'inbox', 'data-i18n-label': 'desk.list' }, el('p', { class: 'places-title', 'data-i18n': 'desk.list' }), parts.list),
      parts.stage,
    ),
  );
  mountConversation(parts.stage, { reply, offer, assign, resolve, reopen });
  on('config', draw);
  on('freshchat', changed);
  on('show', show);
  onLanguage(draw);
}

function head() {
  return el(
    'header', { class: 'pane-head' },
    el('span', { class: 'pane-glyph' }, icon('desk')),
    el('h2', { id: 'desk-title' }, el('span', { 'data-i18n': 'desk.title' }), el('small', { 'data-i18n': 'desk.subtitle' })),
    el('label', { class: 'person-picker' }, el('span', { class: 'picker-label', 'data-i18n': 'desk.agent' }), parts.agentFace, parts.agent),
  );
}

function draw() {
  if (!world.config) return;
  drawAgents();
  drawList();
  drawConversation(opened(), currentAgent());
}

function drawAgents() {
  const agent = currentAgent();
  if (!agent) return;
  view.agent = agentKey(agent);
  fill(parts.agent, agents().map((item) => el('option', { value: agentKey(item), text: agentName(item) })));
  parts.agent.value = view.agent;
  fill(parts.agentFace, avatar(agentName(agent)));
}

function drawList() {
  const items = [...world.conversations.values()].sort((a, b) => lastTime(b) - lastTime(a));
  reconcile(parts.list, items, {
    key: (item) => item.conversation_id,
    version: (item) => [lang(), view.open === item.conversation_id, isUnread(item), item.status, assigneeName(item), item.messages.length].join('|'),
    create: createItem,
    update: drawItem,
  });
}

function createItem(item) {
  const id = item.conversation_id;
  const button = el('button', { class: 'inbox-item', type: 'button', data: { testid: 'fc-conversation', conversation: id }, on: { click: () => open(id) } });
  return el('li', {}, button);
}

function drawItem(node, item) {
  const button = node.firstChild;
  const last = item.messages.at(-1);
  const isOpen = view.open === item.conversation_id;
  button.toggleAttribute('data-unread', isUnread(item));
  if (isOpen) button.setAttribute('aria-current', 'true');
  else button.removeAttribute('aria-current');
  fill(
    button,
    el('span', { class: 'inbox-top' }, el('strong', { text: customerName(item) }), el('time', { text: clock(last?.created_time ?? item.created_time) })),
    el('span', { class: 'inbox-text', text: last ? preview(last) : '' }),
    el(
      'span', { class: 'inbox-foot' }, statusChip(item.status),
      el('span', { class: 'inbox-owner', text: assigneeName(item) }),
      isUnread(item) && el('span', { class: 'dot', role: 'img', 'aria-label': t('desk.unread') }),
    ),
  );
}

const preview = (message) => (previewOf(message) || '…').replace(/\s+/g, ' ').slice(0, 90);
const lastTime = (item) => Date.parse(item.messages.at(-1)?.created_time ?? item.created_time) || 0;
const assigneeName = (item) => agentOf(item.assigned_agent);
const userCount = (item) => item.messages.filter((message) => message.actor_type === 'user').length;
const isUnread = (item) => userCount(item) > (view.seen.get(item.conversation_id) ?? 0);

function open(id) {
  view.open = id;
  markSeen();
  drawList();
  drawConversation(opened(), currentAgent(), { toBottom: true });
}

function markSeen() {
  const item = opened();
  if (item) view.seen.set(item.conversation_id, userCount(item));
}

function switchAgent() {
  view.agent = parts.agent.value;
  draw();
}

function changed({ fresh }) {
  if (!world.config) return;
  if (fresh) baseline();
  if (!opened()) view.open = newestOpen();
  markSeen();
  drawList();
  drawConversation(opened(), currentAgent());
}

function baseline() {
  for (const item of world.conversations.values()) view.seen.set(item.conversation_id, userCount(item));
}

function newestOpen() {
  const items = [...world.conversations.values()].sort((a, b) => lastTime(b) - lastTime(a));
  return (items.find((item) => item.status !== 'resolved') ?? items[0])?.conversation_id ?? null;
}

function show(trace) {
  const item = [...world.conversations.values()].find((conversation) => conversation.conversation_id === trace.conversation
    || conversation.messages.some((message) => String(message.id) === trace.sourceId));
  if (item) open(item.conversation_id);
}

const reply = (text, isPrivate, files) => act(api.reply, { text, files, type: isPrivate ? 'private' : 'normal' });
const offer = (messageParts, replies) => act(api.reply, { parts: messageParts, reply_parts: replies });
const assign = () => act(api.assign);
const resolve = () => act(api.resolve);
const reopen = () => act(api.reopen);

/** Do something to the open conversation as the current agent; false means it did not happen. */
async function act(call, extra = {}) {
  const startedAt = Date.now();
  try {
    await call({ conversation_id: view.open, agent: view.agent, ...extra });
    if (extra.type !== 'private') checkWebhooks(startedAt);
    return true;
  } catch (error) {
    reportError(error);
    return false;
  }
}

/** Webhooks travel after the answer and are tried again, so look for a while whether the bridge takes them. */
function checkWebhooks(startedAt, looksLeft = WEBHOOK_LOOKS) {
  setTimeout(async () => {
    const { log = [] } = (await api.webhooks().catch(() => null)) ?? {};
    const last = log.filter((entry) => Date.parse(entry.at) >= startedAt - CLOCK_SLACK_MS).at(-1);
    if (last) reportBridge(last.status);
    const settled = last && taken(last.status);
    if (!settled && looksLeft > 1) checkWebhooks(startedAt, looksLeft - 1);
  }, WEBHOOK_LOOK_MS);
}
