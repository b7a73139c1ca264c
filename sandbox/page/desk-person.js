// Who asks, where, in which mood, and how they rated: the facts above a conversation.

import { avatar, el, fill, icon } from './dom.js';
import { known, lang, t } from './i18n.js';
import { ownPath } from './media.js';
import { agentOf, customerName } from './people.js';
import { safeHref, safeLink } from './sanitize.js';
import { world } from './store.js';

const MOODS = { positive: 'smile', neutral: 'flat', negative: 'frown' };
const STARS = 5;
/** Properties that have a place of their own here. */
const TOLD = new Set(['cf_sentiment', 'cf_teams_link']);

/** Draw the facts of a conversation into `box`. */
export function drawPerson(box, item) {
  const user = item.user ?? {};
  const own = Object.fromEntries((Array.isArray(user.properties) ? user.properties : []).map(({ name, value }) => [name, value]));
  fill(
    box,
    el('div', { class: 'person' }, avatar(customerName(item), 'user', ownPath(user.avatar?.url)), el('div', { class: 'person-text' }, roleLine(own), contactLine(user, own))),
    el('dl', { class: 'facts' }, moodFact(item), ratingFact(item), linkFact(item), ...plainFacts(item)),
  );
}

function roleLine({ title, department }) {
  const text = [title, department].filter(Boolean).join(' · ');
  return el('p', { class: 'person-role', text: text || t('person.unknown') });
}

function contactLine({ email }, { locale, time_zone: zone }) {
  const parts = [email, languageName(locale), localTime(zone)].filter(Boolean);
  return el('p', { class: 'person-contact', title: [email, locale, zone].filter(Boolean).join('\n'), text: parts.join(' · ') });
}

function languageName(locale) {
  try {
    return locale ? new Intl.DisplayNames([lang()], { type: 'language' }).of(locale.split('-')[0]) : '';
  } catch {
    return locale;
  }
}

function localTime(zone) {
  try {
    const time = zone && new Intl.DateTimeFormat(lang(), { hour: '2-digit', minute: '2-digit', timeZone: zone }).format(new Date());
    return time ? t('person.time', { time }) : '';
  } catch {
    return '';
  }
}

function moodFact({ properties }) {
  const mood = properties?.cf_sentiment;
  if (!mood) return null;
  const text = known(`mood.${mood}`) ? t(`mood.${mood}`) : mood;
  return fact(t('person.mood'), el('span', { class: 'mood', data: { testid: 'fc-mood', mood } }, icon(MOODS[mood]), text));
}

function ratingFact({ csat }) {
  if (!csat) return null;
  const stars = Math.max(0, Math.min(STARS, Number(csat.rating) || 0));
  const text = '★'.repeat(stars) + '☆'.repeat(STARS - stars);
  const said = csat.comment && el('q', { text: csat.comment });
  return fact(t('person.rating'), el('span', { class: 'rating', data: { testid: 'fc-rating' } }, el('span', { text, role: 'img', 'aria-label': t('person.stars', { n: stars }) }), said));
}

function linkFact({ properties }) {
  const href = safeHref(properties?.cf_teams_link);
  if (!href) return null;
  const link = safeLink(href);
  link.append(icon('teams'), t('person.thread'));
  return fact('', link);
}

function plainFacts(item) {
  const inbox = world.config.inboxes?.find((entry) => entry.id === item.channel_id);
  const owner = agentOf(item.assigned_agent);
  const rows = [
    [t('desk.inbox'), inbox?.name ?? item.channel_id],
    ['', owner ? t('desk.assigned', { agent: owner }) : t('desk.unassigned')],
    ...Object.entries(item.properties ?? {}).filter(([name]) => !TOLD.has(name)).map(([name, value]) => [name.replace(/^cf_/, ''), typeof value === 'object' ? JSON.stringify(value) : value]),
  ];
  return rows.filter(([, value]) => value !== null && value !== '').map(([name, value]) => fact(name, String(value), String(value)));
}

function fact(name, value, title) {
  return el('div', {}, el('dt', { text: name }), el('dd', { title }, value));
}
