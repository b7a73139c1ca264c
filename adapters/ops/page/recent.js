// Recent deliveries and the search for a reference; webhook keys and when they were used.

import { byId, duration, el, fill, get, moment, number, Problem, t, way } from "./dom.js";

const form = byId("search");
const SHOWN = 20;
let searched = "";

export function start() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    lookUp(form.elements.ref.value);
  });
  byId("search-clear").addEventListener("click", () => lookUp(""));
}

/** Show what is known of a reference; without one, the newest deliveries. */
export async function lookUp(reference) {
  searched = reference.trim();
  form.elements.ref.value = searched;
  byId("search-clear").hidden = !searched;
  await load();
  if (searched) byId("recent-heading").scrollIntoView({ block: "start" });
}

/** Read the list anew. */
export async function load() {
  const asked = searched;
  let found;
  try {
    found = await get(asked ? `trace?${new URLSearchParams({ ref: asked })}` : "recent");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (asked || byId("recent").hidden) fill("recent", [], problem.text);
    return;
  }
  if (asked !== searched) return;
  const rows = asked ? found.stories.flatMap(hops) : found.deliveries.slice(0, SHOWN).map(delivery);
  fill("recent", rows, t(asked ? "search_empty" : "recent_empty"));
}

const KINDS = { delivered: "good", call: "good", dead_letter: "bad", accepted: "" };

function delivery(one) {
  return line(one.at, one.direction, one.outcome, one.steps.join(" → "), one.reference);
}

/** One row per hop of a message's way; the direction is known from where it was accepted. */
function hops(story) {
  const direction = story.hops.find((hop) => hop.direction)?.direction ?? "";
  return story.hops.map((hop) => {
    const outcome = hop.hop === "call" && hop.made === null ? "open" : hop.hop;
    return line(hop.at, direction, outcome, what(hop), story.reference);
  });
}

function what(hop) {
  if (hop.hop === "accepted") return hop.key;
  if (hop.hop === "call" || hop.hop === "notice") {
    const result = hop.made === null ? t("no_result") : `${duration(hop.ms / 1000)} · ${hop.made}`;
    return `${[hop.call, hop.via].filter(Boolean).join(" · ")} · ${result}`;
  }
  return [hop.code, hop.component, hop.attempts ? t("attempts", { n: number(hop.attempts) }) : ""].filter(Boolean).join(" · ");
}

function line(at, direction, outcome, text, reference) {
  const button = el("button", { type: "button", className: "link mono" }, reference || t("none"));
  button.disabled = !reference;
  button.addEventListener("click", () => lookUp(reference));
  return [
    [t("column_time"), at === null ? t("now") : moment(at)],
    [t("column_direction"), direction ? way(direction) : t("none")],
    [t("column_outcome"), el("span", { className: `chip ${KINDS[outcome] ?? "wait"}` }, t(`outcome_${outcome}`))],
    [t("column_steps"), text, "mono small what"],
    [t("column_reference"), button],
  ];
}

/** Read the webhook keys. */
export async function loadKeys() {
  try {
    const { keys } = await get("keys");
    fill("keys", keys.map(key), t("keys_empty"));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (byId("keys").hidden) fill("keys", [], problem.text);
  }
}

function key(one) {
  const ago = one.used_at ? `${duration(Math.max(0, Date.now() / 1000 - one.used_at))}` : "";
  return [
    [t("column_key"), one.id, "mono"],
    [t("column_tenant"), one.tenant, "mono small"],
    [t("column_state"), t(`key_${one.state}`)],
    [t("column_used"), one.used_at ? [moment(one.used_at), ` (${ago})`] : t("never")],
    [t("column_count"), number(one.count), "number"],
  ];
}
