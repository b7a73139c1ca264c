// What Teams sends to the bot when someone presses a button of a card.

import { world } from './store.js';

/** The activity for a pressed card button: a message with a value, or an invoke for Action.Execute. */
export function cardActivity({ user, thread, message, action, values }) {
  const { config } = world;
  const data = { ...(typeof action.data === 'object' ? action.data : {}), ...values };
  return {
    ...kindOf(action, data),
    id: String(Date.now()),
    timestamp: new Date().toISOString(),
    channelId: 'msteams',
    serviceUrl: config.service_url,
    from: { id: user.teams_id, name: user.name, aadObjectId: user.aad_id },
    conversation: conversationOf(thread, config),
    recipient: { id: `28:${config.app_id}` },
    replyToId: String(message.id),
    locale: user.locale,
    channelData: channelData(thread, config),
  };
}

function kindOf(action, data) {
  if (action.type !== 'Action.Execute') return { type: 'message', value: data };
  const pressed = { type: 'Action.Execute', id: action.id, verb: action.verb, data };
  return { type: 'invoke', name: 'adaptiveCard/action', value: { action: pressed, trigger: 'manual' } };
}

function conversationOf(thread, config) {
  const kind = { conversationType: thread.scope, tenantId: config.tenant, id: thread.conversation_id };
  return thread.scope === 'personal' ? kind : { isGroup: true, ...kind };
}

function channelData(thread, config) {
  const tenant = { tenant: { id: config.tenant } };
  if (thread.scope !== 'channel') return tenant;
  const team = config.team.thread_id;
  return { teamsChannelId: thread.channel_id, teamsTeamId: team, channel: { id: thread.channel_id }, team: { id: team }, ...tenant };
}
