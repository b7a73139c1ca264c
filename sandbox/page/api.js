// Calls to the sandbox's control interface. A failed call throws ApiError; nothing else leaves this module.

const BASE = '/_sandbox';

export class ApiError extends Error {
  constructor(status, body) {
    super(`sandbox answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

async function call(method, path, body) {
  const init = { method, headers: {} };
  if (body !== undefined) {
    init.headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(BASE + path, init);
  } catch {
    throw new ApiError(0, null);
  }
  const data = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, data);
  return data;
}

const post = (path, body = {}) => call('POST', path, body);
const get = (path) => call('GET', path);

export const api = {
  teamsMessage: (message) => post('/teams/messages', message),
  teamsPress: (body) => post('/teams/press', body),
  teamsEdit: (body) => post('/teams/edit', body),
  teamsDelete: (body) => post('/teams/delete', body),
  teamsRestore: (body) => post('/teams/restore', body),
  teamsReact: (body) => post('/teams/react', body),
  teamsInstall: (body) => post('/teams/install', body),
  reply: (body) => post('/freshchat/reply', body),
  assign: (body) => post('/freshchat/assign', body),
  resolve: (body) => post('/freshchat/resolve', body),
  reopen: (body) => post('/freshchat/reopen', body),
  webhooks: () => get('/webhooks'),
  faults: () => get('/faults'),
  addFault: (fault) => post('/faults', fault),
  clearFault: (id) => call('DELETE', `/faults/${encodeURIComponent(id)}`),
  clearFaults: () => call('DELETE', '/faults'),
  reset: () => post('/reset'),
};
