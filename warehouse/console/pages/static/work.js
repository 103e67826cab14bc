/* The work list: a click is kept in this browser until the server has it. Each has an id of its own, by which the server
   counts it once, however often it is sent. */
"use strict";
(() => {
  const KEY = "kardus.queue";
  const place = document.getElementById("queued");
  const csrf = document.querySelector('meta[name="csrf"]').content;
  const read = () => { try { return JSON.parse(localStorage.getItem(KEY)) ?? []; } catch { return []; } };
  const write = (queue) => localStorage.setItem(KEY, JSON.stringify(queue));
  const person = document.querySelector(".person").textContent;
  let sending = false, isHeld = false;

  function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 15) | 64;
    bytes[8] = (bytes[8] & 63) | 128;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  function show() {
    const queue = read();
    place.hidden = queue.length === 0;
    place.textContent = place.dataset.one.replace("#", new Intl.NumberFormat(kardus.language).format(queue.length));
    for (const job of document.querySelectorAll(".job[data-taken]")) {  // the list comes as everybody sees it
      const isMine = job.dataset.taken === person;
      job.classList.toggle("mine", isMine);
      const back = job.querySelector('button[value="release"]');
      if (back) back.hidden = !isMine;
    }
    const waiting = new Set(queue.map((one) => one.alerts));
    for (const form of document.querySelectorAll("form[data-queue]")) {
      form.closest(".job").classList.toggle("waiting", waiting.has(form.elements.alerts.value));
    }
  }

  /* Send the oldest first. What the server refuses is said and dropped; without a network, or while the server is away,
     everything stays. */
  async function send() {
    if (sending) return;
    sending = true;
    try {
      for (let queue = read(); queue.length; queue = read()) {
        const one = queue[0];
        let answer;
        try {
          answer = await fetch("/work", {
            method: "POST",
            headers: { "X-CSRF-Token": csrf, "HX-Request": "true" },
            body: new URLSearchParams(one),
          });
        } catch { return; }
        if (answer.status === 401) { location.assign("/signin?next=/work"); return; }
        if (answer.status >= 500 || answer.status === 429) { kardus.say(await answer.text(), "bad"); return; }
        write(read().filter((other) => other.id !== one.id));
        if (!answer.ok) kardus.say(await answer.text(), "bad");
        document.body.dispatchEvent(new Event("kardus:sent"));
        show();
      }
    } finally { sending = false; show(); }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-queue]")) return;
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form, event.submitter));
    if (fields.do !== "comment") delete fields.text;
    if (fields.do === "comment" && !fields.text.trim()) return;
    write([...read(), { ...fields, id: newId() }]);
    if (fields.do === "comment") { form.elements.text.value = ""; form.querySelector("details").open = false; }
    show();
    send();
  });
  /* A comment that is being written isn't taken away by what comes in. */
  for (const name of ["htmx:beforeRequest", "htmx:sseBeforeMessage"]) {
    document.addEventListener(name, (event) => {
      if (event.target.id !== "jobs" || !document.activeElement?.matches("#jobs textarea")) return;
      event.preventDefault();
      isHeld = true;
    });
  }
  document.addEventListener("focusout", () => {
    if (isHeld) setTimeout(() => htmx.trigger("#jobs", "kardus:changed"), 50);
    isHeld = false;
  });
  document.addEventListener("htmx:afterSettle", () => { show(); kardus.showAges(); });
  addEventListener("online", send);
  setInterval(send, 5000);
  show();
  send();
})();
