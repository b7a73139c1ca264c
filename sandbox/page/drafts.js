// The files that wait in a compose box: picked, dropped or pasted, read at once, shown as chips until they are sent.

import { el, fill, icon } from './dom.js';
import { onLanguage, t } from './i18n.js';
import { sizeText } from './media.js';
import { toast } from './toast.js';

/** What the sandbox's control interface takes in one call, base64 included. */
const MAX_BYTES = 20 * 1024 * 1024;

/** Returns {node, button, input, add, take, restore, count}; `changed()` is called when files come or go. */
export function createDrafts({ testid, changed }) {
  let files = [];
  const node = el('ul', { class: 'drafts', hidden: true });
  const input = el('input', { type: 'file', multiple: true, hidden: true, tabindex: '-1', data: { testid } });
  const button = el('button', { class: 'icon-button', type: 'button', on: { click: () => input.click() } }, icon('clip'));

  const draw = () => {
    node.hidden = !files.length;
    fill(node, files.map((file) => chip(file, () => set(files.filter((other) => other !== file)))));
    changed();
  };
  const set = (next) => {
    files = next;
    draw();
  };
  const label = () => {
    button.title = t('compose.attach');
    for (const control of [button, input]) control.setAttribute('aria-label', t('compose.attach'));
    draw();
  };
  const add = async (list, { inline = false } = {}) => {
    const small = [...list].filter(fits);
    const read = await Promise.all(small.map((file) => readFile(file, inline && file.type.startsWith('image/'))));
    set([...files, ...read]);
  };

  input.addEventListener('change', async () => {
    await add(input.files);
    input.value = '';
  });
  onLanguage(label);
  return {
    node,
    button,
    input,
    label,
    add,
    count: () => files.length,
    take() {
      const taken = files;
      set([]);
      return taken;
    },
    restore: (kept) => set([...kept, ...files]),
  };
}

function fits(file) {
  if (file.size <= MAX_BYTES) return true;
  toast('error.fileSize', { kind: 'problem', params: { name: file.name, most: sizeText(MAX_BYTES) } });
  return false;
}

function chip(file, remove) {
  const label = t('compose.remove', { name: file.name });
  return el(
    'li', { class: 'draft', data: { testid: 'draft' } },
    icon(file.content_type.startsWith('image/') ? 'image' : 'file'), el('span', { class: 'draft-name', text: file.name }), el('small', { text: sizeText(file.size) }),
    el('button', { class: 'icon-button', type: 'button', 'aria-label': label, title: label, on: { click: remove } }, icon('close')),
  );
}

function readFile(file, inline) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onerror = () => reject(reader.error);
    reader.onload = () => resolve({
      name: file.name || 'file',
      content_type: file.type || 'application/octet-stream',
      base64: reader.result.slice(reader.result.indexOf(',') + 1),
      size: file.size,
      ...(inline ? { inline: true } : {}),
    });
    reader.readAsDataURL(file);
  });
}
