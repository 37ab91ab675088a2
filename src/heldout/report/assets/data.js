/* The accuracies and metadata behind the explorer, and what is drawn for a pair of settings. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { stats } = heldout;
  const { places } = heldout.palette;

  /** Lookups over the data that the report carries (see heldout.report.data). */
  function model(raw) {
    const bySetting = new Map(raw.settings.map((s) => [s.name, s]));
    const intervals = new Map();

    /** Accuracy p of a model in a setting, with k and n where they are known; null if missing. */
    function cell(name, i) {
      const s = bySetting.get(name);
      const k = s.k?.[i] ?? null;
      if (k !== null) {
        const n = Array.isArray(s.n) ? s.n[i] : s.n;
        return { p: k / n, k, n };
      }
      const p = s.value?.[i] ?? null;
      return p === null ? null : { p, k: null, n: null };
    }

    /** The exact interval of a cell; null where there are no counts. */
    function interval({ k, n }) {
      if (k === null) return null;
      const key = `${k}/${n}`;
      if (!intervals.has(key)) intervals.set(key, stats.clopperPearson(k, n, raw.level));
      return intervals.get(key);
    }

    /** The levels of a metadata column in order of size, each with its place in the legend. */
    function legend(name) {
      const column = raw.metadata.find((c) => c.name === name && c.levels);
      if (!column) return { levels: [{ name: "all models", place: 0, count: raw.models.length }], of: () => 0 };
      const sizes = column.levels.map((_, l) => column.codes.filter((c) => c === l).length);
      const unknown = column.codes.filter((c) => c < 0).length;
      const levels = column.levels.map((level, l) => ({ name: level, count: sizes[l], place: 0 }));
      if (unknown) levels.push({ name: "not recorded", count: unknown, place: places - 1 });
      const named = levels.length > places ? places - 1 : column.levels.length;
      levels.forEach((level, l) => {
        level.place = l < named && l < column.levels.length ? l : places - 1;
      });
      return { levels, of: (i) => (column.codes[i] < 0 ? levels.length - 1 : column.codes[i]) };
    }

    return { raw, bySetting, cell, interval, legend };
  }

  /** Models that a line may be fitted to. */
  function fitted(data, state, legend) {
    const { raw } = data;
    const everyone = raw.models.map((_, i) => i);
    if (state.fit === "population" && raw.population) return raw.population.members;
    if (state.fit === "shown") return everyone.filter((i) => !state.hidden.has(legend.of(i)));
    if (state.fit.startsWith("level:")) {
      const name = state.fit.slice(6);
      return everyone.filter((i) => legend.levels[legend.of(i)]?.name === name);
    }
    return everyone;
  }

  /** Everything that is drawn and said for a state: points, line, band, what is left out. */
  function frame(data, state) {
    const { raw } = data;
    const legend = data.legend(state.colour);
    const onScale = (p) => stats.transform(state.scale, p);
    const points = [];
    const at = new Map();
    const left = { missing: 0, unbounded: [], hidden: 0 };
    raw.models.forEach((name, i) => {
      const x = data.cell(state.x, i);
      const y = data.cell(state.y, i);
      if (!x || !y) {
        left.missing += 1;
        return;
      }
      const point = { i, name, x, y, tx: onScale(x.p), ty: onScale(y.p), level: legend.of(i) };
      if (!Number.isFinite(point.tx) || !Number.isFinite(point.ty)) {
        left.unbounded.push(name);
        return;
      }
      point.place = legend.levels[point.level].place;
      at.set(i, point);
      if (state.hidden.has(point.level)) left.hidden += 1;
      else points.push(point);
    });
    const wanted = fitted(data, state, legend);
    const base = wanted.map((i) => at.get(i)).filter(Boolean);
    const line = stats.ols(base.map((p) => p.tx), base.map((p) => p.ty));
    const out = { legend, points, left, line, lines: null, slope: null, used: base.length,
      unused: wanted.length - base.length };
    if (line && base.length >= 3) {
      const text = `${raw.seed}/${state.x}/${state.y}/${state.scale}/${state.fit}`;
      out.lines = stats.resampledLines(base.map((p) => p.tx), base.map((p) => p.ty),
        raw.draws, text);
      const tail = (1 - raw.level) / 2;
      out.slope = [tail, 1 - tail].map((q) => stats.quantile(out.lines.slopes, q));
    }
    return out;
  }

  /** Accuracy on y minus what the line predicts from accuracy on x; null without a line. */
  function beyond(fr, state, point) {
    if (!fr.line) return null;
    const z = fr.line.intercept + fr.line.slope * point.tx;
    return point.y.p - stats.inverse(state.scale, z);
  }

  heldout.data = { model, frame, beyond };
})();
