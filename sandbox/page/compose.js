// A box to write in: Enter sends, Shift+Enter starts a new line, and a half-composed syllable is never sent.

import { el, icon } from './dom.js';
import { createDrafts } from './drafts.js';
import { t } from './i18n.js';

const MAX_HEIGHT = 144;

/**
 * `send(text, toggles, files)` resolves to false when text and files must be kept. `extras` are further tools.
 * Returns {node, input, setPlaceholder, setSendLabel, toggle(name), write(text), clear()}.
 */
export function createCompose({ testid, sendTestid, toggles = [], extras = [], compact = false, send }) {
  const input = el('textarea', { class: 'compose-input', rows: 1, data: { testid } });
  const button = el('button', { class: 'send', type: 'submit', data: { testid: sendTestid } }, icon('send'), el('span', { class: 'send-text' }));
  const chips = new Map(toggles.map((toggle) => [toggle.name, createToggle(toggle)]));
  const chipNodes = [...chips.values()].map((chip) => chip.node);
  const refresh = () => {
    button.disabled = !input.value.trim() && !drafts.count();
    input.style.height = 'auto';
    input.style.height = `${Math.min(input.scrollHeight, MAX_HEIGHT)}px`;
  };
  const drafts = createDrafts({ testid: `${testid}-files`, changed: () => refresh() });
  const tools = el('div', { class: 'compose-tools' }, chipNodes, drafts.button, drafts.input, extras, button);
  const node = el('form', { class: compact ? 'compose compact' : 'compose' }, drafts.node, input, tools);
  drafts.label();

  const submit = async () => {
    const text = input.value.trim();
    if (!text && !drafts.count()) return;
    const files = drafts.take();
    input.value = '';
    input.focus();
    refresh();
    const states = Object.fromEntries([...chips].map(([name, chip]) => [name, chip.box.checked]));
    const kept = (await send(text, states, files)) === false;
    if (kept && !input.value) input.value = text;
    if (kept) drafts.restore(files);
    refresh();
  };

  listen(node, input, drafts, { refresh, submit });
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
    clear() {
      input.value = '';
      refresh();
    },
  };
}

function listen(node, input, drafts, { refresh, submit }) {
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
  input.addEventListener('paste', (event) => {
    const { files } = event.clipboardData;
    if (!files.length) return;
    event.preventDefault();
    drafts.add(files, { inline: true });
  });
  takeDropped(node, drafts);
}

/** Files may be dropped anywhere on the box. */
function takeDropped(node, drafts) {
  const over = (is) => node.classList.toggle('is-drop', is);
  node.addEventListener('dragover', (event) => {
    if (!event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    over(true);
  });
  node.addEventListener('dragleave', (event) => node.contains(event.relatedTarget) || over(false));
  node.addEventListener('drop', (event) => {
    over(false);
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    drafts.add(event.dataTransfer.files);
  });
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
