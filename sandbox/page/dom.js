// Small helpers for building nodes. Text always becomes text nodes; nothing here parses markup.

const SVG = 'http://www.w3.org/2000/svg';

const ICONS = {
  teams: ['M4 5.500h11a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H9l-3.500 3v-3H4a2 2 0 0 1-2-2v-6a2 2 0 0 1 2-2Z', 'M19.500 9h.5a2 2 0 0 1 2 2v5a2 2 0 0 1-2 2h-1v2.500L16 18h-3'],
  desk: ['M4 14v-2a8 8 0 0 1 16 0v2', 'M4 14a2 2 0 0 1 2-2h1v6H6a2 2 0 0 1-2-2Z', 'M20 14a2 2 0 0 0-2-2h-1v6h1a2 2 0 0 0 2-2Z', 'M19 18c0 2-2 3-5 3'],
  bridge: ['M3 17c3-9 15-9 18 0', 'M3 17h18', 'M9 11.500V17', 'M15 11.500V17'],
  hash: ['M9 4 7 20', 'M17 4l-2 16', 'M4.500 9h16', 'M3.500 15h16'],
  group: ['M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z', 'M3 19c0-3.500 3-5 6-5s6 1.500 6 5', 'M16 5.500a3 3 0 0 1 0 5.500', 'M18 14.500c2 .7 3 2.200 3 4.500'],
  bot: ['M6 9h12a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2v-6a2 2 0 0 1 2-2Z', 'M12 9V5', 'M9 13.500v1.500', 'M15 13.500v1.500'],
  send: ['M4 12 20 4l-4.500 16-4-6.500L4 12Z', 'M11.500 13.500 20 4'],
  lock: ['M7 11h10a1.500 1.500 0 0 1 1.500 1.500v6A1.500 1.500 0 0 1 17 20H7a1.500 1.500 0 0 1-1.500-1.500v-6A1.500 1.500 0 0 1 7 11Z', 'M8.500 11V8a3.500 3.500 0 0 1 7 0v3'],
  check: ['m5 12.500 4.500 4.500L19 7'],
  clock: ['M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16Z', 'M12 8v4.500l3 1.500'],
  alert: ['M12 4 2.500 20h19L12 4Z', 'M12 10v4.500', 'M12 17.200v.3'],
  close: ['M6 6l12 12', 'M18 6 6 18'],
  arrow: ['M4 12h15', 'm13.500 6.500 5.500 5.500-5.500 5.500'],
  chevron: ['m6 9.500 6 6 6-6'],
  bolt: ['M13 3 5 13.500h6L10 21l8-10.500h-6L13 3Z'],
  file: ['M7 3h7l4 4v14H7V3Z', 'M14 3v4h4'],
  image: ['M5 4.500h14a1.500 1.500 0 0 1 1.500 1.500v12a1.500 1.500 0 0 1-1.500 1.500H5A1.500 1.500 0 0 1 3.500 18V6A1.500 1.500 0 0 1 5 4.500Z', 'm4 17 5-5 4 4 3-3 4.500 4.500', 'M15.500 9.500h.3'],
  clip: ['m19 11.500-7 7a4.600 4.600 0 0 1-6.500-6.500l7.500-7.500a3 3 0 0 1 4.300 4.300l-7.500 7.500a1.500 1.500 0 0 1-2.100-2.100l6.800-6.800'],
  smile: ['M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17Z', 'M8.500 14a4.200 4.200 0 0 0 7 0', 'M9 9.500v.4', 'M15 9.500v.4'],
  flat: ['M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17Z', 'M8.500 15h7', 'M9 9.500v.4', 'M15 9.500v.4'],
  frown: ['M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17Z', 'M8.500 16a4.200 4.200 0 0 1 7 0', 'M9 9.500v.4', 'M15 9.500v.4'],
  pen: ['m5 19 1-4L16.500 4.500l3 3L9 18l-4 1Z', 'm14 7 3 3'],
  bin: ['M5 7h14', 'M9.500 7V4.500h5V7', 'M7 7l1 13h8l1-13', 'M10.500 11v5', 'M13.500 11v5'],
  undo: ['M8.500 6 4 10.500 8.500 15', 'M4 10.500h9.500a5 5 0 0 1 0 10H11'],
  slash: ['M9 20 15 4'],
  spark: ['M12 3.500 13.900 10 20.500 12l-6.600 2L12 20.500 10.100 14 3.500 12l6.600-2L12 3.500Z'],
  dots: ['M6 12h.2', 'M12 12h.2', 'M18 12h.2'],
};

/** Build an element; `on` holds listeners, `data` data attributes, other keys become attributes. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) setProp(node, name, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function setProp(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === 'on') for (const [type, fn] of Object.entries(value)) node.addEventListener(type, fn);
  else if (name === 'data') Object.assign(node.dataset, value);
  else if (name === 'text') node.textContent = String(value);
  else node.setAttribute(name, value === true ? '' : String(value));
}

/** A decorative line icon, hidden from assistive technology. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  for (const d of ICONS[name] ?? []) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}

/** Replace the children of a node. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const pools = new WeakMap();

/**
 * Make the children of `box` match `items`, keeping existing nodes (and so focus and typed text).
 * `create(item)` builds a node, `update(node, item)` runs whenever `version(item)` changed.
 */
export function reconcile(box, items, { key, version, create, update }) {
  const old = pools.get(box) ?? new Map();
  const next = new Map();
  for (const item of items) {
    const id = key(item);
    const entry = old.get(id) ?? { node: create(item), version: undefined };
    const now = version(item);
    if (entry.version !== now) update(entry.node, item);
    next.set(id, { node: entry.node, version: now });
  }
  for (const [id, entry] of old) if (!next.has(id)) entry.node.remove();
  let cursor = box.firstChild;
  for (const { node } of next.values()) {
    if (node === cursor) cursor = cursor.nextSibling;
    else box.insertBefore(node, cursor);
  }
  pools.set(box, next);
}

/** Scroll `box` (and nothing else) just enough that `node` is in view. */
export function reveal(box, node) {
  const outer = box.getBoundingClientRect();
  const inner = node.getBoundingClientRect();
  if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom + 12;
  else if (inner.top < outer.top) box.scrollTop -= outer.top - inner.top + 12;
}

/** Keep a growing feed at its end while its reader is there; returns a function that goes to the end. */
export function stayAtEnd(box, content) {
  let atEnd = true;
  const toEnd = () => {
    atEnd = true;
    box.scrollTop = box.scrollHeight;
  };
  box.addEventListener('scroll', () => { atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60; });
  new ResizeObserver(() => atEnd && toEnd()).observe(content);
  return toEnd;
}

/** Draw the eye to a node for a moment. */
export function flash(node) {
  node.classList.remove('flash');
  void node.offsetWidth;
  node.classList.add('flash');
  setTimeout(() => node.classList.remove('flash'), 1800);
}

/** Round picture, with initials where there is no `src`; `kind` picks the shape and colour family. */
export function avatar(name, kind = 'user', src = null) {
  const box = el('span', { class: `avatar avatar-${kind}`, 'aria-hidden': 'true' });
  if (kind === 'bot') box.append(icon('bot'));
  else if (src) box.append(el('img', { src, alt: '' }));
  else box.textContent = initials(name);
  box.style.setProperty('--hue', String(hueOf(name)));
  return box;
}

function initials(name = '') {
  const words = name.replace(/\(.*?\)/g, '').trim().split(/[\s-]+/).filter(Boolean);
  if (!words.length) return '?';
  const letters = words.length > 1 ? words[0][0] + words[words.length - 1][0] : words[0].slice(0, 1);
  return letters.toUpperCase();
}

function hueOf(name = '') {
  let sum = 0;
  for (const char of name) sum = (sum * 31 + char.codePointAt(0)) % 360;
  return sum;
}
