/* What laying out reckons: a grid seen at a slant, what an outline can expect of its pixels. As the agent does it
   (edge_agent/commissioning/layout.py). Corners: [[x, y] * 4], top left first, clockwise. */
"use strict";
(() => {
  const GOOD = 0.95; /* share of the best accuracy that a place should reach */

  /* From the unit square to four corners (Heckbert, Fundamentals of Texture Mapping, 1989, 2.2.3). */
  function projection([[x0, y0], [x1, y1], [x2, y2], [x3, y3]]) {
    const dx1 = x1 - x2, dx2 = x3 - x2, sx = x0 - x1 + x2 - x3;
    const dy1 = y1 - y2, dy2 = y3 - y2, sy = y0 - y1 + y2 - y3;
    const whole = dx1 * dy2 - dx2 * dy1, g = (sx * dy2 - dx2 * sy) / whole, h = (dx1 * sy - sx * dy1) / whole;
    return ([u, v]) => {
      const w = g * u + h * v + 1;
      return [((x1 - x0 + g * x1) * u + (x3 - x0 + h * x3) * v + x0) / w, ((y1 - y0 + g * y1) * u + (y3 - y0 + h * y3) * v + y0) / w];
    };
  }

  /* "A-03-{level}-{position:02}" */
  function code(pattern, values) {
    return pattern.replace(/\{(level|position)(?::0?(\d))?\}/g, (_, name, digits) => String(values[name]).padStart(Number(digits ?? 0), "0"));
  }

  function grid(outline, levels, positions, pattern, gap = 0.1) {
    const view = projection(outline), places = [];
    for (let level = 1; level <= levels; level++) {
      for (let position = 1; position <= positions; position++) {
        const left = (position - 1 + gap / 2) / positions, right = (position - gap / 2) / positions;
        const top = 1 - (level - gap / 2) / levels, bottom = 1 - (level - 1 + gap / 2) / levels;
        const corners = [[left, top], [right, top], [right, bottom], [left, bottom]].map(view);
        places.push({ kind: "place", code: code(pattern, { level, position }), corners });
      }
    }
    return places;
  }

  const distance = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);
  function side(corners) {
    const sides = corners.map((corner, n) => distance(corner, corners[(n + 1) % 4]));
    return Math.floor(Math.min((sides[0] + sides[2]) / 2, (sides[1] + sides[3]) / 2));
  }

  /* What an outline can expect; `curve`: [pixels, accuracy], the fewest pixels first. */
  function prospect(curve, corners) {
    const px = side(corners);
    if (!curve.length) return { px, accuracy: null, needed: 0 };
    const after = curve.findIndex(([at]) => at >= px);
    let accuracy = curve.at(after < 0 ? -1 : after)[1];
    if (after > 0) {
      const [[x0, y0], [x1, y1]] = [curve[after - 1], curve[after]];
      accuracy = y0 + ((px - x0) / (x1 - x0)) * (y1 - y0);
    }
    const best = Math.max(...curve.map(([, value]) => value));
    const needed = curve.find(([, value]) => value >= GOOD * best)[0];
    return { px, accuracy, needed: px < needed ? needed : 0 };
  }

  window.commissionTools = { grid, prospect };
})();
