/* Clicks of the work list, kept in this browser until the server has them. Each has an id of its own, by which the
   server counts it once however often it is sent, and the person who clicked: it is sent under his name, or waits.

   What waits for the server or an agent is sent again, later each time, and holds nothing else up but what was clicked
   after it of the same kind about the same task; its person may discard it. What is refused stays until somebody has seen
   it. */
"use strict";
(() => {
  const KEY = "kardus.queue";
  const FIRST_MS = 2000, LONGEST_MS = 60000, HANGS_MS = 30000;
  const MOST_ASKED_MS = 3600000;  // a server that asks for longer is tried once an hour
  const place = document.getElementById("queued");
  const words = JSON.parse(place.dataset.words);
  const me = document.querySelector('meta[name="person"]').content;
  const myName = document.querySelector(".person").textContent;
  const number = new Intl.NumberFormat(kardus.language);
  const read = () => { try { return JSON.parse(localStorage.getItem(KEY)) ?? []; } catch { return []; } };
  const write = (queue) => localStorage.setItem(KEY, JSON.stringify(queue));
  const change = (id, changed) => write(read().map((one) => (one.id === id ? { ...one, ...changed } : one)));
  const drop = (isGone) => { write(read().filter((one) => !isGone(one))); show(); };
  const isMine = (one) => one.person === me;
  let isSending = false, shown = "";

  function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 15) | 64;
    bytes[8] = (bytes[8] & 63) | 128;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  /* Keep a click: what the form holds, and how it is called for people. False: this browser keeps nothing. */
  function keep(fields, where, what) {
    try {
      write([...read(), { fields, where, what, person: me, name: myName, id: newId() }]);
    } catch {
      kardus.say(words.full, "bad");
      return false;
    }
    show();
    send();
    return true;
  }

  function laneOf({ fields }) {
    const kind = ["acknowledge", "comment"].includes(fields.do) ? fields.do : "task";
    return `${kind} ${fields.alerts}`;
  }

  /* What may be sent now, the oldest first; of those that belong behind one another the first alone. */
  function next() {
    const lanes = new Set(), now = Date.now();
    for (const one of read()) {
      if (!isMine(one) || one.refused) continue;
      const isDue = (one.due ?? 0) <= now || now < (one.since ?? 0);  // or the clock was set back
      if (!lanes.has(laneOf(one)) && isDue) return one;
      lanes.add(laneOf(one));
    }
    return undefined;
  }

  async function send() {
    if (isSending) return;
    isSending = true;
    try {
      for (let one = next(); one && await sendOne(one); one = next()) show();
    } finally { isSending = false; show(); }
  }

  /* Whether to go on with the next one: not without a network, nor where another page comes. */
  async function sendOne(one) {
    let answer;
    try {
      const body = new URLSearchParams({ ...one.fields, id: one.id, person: one.person });
      answer = await kardus.call("/work", { method: "POST", body, signal: AbortSignal.timeout(HANGS_MS) });
    } catch (error) {
      if (error.name === "TimeoutError") { wait(one, words.away, 0); return true; }
      change(one.id, { why: words.offline });
      return false;
    }
    if (answer.status === 401) {
      location.assign(`/signin?next=${encodeURIComponent(location.pathname + location.search)}`);
      return false;
    }
    if (answer.status === 412) { location.reload(); return false; }
    const isText = answer.headers.get("content-type")?.startsWith("text/plain");
    const told = (isText && await answer.text()) || words.away;  // a proxy's page is no words for people
    if (answer.ok) {
      drop((other) => other.id === one.id);
      if (one.why) kardus.say(`${words.sent} ${one.where} · ${one.what}`, "good");
      document.body.dispatchEvent(new Event("kardus:sent"));
    } else if (answer.status >= 500 || answer.status === 429 || answer.status === 408) {
      wait(one, told, askedMs(answer.headers.get("retry-after")));
    } else change(one.id, { refused: told });
    return true;
  }

  /* How long a server asks to be left alone: in seconds, or until a moment. */
  function askedMs(text) {
    const asked = /^\d+$/.test(text ?? "") ? 1000 * Number(text) : Date.parse(text) - Date.now();
    return Math.min(Math.max(asked || 0, 0), MOST_ASKED_MS);
  }

  function wait(one, why, least) {
    const tries = (one.tries ?? 0) + 1;
    const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(tries, 10));
    const since = Date.now(), due = since + Math.max(least, longest * (0.5 + Math.random() / 2));
    change(one.id, { tries, why, since, due });
  }

  function line(text, label, isGone) {
    const item = document.createElement("li"), button = document.createElement("button");
    item.append(`${text} `);
    button.type = "button";
    button.textContent = label;
    button.onclick = () => drop(isGone);
    item.append(button);
    return item;
  }

  /* What waits, and why; what was refused; whose clicks wait for him. */
  function show() {
    const queue = read();
    document.dispatchEvent(new Event("kardus:queue"));
    const state = JSON.stringify(queue.map((one) => [one.id, one.why, one.refused]));
    if (state === shown) return;
    shown = state;
    const waiting = queue.filter((one) => isMine(one) && !one.refused);
    const count = (text, of) => text.replace("#", number.format(of.length));
    const lines = [];
    for (const one of [...waiting.filter(({ why }) => why), ...queue.filter((other) => isMine(other) && other.refused)]) {
      const label = one.refused ? words.seen : words.discard;
      lines.push(line(`${one.where} · ${one.what}: ${one.refused ?? one.why}`, label, (other) => other.id === one.id));
    }
    for (const person of new Set(queue.filter((one) => !isMine(one)).map((one) => one.person))) {
      const theirs = queue.filter((one) => one.person === person);
      const text = count(words.others, theirs).replaceAll("@", () => theirs[0].name ?? "?");
      lines.push(line(text, words.discard, (one) => one.person === person));
    }
    place.hidden = queue.length === 0;
    place.querySelector("p").textContent = waiting.length ? count(words.mine, waiting) : "";
    place.querySelector("ul").replaceChildren(...lines);
  }

  addEventListener("online", send);
  addEventListener("storage", show);
  setInterval(send, FIRST_MS);
  window.queue = {
    keep, show, start: () => { show(); send(); },
    waiting: () => new Set(read().filter((one) => isMine(one) && !one.refused).map((one) => one.fields.alerts)),
  };
})();
