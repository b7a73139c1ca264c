// A box to write in: Enter sends, Shift+Enter starts a new line, and a half-composed syllable is never sent.

import { el, icon } from './dom.js';
import { t } from './i18n.js';

const MAX_HEIGHT = 144;

/**
 * `send(text, toggles)` resolves to false when the text must be kept.
 * Returns {node, input, setPlaceholder, setSendLabel, toggle(name)}.
 */
export function createCompose({ testid, sendTestid, toggles = [], compact = false, send }) {
  const input = el('textarea', { class: 'compose-input', rows: 1, data: { testid } });
  const button = el('button', { class: 'send', type: 'submit', data: { testid: sendTestid } }, icon('send'), el('span', { class: 'send-text' }));
  const chips = new Map(toggles.map((toggle) => [toggle.name, createToggle(toggle)]));
  const chipNodes = [...chips.values()].map((chip) => chip.node);
  const tools = el('div', { class: 'compose-tools' }, chipNodes, button);
  const node = el('form', { class: compact ? 'compose compact' : 'compose' }, input, tools);

  const grow = () => {
    input.style.height = 'auto';
    input.style.height = `${Math.min(input.scrollHeight, MAX_HEIGHT)}px`;
  };
  const refresh = () => {
    button.disabled = !input.value.trim();
    grow();
  };
  const submit = async () => {
    const text = input.value.trim();
    if (!text) return;
    input.value = '';
    input.focus();
    refresh();
    const states = Object.fromEntries([...chips].map(([name, chip]) => [name, chip.box.checked]));
    const kept = (await send(text, states)) === false;
    if (kept && !input.value) input.value = text;
    refresh();
  };

  input.addEventListener('input', refresh);
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  });
  node.addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
  refresh();

  return {
    node,
    input,
    toggle: (name) => chips.get(name),
    setPlaceholder(text) {
      input.placeholder = text;
      input.setAttribute('aria-label', text);
    },
    setSendLabel(text) {
      button.lastChild.textContent = text;
      button.title = text;
    },
    write(text) {
      input.value = text;
      refresh();
      input.focus();
    },
  };
}

function createToggle({ testid, label, glyph, checked = false, onChange }) {
  const box = el('input', { type: 'checkbox', data: { testid } });
  box.checked = checked;
  if (onChange) box.addEventListener('change', () => onChange(box.checked));
  const text = el('span');
  const node = el('label', { class: 'toggle' }, box, glyph ? icon(glyph) : null, text);
  const relabel = () => { text.textContent = typeof label === 'function' ? label() : t(label); };
  relabel();
  return { node, box, relabel };
}
