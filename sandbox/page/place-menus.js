// Two small menus of the Teams side: the app's commands, and adding or removing the app.

import { api } from './api.js';
import { t } from './i18n.js';
import { botName } from './places.js';
import { createPopup } from './popup.js';
import { reportBridge, reportError } from './toast.js';

/** The words are those of the person's language, as Teams' own menu would offer them. */
const COMMANDS = {
  en: ['help', 'status', 'close', 'new'],
  ko: ['도움말', '상태', '종료', '새 대화'],
};

/** The commands of the app; `say(word)` sends one as the user, whose locale `locale()` gives. */
export function commandMenu({ say, locale }) {
  const names = COMMANDS.en;
  const items = () => words(locale()).map((text, index) => ({ text, hint: t(`command.${names[index]}`, { bot: botName() }), testid: `command-${names[index]}`, run: () => say(text) }));
  return createPopup({ testid: 'teams-commands', glyph: 'slash', items });
}

const words = (locale) => COMMANDS[String(locale ?? '').slice(0, 2)] ?? COMMANDS.en;

/** Add or remove the app in the place that `where()` names. */
export function installMenu({ where }) {
  const item = (action) => ({ text: t(`install.${action}`), hint: t(`install.${action}.help`), testid: `install-${action}`, run: () => install(where(), action) });
  return createPopup({ testid: 'teams-install', glyph: 'dots', items: () => [item('add'), item('remove')] });
}

async function install(place, action) {
  try {
    reportBridge((await api.teamsInstall({ ...place, action })).status);
  } catch (error) {
    reportError(error);
  }
}
