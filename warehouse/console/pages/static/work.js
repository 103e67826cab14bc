/* The work list: a click goes to the queue (queue.js), and what only its person may do is shown to him. */
"use strict";
(() => {
  const person = document.querySelector(".person").textContent;
  const words = JSON.parse(document.getElementById("queued").dataset.words);
  const held = new Set();  // what was this person's when it was last shown

  function showOwn() {
    for (const id of held) if (!document.getElementById(id)) held.delete(id);  // what comes there next is another task
    for (const task of document.querySelectorAll(".task")) {  // the list comes as everybody sees it
      const holders = JSON.parse(task.dataset.holders ?? "[]");  // of a pair two people may each have one half
      const isMine = holders.includes(person), isOthers = holders.some((name) => name !== person);
      task.classList.toggle("mine", isMine);
      for (const button of task.querySelectorAll("button[data-for]")) {
        button.hidden = !(button.dataset.for === "holder" ? isMine : isOthers);
      }
      if (isMine) held.add(task.id);
      else if (held.delete(task.id) && task.dataset.taken) {
        const place = task.querySelector("h3").textContent;
        kardus.say(words.over.replace(/[#@]/g, (mark) => (mark === "#" ? place : task.dataset.taken)), "bad");
      }
    }
  }

  function showWaiting() {
    const waiting = queue.waiting();
    for (const form of document.querySelectorAll("form[data-queue]")) {
      form.closest(".task").classList.toggle("waiting", waiting.has(form.elements.alerts.value));
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-queue]")) return;
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form, event.submitter));
    if (fields.do !== "comment") delete fields.text;
    if (fields.do === "comment" && !fields.text.trim()) return;
    const where = form.closest(".task").querySelector("h3").textContent;
    const isKept = queue.keep(fields, where, event.submitter.textContent);
    if (isKept && fields.do === "comment") { form.elements.text.value = ""; form.querySelector("details").open = false; }
  });
  document.addEventListener("htmx:afterSwap", () => {  // before the focus returns: to a button that is shown
    showOwn();
    showWaiting();
    kardus.showAges();
  }, true);
  document.addEventListener("kardus:queue", showWaiting);
  showOwn();
  queue.start();
})();
