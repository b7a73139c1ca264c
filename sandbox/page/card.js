// Adaptive Cards, the part of them that a support conversation uses. Text is text: no markup is parsed.

import { el } from './dom.js';
import { safeHref, safeLink } from './sanitize.js';

const MAX_DEPTH = 8;

/** Draw a card; `submit(action, values)` is called for its buttons with what was entered. */
export function drawCard(card, submit) {
  const box = el('form', { class: 'card', on: { submit: (event) => event.preventDefault() } });
  const press = (action) => submit(action, Object.fromEntries(new FormData(box)));
  box.append(...items(card?.body, press, 0), ...actionRow(card?.actions, press, 0));
  return box;
}

const items = (list, press, depth) => (Array.isArray(list) && depth < MAX_DEPTH ? list.flatMap((item) => element(item ?? {}, press, depth)) : []);

const ELEMENTS = {
  TextBlock: (item) => textBlock(item),
  RichTextBlock: (item) => el('p', { text: (item.inlines ?? []).map((part) => part?.text ?? part).join('') }),
  FactSet: (item) => el('dl', { class: 'card-facts' }, (item.facts ?? []).map((fact) => el('div', {}, el('dt', { text: fact.title }), el('dd', { text: fact.value })))),
  Image: (item) => el('p', { class: 'subtle', text: item.altText ?? '' }),
  Container: (item, press, depth) => el('div', { class: 'card-box' }, items(item.items, press, depth + 1)),
  ColumnSet: (item, press, depth) => el('div', { class: 'card-columns' }, (item.columns ?? []).map((column) => el('div', {}, items(column?.items, press, depth + 1)))),
  ActionSet: (item, press, depth) => actionRow(item.actions, press, depth),
  'Input.Text': (item) => labelled(item, el(item.isMultiline ? 'textarea' : 'input', { class: 'card-input', name: item.id, placeholder: item.placeholder })),
  'Input.ChoiceSet': (item) => labelled(item, choiceSet(item)),
};

function element(item, press, depth) {
  const draw = ELEMENTS[item.type];
  return draw ? draw(item, press, depth) : [];
}

function textBlock({ text, weight, size, isSubtle }) {
  const strong = /^bolder$/i.test(weight ?? '') || /^(large|extralarge)$/i.test(size ?? '');
  return el('p', { class: [strong && 'strong', isSubtle && 'subtle'].filter(Boolean).join(' ') || null, text: text ?? '' });
}

function choiceSet({ id, choices, value }) {
  const options = (choices ?? []).map((choice) => el('option', { value: choice.value, text: choice.title }));
  const select = el('select', { class: 'card-input', name: id }, options);
  if (value !== undefined) select.value = value;
  return select;
}

function labelled(item, input) {
  return el('label', { class: 'card-label' }, el('span', { text: item.label ?? '' }), input);
}

function actionRow(actions, press) {
  if (!Array.isArray(actions) || !actions.length) return [];
  return [el('div', { class: 'card-actions' }, actions.map((action) => actionButton(action ?? {}, press)))];
}

function actionButton(action, press) {
  const href = action.type === 'Action.OpenUrl' ? safeHref(action.url) : null;
  if (href) {
    const link = safeLink(href);
    link.className = 'button small';
    link.textContent = action.title ?? href;
    return link;
  }
  const able = action.type === 'Action.Submit' || action.type === 'Action.Execute';
  return el('button', { class: 'button small', type: 'button', disabled: !able, data: { testid: 'teams-card-action' }, on: { click: () => press(action) }, text: action.title ?? '' });
}
