// One message as Teams shows it: its words, pictures, files and cards, the reactions, and what one may do with it.

import { drawCard } from './card.js';
import { avatar, el, fill, icon } from './dom.js';
import { clock, t } from './i18n.js';
import { createMark } from './mark.js';
import { fileNode, isPictureName, pictureNode } from './media.js';
import { createPopup } from './popup.js';
import { safeFragment } from './sanitize.js';
import { threadKey, world } from './store.js';

export const REACTIONS = { like: '👍', heart: '❤️', laugh: '😆', surprised: '😮', sad: '😢', angry: '😡' };
const HOSTED = /\/hostedContents\/([^/]+)\/\$value$/;

/**
 * Draw into `node`. `acts` holds who looks (`user`) and what they can do: press, edit, remove, restore, react;
 * all take the thread and the message first. A message that is being edited is left alone until that is done.
 */
export function drawMessage(node, thread, message, acts) {
  const { name, kind = 'user', user } = message.from ?? {};
  const isOwn = user === acts.user;
  if (isOwn && !message.deleted && node.querySelector('.edit-box')) return;
  node.dataset.kind = kind;
  node.toggleAttribute('data-own', isOwn);
  fill(
    node,
    avatar(name, kind),
    el(
      'div', { class: 'message-main' },
      el('div', { class: 'message-head' }, el('strong', { text: name ?? '' }), badge(message, kind), el('time', { datetime: message.at, text: clock(message.at) }), message.edited && !message.deleted && el('small', { text: t('teams.edited') })),
      body(thread, message, acts),
      reactionRow(thread, message, acts),
      kind === 'user' && createMark(message.id),
    ),
    tools(node, thread, message, acts, isOwn),
  );
}

function badge(message, kind) {
  if (kind === 'bot') return el('span', { class: 'badge', text: t('teams.viaBot') });
  if (message.via === 'graph') return el('span', { class: 'badge', text: t('teams.viaGraph') });
  return null;
}

function body(thread, message, acts) {
  const box = el('div', { class: 'message-body' });
  if (message.deleted) return fill(box, el('em', { class: 'subtle', text: t('teams.deleted') }));
  const shown = (query) => shownPath(thread, message, query);
  if (message.html) box.append(safeFragment(message.html, { picture: (src, alt) => hostedPicture(src, alt, shown) }));
  if (!box.textContent.trim() && !box.querySelector('img')) box.replaceChildren(...(message.text ? [el('span', { class: 'plain', text: message.text })] : []));
  const press = (action, values) => acts.press(thread, message, action, values);
  const picture = (url) => (/^data:image\//.test(url) ? url : shown({ url }));
  box.append(
    ...(message.attachments ?? []).map((one) => attachment(one, shown)),
    ...(message.cards ?? []).map((card) => drawCard(card, { press, picture })),
  );
  return box;
}

/** Where the sandbox hands out what a Teams client would fetch with its own token. */
function shownPath(thread, message, query) {
  return `/_sandbox/teams/shown?${new URLSearchParams({ conversation: thread.conversation_id, message: message.id, ...query })}`;
}

function hostedPicture(src, alt, shown) {
  const hosted = HOSTED.exec(src ?? '')?.[1];
  return hosted ? pictureNode(shown({ hosted }), { name: alt }) : null;
}

function attachment({ name, contentType, contentUrl }, shown) {
  const isPicture = /^image\//.test(contentType ?? '') || isPictureName(name);
  if (isPicture && /^data:image\//.test(contentUrl ?? '')) return pictureNode(contentUrl, { name });
  const href = contentUrl ? shown({ url: contentUrl }) : null;
  return isPicture && href ? pictureNode(href, { name }) : fileNode(href, { name: name ?? t('media.file') });
}

function reactionRow(thread, message, acts) {
  const entries = Object.entries(message.reactions ?? {});
  if (!entries.length || message.deleted) return null;
  return el('div', { class: 'reactions' }, entries.map(([kind, who]) => el(
    'button',
    { class: 'reaction', type: 'button', 'aria-pressed': String(who.includes(acts.user)), 'aria-label': `${t(`reaction.${kind}`)}, ${who.length}`, title: t(`reaction.${kind}`), data: { testid: 'reaction', kind }, on: { click: () => acts.react(thread, message, kind) } },
    el('span', { text: REACTIONS[kind] ?? kind }), el('span', { text: who.length }),
  )));
}

/** The tools that show up beside a message under the pointer or with the focus. */
function tools(node, thread, message, acts, isOwn) {
  if (message.deleted) {
    return isOwn && el('div', { class: 'message-tools' }, tool('undo', 'teams.restore', 'teams-restore', () => acts.restore(thread, message)));
  }
  const react = createPopup({ testid: 'teams-react', glyph: 'smile', row: true, items: () => reactionItems(thread, message, acts) });
  react.setLabel(t('teams.react'));
  return el(
    'div', { class: 'message-tools' }, react.node,
    isOwn && tool('pen', 'teams.edit', 'teams-edit', () => startEdit(node, thread, message, acts)),
    isOwn && tool('bin', 'teams.delete', 'teams-delete', () => acts.remove(thread, message)),
  );
}

function reactionItems(thread, message, acts) {
  return Object.entries(REACTIONS).map(([kind, glyph]) => ({
    glyph, hint: t(`reaction.${kind}`), testid: `react-${kind}`, run: () => acts.react(thread, message, kind),
  }));
}

function tool(glyph, key, testid, run) {
  return el('button', { class: 'icon-button', type: 'button', title: t(key), 'aria-label': t(key), data: { testid }, on: { click: run } }, icon(glyph));
}

/** The message as it is now; while it was edited here, nothing was drawn. */
const newest = (thread, message) => world.threads.get(threadKey(thread))?.messages.find((one) => one.id === message.id) ?? message;

function startEdit(node, thread, message, acts) {
  const input = el('textarea', { class: 'card-input', rows: 2, 'aria-label': t('teams.edit'), data: { testid: 'teams-edit-text' } });
  const end = () => {
    box.remove();
    drawMessage(node, thread, newest(thread, message), acts);
  };
  const save = async () => {
    const text = input.value.trim();
    end();
    if (!text || text === message.typed || (await acts.edit(thread, message, text))) return;
    startEdit(node, thread, { ...message, typed: text }, acts);
  };
  const box = el(
    'form', { class: 'edit-box', on: { submit: (event) => { event.preventDefault(); save(); } } }, input,
    el('div', { class: 'card-actions' }, el('button', { class: 'button small', type: 'submit', data: { testid: 'teams-edit-save' }, text: t('teams.save') }), el('button', { class: 'button small quiet', type: 'button', on: { click: end }, text: t('teams.cancel') })),
  );
  input.value = message.typed ?? message.text ?? '';
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') end();
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); save(); }
  });
  node.querySelector('.message-body').replaceChildren(box);
  input.focus();
}
