// Groups the bridge's log records into one trace per message and sums them up.

const TONES = {
  delivered: 'ok', adopted: 'ok',
  ignored: 'off', duplicate: 'off', echo: 'off', skipped: 'off',
  retry: 'wait', throttled: 'wait', hold: 'wait', held: 'wait', fallback: 'wait',
  dead_letter: 'bad', rejected: 'bad', refused: 'bad', bug: 'bad', hold_ended: 'ok', failed: 'bad', error: 'bad', lost: 'bad',
};
const MAX_TRACES = 300;

/** What a record says about its message: ok, wait, bad, off (nothing to do) or step. */
export function toneOf({ action, outcome }) {
  if (action === 'accepted' && /^(duplicate|ignored)/.test(outcome ?? '')) return 'off';
  return TONES[action] ?? 'step';
}

const plainDirection = (text) => text?.replaceAll('-', '_') ?? null;

/** All traces seen, oldest first. */
export class Traces {
  constructor() {
    this.clear();
  }

  clear() {
    this.byId = new Map();
    this.bySourceId = new Map();
    this.loose = 0;
  }

  /** Take one log record in and return the trace it belongs to; null for a step that belongs to no message. */
  add(record) {
    if (!record.trace && !record.key && toneOf(record) === 'step') return null;
    const id = record.trace ?? record.key ?? `loose-${(this.loose += 1)}`;
    const trace = this.byId.get(id) ?? emptyTrace(id);
    trace.records.push(record);
    absorb(trace, record);
    this.byId.set(id, trace);
    this.point(trace);
    this.trim();
    return trace;
  }

  /** A message's mark follows its first trace, unless a later one (an edit, a replay) has more to say than "duplicate". */
  point(trace) {
    const { sourceId, tone } = trace;
    if (sourceId && (tone === 'ok' || tone === 'wait' || tone === 'bad' || !this.bySourceId.has(sourceId))) this.bySourceId.set(sourceId, trace);
  }

  /** The trace whose cause is this message, if the bridge has spoken of it. */
  ofMessage(messageId) {
    return this.bySourceId.get(String(messageId));
  }

  /** How many of them are about a message. */
  messages() {
    return [...this.byId.values()].filter(({ key, records }) => key || records[0].trace).length;
  }

  newestFirst() {
    return [...this.byId.values()].reverse();
  }

  trim() {
    while (this.byId.size > MAX_TRACES) {
      const [id, trace] = this.byId.entries().next().value;
      this.byId.delete(id);
      if (this.bySourceId.get(trace.sourceId) === trace) this.bySourceId.delete(trace.sourceId);
    }
  }
}

function emptyTrace(id) {
  return { id, records: [], direction: null, key: null, sourceId: null, thread: null, conversation: null, tone: 'step', ms: null };
}

function absorb(trace, record) {
  trace.key ??= record.key ?? null;
  trace.thread ??= record.thread ?? null;
  trace.conversation ??= record.conversation ?? conversationOf(trace.key);
  trace.direction ??= plainDirection(record.direction) ?? directionOf(trace.key);
  trace.sourceId ??= messageIdOf(trace.key);
  const tone = toneOf(record);
  const settled = trace.tone === 'ok' && tone === 'off';
  if (tone !== 'step' && !settled) trace.tone = tone;
  trace.ms = totalOf(trace.records);
}

function directionOf(key) {
  if (/^teams:/.test(key ?? '')) return 'to_freshchat';
  return /^freshchat:/.test(key ?? '') ? 'to_teams' : null;
}

/** The message id inside `teams:<team>/<channel>/<thread>/<id>:create` or `freshchat:<conversation>/<id>:create`. */
export function messageIdOf(key) {
  const found = /\/([^/:]+):[^/]*$/.exec(key ?? '');
  return found ? decoded(found[1]) : null;
}

function conversationOf(key) {
  const found = /^freshchat:([^/]+)\//.exec(key ?? '');
  return found ? decoded(found[1]) : null;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function totalOf(records) {
  const last = records.findLast((record) => ['ok', 'off'].includes(toneOf(record)));
  if (Number.isFinite(last?.ms)) return last.ms;
  const times = records.map((record) => Date.parse(record.ts)).filter(Number.isFinite);
  return times.length > 1 ? Math.max(...times) - Math.min(...times) : null;
}
