// Pictures and files of messages. Only the sandbox's own addresses are loaded; everything else is at most a link.

import { el, icon } from './dom.js';
import { t } from './i18n.js';
import { safeHref, safeLink } from './sanitize.js';
import { world } from './store.js';

const UNITS = ['B', 'KB', 'MB', 'GB'];
const PICTURE_NAME = /\.(png|jpe?g|gif|webp|bmp)$/i;

export const isPictureName = (name) => PICTURE_NAME.test(name ?? '');

export function sizeText(bytes) {
  if (!Number.isFinite(bytes)) return '';
  const power = Math.min(Math.floor(Math.log(Math.max(bytes, 1)) / Math.log(1024)), UNITS.length - 1);
  const value = bytes / 1024 ** power;
  return `${power && value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[power]}`;
}

/** The path of an address that the sandbox itself serves (but not its control interface), otherwise null. */
export function ownPath(url) {
  try {
    const { origin, pathname, search } = new URL(url);
    const own = origin === location.origin || origin === new URL(world.config.service_url).origin;
    return own && !pathname.startsWith('/_sandbox') ? pathname + search : null;
  } catch {
    return null;
  }
}

/** A picture that opens in a tab of its own; what cannot be loaded becomes a file. */
export function pictureNode(src, { name, size } = {}) {
  const image = el('img', { class: 'picture', src, alt: name || t('media.picture'), loading: 'lazy', data: { testid: 'picture' } });
  if (src.startsWith('data:')) return image;
  const link = safeLink(new URL(src, location.href).href);
  link.className = 'picture-link';
  link.append(image);
  image.addEventListener('error', () => link.replaceWith(fileNode(src, { name, size })), { once: true });
  return link;
}

/** A file's name and size, as a link where there is an address. */
export function fileNode(href, { name, size, glyph = 'file' } = {}) {
  const address = href && safeHref(new URL(href, location.href).href);
  const node = address ? safeLink(address) : el('span');
  node.className = 'part';
  node.dataset.testid = 'file';
  node.append(icon(glyph), el('span', { class: 'part-name', text: name || t('media.file') }));
  if (Number.isFinite(size)) node.append(el('small', { text: sizeText(size) }));
  return node;
}
