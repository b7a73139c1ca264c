// What a Teams user does with messages that are there: press, edit, delete, restore, react. Each resolves to whether it happened.

import { api } from './api.js';
import { reportBridge, reportError, toast } from './toast.js';

const REFUSED = 'application/vnd.microsoft.error';

/** The acts of one user. */
export function actsOf(user) {
  const at = (thread, message) => ({ conversation_id: thread.conversation_id, message: message.id, user });
  return {
    user,
    press: (thread, message, action, inputs) => press({ ...at(thread, message), title: action.title, data: action.data, inputs }),
    edit: (thread, message, text) => act(api.teamsEdit, { ...at(thread, message), text }),
    remove: (thread, message) => act(api.teamsDelete, at(thread, message)),
    restore: (thread, message) => act(api.teamsRestore, at(thread, message)),
    react: (thread, message, reaction) => act(api.teamsReact, { ...at(thread, message), reaction }),
  };
}

async function act(call, body) {
  try {
    reportBridge((await call(body)).status);
    return true;
  } catch (error) {
    reportError(error);
    return false;
  }
}

async function press(body) {
  try {
    const answer = await api.teamsPress(body);
    reportBridge(answer.status);
    const said = refusal(answer.body);
    if (said) toast('error.press', { kind: 'problem', params: { message: said } });
    return !said;
  } catch (error) {
    reportError(error);
    return false;
  }
}

/** What the bridge says to the person who pressed, when it does not take the press. */
function refusal(body) {
  try {
    const { type, value } = JSON.parse(body);
    return type === REFUSED ? value?.message ?? '' : null;
  } catch {
    return null;
  }
}
