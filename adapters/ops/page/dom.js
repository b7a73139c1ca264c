// Texts, elements, times, and requests; shared by all parts of the page.

const TEXTS = JSON.parse(document.body.dataset.texts);
const CSRF = document.body.dataset.csrf;
const LANG = document.documentElement.lang;
const CLOCK = new Intl.DateTimeFormat(LANG, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DATE = new Intl.DateTimeFormat(LANG, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const NUMBER = new Intl.NumberFormat(LANG);
const REQUEST_MS = 15_000;
const CHANGE_MS = 120_000;

export const byId = (id) => document.getElementById(id);
export const number = (value) => NUMBER.format(value);

/** The text of a key with its {values}; a key without a text is shown as it is. */
export function t(key, values = {}) {
  const text = Object.hasOwn(TEXTS, key) ? TEXTS[key] : key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** An element with properties, attributes (data-, aria-, scope …) and children; texts are never read as HTML. */
export function el(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** The word for a direction, outcome or key state. */
export const way = (direction) => t(direction.replace("-", "_"));

/** A point in time: a clock today, a date before; epoch seconds or ISO. */
export function moment(value) {
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  const today = date.toDateString() === new Date().toDateString();
  return el("time", { dateTime: date.toISOString(), title: date.toLocaleString(LANG) }, (today ? CLOCK : DATE).format(date));
}

/** A length of time with its unit; null has none. */
export function duration(seconds) {
  if (seconds === null) return t("none");
  if (seconds < 1) return `${Math.round(seconds * 1000)} ${t("unit_ms")}`;
  for (const [unit, size, next] of [["s", 1, 90], ["min", 60, 90], ["h", 3600, 48], ["d", 86400, Infinity]]) {
    const value = seconds / size;
    if (value < next) return `${NUMBER.format(value < 10 ? Math.round(value * 10) / 10 : Math.round(value))} ${t(`unit_${unit}`)}`;
  }
  return t("none");
}

/** What a request could not do; `code` has a text of its own. */
export class Problem extends Error {
  get text() { return t(`problem_${this.message}`); }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(`/ops/${path}`, { signal: AbortSignal.timeout(REQUEST_MS), ...options });
  } catch {
    throw new Problem("offline");
  }
  if (answer.status === 401) {
    location.assign("/ops/login");
    return new Promise(() => {});  // the page is left
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(body.problem && t(`problem_${body.problem}`) !== `problem_${body.problem}` ? body.problem : "unavailable");
  return body;
}

export const get = (path) => ask(path);

export const post = (path, body = {}) => ask(path, {
  method: "POST",
  signal: AbortSignal.timeout(CHANGE_MS),
  headers: { "Content-Type": "application/json", "X-CSRF-Token": CSRF },
  body: JSON.stringify(body),
});

/** Put rows into a table, or say why there are none. Each cell is [heading, content, class]. */
export function fill(id, rows, empty) {
  const table = byId(id);
  table.hidden = rows.length === 0;
  byId(`${id}-none`).hidden = rows.length > 0;
  byId(`${id}-none`).textContent = empty;
  table.tBodies[0].replaceChildren(...rows.map((cells) => el("tr", {}, ...cells.map(cell))));
}

function cell([heading, content, kind = ""]) {
  const parts = Array.isArray(content) ? content : [content];
  return el("td", { className: kind, "data-heading": heading }, el("div", {}, ...parts));
}

/** Show a problem or what was done; an empty text hides it. */
export function say(id, text) {
  const line = byId(id);
  if (line.textContent !== text) line.textContent = text;
  line.hidden = text === "";
}
