// The live feed. EventSource reconnects by itself after a dropped line; after an HTTP error it gives up,
// so then we open a new one, a little later each time.

const EVENTS = ['snapshot', 'teams', 'freshchat', 'timeline', 'reset'];
const MAX_WAIT = 8000;

/** Follow the stream; `onEvent(name, data)` per event, `onState('live' | 'reconnecting')` on changes. */
export function follow(url, onEvent, onState) {
  let wait = 500;
  const open = () => {
    const source = new EventSource(url);
    source.onopen = () => { wait = 500; onState('live'); };
    source.onerror = () => {
      onState('reconnecting');
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(open, wait);
      wait = Math.min(wait * 2, MAX_WAIT);
    };
    for (const name of EVENTS) source.addEventListener(name, (event) => onEvent(name, parse(event.data)));
  };
  onState('connecting');
  open();
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
