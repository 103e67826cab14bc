/* A rack: what of it is shown, how many of each kind there are, pictures that there are none of. */
"use strict";
(() => {
  const NEW_MS = 500;
  const counts = document.getElementById("counts");
  const byVerdict = document.getElementById("by-verdict");
  const byFamily = document.getElementById("by-family");
  const tones = JSON.parse(counts.dataset.tones);
  const number = new Intl.NumberFormat(document.documentElement.lang);

  /* There is a choice of the families that the tiles have; what is chosen stays chosen. */
  function offerFamilies(rack) {
    const families = [...rack.querySelectorAll(".tile[data-f]")].map((tile) => tile.dataset.f);
    const wanted = [...new Set(byFamily.value ? [...families, byFamily.value] : families)].sort();
    const [all, ...former] = byFamily.options;
    if (wanted.join("\n") === former.map((option) => option.value).join("\n")) return;
    const chosen = byFamily.value;
    byFamily.replaceChildren(all, ...wanted.map((family) => new Option(family)));
    byFamily.value = chosen;
    byFamily.closest("label").hidden = wanted.length === 0;
  }

  /* A button for each camera that a tile is of. Of one that is new its names are known when the rack is read anew. */
  const askedFor = new Set();
  function offerCameras(rack) {
    const keys = new Set([...rack.querySelectorAll(".tile")].map((tile) => tile.dataset.c));
    for (const button of document.querySelectorAll("#cameras [data-c]")) {
      button.hidden = !keys.delete(button.dataset.c);
    }
    for (const key of keys) {
      if (!askedFor.has(key)) readAnew();
      askedFor.add(key);
    }
  }

  let reading = 0;
  function readAnew() {
    reading ||= setTimeout(() => {
      reading = 0;
      htmx.trigger("#rack [data-anew]", "kardus:changed");
    }, NEW_MS);
  }

  function refresh() {
    const rack = document.getElementById("rack");  // it may have been read anew as a whole
    offerFamilies(rack);
    offerCameras(rack);
    const verdict = byVerdict.value, family = byFamily.value;
    for (const tile of rack.querySelectorAll(".tile")) {
      tile.hidden = (verdict && !tile.matches(verdict)) || (family && tile.dataset.f !== family);
    }
    for (const level of rack.querySelectorAll(".level")) {
      level.hidden = !level.querySelector(".tile:not([hidden])");
    }
    const parts = tones.map(([tone, word]) => {
      const part = document.createElement("span"), figure = document.createElement("b");
      part.className = `count ${tone}`;
      figure.textContent = number.format(rack.getElementsByClassName(`tile ${tone}`).length);
      part.append(figure, ` ${word}`);
      return part;
    });
    counts.replaceChildren(...parts);
    kardus.showAges(rack);
  }

  /* Whether one tile says what was said before another one: of one epoch by sequence and repeat. */
  function isEarlier(one, other) {
    const [epoch, sequence, repeat] = (one.dataset.at ?? "").split("."), [its, after, again] = (other.dataset.at ?? "").split(".");
    return epoch !== "" && epoch === its && (sequence - after || repeat - again) < 0;
  }
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target, fragment } = event.detail, tile = fragment.querySelector?.(".tile") ?? fragment;
    if (target.matches(".tile") && isEarlier(tile, target)) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.target.matches(".tile")) event.target.classList.add("changed");
    refresh();
  });
  document.addEventListener("htmx:afterSwap", refresh);

  /* A location that the rack didn't have: its tile stands where it belongs once the whole is read anew. */
  document.addEventListener("htmx:oobErrorNoTarget", () => {
    if (document.querySelector("#rack[data-whole]")) readAnew();  // else it may be one of another part: the server says
  });
  /* Nobody watches it any more: what the server says of it now is shown in its place. */
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.elt.matches("#rack [data-anew]") && event.detail.xhr.status === 404) location.reload();
  });
  byVerdict.addEventListener("change", refresh);
  byFamily.addEventListener("change", refresh);
  refresh();
})();
