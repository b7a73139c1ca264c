// The open conversation on the agent's side: who asks, the messages, and the reply box.

import { createCompose } from './compose.js';
import { exampleMenu } from './desk-examples.js';
import { partNodes } from './desk-parts.js';
import { drawPerson } from './desk-person.js';
import { avatar, el, fill, icon, reconcile, stayAtEnd } from './dom.js';
import { clock, lang, t } from './i18n.js';
import { createMark } from './mark.js';
import { agentOf, customerName, statusChip } from './people.js';
import { agentName } from './places.js';
import { world } from './store.js';

const parts = {};
let current = { item: null, agent: null };

export function mountConversation(stage, actions) {
  parts.title = el('div', { class: 'who' });
  parts.assign = actionButton('fc-assign', actions.assign);
  parts.resolve = actionButton('fc-resolve', actions.resolve);
  parts.reopen = actionButton('fc-reopen', actions.reopen);
  parts.head = el('header', { class: 'stage-head' }, parts.title, el('div', { class: 'actions' }, parts.assign, parts.resolve, parts.reopen));
  parts.facts = el('div', { class: 'person-strip', data: { testid: 'fc-person' } });
  parts.messages = el('ol', { class: 'desk-messages' });
  parts.empty = el('div', { class: 'empty' });
  parts.scroll = el('div', { class: 'feed', tabindex: '0', role: 'log', 'aria-live': 'polite', 'data-i18n-label': 'desk.conversation' }, parts.empty, parts.messages);
  parts.examples = exampleMenu({ send: actions.offer, typed: takeTyped, person: () => current.item?.user?.email ?? '' });
  parts.compose = createCompose({
    testid: 'fc-compose',
    sendTestid: 'fc-send',
    toggles: [{ name: 'private', testid: 'fc-private', label: 'desk.private', glyph: 'lock', onChange: drawCompose }],
    extras: [parts.examples.node],
    send: (text, { private: isPrivate }, files) => actions.reply(text, isPrivate, files),
  });
  parts.toEnd = stayAtEnd(parts.scroll, parts.messages);
  stage.append(parts.head, parts.facts, parts.scroll, parts.compose.node);
}

function takeTyped() {
  const typed = parts.compose.input.value.trim();
  parts.compose.clear();
  return typed;
}

function actionButton(testid, run) {
  return el('button', { class: 'button quiet small', type: 'button', data: { testid }, on: { click: run } });
}

export function drawConversation(item, agent, { toBottom = false } = {}) {
  const switched = current.item?.conversation_id !== item?.conversation_id;
  const grew = (item?.messages.length ?? 0) !== (current.item?.messages.length ?? 0);
  current = { item, agent };
  for (const node of [parts.head, parts.facts, parts.compose.node]) node.hidden = !item;
  drawEmpty(!item);
  drawMessages(item?.messages ?? []);
  if (!item) return;
  drawHead();
  drawPerson(parts.facts, item);
  drawCompose();
  if (switched || grew || toBottom) parts.toEnd();
}

function drawEmpty(isEmpty) {
  parts.empty.hidden = !isEmpty;
  if (!isEmpty) return;
  const key = world.conversations.size ? 'desk.pick' : 'desk.empty';
  fill(parts.empty, el('span', { class: 'empty-glyph' }, icon('desk')), el('h4', { text: t(key) }), el('p', { text: t(`${key}.help`) }));
}

function drawHead() {
  const { item, agent } = current;
  const resolved = item.status === 'resolved';
  fill(parts.title, el('h3', { text: customerName(item) }), statusChip(item.status));
  parts.assign.textContent = t('desk.assign', { agent: agentName(agent).split(' ')[0] });
  parts.resolve.textContent = t('desk.resolve');
  parts.reopen.textContent = t('desk.reopen');
  parts.assign.hidden = resolved || agentOf(item.assigned_agent) === agentName(agent);
  parts.resolve.hidden = resolved;
  parts.reopen.hidden = !resolved;
}

function drawCompose() {
  const isPrivate = parts.compose.toggle('private').box.checked;
  parts.compose.node.classList.toggle('is-private', isPrivate);
  parts.compose.setPlaceholder(isPrivate ? t('desk.noteFor') : t('desk.replyTo', { user: customerName(current.item) }));
  parts.compose.setSendLabel(t(isPrivate ? 'desk.addNote' : 'desk.send'));
  parts.compose.toggle('private').relabel();
  parts.examples.setLabel(t('example.menu'));
}

function drawMessages(messages) {
  reconcile(parts.messages, messages, {
    key: (message) => String(message.id),
    version: (message) => lang() + JSON.stringify(message),
    create: (message) => el('li', { class: 'desk-message', data: { testid: 'fc-message', message: String(message.id) } }),
    update: drawMessage,
  });
}

function drawMessage(node, message) {
  const style = styleOf(message);
  node.dataset.style = style;
  const name = message.actor_name || (style === 'user' ? customerName(current.item) : t('desk.bot'));
  const sign = style === 'note' && el('span', { class: 'badge' }, icon('lock'), t('desk.note'));
  fill(
    node,
    style !== 'system' && avatar(name, message.actor_type === 'bot' ? 'bot' : 'user'),
    el(
      'div', { class: 'message-main' },
      el('div', { class: 'message-head' }, style !== 'system' && el('strong', { text: name }), sign, el('time', { datetime: message.created_time, text: clock(message.created_time) })),
      el('div', { class: 'message-body' }, partNodes(message)),
      style === 'agent' && createMark(message.id),
    ),
  );
}

function styleOf({ actor_type: actor, type }) {
  if (type && type !== 'normal') return type === 'system' ? 'system' : 'note';
  if (actor === 'user' || actor === 'system') return actor;
  return 'agent';
}
