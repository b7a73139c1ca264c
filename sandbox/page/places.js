// The places a Teams user can be in: channels of the team, group chats, the personal chat with the bot.

import { world } from './store.js';

const slugOf = (name) => String(name ?? '').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');

export const botName = () => world.config?.bot?.name ?? world.config?.bot_name ?? 'Desk';
export const userKey = (user) => user.key ?? user.handle ?? user.id;
export const users = () => world.config?.users ?? [];
export const agents = () => world.config?.agents ?? [];
export const agentKey = (agent) => agent.key ?? agent.id;
export const agentName = (agent) => agent?.name ?? [agent?.first_name, agent?.last_name].filter(Boolean).join(' ');

/** Every place the user sees, channels first. */
export function placesOf(user) {
  const { channels = [], group_chats: groups = [] } = world.config ?? {};
  return [
    ...channels.map(channelPlace),
    ...groups.map(groupPlace).filter((place) => membersOf(place).some((member) => userKey(member) === userKey(user))),
    personalPlace(user),
  ];
}

/** The people in a group chat; one that names nobody has everybody. */
export const membersOf = (place) =>
  users().filter((user) => !place.members?.length || place.members.includes(userKey(user)));

function channelPlace(channel) {
  const slug = channel.key ?? channel.slug ?? slugOf(channel.name);
  return { slug, scope: 'channel', name: channel.name, icon: 'hash', address: { channel: slug }, ids: idsOf(channel, slug) };
}

function groupPlace(chat, index) {
  const slug = chat.key ?? chat.slug ?? `group${index ? `-${index + 1}` : ''}`;
  return { slug, scope: 'groupChat', name: chat.name ?? chat.topic ?? null, icon: 'group', address: { chat: slug }, ids: idsOf(chat, slug), members: chat.members };
}

function personalPlace(user) {
  const key = user ? userKey(user) : '';
  const ids = new Set([user?.personal_chat, user?.chat, user?.personal_chat_id, key].filter(Boolean));
  return { slug: 'personal', scope: 'personal', name: botName(), icon: 'bot', address: {}, ids };
}

function idsOf(item, slug) {
  return new Set([slug, item.id, item.name, item.thread_id, item.chat_id].filter(Boolean));
}

export function contains(place, thread) {
  if (thread.scope !== place.scope) return false;
  if (place.scope === 'channel') return place.ids.has(thread.channel) || place.ids.has(thread.channel_name);
  return place.ids.has(thread.chat) || place.ids.has(thread.user);
}

export const threadsIn = (place) => [...world.threads.values()].filter((thread) => contains(place, thread));

/** The messages of a chat as one stream, in order of arrival. */
export function chatMessages(place) {
  const messages = threadsIn(place).flatMap((thread) => thread.messages);
  return messages.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}
