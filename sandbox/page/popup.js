// A button that opens a small menu above or below itself. The browser's own popover closes it on Escape and on clicks elsewhere.

import { el, fill, icon } from './dom.js';

const EDGE = 8;
let made = 0;

/**
 * `items()` is asked at each opening for [{text, hint, glyph, testid, run}]; `row` lays them out side by side.
 * Returns {node, setLabel}.
 */
export function createPopup({ testid, glyph, className = 'icon-button', row = false, items }) {
  const id = `popup-${(made += 1)}`;
  const button = el('button', { class: className, type: 'button', popovertarget: id, 'aria-haspopup': 'menu', data: { testid } }, icon(glyph));
  const list = el('div', { class: row ? 'popup popup-row' : 'popup', id, popover: 'auto', role: 'menu' });
  list.addEventListener('beforetoggle', ({ newState }) => {
    if (newState !== 'open') return;
    fill(list, items().map((item) => itemNode(item, list)));
    place(list, button);
  });
  list.addEventListener('toggle', ({ newState }) => newState === 'open' && list.firstChild?.focus());
  list.addEventListener('keydown', (event) => move(event, list));
  return {
    node: el('span', { class: 'popup-anchor' }, button, list),
    setLabel(text) {
      button.title = text;
      button.setAttribute('aria-label', text);
      list.setAttribute('aria-label', text);
    },
  };
}

function itemNode({ text, hint, glyph, testid, run }, list) {
  const choose = () => {
    list.hidePopover();
    run();
  };
  return el(
    'button', { class: 'popup-item', type: 'button', role: 'menuitem', 'aria-label': hint && glyph ? hint : null, title: glyph ? hint : null, data: { testid }, on: { click: choose } },
    glyph ? el('span', { text: glyph, 'aria-hidden': 'true' }) : el('strong', { text }), !glyph && hint && el('small', { text: hint }),
  );
}

function move(event, list) {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const all = [...list.children];
  all[(all.indexOf(document.activeElement) + step + all.length) % all.length]?.focus();
}

/** Fixed beside its button, on the side with more room. */
function place(list, button) {
  const { left, top, bottom } = button.getBoundingClientRect();
  const above = top > innerHeight - bottom;
  const width = list.classList.contains('popup-row') ? 250 : 280;
  list.style.left = `${Math.max(EDGE, Math.min(left, innerWidth - width - EDGE))}px`;
  list.style.top = above ? 'auto' : `${bottom + 4}px`;
  list.style.bottom = above ? `${innerHeight - top + 4}px` : 'auto';
}
