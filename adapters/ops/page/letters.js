// Dead letters: the list with its filters, one letter's details, and the replay with its question.

import { byId, el, fill, get, moment, number, post, Problem, say, t, way } from "./dom.js";

const FILTERS = ["direction", "code", "component", "tenant"];
const form = byId("filters");
let shown = [];
let total = 0;

export function start(lookUp) {
  onReference = lookUp;
  form.addEventListener("change", () => load());
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("letters-more").addEventListener("click", () => load(shown.at(-1).id));
  byId("replay-all").addEventListener("click", replayAll);
}

let onReference = () => {};

/** Read the list anew, or the part behind letter `after`. */
export async function load(after = "") {
  const filters = chosen();
  let answer;
  try {
    answer = await get(`letters?${new URLSearchParams({ ...filters, after })}`);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (!shown.length) byId("letters-none").textContent = problem.text;
    return;
  }
  shown = after ? [...shown, ...answer.letters] : answer.letters;
  total = answer.total;
  for (const name of FILTERS) offer(name, answer.choices[name]);
  render(answer.more);
}

function chosen() {
  return Object.fromEntries(FILTERS.map((name) => [name, form.elements[name].value]).filter(([, value]) => value));
}

/** Offer what there is to filter for; a choice that is gone stays until it is changed. */
function offer(name, counts) {
  const select = form.elements[name];
  const present = select.value;
  const values = [...new Set([...Object.keys(counts).sort(), ...(present ? [present] : [])])];
  const options = values.map((value) =>
    el("option", { value }, `${name === "direction" ? way(value) : value} (${number(counts[value] ?? 0)})`));
  select.replaceChildren(el("option", { value: "" }, t("all")), ...options);
  select.value = present;
}

function render(more) {
  const filtered = Object.keys(chosen()).length > 0;
  fill("letters", shown.map(row), t(filtered ? "letters_empty_filtered" : "letters_empty"));
  form.hidden = total === 0 && !filtered;
  byId("letters-more").hidden = shown.length >= total;
  const count = `${number(total)}${more ? "+" : ""}`;
  byId("letters-count").textContent = total ? t("letters_shown", { shown: number(shown.length), total: count }) : "";
  byId("replay-all").hidden = total < 2;
  byId("replay-all").textContent = t("replay_all", { n: number(total) });
}

function row(letter) {
  const reference = el("button", { type: "button", className: "link mono" }, letter.reference);
  reference.addEventListener("click", () => onReference(letter.reference));
  const details = el("button", { type: "button" }, t("details"));
  details.addEventListener("click", () => open(letter));
  const again = el("button", { type: "button", className: "primary" }, t("replay"));
  again.addEventListener("click", () => replay({ ids: [letter.id] }, t("replay_one")));
  for (const button of [details, again]) button.setAttribute("aria-label", `${button.textContent} ${letter.reference}`);
  return [
    [t("column_failed"), moment(letter.last_failed_at)],
    [t("column_direction"), way(letter.direction)],
    [t("column_code"), [el("b", { className: "mono" }, letter.code), " ", el("span", { className: "muted small" }, letter.message)], "why"],
    [t("column_attempts"), number(letter.attempts), "number"],
    [t("column_reference"), reference],
    ["", [details, again], "actions"],
  ];
}

async function open(letter) {
  say("failed", "");
  try {
    const { body, ...facts } = await get(`letters/${encodeURIComponent(letter.id)}`);
    byId("letter-facts").replaceChildren(...Object.entries(facts).map(([name, value]) =>
      el("div", {}, el("dt", {}, name), el("dd", {}, String(value ?? t("none"))))));
    byId("letter-body").textContent = JSON.stringify(body, null, 2);
    byId("letter").showModal();
  } catch (problem) {
    report(problem);
  }
}

/** Ask about as many letters as are listed, and replay no more than were asked about. */
function replayAll() {
  replay({ filters: chosen(), count: total }, t("replay_many", { n: number(total) }));
}

async function replay(wanted, question) {
  if (!await confirmed(question)) return;
  say("done", "");
  say("failed", "");
  try {
    const { replayed, missing } = await post("letters/replay", wanted);
    const told = [t("replay_done", { n: number(replayed) }), missing ? t("replay_missing", { n: number(missing) }) : ""];
    say("done", told.join(" ").trim());
  } catch (problem) {
    report(problem);
  }
  await load();
}

function confirmed(question) {
  const dialog = byId("confirm");
  byId("confirm-text").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

function report(problem) {
  if (!(problem instanceof Problem)) throw problem;
  say("failed", problem.text);
}
