/* The scatter plot: a Vega-Lite specification and its view, pixel positions, labels. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { stats, palette } = heldout;
  const { ticks, label: tickLabel } = heldout.ticks;

  /** Low and high of the drawn range on the scale, with room around the points. */
  function range(values, scale) {
    if (!values.length) return scale === "linear" ? [0, 1] : [-1, 1];
    let low = values.reduce((a, b) => Math.min(a, b));
    let high = values.reduce((a, b) => Math.max(a, b));
    const room = (high - low) * 0.05 || 0.05;
    low -= room;
    high += room;
    if (scale === "linear") [low, high] = [Math.max(low, -0.02), Math.min(high, 1.02)];
    return [low, high];
  }

  function axis(title, scale, domain, pixels, apart, grid) {
    const values = ticks(scale, domain[0], domain[1], pixels, apart);
    const places = values.map((p) => stats.transform(scale, p));
    const texts = Object.fromEntries(
      places.map((z, i) => [Math.round(z * 1e6), tickLabel(values[i])]),
    );
    return {
      title,
      values: places,
      labelExpr: `(${JSON.stringify(texts)})[round(datum.value * 1000000)]`,
      grid,
      labelOverlap: false,
    };
  }

  /** The Vega-Lite specification of a frame. `legend` adds one, for figures that leave the page. */
  function spec(data, state, fr, { width, height, legend = false }) {
    const dx = range(fr.points.map((p) => p.tx), state.scale);
    const dy = range(fr.points.map((p) => p.ty), state.scale);
    const { themed } = palette;
    const [ink, muted, grid, paper] = ["ink", "muted", "grid", "paper"].map(themed);
    const title = (name) => {
      const whole = `${name}: ${data.raw.metric} accuracy`;
      return whole.length * 7.9 < width - 40 ? whole : name;
    };
    const x = { field: "x", type: "quantitative", scale: { domain: dx, nice: false, zero: false },
      axis: axis(`${title(state.x)} →`, state.scale, dx, width - 70, 52, true) };
    const y = { field: "y", type: "quantitative", scale: { domain: dy, nice: false, zero: false },
      axis: axis(title(state.y), state.scale, dy, height - 80, 34, true) };
    y.axis.title = null;
    const plain = (channel) => ({ field: channel.field, type: channel.type, scale: channel.scale,
      axis: channel.axis });
    const layers = [];
    const low = Math.min(dx[0], dy[0]);
    const high = Math.max(dx[1], dy[1]);
    if (state.show.diagonal) {
      layers.push({ data: { values: [{ x: low, y: low }, { x: high, y: high }] },
        mark: { type: "line", stroke: muted, strokeDash: [5, 4], strokeWidth: 1.25, clip: true },
        encoding: { x: plain(x), y: plain(y) } });
    }
    if (state.show.line && fr.line) {
      const steps = Array.from({ length: 49 }, (_, i) => dx[0] + ((dx[1] - dx[0]) * i) / 48);
      if (fr.lines) {
        layers.push({ data: { values: stats.band(fr.lines, steps, data.raw.level) },
          mark: { type: "area", fill: ink, opacity: 0.16, clip: true },
          encoding: { x: plain(x), y: { ...plain(y), field: "low" }, y2: { field: "high" } } });
      }
      layers.push({ data: { values: [dx[0], dx[1]].map((at) => (
          { x: at, y: fr.line.intercept + fr.line.slope * at })) },
        mark: { type: "line", stroke: ink, strokeWidth: 1.75, clip: true },
        encoding: { x: plain(x), y: plain(y) } });
    }
    if (state.show.intervals) {
      const bars = fr.points.map((p) => bar(data, state, p)).filter(Boolean);
      layers.push(...crosses({ values: bars }, x, y, plain, { stroke: muted, opacity: 0.45, strokeWidth: 1 }));
    }
    const names = [...new Set(fr.points.map((p) => p.place))].sort((a, b) => a - b);
    const styles = names.map(palette.style);
    const words = names.map((place) => {
      const levels = fr.legend.levels.filter((l) => l.place === place);
      return levels.length === 1 ? levels[0].name : "other";
    });
    const by = (values, title) => ({ field: "word", type: "nominal", scale: { domain: words, range: values },
      legend: legend && words.length > 1 ? { title, symbolOpacity: 1 } : null });
    const crowd = fr.points.length > 600 ? 34 : 52;
    layers.push({
      data: { values: fr.points.map((p) => (
        { x: p.tx, y: p.ty, word: words[names.indexOf(p.place)] })) },
      mark: { type: "point", filled: true, size: crowd, strokeWidth: 0.9, clip: true,
        opacity: { expr: "dim" } },
      encoding: { x: plain(x), y: plain(y), shape: by(styles.map((s) => s.shape), state.colour),
        fill: by(styles.map((s) => s.fill), state.colour),
        stroke: by(styles.map((s) => s.stroke), state.colour) },
    });
    const marked = { name: "marked", values: [] };
    layers.push(...crosses(marked, x, y, plain, { stroke: ink, strokeWidth: 1.5 }));
    layers.push({ data: marked, mark: { type: "point", shape: "circle", filled: false, size: 150,
      stroke: ink, strokeWidth: 2 }, encoding: { x: plain(x), y: plain(y) } });
    for (const halo of [true, false]) {
      layers.push({ data: { name: "labels", values: [] },
        mark: { type: "text", fontSize: 12, fontWeight: 600, baseline: "middle",
          align: { expr: "datum.align" }, dx: { expr: "datum.dx" }, dy: { expr: "datum.dy" },
          fill: halo ? paper : ink, ...(halo ? { stroke: paper, strokeWidth: 4 } : {}) },
        encoding: { x: plain(x), y: plain(y), text: { field: "name" } } });
    }
    return { width, height, autosize: { type: "fit", contains: "padding" }, padding: 4,
      background: legend ? paper : null,
      title: { text: `↑ ${title(state.y)}`, anchor: "start", frame: "bounds", offset: 8, color: ink,
        fontSize: 13, fontWeight: 600, limit: width - 16 }, params: [{ name: "dim", value: 0.82 }], layer: layers,
      config: config(ink, muted, grid, width) };
  }

  /** A point's interval on both axes, on the scale; null where there are no counts. */
  function bar(data, state, p) {
    const [ix, iy] = [data.interval(p.x), data.interval(p.y)];
    if (!ix && !iy) return null;
    const ends = (limits, middle) => (limits ?? [middle, middle]).map(
      (v) => Math.min(Math.max(stats.transform(state.scale, v), -9), 9));
    const [xl, xh] = ends(ix, p.x.p);
    const [yl, yh] = ends(iy, p.y.p);
    return { x: p.tx, y: p.ty, xl, xh, yl, yh };
  }

  function crosses(source, x, y, plain, look) {
    const mark = { type: "rule", clip: true, ...look };
    return [
      { data: source, mark, encoding: { x: { ...plain(x), field: "xl" }, x2: { field: "xh" }, y: plain(y) } },
      { data: source, mark, encoding: { x: plain(x), y: { ...plain(y), field: "yl" }, y2: { field: "yh" } } },
    ];
  }

  function config(ink, muted, grid, width) {
    const font = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';
    return {
      font,
      view: { stroke: null },
      axis: { labelColor: muted, titleColor: ink, labelFontSize: 12, titleFontSize: 13,
        titleFontWeight: 600, titlePadding: 10, gridColor: grid, domainColor: muted,
        tickColor: muted, tickSize: 4, labelPadding: 4, titleAnchor: "end", titleLimit: width - 40 },
      legend: { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12 },
    };
  }

  /** Where to write the names of marked points so that they do not cover each other. */
  function placeLabels(marks, width, height) {
    const taken = marks.map((m) => ({ left: m.px - 8, right: m.px + 8, top: m.py - 8, bottom: m.py + 8 }));
    return marks.map((m) => {
      const wide = m.name.length * 6.9;
      const choices = [[11, 0, "left"], [-11, 0, "right"], [8, -15, "left"], [-8, -15, "right"],
        [8, 15, "left"], [-8, 15, "right"], [11, 29, "left"], [-11, -29, "right"]];
      const boxes = choices.map(([dx, dy, align]) => {
        const left = align === "left" ? m.px + dx : m.px + dx - wide;
        return { dx, dy, align, left, right: left + wide, top: m.py + dy - 8, bottom: m.py + dy + 8 };
      });
      const cost = (b) => taken.filter((t) => b.left < t.right && b.right > t.left
        && b.top < t.bottom && b.bottom > t.top).length
        + (b.left < 0 || b.right > width ? 4 : 0) + (b.top < 0 || b.bottom > height ? 4 : 0);
      const best = boxes.reduce((a, b) => (cost(b) < cost(a) ? b : a));
      taken.push(best);
      return { x: m.x, y: m.y, name: m.name, dx: best.dx, dy: best.dy, align: best.align };
    });
  }

  /** Compile and show a specification in `element`; resolves to the Vega view. */
  async function draw(element, specification, renderer = "canvas") {
    const { view } = await globalThis.vegaEmbed(element, specification, {
      mode: "vega-lite", renderer, actions: false, ast: true, tooltip: false, hover: false,
      defaultStyle: false, logLevel: 1,
    });
    return view;
  }

  heldout.scatter = { spec, bar, placeLabels, draw, config };
})();
