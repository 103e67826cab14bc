/* What every page does in the browser: the token with htmx's requests, messages, ages that go on, the state of the
   connection. No inline scripts: everything is found by its attributes. */
"use strict";
(() => {
  const page = document.documentElement;
  let token = document.querySelector('meta[name="csrf"]')?.content ?? "";
  const language = page.lang || "en";
  const words = JSON.parse(document.getElementById("words")?.textContent ?? "{}");

  /* A message at the foot of the page; it is read out, and goes away by itself. */
  function say(text, tone = "") {
    const place = document.getElementById("messages");
    if (!place || !text) return;
    const line = document.createElement("p");
    line.className = `message ${tone}`;
    line.textContent = text;
    place.append(line);
    setTimeout(() => line.remove(), 6000);
  }

  /* Another session may have begun in this browser since the page came. Whether there is another token now; where
     somebody else has signed in, the page is loaded anew: what it shows is not his. */
  async function renewToken() {
    const answer = await fetch("/account");
    if (!answer.ok) return false;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    const said = (name, root) => root.querySelector(`meta[name="${name}"]`)?.content;
    if (!said("csrf", found)) return false;
    if (said("person", found) !== said("person", document)) {
      location.reload();
      await new Promise(() => {});  // nothing more is done here, least of all under another name
    }
    const isNew = said("csrf", found) !== token;
    token = said("csrf", found);
    return isNew;
  }

  /* Ask as this page; once more with a new token where this one is too old. */
  async function call(path, options) {
    const go = () => fetch(path, { ...options, headers: { ...options.headers, "X-CSRF-Token": token, "HX-Request": "true" } });
    const answer = await go();
    return answer.status === 403 && await renewToken() ? go() : answer;
  }

  /* Send JSON as this page: answers the response, or throws an Error with the words for people. */
  async function send(method, path, body) {
    const answer = await call(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (answer.status === 401) location.assign(answer.headers.get("HX-Redirect") ?? "/signin");
    if (!answer.ok) throw new Error(await answer.text());
    return answer;
  }

  document.addEventListener("htmx:configRequest", (event) => {
    event.detail.headers["X-CSRF-Token"] = token;
  });
  document.addEventListener("htmx:responseError", (event) => {
    say(event.detail.xhr.responseText, "bad");
    if (event.detail.xhr.status === 403) renewToken().catch(() => {});
  });
  document.addEventListener("htmx:sendError", () => say(words.offline, "bad"));

  /* Ages: <time data-age datetime="..."> go on, each in one unit. */
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  function age(seconds) {
    const [unit, length] = units.find(([, length]) => seconds >= 1.5 * length) ?? units[3];
    const number = Math.max(0, Math.round(seconds / length));
    return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(number);
  }
  function showAges(root = document) {
    const now = Date.now();
    for (const place of root.querySelectorAll("time[data-age]")) {
      const text = age((now - Date.parse(place.dateTime)) / 1000);
      if (place.textContent !== text) place.textContent = text;
    }
  }
  setInterval(showAges, 10000);

  /* A control that sends its form when it changes. */
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-submit]")) event.target.form.requestSubmit();
  });
  document.addEventListener("click", (event) => {
    const target = event.target.closest?.("[data-close],[data-print]");
    if (target?.dataset.print !== undefined) window.print();
    if (target?.dataset.close !== undefined) target.closest("dialog")?.close();
  });

  /* Whether what is shown is live. */
  function setLive(state) {
    page.dataset.live = state;
    const place = document.getElementById("live");
    if (place) place.querySelector("span").textContent = words[state] ?? "";
  }
  document.addEventListener("htmx:sseOpen", () => setLive("live"));
  document.addEventListener("htmx:sseError", () => setLive("waiting"));
  document.addEventListener("htmx:sseClose", () => setLive("waiting"));
  addEventListener("offline", () => setLive("offline"));
  addEventListener("online", () => setLive("waiting"));

  /* What is told of no change, as of an agent that fell silent, is told once: after an interruption it is read. Not by
     everybody at the same moment, where the server was away; nor before the server follows what changes: it
     does within five seconds, or ends the connection. */
  const FOLLOWS_MS = 5500, SPREAD_MS = 3000;
  let isLost = false;
  document.addEventListener("htmx:sseError", () => { isLost = true; });
  document.addEventListener("htmx:sseOpen", () => {
    if (!isLost) return;
    isLost = false;
    setTimeout(() => {
      for (const part of document.querySelectorAll("[data-anew]")) htmx.trigger(part, "kardus:changed");
    }, FOLLOWS_MS + Math.random() * SPREAD_MS);
  });

  /* A list that is shown live is read anew now and then while nothing comes over its connection. */
  setInterval(() => {
    if (page.dataset.live === "live") return;
    for (const list of document.querySelectorAll("[data-live-list]")) htmx.trigger(list, "kardus:changed");
  }, 60000);

  /* Parts are read anew when something has changed: soon, but not more often than they say, and never too early for the
     last change. */
  const pending = new Map();
  document.addEventListener("htmx:sseMessage", (event) => {
    for (const list of event.target.querySelectorAll("[data-refresh]")) {
      const one = pending.get(list) ?? { last: 0, timer: 0 };
      pending.set(list, one);
      if (one.timer) continue;
      one.timer = setTimeout(() => {
        one.timer = 0;
        one.last = Date.now();
        htmx.trigger(list, "kardus:changed");
      }, Math.max(50, one.last + Number(list.dataset.refresh) - Date.now()));
    }
  });

  /* A picture that there is none of leaves its place empty. The picture of an event may come a moment after it. */
  function showMissing(picture) {
    if (picture.tagName !== "IMG" || picture.classList.contains("none")) return;
    const tries = Number(picture.dataset.tries ?? 0);
    if (tries < 2 && picture.src.includes("/crops/")) {
      picture.dataset.tries = tries + 1;
      setTimeout(() => { picture.src = picture.src.split("?")[0] + `?${tries + 1}`; }, 1500);
    } else picture.classList.add("none");
  }
  document.addEventListener("error", (event) => showMissing(event.target), true);
  for (const picture of document.images) {  // it was refused before this script ran
    if (picture.loading !== "lazy" && picture.complete && !picture.naturalWidth) showMissing(picture);
  }

  /* On a phone the navigation is wider than the screen: where one is stands in it. */
  const here = document.querySelector(".top nav [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - here.parentElement.clientWidth / 2 + here.offsetWidth / 2;

  window.kardus = { say, call, send, showAges, words, language };
})();
