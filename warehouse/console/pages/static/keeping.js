/* What somebody is at stays when a live part takes the place of what is shown: where the focus is, what is written and
   not sent, what is open. Nothing is replaced under a finger that presses it, nor a text while it is being written: what
   came in meanwhile is read when that is over. */
"use strict";
(() => {
  const RELEASE_MS = 100;  // a finger's click comes a moment after it has gone up
  const FIELDS = "textarea,input:not([type=hidden]):not([type=checkbox]):not([type=radio])";
  const held = new Set();  // parts that are to be read when nobody is at them any more
  const drafts = new Map();  // by the field's key; a task that goes may come again
  let pressed = null, kept = null, releasing = 0;

  /* How an element is found again in what takes its place: by the nearest id, and what it is there. */
  function placeOf(element) {
    const owner = element.parentElement.closest("[id]") ?? document.body;
    const selector = element.localName + ["name", "value", "href"].filter((name) => element.hasAttribute(name))
      .map((name) => `[${name}="${CSS.escape(element.getAttribute(name))}"]`).join("");
    return { id: owner.id, selector, index: [...owner.querySelectorAll(selector)].indexOf(element) };
  }
  const ownerOf = ({ id }) => (id ? document.getElementById(id) : document.body);
  const find = (place) => ownerOf(place)?.querySelectorAll(place.selector)[place.index];
  const keyOf = (field) => JSON.stringify(placeOf(field));

  function keep(part) {
    for (const field of part.querySelectorAll(FIELDS)) {
      if (field.value === field.defaultValue) drafts.delete(keyOf(field));
      else drafts.set(keyOf(field), field.value);
    }
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    kept = {
      open: [...part.querySelectorAll("details[open]")].map(placeOf),
      focus: focused && placeOf(focused),
      isWithin: focused && part.contains(focused.parentElement.closest("[id]")),
      caret: focused?.matches("textarea") ? [focused.selectionStart, focused.selectionEnd] : null,
    };
  }

  function restore() {
    if (!kept) return;
    const { open, focus, isWithin, caret } = kept;
    kept = null;
    for (const details of open.map(find)) if (details) details.open = true;
    for (const [key, text] of drafts) {
      const field = find(JSON.parse(key));
      if (field && field.value === field.defaultValue) field.value = text;
    }
    if (!focus || document.activeElement !== document.body) return;
    const same = find(focus);
    same?.focus({ preventScroll: true });
    if (caret && same) same.setSelectionRange(...caret);
    if (document.activeElement !== document.body || !isWithin) return;
    for (const other of ownerOf(focus)?.querySelectorAll("button,summary,a[href]") ?? []) {  // it has gone: beside it
      other.focus({ preventScroll: true });
      if (document.activeElement === other) return;
    }
  }

  /* Whether somebody presses, or writes, in this part. */
  function isAt(part) {
    const focused = document.activeElement;
    const isWriting = focused?.matches(FIELDS) && !focused.closest("details:not([open])");
    return part.contains(pressed) || (isWriting && part.contains(focused));
  }

  /* Whether a part waits: it is read anew when nobody is at it. */
  function holds(part) {
    const reads = part.matches("[hx-get]") ? part : part.closest("[sse-connect]")?.querySelector("[hx-get]");
    if (!reads || !isAt(part)) return false;
    held.add(reads);
    return true;
  }

  function release() {
    clearTimeout(releasing);
    releasing = setTimeout(() => {
      pressed = null;
      for (const part of [...held]) {
        if (isAt(part)) continue;
        held.delete(part);
        if (part.isConnected) htmx.trigger(part, "kardus:changed");
      }
    }, RELEASE_MS);
  }

  function press(event) {
    clearTimeout(releasing);
    pressed = event.target;
  }
  document.addEventListener("pointerdown", (event) => { if (event.button === 0) press(event); }, true);
  document.addEventListener("keydown", (event) => { if (event.key === " ") press(event); }, true);
  document.addEventListener("keyup", (event) => { if (event.key === " ") release(); }, true);
  for (const over of ["pointerup", "pointercancel", "dragend"]) document.addEventListener(over, release, true);
  document.addEventListener("focusout", () => { if (!pressed) release(); });
  addEventListener("blur", release);

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.matches("[hx-get]") && holds(event.target)) event.preventDefault();
  });
  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    if (!event.target.matches("[hx-get]")) return;  // it isn't replaced itself
    if (holds(event.target)) event.preventDefault();
    else keep(event.target);
  });
  for (const before of ["htmx:beforeSwap", "htmx:oobBeforeSwap"]) {
    document.addEventListener(before, (event) => {
      const { target } = event.detail;
      if (!event.detail.shouldSwap) return;
      if (holds(target)) event.detail.shouldSwap = false;
      else keep(target);
    });
  }
  for (const after of ["htmx:afterSwap", "htmx:oobAfterSwap"]) document.addEventListener(after, restore);
})();
