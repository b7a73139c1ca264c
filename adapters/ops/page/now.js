// How it goes now: one card per direction, the health of the parts, the number of threads.

import { byId, duration, el, number, t, way } from "./dom.js";

const DIRECTIONS = ["to-freshchat", "to-teams"];
const SVG = "http://www.w3.org/2000/svg";
const FEW = 8;
const cards = new Map();

/** Show what /ops/state says. */
export function show(state) {
  for (const direction of DIRECTIONS) {
    if (!cards.has(direction)) cards.set(direction, card(direction));
    update(cards.get(direction), direction, state);
  }
  byId("health").replaceChildren(...health(state.health));
  const { links } = state;
  byId("links").textContent = links === null ? "" :
    `${t("threads_today")}: ${number(links.active)}${links.more ? "+" : ""} · ${t("threads_open")}: ${number(links.open)}`;
}

function card(direction) {
  const parts = {};
  const fact = (name, label) => {
    parts[name] = el("dd", { "data-testid": `${direction}-${name}` }, t("none"));
    return el("div", {}, el("dt", {}, label), parts[name]);
  };
  parts.rate = el("strong", { "data-testid": `${direction}-rate` }, "0");
  parts.chart = chart();
  parts.held = el("p", { className: "notice wait", hidden: true });
  const facts = el("dl", { className: "facts" },
    fact("p50", t("p50")), fact("p95", t("p95")), fact("waiting", t("waiting")), fact("oldest", t("oldest")),
    fact("dead", t("dead")), fact("ignored", t("ignored")));
  const title = el("h3", { id: `way-${direction}` }, way(direction));
  const rate = el("p", { className: "rate" }, parts.rate, ` ${t("per_minute")}`);
  byId("ways").append(
    el("article", { className: "card way", "aria-labelledby": title.id }, title, rate, parts.chart, facts, parts.held));
  return parts;
}

function update(parts, direction, state) {
  const rates = state.rates[direction];
  const depth = state.depths?.[direction];
  const held = state.held[direction] ?? [];
  set(parts.rate, number(rates.per_minute));
  set(parts.p50, duration(rates.p50_ms === null ? null : rates.p50_ms / 1000));
  set(parts.p95, duration(rates.p95_ms === null ? null : rates.p95_ms / 1000));
  set(parts.ignored, number(rates.outcomes.ignored));
  set(parts.waiting, depth ? number(depth.waiting) : t("none"));
  set(parts.oldest, depth && depth.waiting ? duration(depth.oldest_age) : t("none"));
  set(parts.dead, depth ? number(depth.dead) : t("none"));
  parts.dead.title = depth?.dead_recently ? t("dead_recently", { n: number(depth.dead_recently) }) : "";
  parts.dead.classList.toggle("alarm", Boolean(depth?.dead));
  set(parts.held, held.length ? t("held", { tenants: held.join(", ") }) : "");
  parts.held.hidden = held.length === 0;
  draw(parts.chart, rates.series);
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function chart() {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("viewBox", "0 0 240 40");
  made.setAttribute("preserveAspectRatio", "none");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", t("chart"));
  made.classList.add("chart");
  return made;
}

/** Draw one bar per five seconds; `series` has sixty. */
function draw(svg, series) {
  const most = Math.max(4, ...series);
  const bars = series.map((count, n) => {
    const bar = document.createElementNS(SVG, "rect");
    const height = count ? Math.max(2, (count / most) * 38) : 1;
    for (const [name, value] of Object.entries({ x: n * 4 + 0.5, y: 40 - height, width: 3, height })) {
      bar.setAttribute(name, value);
    }
    bar.classList.toggle("none", count === 0);
    return bar;
  });
  svg.replaceChildren(...bars);
}

/** A chip per part; where there are many, those that work are only counted. */
function health(parts) {
  const named = Object.entries(parts).map(([name, problem]) => ({ name, problem }));
  const bad = named.filter(({ problem }) => problem);
  const shown = named.length > FEW ? bad : named;
  const chips = shown.map(({ name, problem }) =>
    el("li", { className: problem ? "chip bad" : "chip good", title: name }, el("b", {}, label(name)), ` ${problem ?? t("ok")}`));
  if (shown !== named) chips.unshift(el("li", { className: "chip good" }, `${named.length - bad.length} / ${named.length} ${t("ok")}`));
  return chips;
}

/** The name of a part; an upstream of one tenant is "freshchat <tenant>", shortened here and whole in the title. */
function label(name) {
  const [part, tenant] = name.split(" ");
  const text = t(`part_${part}`) === `part_${part}` ? part : t(`part_${part}`);
  return tenant ? `${text} ${tenant.length > 12 ? `${tenant.slice(0, 8)}…` : tenant}` : text;
}
