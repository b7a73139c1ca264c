// The left pane: what an employee sees. One user at a time, their places, and the place they are in.

import { api } from './api.js';
import { createCompose } from './compose.js';
import { avatar, el, fill, flash, icon, reconcile, reveal, stayAtEnd } from './dom.js';
import { lang, onLanguage, t } from './i18n.js';
import { noteUnsent } from './mark.js';
import { commandMenu, installMenu } from './place-menus.js';
import { botName, chatMessages, contains, membersOf, placesOf, threadsIn, userKey, users } from './places.js';
import { on, threadKey, world } from './store.js';
import { actsOf } from './teams-acts.js';
import { createThread, drawMessages, drawThread, refreshThreadLabels } from './teams-thread.js';
import { reportBridge, reportError, taken } from './toast.js';

const view = { user: null, placeSlug: null, unread: new Set() };
const parts = {};

const currentUser = () => users().find((user) => userKey(user) === view.user) ?? users()[0];
const currentPlace = () => {
  const places = placesOf(currentUser());
  return places.find((place) => place.slug === view.placeSlug) ?? places[0];
};
const displayName = (place) => place.name ?? t('teams.group');

export function mountTeams(root) {
  parts.root = root;
  parts.user = el('select', { class: 'select', data: { testid: 'teams-user-select' }, on: { change: switchUser } });
  parts.userFace = el('span', { class: 'face' });
  parts.places = el('nav', { class: 'places', 'data-i18n-label': 'teams.places' });
  parts.title = el('header', { class: 'stage-head' });
  parts.feed = el('ol', { class: 'feed-list' });
  parts.empty = el('div', { class: 'empty' });
  parts.scroll = el('div', { class: 'feed', tabindex: '0', role: 'log', 'aria-live': 'polite', 'data-i18n-label': 'teams.sees' }, parts.empty, parts.feed);
  parts.toEnd = stayAtEnd(parts.scroll, parts.feed);
  parts.commands = commandMenu({ say: (word) => post(word, true, null), locale: () => currentUser()?.locale });
  parts.install = installMenu({ where: () => ({ scope: currentPlace().scope, user: view.user, ...currentPlace().address }) });
  parts.compose = createCompose({
    testid: 'teams-compose',
    sendTestid: 'teams-send',
    toggles: [{ name: 'mention', testid: 'teams-mention', label: () => t('teams.mention', { bot: botName() }), checked: true }],
    extras: [parts.commands.node],
    send: (text, { mention }, files) => post(text, mention, null, files),
  });
  root.append(
    head(),
    el('div', { class: 'pane-body' }, parts.places, el('div', { class: 'stage' }, parts.title, parts.scroll, parts.compose.node)),
  );
  on('config', drawAll);
  on('teams', changed);
  on('erased', () => { view.unread.clear(); drawAll(); });
  on('show', show);
  onLanguage(drawAll);
}

function head() {
  return el(
    'header', { class: 'pane-head' },
    el('span', { class: 'pane-glyph' }, icon('teams')),
    el('h2', { id: 'teams-title' }, el('span', { 'data-i18n': 'teams.title' }), el('small', { 'data-i18n': 'teams.subtitle' })),
    el('label', { class: 'person-picker' }, el('span', { class: 'picker-label', 'data-i18n': 'teams.user' }), parts.userFace, parts.user),
  );
}

function drawAll() {
  if (!world.config) return;
  drawUsers();
  drawPlace();
  drawPlaces();
}

function drawUsers() {
  const user = currentUser();
  if (!user) return;
  view.user = userKey(user);
  fill(parts.user, users().map((item) => el('option', { value: userKey(item), text: item.name })));
  parts.user.value = view.user;
  fill(parts.userFace, avatar(user.name));
}

function drawPlaces() {
  const places = placesOf(currentUser());
  const channels = places.filter((place) => place.scope === 'channel');
  const chats = places.filter((place) => place.scope !== 'channel');
  fill(
    parts.places,
    el('p', { class: 'places-title', text: world.config.team?.name ?? t('teams.team') }),
    el('ul', {}, channels.map(placeItem)),
    el('p', { class: 'places-title', text: t('teams.chats') }),
    el('ul', {}, chats.map(placeItem)),
  );
}

function placeItem(place) {
  const current = place.slug === currentPlace().slug;
  const unread = view.unread.has(unreadKey(place));
  const button = el(
    'button',
    { class: 'place', type: 'button', 'aria-current': current ? 'page' : null, data: { testid: `teams-place-${place.slug}`, place: place.slug }, on: { click: () => go(place.slug) } },
    icon(place.icon), el('span', { class: 'place-name', title: displayName(place), text: displayName(place) }),
    unread && el('span', { class: 'dot', role: 'img', 'aria-label': t('teams.unread') }),
  );
  return el('li', {}, button);
}

const unreadKey = (place) => (place.scope === 'personal' ? `personal:${view.user}` : place.slug);

function drawPlace() {
  const place = currentPlace();
  view.placeSlug = place.slug;
  view.unread.delete(unreadKey(place));
  fill(parts.title, icon(place.icon), el('h3', { text: displayName(place) }), el('p', { text: placeHint(place) }), parts.install.node);
  parts.install.setLabel(t('install.menu', { bot: botName() }));
  parts.commands.setLabel(t('command.menu', { bot: botName() }));
  parts.compose.setPlaceholder(t(place.scope === 'channel' ? 'teams.newPost' : 'teams.newMessage'));
  parts.compose.setSendLabel(t('teams.send'));
  parts.compose.toggle('mention').relabel();
  parts.compose.toggle('mention').node.hidden = place.scope === 'personal';
  drawFeed(place);
}

function placeHint(place) {
  if (place.scope === 'channel') return t('teams.channelHint', { team: world.config.team?.name ?? '' });
  if (place.scope === 'personal') return t('teams.personalHint', { bot: botName() });
  return t('teams.members', { names: [...membersOf(place).map((user) => user.name), botName()].join(', ') });
}

function drawFeed(place) {
  const isChannel = place.scope === 'channel';
  const items = isChannel ? threadsIn(place).filter((thread) => thread.messages.length) : chatItems(place);
  parts.scroll.classList.toggle('is-chat', !isChannel);
  reconcile(parts.feed, items, {
    key: (item) => `${view.user}|${place.slug}|${isChannel ? threadKey(item) : 'chat'}`,
    version: (item) => `${lang()}|${JSON.stringify(item.messages)}`,
    create: (item) => (isChannel ? createThread(item, { reply }) : el('li', {}, el('ol', { class: 'chat', data: { testid: 'teams-chat' } }))),
    update: (node, item) => (isChannel ? drawThread : drawChat)(node, item, actsOf(view.user)),
  });
  drawEmpty(place, items.length === 0);
}

const drawChat = (node, item, acts) => drawMessages(node.firstChild, item, acts);

function chatItems(place) {
  const messages = chatMessages(place);
  return messages.length ? [{ ...threadsIn(place)[0], messages }] : [];
}

function drawEmpty(place, isEmpty) {
  parts.empty.hidden = !isEmpty;
  if (!isEmpty) return;
  const isChannel = place.scope === 'channel';
  const example = t(userKey(currentUser()) === 'ada' ? 'teams.example.1' : 'teams.example.2');
  fill(
    parts.empty,
    el('span', { class: 'empty-glyph' }, icon('teams')),
    el('h4', { text: t('teams.empty.channel', { user: firstName(currentUser()) }) }),
    el('p', { text: t(isChannel ? 'teams.empty.channel.help' : 'teams.empty.chat.help', { bot: botName() }) }),
    el('button', { class: 'button quiet', type: 'button', on: { click: () => parts.compose.write(example) }, data: { testid: 'teams-example' } }, t('teams.try')),
  );
}

const firstName = (user) => user.name.replace(/\(.*?\)/g, '').trim().split(' ')[0];

function switchUser() {
  view.user = parts.user.value;
  drawAll();
  parts.toEnd();
}

function go(slug) {
  view.placeSlug = slug;
  drawPlace();
  drawPlaces();
  parts.places.querySelector(`[data-place="${CSS.escape(slug)}"]`)?.focus();
  parts.toEnd();
}

const reply = (thread, text, mention, files) => post(text, mention, thread.thread, files);

/** Send as the current user; false means the text must be kept. */
async function post(text, mention, thread, files = []) {
  if (!world.config) return false;
  const place = currentPlace();
  const message = { scope: place.scope, user: view.user, thread, text, files, mention: place.scope === 'personal' ? false : mention, ...place.address };
  try {
    const answer = await api.teamsMessage(message);
    reportBridge(answer?.status);
    if (!taken(answer?.status)) noteUnsent(answer.id);
    return true;
  } catch (error) {
    reportError(error);
    return false;
  }
}

function changed({ thread, fresh }) {
  if (!world.config) return;
  const place = currentPlace();
  if (fresh) {
    drawFeed(place);
    parts.toEnd();
  } else if (contains(place, thread)) {
    drawFeed(place);
    revealThread(thread);
  } else {
    markUnread(thread);
  }
}

function revealThread(thread) {
  if (threadsIn(currentPlace()).at(-1) === thread) return parts.toEnd();
  const last = thread.messages.at(-1);
  const node = last && messageNode(last.id);
  if (!node) return undefined;
  return reveal(parts.scroll, node.closest('.thread')?.querySelector('.compose') ?? node);
}

function markUnread(thread) {
  for (const user of users()) {
    const place = placesOf(user).find((item) => contains(item, thread));
    if (place) view.unread.add(place.scope === 'personal' ? `personal:${userKey(user)}` : place.slug);
  }
  drawPlaces();
}

const messageNode = (id) => parts.feed.querySelector(`[data-message="${CSS.escape(String(id))}"]`);

/** Bring the message or thread of a trace into view, switching user and place when needed. */
function show(trace) {
  const thread = [...world.threads.values()].find((item) => belongs(item, trace));
  if (!thread) return;
  const user = users().find((item) => placesOf(item).some((place) => contains(place, thread)));
  const stay = placesOf(currentUser()).some((place) => contains(place, thread));
  if (!stay && user) view.user = userKey(user);
  view.placeSlug = placesOf(currentUser()).find((place) => contains(place, thread))?.slug ?? view.placeSlug;
  drawAll();
  const target = messageNode(trace.sourceId) ?? messageNode(thread.messages.at(-1)?.id);
  if (!target) return;
  reveal(parts.scroll, target);
  flash(target);
}

function belongs(thread, trace) {
  if (thread.messages.some((message) => String(message.id) === trace.sourceId)) return true;
  return Boolean(trace.thread) && (trace.thread === thread.thread || trace.thread === thread.chat);
}

onLanguage(() => refreshThreadLabels(parts.root));
