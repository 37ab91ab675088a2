/* Effective robustness to synthetic against natural shifts: a mark for each model outside the baseline. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { page, palette, format, scatter, sections, stats } = heldout;
  const { find, make, read, escape } = page;

  function synthetic(root, models, { pick }) {
    const doc = page.unpack(read(JSON.parse(root.dataset.documents)[0].id), models);
    const { raw, legend: legendOf } = heldout.current.data;
    const [xs, ys] = [find("#synthetic-x", root), find("#synthetic-y", root)];
    const figure = find(".synthetic-figure", root);
    const canvas = find(".canvas", figure);
    const setPoints = heldout.points(find(".plot", figure), (p) => pick(p.name));
    const families = legendOf(raw.family ?? "");
    let turn = 0;
    let view = null;

    const words = (list) => [...new Set(list)].map((w) => make("option", { value: w }, w));
    xs.append(...words(doc.pairs.map((p) => p.synthetic)));
    ys.append(...words(doc.pairs.map((p) => p.natural)));
    if (doc.pairs.some((p) => p.natural === raw.y)) ys.value = raw.y;
    const pair = () => doc.pairs.find((p) => p.synthetic === xs.value && p.natural === ys.value);

    /** Low and high of the drawn values with some room, 0 always inside. */
    function range(values) {
      const low = values.reduce((a, b) => Math.min(a, b), 0);
      const high = values.reduce((a, b) => Math.max(a, b), 0);
      const room = (high - low) * 0.06 || 0.01;
      return [low - room, high + room];
    }

    function spec(now, { width, height }) {
      const [ink, muted, grid] = ["ink", "muted", "grid"].map(palette.themed);
      const [places, u, v] = now.points;
      const levels = places.map((i) => families.levels[families.of(i)].place);
      const used = [...new Set(levels)].sort((a, b) => a - b);
      const styles = used.map(palette.style);
      const by = (range) => ({ field: "place", type: "nominal", scale: { domain: used, range }, legend: null });
      const [dx, dy] = [range(u), range(v)];
      const percent = "(datum.value > 0 ? '+' : '') + format(datum.value * 100, '.0f') + ' %'";
      const axis = { labelExpr: percent, tickCount: Math.max(3, Math.round(width / 110)), grid: true };
      const x = { field: "x", type: "quantitative", scale: { domain: dx, nice: false },
        axis: { ...axis, title: `${now.synthetic} →` } };
      const y = { field: "y", type: "quantitative", scale: { domain: dy, nice: false },
        axis: { ...axis, title: null, tickCount: 6 } };
      const line = stats.ols(u, v);
      const rule = (encoding) => ({ data: { values: [{}] }, mark: { type: "rule", stroke: muted, strokeWidth: 1 }, encoding });
      const layer = [
        rule({ x: { datum: 0, type: "quantitative", scale: x.scale } }),
        rule({ y: { datum: 0, type: "quantitative", scale: y.scale } }),
      ];
      if (line) {
        layer.push({ data: { values: dx.map((at) => ({ x: at, y: line.intercept + line.slope * at })) },
          mark: { type: "line", stroke: ink, strokeWidth: 1.5, strokeDash: [5, 4], clip: true }, encoding: { x, y } });
      }
      layer.push({ data: { values: places.map((_, i) => ({ x: u[i], y: v[i], place: levels[i] })) },
        mark: { type: "point", filled: true, size: 52, strokeWidth: 0.9, opacity: 0.85, clip: true },
        encoding: { x, y, shape: by(styles.map((s) => s.shape)), fill: by(styles.map((s) => s.fill)),
          stroke: by(styles.map((s) => s.stroke)) } });
      const title = `↑ ${now.natural}`;
      return { width, height, autosize: { type: "fit", contains: "padding" }, padding: 4, background: null,
        title: { text: title, anchor: "start", frame: "bounds", offset: 8, color: ink, fontSize: 13,
          fontWeight: 600, limit: width - 16 },
        layer, config: scatter.config(ink, muted, grid, width) };
    }

    async function draw() {
      const now = pair();
      const mine = (turn += 1);
      const width = Math.max(280, Math.min(820, Math.floor(canvas.parentElement.clientWidth)));
      const height = Math.round(Math.min(520, width * (width < 520 ? 0.95 : 0.62)));
      const fresh = make("div");
      const drawn = await scatter.draw(fresh, spec(now, { width, height }));
      if (mine !== turn) return drawn.finalize();
      view?.finalize();
      view = drawn;
      canvas.replaceChildren(fresh);
      canvas.style.height = `${height}px`;
      const [left, top] = view.origin();
      const [sx, sy] = [view.scale("x"), view.scale("y")];
      const [places, u, v] = now.points;
      setPoints(places.map((i, j) => ({ px: left + sx(u[j]), py: top + sy(v[j]), name: models[i], rows: [
        [now.synthetic, format.show(u[j], "points"), ""], [now.natural, format.show(v[j], "points"), ""],
        ...(families.levels.length > 1 ? [["family", families.levels[families.of(i)].name, ""]] : [])] })));
      const between = `[${now.low.toFixed(2)}, ${now.high.toFixed(2)}]`;
      find("figcaption", figure).textContent = `Effective robustness of ${page.count(now.n, "model")}: `
        + `r = ${now.r.toFixed(2)} ${between} (Pearson, ${100 * raw.level} % by Fisher's z), Spearman ${now.spearman.toFixed(2)}. `
        + `Lines of the baseline (${doc.choices.population}) on the ${doc.choices.scale} scale; dashed: least squares. `
        + "Models are not independent draws, so the interval is a guide only.";
      find(".walker", figure).setAttribute("aria-label",
        `Scatter plot of ${page.count(now.n, "model")}: robustness to ${now.synthetic} on x, to ${now.natural} on y. Arrow keys move between models.`);
      const there = new Set(places.map((i) => families.of(i)));
      find(".key", figure).replaceChildren(...(families.levels.length > 1 ? families.levels.flatMap((level, l) => (
        there.has(l) ? [make("li", { html: `${palette.swatch(level.place)}<span>${escape(level.name)}</span>` })] : [])) : []));
      return undefined;
    }

    for (const choice of [xs, ys]) choice.addEventListener("change", () => {
      // not every pair has enough models
      if (!pair()) ys.value = doc.pairs.find((p) => p.synthetic === xs.value).natural;
      draw();
    });
    page.onLook(draw);
    let before = 0;
    new ResizeObserver(page.debounce(() => {
      const width = canvas.parentElement.clientWidth;
      if (width !== before) draw();
      before = width;
    }, 120)).observe(canvas.parentElement);
    find(".words", root).replaceChildren(...doc.verdict.map((s) => make("p", {}, s)));
    sections.fill(find(".body", root), doc, { pick: null, verdict: false });
    draw();
  }

  heldout.synthetic = synthetic;
})();
