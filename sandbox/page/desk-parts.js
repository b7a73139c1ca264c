// The parts of a Freshchat message: words, pictures, files, links, and what is offered to choose from.

import { el } from './dom.js';
import { t } from './i18n.js';
import { fileNode, ownPath, pictureNode } from './media.js';
import { safeHref, safeLink } from './sanitize.js';

const MAX_DEPTH = 6;

/** Nodes for everything in a message; its own reading of the text when it has no parts. */
export function partNodes({ parts, reply_parts: replies, text }) {
  const all = [...list(parts), ...list(replies)];
  return all.length ? all.flatMap((part) => draw(part, 0)) : [words(text)];
}

/** A line for the inbox: what it says, or what it holds. */
export function previewOf({ parts, text }) {
  const said = list(parts).flatMap((part) => part?.text?.content ?? []).join(' ').trim();
  if (said) return said;
  const file = list(parts).flatMap((part) => Object.entries(part ?? {})).find(([kind]) => kind in FILES);
  return file ? t(FILES[file[0]], { name: file[1]?.name ?? nameIn(file[1]?.url) }) : text ?? '';
}

const FILES = { image: 'desk.sentPicture', video: 'desk.sentFile', file: 'desk.sentFile' };
const list = (value) => (Array.isArray(value) ? value : []);
const words = (text) => el('span', { class: 'plain', text: text ?? '' });

const PARTS = {
  text: ({ content }) => words(content),
  email: ({ content }) => words(content),
  help_text: ({ content }) => el('span', { class: 'subtle', text: content ?? '' }),
  image: (value) => pictureOf(value),
  file: (value) => fileOf(value),
  video: (value) => fileOf(value),
  url_button: ({ label, url }) => linkOf(label, url),
  quick_reply_button: ({ label }) => offer(label),
  callback: ({ label }) => offer(label),
  reference: ({ label }) => offer(label),
  collection: ({ sub_parts: inner }, depth) => el('div', { class: 'offers' }, list(inner).flatMap((part) => draw(part, depth + 1))),
  template_content: (value, depth) => template(value, depth),
};

function draw(part, depth) {
  if (depth > MAX_DEPTH) return [];
  return Object.entries(part ?? {}).map(([kind, value]) => (kind in PARTS ? PARTS[kind](value ?? {}, depth) : el('span', { class: 'subtle', text: `[${kind.replaceAll('_', ' ')}]` })));
}

function pictureOf({ url, name }) {
  const src = ownPath(url);
  return src ? pictureNode(src, { name: name ?? nameIn(url) }) : fileNode(safeHref(url), { name: name ?? nameIn(url), glyph: 'image' });
}

function fileOf({ url, name, file_size_in_bytes: size }) {
  return fileNode(ownPath(url) ?? safeHref(url), { name: name ?? nameIn(url), size });
}

/** The last part of an address's path, for pictures, which carry no name. */
function nameIn(url) {
  try {
    return decodeURIComponent(new URL(url).pathname.split('/').at(-1));
  } catch {
    return '';
  }
}

function linkOf(label, url) {
  const href = safeHref(url);
  if (!href) return offer(label);
  const link = safeLink(href);
  link.className = 'offer';
  link.textContent = label ?? href;
  return link;
}

const offer = (label) => el('span', { class: 'offer', text: label ?? '' });

/** A drop-down, a carousel and its cards, or whatever else is built of sections. */
function template({ type, sections }, depth) {
  const inside = list(sections).map((section) => list(section?.parts).flatMap((part) => draw(part, depth + 1)));
  if (type === 'carousel') return el('div', { class: 'carousel' }, inside.map((nodes) => el('div', { class: 'carousel-card' }, nodes)));
  if (type === 'quick_reply_dropdown') return el('div', { class: 'offers offers-list' }, el('small', { text: t('desk.dropdown') }), inside.flat());
  return el('div', { class: 'offers-block' }, inside.flat());
}
