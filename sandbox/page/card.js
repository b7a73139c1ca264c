// Adaptive Cards, the part of them that a support conversation uses. Text is text: no markup is parsed.

import { el } from './dom.js';
import { t } from './i18n.js';
import { safeHref, safeLink } from './sanitize.js';

const MAX_DEPTH = 8;

/**
 * Draw a card. `press(action, values)` is called for its buttons with what was entered, and resolves when it is done;
 * `picture(url)` gives the address under which a picture may be loaded.
 */
export function drawCard(card, { press, picture }) {
  const box = el('form', { class: 'card', data: { testid: 'teams-card' }, on: { submit: (event) => event.preventDefault() } });
  const run = async (action) => {
    if (!box.reportValidity()) return;
    const values = valuesOf(box);
    setBusy(box, true);
    await press(action, values);
    setBusy(box, false);
  };
  const draw = { run, picture };
  box.append(...items(card?.body, draw, 0), ...actionRow(card?.actions, draw));
  return box;
}

/** What was entered; several choices of one field are joined with commas, as Teams does it. */
function valuesOf(box) {
  const values = {};
  for (const [name, value] of new FormData(box)) values[name] = name in values ? `${values[name]},${value}` : value;
  return values;
}

function setBusy(box, is) {
  box.classList.toggle('is-busy', is);
  for (const button of box.querySelectorAll('button[data-able]')) button.disabled = is;
}

const items = (list, draw, depth) => (Array.isArray(list) && depth < MAX_DEPTH ? list.flatMap((item) => element(item ?? {}, draw, depth)) : []);

const ELEMENTS = {
  TextBlock: (item) => textBlock(item),
  RichTextBlock: (item) => el('p', {}, (item.inlines ?? []).map(run)),
  FactSet: (item) => el('dl', { class: 'card-facts' }, (item.facts ?? []).map((fact) => el('div', {}, el('dt', { text: fact.title }), el('dd', { text: fact.value })))),
  Image: (item, draw) => image(item, draw),
  ImageSet: (item, draw) => el('div', { class: 'card-images' }, (item.images ?? []).map((one) => image(one ?? {}, draw))),
  Container: (item, draw, depth) => el('div', { class: 'card-box' }, items(item.items, draw, depth + 1)),
  ColumnSet: (item, draw, depth) => el('div', { class: 'card-columns' }, (item.columns ?? []).map((column) => el('div', {}, items(column?.items, draw, depth + 1)))),
  ActionSet: (item, draw) => actionRow(item.actions, draw),
  'Input.Text': (item) => labelled(item, textInput(item)),
  'Input.ChoiceSet': (item) => (item.style === 'expanded' || item.isMultiSelect ? choiceList(item) : labelled(item, choiceSet(item))),
};

function element(item, draw, depth) {
  const shown = ELEMENTS[item.type]?.(item, draw, depth) ?? [];
  if (item.separator && shown instanceof Element) shown.classList.add('card-line');
  return shown;
}

function textBlock({ text, weight, size, isSubtle }) {
  const strong = /^bolder$/i.test(weight ?? '') || /^(large|extralarge)$/i.test(size ?? '');
  return el('p', { class: [strong && 'strong', isSubtle && 'subtle'].filter(Boolean).join(' ') || null, text: text ?? '' });
}

function run(part) {
  const { text, weight, italic, strikethrough, isSubtle } = typeof part === 'string' ? { text: part } : part ?? {};
  const kinds = { strong: /^bolder$/i.test(weight ?? ''), slanted: italic, struck: strikethrough, subtle: isSubtle };
  const names = Object.keys(kinds).filter((name) => kinds[name]);
  return names.length ? el('span', { class: names.join(' '), text: text ?? '' }) : text ?? '';
}

function image({ url, altText }, { picture }) {
  const words = el('span', { class: 'subtle', text: altText ?? '' });
  const src = url && picture(url);
  if (!src) return words;
  const shown = el('img', { class: 'picture', src, alt: altText ?? '', loading: 'lazy' });
  shown.addEventListener('error', () => shown.replaceWith(words), { once: true });
  return shown;
}

function textInput({ id, label, isMultiline, placeholder, value, maxLength, isRequired }) {
  const input = el(isMultiline ? 'textarea' : 'input', { class: 'card-input', name: id, placeholder, maxlength: maxLength, required: isRequired, 'aria-label': placeholder ?? label ?? id, rows: isMultiline ? 2 : null, data: { testid: 'teams-card-text' } });
  if (value !== undefined) input.value = value;
  return input;
}

function choiceSet({ id, choices, value, placeholder, isRequired }) {
  const options = (choices ?? []).map((choice) => el('option', { value: choice.value, text: choice.title }));
  const none = value === undefined ? [el('option', { value: '', text: placeholder ?? t('card.choose') })] : [];
  const select = el('select', { class: 'card-input', name: id, required: isRequired, 'aria-label': placeholder ?? t('card.choose'), data: { testid: 'teams-card-choice' } }, none, options);
  if (value !== undefined) select.value = value;
  return select;
}

function choiceList({ id, label, choices, value, isMultiSelect }) {
  const chosen = new Set(String(value ?? '').split(','));
  const rows = (choices ?? []).map((choice) => {
    const input = el('input', { type: isMultiSelect ? 'checkbox' : 'radio', name: id, value: choice.value });
    input.checked = chosen.has(choice.value);
    return el('label', { class: 'card-choice' }, input, choice.title);
  });
  return el('fieldset', { class: 'card-choices' }, label && el('legend', { text: label }), rows);
}

const labelled = (item, input) => (item.label ? el('label', { class: 'card-label' }, el('span', { text: item.label }), input) : input);

function actionRow(actions, draw) {
  if (!Array.isArray(actions) || !actions.length) return [];
  return [el('div', { class: 'card-actions' }, actions.map((action) => actionButton(action ?? {}, draw)))];
}

function actionButton(action, draw) {
  const href = action.type === 'Action.OpenUrl' ? safeHref(action.url) : null;
  if (href) {
    const link = safeLink(href);
    link.className = 'button small';
    link.textContent = action.title ?? href;
    return link;
  }
  const able = action.type === 'Action.Submit' || action.type === 'Action.Execute';
  return el('button', { class: 'button small', type: 'button', disabled: !able, data: { testid: 'teams-card-action', ...(able ? { able: '' } : {}) }, on: { click: () => draw.run(action) }, text: action.title ?? '' });
}
