// Message markup from outside. It is parsed in an inert document and rebuilt from an allow list:
// no attribute of the source survives except a checked link address. A picture is drawn by the caller, or is its words.

const KEEP = new Map([
  ['STRONG', 'strong'], ['B', 'strong'], ['EM', 'em'], ['I', 'em'], ['BR', 'br'], ['P', 'p'], ['DIV', 'p'],
  ['S', 's'], ['STRIKE', 's'], ['DEL', 's'], ['U', 'u'], ['H1', 'h5'], ['H2', 'h5'], ['H3', 'h6'],
  ['TABLE', 'table'], ['TBODY', 'tbody'], ['THEAD', 'thead'], ['TR', 'tr'], ['TD', 'td'], ['TH', 'th'],
  ['UL', 'ul'], ['OL', 'ol'], ['LI', 'li'], ['CODE', 'code'], ['PRE', 'pre'], ['BLOCKQUOTE', 'blockquote'],
]);
const DROP = new Set([
  'SCRIPT', 'STYLE', 'TEMPLATE', 'IFRAME', 'OBJECT', 'EMBED', 'NOSCRIPT', 'SVG', 'MATH', 'TITLE', 'TEXTAREA', 'SELECT', 'HEAD', 'LINK', 'META',
]);
const SCHEMES = new Set(['http:', 'https:', 'mailto:']);
const MAX_DEPTH = 40;

/** Turn untrusted html into a fragment of allowed nodes; `picture(src, alt)` may give a node for an image, or null. */
export function safeFragment(html, { picture = () => null } = {}) {
  const parsed = new DOMParser().parseFromString(quiet(String(html ?? '')), 'text/html');
  const out = document.createDocumentFragment();
  copyChildren(parsed.body, out, 0, picture);
  return out;
}

/**
 * Browsers report inline styles and handlers to the console even in an inert document. Renaming them first keeps the
 * console clean; safety does not depend on it, because only allowed nodes are copied.
 */
function quiet(html) {
  return html
    .replace(/(<\/?)style(?=[\s/>])/gi, '$1template')
    .replace(/<[a-z][^>]*>/gi, (tag) => tag.replace(/([\s"'/])(?:style|on[a-z]+)(?=\s*=)/gi, '$1data-off'));
}

/** The address if it is an absolute http, https or mailto link, otherwise null. */
export function safeHref(value) {
  try {
    const url = new URL(String(value ?? '').trim());
    return SCHEMES.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** A link that opens elsewhere without handing over this page. */
export function safeLink(href) {
  const link = document.createElement('a');
  link.href = href;
  link.target = '_blank';
  link.rel = 'noopener noreferrer nofollow';
  return link;
}

function copyChildren(from, to, depth, picture) {
  for (const child of from.childNodes) copyNode(child, to, depth, picture);
}

function copyNode(node, to, depth, picture) {
  if (node.nodeType === Node.TEXT_NODE) {
    to.append(node.data);
  } else if (node.nodeType === Node.ELEMENT_NODE) {
    copyElement(node, to, depth, picture);
  }
}

function copyElement(node, to, depth, picture) {
  const name = node.tagName.toUpperCase();
  if (DROP.has(name)) return;
  if (depth > MAX_DEPTH) {
    to.append(node.textContent);
    return;
  }
  if (name === 'IMG') {
    const alt = node.getAttribute('alt') ?? '';
    to.append(picture(node.getAttribute('src'), alt) ?? alt);
    return;
  }
  const target = elementFor(node, name);
  if (target) to.append(target);
  copyChildren(node, target ?? to, depth + 1, picture);
}

function elementFor(node, name) {
  if (name === 'A') {
    const href = safeHref(node.getAttribute('href'));
    return href ? safeLink(href) : null;
  }
  if (name === 'AT') {
    const mention = document.createElement('span');
    mention.className = 'mention';
    return mention;
  }
  const tag = KEEP.get(name);
  return tag ? document.createElement(tag) : null;
}
