/* Axis ticks on the three scales, as fractions; heldout.report.ticks is the same in Python. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { transform } = heldout.stats;

  // In order of importance: what a reader of a probit axis looks for first.
  const LANDMARKS = [
    50, 10, 90, 1, 99, 30, 70, 20, 40, 60, 80, 5, 95, 2, 98, 0.1, 99.9, 0.5, 99.5, 0.2, 99.8,
    0.01, 99.99,
  ];

  /** Round numbers (percent) with the finest step that leaves them `apart` pixels. */
  function even(scale, low, high, position, apart) {
    for (const step of [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]) {
      const found = [];
      if ((high - low) / step > 200) continue;
      for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9; i++) {
        found.push(Number((i * step).toFixed(2)));
      }
      const drawn = found.filter((p) => (scale === "linear" ? p >= 0 && p <= 100 : p > 0 && p < 100));
      const gaps = drawn.slice(1).map((p, i) => position(p) - position(drawn[i]));
      if (gaps.every((gap) => gap >= apart)) return drawn;
    }
    return [];
  }

  /** Ticks for an axis from `low` to `high` (on the scale) that is `pixels` long. */
  function ticks(scale, low, high, pixels, apart) {
    const position = (p) => ((transform(scale, p / 100) - low) / (high - low)) * pixels;
    const chosen = [];
    const ends = [low, high].map((z) => 100 * heldout.stats.inverse(scale, z));
    if (scale !== "linear") {
      for (const p of LANDMARKS) {
        const at = position(p);
        const clear = chosen.every((c) => Math.abs(position(c) - at) >= apart);
        if (at >= -1e-6 && at <= pixels + 1e-6 && clear) chosen.push(p);
      }
    }
    const found = even(scale, ends[0], ends[1], position, apart);
    const best = chosen.length >= 5 || chosen.length > found.length ? chosen : found;
    return best.sort((a, b) => a - b).map((p) => p / 100);
  }

  /** Percent without digits that say nothing. */
  const label = (p) => `${Number((100 * p).toFixed(2))} %`;

  heldout.ticks = { ticks, label };
})();
