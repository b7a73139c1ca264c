// What the page knows: the sandbox's world, fed by the stream. Topics tell the panes what to draw again.

import { Traces } from './traces.js';

const listeners = new Map();

export const world = {
  config: null,
  threads: new Map(),
  conversations: new Map(),
  traces: new Traces(),
};

/** Topics: config, teams, freshchat, timeline, show. */
export function on(topic, fn) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(fn);
}

export function emit(topic, detail) {
  for (const fn of listeners.get(topic) ?? []) fn(detail);
}

export const threadKey = (thread) => thread.conversation_id ?? [thread.scope, thread.channel, thread.chat, thread.thread].join('|');

const handlers = {
  snapshot(data) {
    world.config = data.config ?? world.config;
    load(data);
    emit('config');
    drawAll({ fresh: true });
  },
  reset(data) {
    load(data ?? {});
    drawAll({ fresh: true });
    emit('erased');
  },
  teams(data) {
    const thread = data.thread?.messages ? data.thread : data;
    world.threads.set(threadKey(thread), thread);
    emit('teams', { thread });
  },
  freshchat(data) {
    const conversation = data.conversation ?? data;
    world.conversations.set(conversation.conversation_id, conversation);
    emit('freshchat', { conversation });
  },
  timeline(data) {
    const records = Array.isArray(data) ? data : [data];
    emit('timeline', { traces: new Set(records.map((record) => world.traces.add(record)).filter(Boolean)) });
  },
};

/** Take one event of the stream in. */
export function receive(name, data) {
  if (data === null && name !== 'reset') return;
  handlers[name]?.(data);
}

function load({ teams, freshchat, timeline }) {
  const threads = teams?.threads ?? teams ?? [];
  const conversations = freshchat?.conversations ?? [];
  world.threads = new Map(threads.map((thread) => [threadKey(thread), thread]));
  world.conversations = new Map(conversations.map((item) => [item.conversation_id, item]));
  world.traces.clear();
  for (const record of timeline ?? []) world.traces.add(record);
}

function drawAll(detail) {
  emit('teams', detail);
  emit('freshchat', detail);
  emit('timeline', { ...detail, traces: new Set() });
}
