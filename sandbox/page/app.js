// Puts the page together.

import { api } from './api.js';
import { mountDesk } from './desk.js';
import { initLanguage, lang, onLanguage, setLanguage, t, translate } from './i18n.js';
import { on, receive } from './store.js';
import { follow } from './stream.js';
import { mountTeams } from './teams.js';
import { mountTimeline } from './timeline.js';
import { dismiss, reportError, toast } from './toast.js';
import { mountTrouble } from './trouble.js';

const CONFIRM_MS = 3000;
const byId = (id) => document.getElementById(id);

function mountLanguage(select) {
  select.value = lang();
  select.addEventListener('change', () => setLanguage(select.value));
  onLanguage(() => { translate(); select.value = lang(); });
}

function mountLinkState(node) {
  let state = 'connecting';
  const draw = () => {
    node.dataset.state = state;
    node.textContent = t(`link.${state}`);
  };
  onLanguage(draw);
  return (next) => {
    if (next === 'live') dismiss('error.sandbox');
    state = next;
    draw();
  };
}

/** Erasing everything takes two clicks, the second within a few seconds. */
function mountReset(button) {
  let timer = null;
  const draw = () => {
    button.textContent = t(timer ? 'reset.confirm' : 'reset.button');
    button.classList.toggle('is-danger', Boolean(timer));
  };
  const disarm = () => {
    clearTimeout(timer);
    timer = null;
    draw();
  };
  button.addEventListener('click', async () => {
    if (!timer) {
      timer = setTimeout(disarm, CONFIRM_MS);
      return draw();
    }
    disarm();
    return api.reset().catch(reportError);
  });
  on('erased', () => toast('reset.done'));
  onLanguage(draw);
  draw();
}

initLanguage();
mountTeams(byId('teams'));
mountDesk(byId('desk'));
mountTimeline(byId('timeline'));
mountTrouble(byId('trouble'));
mountReset(byId('reset'));
mountLanguage(byId('lang-select'));
const setLinkState = mountLinkState(byId('link-state'));
translate();
follow('/_sandbox/stream', receive, setLinkState);
