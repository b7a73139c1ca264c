// Keeps the page live: asks every two seconds while somebody can see it.

import { byId, get, post, Problem, say, t } from "./dom.js";
import * as letters from "./letters.js";
import * as now from "./now.js";
import * as recent from "./recent.js";

const EVERY_MS = 2000;
const SLOWLY = 5;
let round = 0;
let lastDead = null;
let timer = 0;
let asking = false;

async function look() {
  clearTimeout(timer);
  if (document.hidden || asking) return;
  asking = true;
  try {
    const state = await get("state");
    now.show(state);
    tell(state.problem ? "trouble" : "live", state.problem ? t(`problem_${state.problem}`) : "");
    await follow(state);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    tell("trouble", problem.text);
  } finally {
    asking = false;
    timer = setTimeout(look, EVERY_MS);
  }
}

/** Read the lists when there is reason to: another number of dead letters, or every few rounds. */
async function follow({ depths }) {
  const dead = depths && Object.values(depths).map((depth) => depth.dead).join();
  const due = round++ % SLOWLY === 0;
  if (dead !== null && dead !== lastDead) {
    lastDead = dead;
    await letters.load();
  }
  if (due) await Promise.all([recent.load(), recent.loadKeys()]);
}

function tell(state, text) {
  const live = byId("live");
  if (live.dataset.state !== state) {
    live.dataset.state = state;
    live.textContent = t(`state_${state}`);
  }
  say("problem", text);
}

byId("logout").addEventListener("click", async () => {
  try {
    await post("logout");
    location.assign("/ops/login");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    say("failed", problem.text);
  }
});
document.addEventListener("visibilitychange", look);
letters.start(recent.lookUp);
recent.start();
look();
