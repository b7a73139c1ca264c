// Language of the page. ?lang= wins, then the stored choice, then the browser's own.

import { en } from './texts-en.js';
import { ko } from './texts-ko.js';

const TEXTS = { en, ko };
const STORAGE_KEY = 'sandbox.lang';
const listeners = new Set();
let current = 'en';

export const languages = Object.keys(TEXTS);
export const lang = () => current;

/** The text for a key in the current language, with {name} placeholders filled in. */
export function t(key, params = {}) {
  const text = TEXTS[current][key] ?? TEXTS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole));
}

export const known = (key) => key in TEXTS.en;

export function onLanguage(fn) {
  listeners.add(fn);
}

export function initLanguage() {
  apply(fromQuery() ?? fromStorage() ?? fromBrowser());
}

export function setLanguage(next) {
  if (!(next in TEXTS)) return;
  store(next);
  updateQuery(next);
  apply(next);
  for (const fn of listeners) fn(next);
}

/** Fill every element below `root` that names its text by data-i18n, -label or -placeholder. */
export function translate(root = document) {
  for (const node of root.querySelectorAll('[data-i18n]')) node.textContent = t(node.dataset.i18n);
  for (const node of root.querySelectorAll('[data-i18n-label]')) node.setAttribute('aria-label', t(node.dataset.i18nLabel));
  for (const node of root.querySelectorAll('[data-i18n-title]')) node.setAttribute('title', t(node.dataset.i18nTitle));
  for (const node of root.querySelectorAll('[data-i18n-placeholder]')) node.setAttribute('placeholder', t(node.dataset.i18nPlaceholder));
}

export function clock(value, withSeconds = false) {
  const date = new Date(value);
  if (Number.isNaN(date.getTime())) return '';
  const options = { hour: '2-digit', minute: '2-digit' };
  if (withSeconds) Object.assign(options, { second: '2-digit', hourCycle: 'h23' });
  return new Intl.DateTimeFormat(current, options).format(date);
}

/** A duration for people: "84 ms", "2.4 s". */
export function duration(ms) {
  if (!Number.isFinite(ms)) return '';
  if (ms < 10 && ms % 1) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;
}

function apply(next) {
  current = next;
  document.documentElement.lang = next;
  document.title = t('app.title');
  translate();
}

function match(value) {
  const short = String(value ?? '').toLowerCase().split('-')[0];
  return short in TEXTS ? short : null;
}

function fromQuery() {
  const asked = match(new URLSearchParams(location.search).get('lang'));
  if (asked) store(asked);
  return asked;
}

function fromStorage() {
  try {
    return match(localStorage.getItem(STORAGE_KEY));
  } catch {
    return null;
  }
}

function fromBrowser() {
  for (const value of navigator.languages ?? [navigator.language]) {
    if (match(value)) return match(value);
  }
  return 'en';
}

function store(value) {
  try {
    localStorage.setItem(STORAGE_KEY, value);
  } catch {
    // Storage may be switched off; the choice then lasts for this page only.
  }
}

function updateQuery(value) {
  const url = new URL(location.href);
  if (!url.searchParams.has('lang')) return;
  url.searchParams.set('lang', value);
  history.replaceState(null, '', url);
}
