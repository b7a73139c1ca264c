// Threads as Teams shows them.

import { createCompose } from './compose.js';
import { el, reconcile } from './dom.js';
import { lang, t } from './i18n.js';
import { botName } from './places.js';
import { drawMessage } from './teams-message.js';

const composers = new WeakMap();

/** A channel thread: its first post, the replies, and a place to reply. */
export function createThread(thread, { reply }) {
  const compose = createCompose({
    testid: 'teams-reply-compose',
    sendTestid: 'teams-reply-send',
    compact: true,
    toggles: [{ name: 'mention', testid: 'teams-reply-mention', label: () => `@${botName()}` }],
    send: (text, { mention }, files) => reply(thread, text, mention, files),
  });
  const node = el('li', { class: 'thread', data: { testid: 'teams-thread', thread: thread.thread } }, el('ol', { class: 'thread-messages' }), compose.node);
  composers.set(node, compose);
  label(compose);
  return node;
}

export const drawThread = (node, thread, acts) => drawMessages(node.firstChild, thread, acts);

export function refreshThreadLabels(root) {
  for (const node of root.querySelectorAll('.thread')) label(composers.get(node));
}

function label(compose) {
  compose.setPlaceholder(t('teams.reply'));
  compose.setSendLabel(t('teams.send'));
}

/** Draw the messages; `acts` is what `drawMessage` wants. */
export function drawMessages(list, thread, acts) {
  reconcile(list, thread.messages, {
    key: (message) => String(message.id),
    version: (message) => lang() + JSON.stringify(message),
    create: (message) => el('li', { class: 'message', data: { testid: 'teams-message', message: String(message.id) } }),
    update: (node, message) => drawMessage(node, thread, message, acts),
  });
}
