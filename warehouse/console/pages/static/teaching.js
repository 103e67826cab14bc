/* Labelling by the keyboard: a key presses the button that names it, unless somebody is writing. */
"use strict";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.matches("input:not([type=hidden]),textarea,select")) return;
  const key = event.key === "Enter" && event.target === document.body ? "1" : event.key.toLowerCase();
  const button = [...document.querySelectorAll("button[data-key]")].find((one) => one.dataset.key === key);
  if (!button) return;
  event.preventDefault();
  button.click();
});
