// Threads and messages as Teams shows them.

import { drawCard } from './card.js';
import { createCompose } from './compose.js';
import { avatar, el, fill, icon, reconcile } from './dom.js';
import { clock, lang, t } from './i18n.js';
import { createMark } from './mark.js';
import { botName } from './places.js';
import { safeFragment, safeHref, safeLink } from './sanitize.js';

const composers = new WeakMap();

/** A channel thread: its first post, the replies, and a place to reply. */
export function createThread(thread, { reply }) {
  const compose = createCompose({
    testid: 'teams-reply-compose',
    sendTestid: 'teams-reply-send',
    compact: true,
    toggles: [{ name: 'mention', testid: 'teams-reply-mention', label: () => `@${botName()}` }],
    send: (text, { mention }) => reply(thread, text, mention),
  });
  const node = el('li', { class: 'thread', data: { testid: 'teams-thread', thread: thread.thread } }, el('ol', { class: 'thread-messages' }), compose.node);
  composers.set(node, compose);
  label(compose);
  return node;
}

export function drawThread(node, thread, { press }) {
  drawMessages(node.firstChild, thread, { press });
}

export function refreshThreadLabels(root) {
  for (const node of root.querySelectorAll('.thread')) label(composers.get(node));
}

function label(compose) {
  compose.setPlaceholder(t('teams.reply'));
  compose.setSendLabel(t('teams.send'));
}

/** `me` is set in chats, where one's own messages stand apart; `press` handles buttons of cards. */
export function drawMessages(list, thread, { me, press }) {
  reconcile(list, thread.messages, {
    key: (message) => String(message.id),
    version: (message) => lang() + JSON.stringify(message),
    create: (message) => el('li', { class: 'message', data: { testid: 'teams-message', message: String(message.id) } }),
    update: (node, message) => drawMessage(node, message, { me, press: (action, values) => press(thread, message, action, values) }),
  });
}

function drawMessage(node, message, { me, press }) {
  const { name, kind = 'user', user } = message.from ?? {};
  node.dataset.kind = kind;
  node.classList.toggle('own', Boolean(me) && user === me);
  fill(
    node,
    avatar(name, kind),
    el(
      'div', { class: 'message-main' },
      el('div', { class: 'message-head' }, el('strong', { text: name ?? '' }), badge(message, kind), el('time', { datetime: message.at, text: clock(message.at) }), message.edited && !message.deleted && el('small', { text: t('teams.edited') })),
      body(message, press),
      kind === 'user' && createMark(message.id),
    ),
  );
}

function badge(message, kind) {
  if (kind === 'bot') return el('span', { class: 'badge', text: t('teams.viaBot') });
  if (message.via === 'graph') return el('span', { class: 'badge', text: t('teams.viaGraph') });
  return null;
}

function body(message, press) {
  const box = el('div', { class: 'message-body' });
  if (message.deleted) return fill(box, el('em', { class: 'subtle', text: t('teams.deleted') }));
  if (message.html) box.append(safeFragment(message.html));
  if (!box.textContent.trim()) box.replaceChildren(...(message.text ? [el('span', { class: 'plain', text: message.text })] : []));
  box.append(...(message.cards ?? []).map((card) => drawCard(card, press)), ...(message.attachments ?? []).map(attachment));
  return box;
}

function attachment({ name, contentUrl }) {
  const href = safeHref(contentUrl);
  const node = href ? safeLink(href) : el('span');
  node.className = 'part';
  node.append(icon('file'), name ?? t('teams.file'));
  return node;
}
