/* Accuracy against severity: a line for each chosen model, with intervals. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { page, palette, format, scatter } = heldout;
  const { find, make, escape } = page;
  const MOST = 7; // as many as there are marks that can be told apart
  const MEAN = "mean";

  /** The plot in `root` (see html.py). Returns {show(doc, names), toggle(name)}. */
  function severity(root) {
    const figure = find(".severity-figure", root);
    const canvas = find(".canvas", figure);
    const kinds = find("#severity-kind", root);
    const chips = find(".severity-chips", root);
    const data = heldout.current.data;
    const place = new Map(data.raw.models.map((name, i) => [name, i]));
    const setPoints = heldout.points(find(".plot", figure));
    let doc = null;
    let names = [];
    let chosen = [];
    let turn = 0;
    let view = null;

    /** {severity, p, low, high, n} of a model, 0 being without corruption; what is missing is left out. */
    function series(name) {
      const i = place.get(name);
      const known = (s, setting) => {
        const c = data.cell(setting, i);
        if (!c) return [];
        const [low, high] = data.interval(c) ?? [c.p, c.p];
        return [{ severity: s, p: c.p, low, high, n: c.n }];
      };
      const clean = data.bySetting.has(doc.baseline) ? known(0, doc.baseline) : [];
      if (kinds.value !== MEAN) {
        return [...clean, ...doc.settings[Number(kinds.value)].flatMap((s, j) => known(j + 1, s))];
      }
      const { models, error, low, high, n } = doc.severity;
      const row = models.indexOf(i);
      if (row < 0) return clean;
      return [...clean, ...error[row].map((e, j) => ({ severity: j + 1, p: 1 - e,
        low: 1 - (high[row][j] ?? e), high: 1 - (low[row][j] ?? e), n: n[row] }))];
    }

    function spec(values, { width, height }) {
      const [ink, muted, grid] = ["ink", "muted", "grid"].map(palette.themed);
      const styles = chosen.map((_, i) => palette.style(i));
      const by = (range) => ({ field: "name", type: "nominal", scale: { domain: chosen, range }, legend: null });
      const x = { field: "severity", type: "quantitative", scale: { domain: [-0.15, 5.15], nice: false },
        axis: { title: "severity →", values: [0, 1, 2, 3, 4, 5], grid: false,
          labelExpr: "datum.value === 0 ? 'clean' : datum.value" } };
      const y = { field: "p", type: "quantitative", scale: { domain: [0, 1], nice: false },
        axis: { title: null, values: [0, 0.2, 0.4, 0.6, 0.8, 1], labelExpr: "round(datum.value * 100) + ' %'" } };
      return { width, height, autosize: { type: "fit", contains: "padding" }, padding: 4, background: null,
        title: { text: "↑ top-1 accuracy", anchor: "start", frame: "bounds", offset: 8, color: ink,
          fontSize: 13, fontWeight: 600 },
        data: { values },
        layer: [
          { mark: { type: "line", strokeWidth: 1.75 }, encoding: { x, y, stroke: by(styles.map((s) => s.stroke)) } },
          { mark: { type: "rule", strokeWidth: 1.5 }, encoding: { x, y: { ...y, field: "low" },
            y2: { field: "high" }, stroke: by(styles.map((s) => s.stroke)) } },
          { mark: { type: "point", filled: true, size: 58, strokeWidth: 1 }, encoding: { x, y,
            shape: by(styles.map((s) => s.shape)), fill: by(styles.map((s) => s.fill)),
            stroke: by(styles.map((s) => s.stroke)) } },
        ],
        config: scatter.config(ink, muted, grid, width) };
    }

    async function draw() {
      if (!doc) return;
      const mine = (turn += 1);
      const width = Math.max(280, Math.floor(canvas.parentElement.clientWidth));
      const height = Math.round(Math.min(440, Math.max(300, width * 0.5)));
      const values = chosen.flatMap((name) => series(name).map((p) => ({ name, ...p })));
      const fresh = make("div");
      const drawn = await scatter.draw(fresh, spec(values, { width, height }));
      if (mine !== turn) return drawn.finalize();
      view?.finalize();
      view = drawn;
      canvas.replaceChildren(fresh);
      canvas.style.height = `${height}px`;
      const [left, top] = view.origin();
      const [sx, sy] = [view.scale("x"), view.scale("y")];
      setPoints(values.map((v) => ({ px: left + sx(v.severity), py: top + sy(v.p), name: v.name,
        rows: [[where(v.severity), format.show(v.p, "fraction"), format.interval(v.low, v.high, "fraction")],
          ["images", v.n === null ? "not known" : v.n.toLocaleString("en"), ""]] })));
      say(values);
      return undefined;
    }

    const where = (s) => (s ? `severity ${s}` : "clean");
    const kindWords = () => kinds.selectedOptions[0].textContent;

    function say(values) {
      const level = `${100 * data.raw.level} %`;
      find("figcaption", figure).textContent = `${doc.variant}; ${kindWords()}. Vertical lines are ${level} intervals`
        + (kinds.value === MEAN ? " of the mean. " : " (exact). ")
        + `“Clean” is ${doc.baseline}.`
        + (chosen.length < names.length ? ` ${chosen.length} of ${names.length} models are drawn: add or remove some, up to ${MOST}.` : "");
      find(".walker", figure).setAttribute("aria-label",
        `Accuracy against severity of ${chosen.join(", ")}: ${kindWords()}. Arrow keys move between points.`);
      const column = (name, kind, field) => ({ name, kind, doc: "", values: values.map(field) });
      find(".severity-numbers div", root).replaceChildren(heldout.tables.plain({
        title: `${doc.variant}: ${kindWords()}`,
        columns: [column("model", "text", (v) => v.name), column("severity", "text", (v) => where(v.severity)),
          { ...column("accuracy", "fraction", (v) => v.p), interval: ["low", "high"] },
          column("low", "fraction", (v) => v.low), column("high", "fraction", (v) => v.high),
          column("n", "int", (v) => v.n)] }));
    }

    function legend() {
      chips.replaceChildren(...chosen.map((name, i) => make("button", { type: "button",
        "aria-label": `Remove ${name} from the plot`, onclick: () => toggle(name),
        html: `${palette.swatch(i)}<span>${escape(name)}</span><span aria-hidden="true">×</span>` })));
    }

    function toggle(name) {
      if (chosen.includes(name)) chosen = chosen.filter((c) => c !== name);
      else chosen = [...chosen, name].slice(-MOST);
      page.announce(`${name} ${chosen.includes(name) ? "drawn" : "no longer drawn"} against severity`);
      legend();
      draw();
    }

    heldout.combobox(find("#severity-find", root), {
      items: () => names.map((name) => ({ value: name, label: name })),
      choose: (name) => { if (!chosen.includes(name)) toggle(name); }, keeps: false,
    });
    kinds.addEventListener("change", draw);
    page.onLook(() => { legend(); draw(); });
    let before = 0;
    new ResizeObserver(page.debounce(() => {
      const width = canvas.parentElement.clientWidth;
      if (width !== before) draw();
      before = width;
    }, 120)).observe(canvas.parentElement);

    /** The models drawn at first: all of a few, else the best, the worst and some between. */
    function first() {
      if (names.length <= 5) return [...names];
      return [0, 0.25, 0.5, 0.75, 1].map((q) => names[Math.round(q * (names.length - 1))]);
    }

    return {
      toggle,
      show(next, all) {
        doc = next;
        names = all;
        const kept = chosen.filter((c) => names.includes(c));
        chosen = kept.length ? kept : first();
        const counted = doc.counted.filter(Boolean).length;
        const was = kinds.selectedOptions[0]?.textContent;
        kinds.replaceChildren(
          make("option", { value: MEAN }, `mean of ${page.count(counted, "corruption")}`),
          ...doc.kinds.map((k, i) => make("option", { value: i }, k.replaceAll("_", " "))));
        const same = [...kinds.options].find((o) => o.textContent === was);
        if (same) kinds.value = same.value;
        legend();
        return draw();
      },
    };
  }

  heldout.severity = severity;
})();
