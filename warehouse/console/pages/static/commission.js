/* Laying a camera out: outlines over its picture, moved by mouse, finger or arrow keys; the list, the grid, the history.
   Nothing is stored before "Save"; the agent judges it, and its answer is shown. */
"use strict";
(() => {
  const { grid, prospect } = window.commissionTools;
  const SVG = "http://www.w3.org/2000/svg";
  const LENS_PX = 8;  // from the picture's edge
  const by = (id) => document.getElementById(id);
  const place = by("commission"), stage = by("stage"), lens = by("lens"), said = by("said");
  const words = JSON.parse(by("commission-words").textContent);
  const camera = { agent: place.dataset.agent, camera: place.dataset.camera };
  const zone = (name) => { try { return new Intl.DateTimeFormat("en", { timeZone: name }) && name; } catch { return undefined; } }; /* a machine's own may have no such name */
  const percent = new Intl.NumberFormat(kardus.language, { style: "percent" });
  const moment = new Intl.DateTimeFormat(kardus.language, { dateStyle: "medium", timeStyle: "short", timeZone: zone(place.dataset.zone) });
  let size = [0, 0], picture = "", shapes = [], chosen = null, zoom = 1, changed = false;
  let held = { revision: 0, layout: null, history: [], curve: [], writable: false };

  const fill = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
  const query = (of = camera) => new URLSearchParams(of);
  const tell = (text, tone = "") => { said.textContent = text; said.className = `message ${tone}`; said.hidden = !text; };
  const limit = ([x, y]) => [Math.min(size[0], Math.max(0, x)), Math.min(size[1], Math.max(0, y))].map((at) => Math.round(at * 10) / 10);
  const unit = () => size[0] / Math.max(1, stage.getBoundingClientRect().width); /* picture's pixels in one of the screen's */
  const touch = () => { changed = true; by("save").disabled = !held.writable; };

  function make(name, attributes, parent) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    parent?.append(node);
    return node;
  }

  /* ---- drawing */
  const called = (shape) => shape.kind === "mask" ? words.masked : shape.kind === "grid" ? words.grid : shape.code || words.nameless;
  function draw() {
    stage.replaceChildren();
    stage.setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`);
    make("image", { href: picture, width: size[0], height: size[1] }, stage);
    for (const shape of shapes) {
      const group = make("g", { class: `${shape.kind}${shape === chosen ? " chosen" : ""}${shape.kind === "place" && !shape.code ? " nameless" : ""}` }, stage);
      shape.polygon = make("polygon", {}, group);
      shape.text = make("text", {}, group);
      shape.group = group;
      shape.polygon.addEventListener("pointerdown", (event) => grasp(event, shape, null));
    }
    if (chosen) stage.append(chosen.group);
    drawHandles();
    shapes.forEach(update);
    list();
    show();
  }

  function drawHandles() {
    if (!chosen) return;
    chosen.handles = chosen.corners.map((_, n) => {
      const handle = make("g", { class: "handle", tabindex: 0, role: "button" }, chosen.group);
      make("circle", { class: "reach" }, handle);
      make("circle", { class: "knob" }, handle);
      handle.addEventListener("pointerdown", (event) => grasp(event, chosen, n));
      handle.addEventListener("focus", () => magnify(chosen, n));
      handle.addEventListener("blur", () => lens.classList.add("hidden"));
      handle.addEventListener("keydown", (event) => nudge(event, chosen, n));
      return handle;
    });
  }

  /* Put one shape where its corners are; nothing is made anew, so that focus and fingers stay. */
  function update(shape) {
    const one = unit(), [x, y] = shape.corners[shape.corners.length - 1];
    shape.polygon.setAttribute("points", shape.corners.join(" "));
    shape.text.textContent = shape.kind === "grid" ? "" : called(shape);
    for (const [key, value] of [["x", x + 4 * one], ["y", y - 6 * one], ["font-size", 13 * one]]) shape.text.setAttribute(key, value);
    if (shape !== chosen) return;
    shape.handles.forEach((handle, n) => {
      const [cx, cy] = shape.corners[n];
      const label = shape.corners.length === 4 ? words.corners[n] : fill(words.corner, { number: n + 1 });
      handle.setAttribute("aria-label", `${called(shape)}: ${label} (${Math.round(cx)}, ${Math.round(cy)})`);
      handle.childNodes.forEach((circle, which) => {
        for (const [key, value] of [["cx", cx], ["cy", cy], ["r", (which ? 7 : 22) * one]]) circle.setAttribute(key, value);
      });
    });
  }

  function magnify(shape, n) {
    const [x, y] = shape.corners[n], half = Math.max(12, 24 * unit());
    lens.replaceChildren();
    lens.setAttribute("viewBox", `${x - half} ${y - half} ${2 * half} ${2 * half}`);
    make("image", { href: picture, width: size[0], height: size[1] }, lens);
    make("polygon", { points: shape.corners.join(" ") }, lens);
    make("path", { d: `M${x - half / 3} ${y}h${(2 * half) / 3}M${x} ${y - half / 3}v${(2 * half) / 3}` }, lens);
    lens.classList.remove("hidden");
    const drawn = stage.getBoundingClientRect(), seen = stage.parentElement.getBoundingClientRect(), side = lens.clientWidth;
    const isLeft = drawn.left + (x / size[0]) * drawn.width < (seen.left + seen.right) / 2;
    const across = isLeft ? seen.right - side - LENS_PX : seen.left + LENS_PX;  // over the picture, and nothing else
    lens.style.left = `${across}px`;
    const above = document.querySelector("header").getBoundingClientRect().bottom;
    lens.style.top = `${Math.max(0, above, seen.top) + LENS_PX}px`;
  }

  /* ---- moving */
  function grasp(event, shape, n) {
    event.preventDefault();
    if (shape !== chosen) { choose(shape); return; }
    const held = shape.corners.map((corner) => [...corner]), start = [event.clientX, event.clientY];
    const target = event.currentTarget;
    target.setPointerCapture(event.pointerId);
    if (n !== null) shape.handles[n].focus({ preventScroll: true });
    const move = (moved) => {
      const one = unit(), by = [(moved.clientX - start[0]) * one, (moved.clientY - start[1]) * one];
      shape.corners = held.map((corner, which) => n === null || which === n ? limit([corner[0] + by[0], corner[1] + by[1]]) : corner);
      update(shape);
      if (n !== null) magnify(shape, n);
      touch();
      row(shape);
    };
    target.addEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"]) target.addEventListener(end, () => target.removeEventListener("pointermove", move), { once: true });
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  function nudge(event, shape, n) {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    const far = event.shiftKey ? 10 : 1, [x, y] = shape.corners[n];
    shape.corners[n] = limit([x + far * step[0], y + far * step[1]]);
    update(shape);
    magnify(shape, n);
    touch();
    row(shape);
  }

  /* ---- the list, and what is chosen */
  function choose(shape) {
    chosen = shape;
    draw();
  }

  function list() {
    const rows = shapes.filter((shape) => shape.kind !== "grid").map((shape) => {
      const line = document.createElement("tr"), head = document.createElement("td"), button = document.createElement("button");
      shape.row = line;
      button.type = "button";
      button.className = "link";
      button.textContent = called(shape);
      if (shape === chosen) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => { choose(shape); shape.handles[0].focus(); });
      head.append(button);
      line.append(head, ...[0, 1].map(() => Object.assign(document.createElement("td"), { className: "number" })));
      return line;
    });
    by("places").replaceChildren(...rows);
    by("count").textContent = shapes.filter((shape) => shape.kind === "place").length;
    shapes.forEach(row);
  }

  function row(shape) {
    if (shape.kind !== "place") return;
    const { px, accuracy, needed } = prospect(held.curve, shape.corners), [, side, right] = shape.row.children;
    side.textContent = `${px} px`;
    right.textContent = accuracy === null ? "–" : percent.format(accuracy);
    shape.row.className = needed ? "doubt" : "";
    right.title = needed ? fill(words.needed, { px: needed }) : "";
    if (needed) right.append(Object.assign(document.createElement("small"), { textContent: ` ${right.title}` }));
  }

  function show() {
    const kind = chosen?.kind ?? "";
    by("chosen").hidden = !kind || kind === "grid";
    by("grid-form").hidden = kind !== "grid";
    by("code-label").hidden = kind !== "place";
    by("more-corners").hidden = kind !== "mask";
    if (kind === "place") by("code").value = chosen.code;
  }

  const middle = (share) => [[0.5 - share, 0.5 - share], [0.5 + share, 0.5 - share], [0.5 + share, 0.5 + share], [0.5 - share, 0.5 + share]].map(([x, y]) => limit([x * size[0], y * size[1]]));
  function add(kind, share) {
    if (!size[0]) return;
    shapes = shapes.filter((shape) => shape.kind !== "grid");
    const shape = { kind, code: "", corners: middle(share) };
    shapes.push(shape);
    if (kind !== "grid") touch();
    choose(shape);
    if (kind === "place") by("code").focus();
  }

  function remove() {
    shapes = shapes.filter((shape) => shape !== chosen);
    touch();
    choose(null);
  }

  /* ---- what comes from the agent */
  function shapesOf(layout, codes = (code) => code) {
    const [wide, high] = [size[0] / layout.picture_size[0], size[1] / layout.picture_size[1]];
    const scaled = (corners) => corners.map(([x, y]) => limit([x * wide, y * high]));
    return [
      ...(layout.mask ?? []).map((area) => ({ kind: "mask", code: "", corners: scaled(area) })),
      ...layout.locations.flatMap(({ id, facings }) => facings.map((corners) => ({ kind: "place", code: codes(id), corners: scaled(corners) }))),
    ];
  }

  function take(result) {
    held = result;
    shapes = held.layout ? shapesOf(held.layout) : [];
    chosen = null;
    changed = false;
    by("save").disabled = true;
    by("writable").hidden = held.writable;
    by("revision").textContent = held.revision ? fill(words.revision, { number: held.revision }) : words.none;
    draw();
    tellHistory();
  }

  function tellHistory() {
    by("history").replaceChildren(...held.history.map((one, n) => {
      const line = document.createElement("li"), head = document.createElement("b"), text = document.createElement("span");
      head.textContent = `${fill(words.revision, { number: one.revision })} · ${one.by || "–"} · ${moment.format(new Date(one.at))}`;
      const parts = ["added", "removed", "moved"].filter((what) => one[what].length).map((what) => `${words[what]} ${some(one[what])}`);
      if (one.restored) parts.unshift(fill(words.restored, { number: one.restored }));
      if (one.mask) parts.push(words.maskChanged);
      text.textContent = parts.join("; ");
      line.append(head, text);
      if (n && held.writable) {
        const back = Object.assign(document.createElement("button"), { type: "button", textContent: fill(words.back, { number: one.revision }) });
        back.addEventListener("click", () => ask("restore", { based_on: held.revision, revision: one.revision }, back));
        line.append(back);
      }
      return line;
    }));
  }
  const some = (codes) => codes.length > 4 ? `${codes.slice(0, 3).join(", ")} … (${codes.length})` : codes.join(", ");

  async function ask(what, body, button) {
    button.disabled = true;
    tell(words.asking);
    try {
      const answer = await kardus.send("POST", `/commission/${what}`, { ...camera, ...body });
      const result = await answer.json();
      take(result);
      tell(fill(words.saved, { number: result.revision }), "good");
    } catch (error) {
      tell(error.message, "bad");
      by("save").disabled = !changed || !held.writable;
    }
    if (what !== "save") button.disabled = false;
  }

  /* Labels take an agent many seconds: it is asked now and then whether they are found, and can be stopped. */
  async function find(event) {
    const button = event.currentTarget, stop = by("stop-finding");
    button.disabled = true;
    tell(words.asking);
    try {
      let answer = await kardus.send("POST", "/commission/find", { ...camera, side: by("side").value });
      while (answer.status === 202) {
        const { search, seconds, limit_s } = await answer.json();
        stop.hidden = false;
        stop.onclick = () => kardus.send("POST", "/commission/stop", { search }).catch((error) => tell(error.message, "bad"));
        if (seconds % 5 === 0) tell(fill(words.finding, { seconds, limit: limit_s }));  // it is read out
        await new Promise((go) => { setTimeout(go, 1000); });
        answer = await kardus.send("GET", `/commission/found?search=${search}`);
      }
      found(await answer.json());
    } catch (error) { tell(error.message, "bad"); }
    stop.hidden = true;
    button.disabled = false;
  }

  function found({ proposals, remarks, picture_size }) {
    const layout = { picture_size, locations: proposals.map(({ id, corners }) => ({ id: id ?? "", facings: [corners] })) };
    shapes = [...shapes.filter((shape) => shape.kind === "mask"), ...shapesOf(layout)];
    touch();
    choose(null);
    const read = proposals.filter(({ id }) => id).length;
    tell([fill(words.found, { read, unread: proposals.length - read }), ...remarks].join(" · "), read === proposals.length && read ? "good" : "");
  }

  function save() {
    const places = shapes.filter((shape) => shape.kind === "place"), byCode = new Map();
    const nameless = places.filter((shape) => !shape.code);
    if (nameless.length) {
      tell(fill(words.needsCodes, { count: nameless.length }), "bad");
      choose(nameless[0]);
      by("code").focus();
      return;
    }
    if (!places.length) { tell(words.nothing, "bad"); return; }
    for (const { code, corners } of places) byCode.set(code, [...(byCode.get(code) ?? []), corners]);
    const layout = {
      picture_size: size,
      locations: [...byCode].map(([id, facings]) => ({ id, facings })),
      mask: shapes.filter((shape) => shape.kind === "mask").map(({ corners }) => corners),
    };
    ask("save", { based_on: held.revision, keep_view: by("keep-view").checked, layout }, by("save"));
  }

  async function copy() {
    const other = by("neighbour").selectedOptions[0], from = by("code-from").value, to = by("code-to").value;
    const name = other.value;
    tell(words.asking);
    try {
      const answer = await kardus.send("GET", `/commission/layout?${query({ agent: other.dataset.agent, camera: name })}`);
      const { layout } = await answer.json();
      if (!layout) { tell(words.nothingThere, "bad"); return; }
      shapes = shapesOf(layout, (code) => from && code.includes(from) ? code.replace(from, to) : "");
      touch();
      choose(null);
      tell(fill(words.copied, { count: layout.locations.length, camera: name }));
    } catch (error) { tell(error.message, "bad"); }
  }

  async function look() {
    const answer = await kardus.send("GET", `/commission/picture?${query()}`);
    const image = new Image(), address = URL.createObjectURL(await answer.blob());
    image.src = address;
    await image.decode();
    if (picture) URL.revokeObjectURL(picture);
    picture = address;
    const before = size;
    size = [image.naturalWidth, image.naturalHeight];
    if (before[0] && String(before) !== String(size)) shapes.forEach((shape) => { shape.corners = shape.corners.map(([x, y]) => limit([(x * size[0]) / before[0], (y * size[1]) / before[1]])); });
  }

  async function begin() {
    tell(words.asking);
    try {
      await look();
      const answer = await kardus.send("GET", `/commission/layout?${query()}`);
      take(await answer.json());
      tell("");
    } catch (error) { tell(error.message, "bad"); }
  }

  const enlarge = (by_) => {
    zoom = Math.min(8, Math.max(1, zoom * by_));
    stage.style.width = `${100 * zoom}%`;
    shapes.forEach(update);
  };
  const actions = {
    find,
    "add-place": () => add("place", 0.08),
    "add-mask": () => add("mask", 0.06),
    "add-grid": () => add("grid", 0.35),
    remove,
    save,
    copy,
    again: () => look().then(draw, (error) => tell(error.message, "bad")),
    "zoom-in": () => enlarge(2),
    "zoom-out": () => enlarge(0.5),
    "cancel-grid": () => { shapes = shapes.filter((shape) => shape.kind !== "grid"); choose(null); },
    "more-corners": () => {
      const [first, second] = chosen.corners;
      chosen.corners.splice(1, 0, limit([(first[0] + second[0]) / 2, (first[1] + second[1]) / 2]));
      touch();
      draw();
    },
  };
  for (const [id, act] of Object.entries(actions)) by(id)?.addEventListener("click", act);
  by("code").addEventListener("input", (event) => { chosen.code = event.target.value.trim(); touch(); chosen.group.classList.toggle("nameless", !chosen.code); update(chosen); list(); });
  by("chosen").addEventListener("submit", (event) => event.preventDefault());
  by("grid-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const places = grid(chosen.corners, Number(by("levels").value), Number(by("positions").value), by("pattern").value);
    shapes = [...shapes.filter((shape) => shape.kind !== "grid"), ...places.map((one) => ({ ...one, corners: one.corners.map(limit) }))];
    touch();
    choose(null);
    if (new Set(places.map(({ code }) => code)).size < places.length) tell(words.sameCodes, "bad");
  });
  addEventListener("resize", () => shapes.forEach(update));
  addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
  begin();
})();
