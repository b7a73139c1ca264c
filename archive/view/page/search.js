// Finds words in an archive that lies in files: reads one part of the texts after the other, and keeps none of them.
"use strict";

const MOST = 200;
const AROUND = 80;
const list = document.getElementById("hits");
const state = document.getElementById("state");
const normal = (text) => text.normalize("NFKC").toLowerCase();
const asked = new URLSearchParams(location.search).get("q") ?? "";
const wanted = normal(asked).split(/\s+/u).filter(Boolean).slice(0, 16);
let found = 0;
let part = 0;

document.querySelector("main form input").value = asked;

function element(tag, text, name) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function snippet(text) {
  const shown = element("p", "", "snippet");
  for (const line of text.split("\n")) {
    const folded = normal(line);
    const places = wanted.map((word) => [folded.indexOf(word), word.length]).filter(([at]) => at >= 0);
    if (places.length > 0 && folded.length === line.length) {
      const [at, length] = places.sort((a, b) => a[0] - b[0])[0];
      shown.append(line.slice(Math.max(0, at - AROUND), at), element("mark", line.slice(at, at + length)));
      shown.append(line.slice(at + length, at + length + AROUND));
      break;
    }
  }
  return shown;
}

function show([address, kind, title, at, person, text]) {
  const link = element("a", title);
  link.href = address;
  const head = element("p", "");
  head.append(link);
  const hit = element("article", "", "hit");
  hit.append(head, snippet(text), element("p", `${list.dataset[kind]} · ${at} · ${person}`, "muted"));
  list.append(hit);
}

function tell() {
  const more = found > MOST ? `. ${list.dataset.more}` : "";
  const left = part < Number(list.dataset.parts) ? ` (${Math.round((100 * part) / list.dataset.parts)} %)` : "";
  state.textContent = (found || left ? list.dataset.found.replace("{count}", found) : list.dataset.none) + left + more;
}

// Called by each part. A row: address, kind, title, time, person, text.
globalThis.rows = (rows) => {
  for (const row of rows) {
    const all = normal(row.slice(2).join("\n"));
    if (wanted.every((word) => all.includes(word)) && ++found <= MOST) show(row);
  }
};

function next() {
  if (part === Number(list.dataset.parts) || wanted.length === 0 || found > MOST) {
    if (wanted.length) tell();
    return;
  }
  part += 1;
  const script = document.createElement("script");
  script.src = `search/${part}.js`;
  script.onload = () => { script.remove(); tell(); next(); };
  script.onerror = () => { state.textContent = script.src; };
  document.head.append(script);
}

next();
