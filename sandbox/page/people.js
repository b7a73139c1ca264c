// Names of customers and agents, and the chip for a conversation's status.

import { el } from './dom.js';
import { known, t } from './i18n.js';
import { agentKey, agentName, agents } from './places.js';

/** The customer of a conversation, by the best name there is. */
export function customerName({ user }) {
  const full = [user?.first_name, user?.last_name].filter(Boolean).join(' ');
  return user?.name ?? (full || user?.email || '–');
}

/** The name of an assignee given as id, key or object; empty when nobody is assigned. */
export function agentOf(assignee) {
  if (!assignee) return '';
  if (typeof assignee === 'object') return agentName(assignee);
  const agent = agents().find((item) => item.id === assignee || agentKey(item) === assignee);
  return agent ? agentName(agent) : String(assignee);
}

export function statusChip(status) {
  const name = String(status ?? 'new').toLowerCase();
  const text = known(`status.${name}`) ? t(`status.${name}`) : name.replaceAll('_', ' ');
  return el('span', { class: 'chip', data: { status: name }, text });
}
