/* Statistics of the explorer: scales, exact intervals, least squares, resampled lines.
   Pure functions on numbers and arrays; fractions in [0, 1]; tests compare them to SciPy. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});

  /** The standard normal density. */
  const density = (z) => Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);

  /** Φ(z): Marsaglia's series (2004) in the middle, Laplace's continued fraction in the tails. */
  function ndtr(z) {
    if (Number.isNaN(z)) return NaN;
    if (Math.abs(z) > 2.5) {
      const t = Math.abs(z);
      if (t > 38.6) return z < 0 ? 0 : 1;
      let below = t;
      for (let i = 100; i >= 1; i--) below = t + i / below;
      const tail = density(t) / below;
      return z < 0 ? tail : 1 - tail;
    }
    let sum = z;
    let term = z;
    for (let i = 3, last = 0; sum !== last; i += 2) {
      last = sum;
      term *= (z * z) / i;
      sum += term;
    }
    return 0.5 + sum * density(z);
  }

  // Wichura (1988), Algorithm AS 241, PPND16: numerators and denominators of three ranges.
  const AS241 = {
    middle: [
      [2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
        13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608],
      [5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
        5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1],
    ],
    tail: [
      [7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177,
        1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055,
        4.6303378461565452959, 1.42343711074968357734],
      [1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966,
        0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494,
        2.05319162663775882187, 1],
    ],
    far: [
      [2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386,
        0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358,
        5.4637849111641143699, 6.6579046435011037772],
      [2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5,
        7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531,
        0.59983220655588793769, 1],
    ],
  };
  const poly = (coefficients, x) => coefficients.reduce((sum, c) => sum * x + c, 0);
  const ratio = ([top, bottom], x) => poly(top, x) / poly(bottom, x);

  /** Φ⁻¹(p); -Infinity and Infinity at 0 and 1. */
  function ndtri(p) {
    if (!(p >= 0 && p <= 1)) return NaN;
    const q = p - 0.5;
    if (Math.abs(q) <= 0.425) return q * ratio(AS241.middle, 0.180625 - q * q);
    const tail = q < 0 ? p : 1 - p;
    if (tail === 0) return q < 0 ? -Infinity : Infinity;
    const r = Math.sqrt(-Math.log(tail));
    const z = r <= 5 ? ratio(AS241.tail, r - 1.6) : ratio(AS241.far, r - 5);
    return q < 0 ? -z : z;
  }

  /** An accuracy on a scale ("linear", "logit", "probit"). */
  function transform(scale, p) {
    if (scale === "probit") return ndtri(p);
    return scale === "logit" ? Math.log(p / (1 - p)) : p;
  }

  /** The accuracy that `transform` takes to z. */
  function inverse(scale, z) {
    if (scale === "probit") return ndtr(z);
    return scale === "logit" ? 1 / (1 + Math.exp(-z)) : z;
  }

  /** ln Γ(x), x > 0: Stirling's series after moving x above 15. */
  function lgamma(x) {
    let shift = 1;
    while (x < 15) shift *= x++;
    const i = 1 / (x * x);
    const series = 1 / 12 - i * (1 / 360 - i * (1 / 1260 - i * (1 / 1680 - i / 1188)));
    return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series / x - Math.log(shift);
  }

  /** The incomplete beta integral I_x(a, b) by Lentz's continued fraction. */
  function betainc(a, b, x) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    const mirrored = x > (a + 1) / (a + b + 2);
    const [p, q, t] = mirrored ? [b, a, 1 - x] : [a, b, x];
    const tiny = 1e-300;
    const away = (v) => (Math.abs(v) < tiny ? tiny : v);
    let c = 1;
    let d = 1 / away(1 - ((p + q) * t) / (p + 1));
    let h = d;
    for (let m = 1; m < 20000; m++) {
      const even = (m * (q - m) * t) / ((p + 2 * m - 1) * (p + 2 * m));
      d = 1 / away(1 + even * d);
      c = away(1 + even / c);
      h *= d * c;
      const odd = (-(p + m) * (p + q + m) * t) / ((p + 2 * m) * (p + 2 * m + 1));
      d = 1 / away(1 + odd * d);
      c = away(1 + odd / c);
      h *= d * c;
      if (Math.abs(d * c - 1) < 1e-15) break;
    }
    const front = Math.exp(
      lgamma(p + q) - lgamma(p) - lgamma(q) + p * Math.log(t) + q * Math.log1p(-t),
    );
    return mirrored ? 1 - (front * h) / p : (front * h) / p;
  }

  /** The x with I_x(a, b) = target: Newton steps inside a bracket that only shrinks. */
  function betaincinv(a, b, target) {
    let low = 0;
    let high = 1;
    const norm = lgamma(a + b) - lgamma(a) - lgamma(b);
    const mean = a / (a + b);
    const spread = Math.sqrt((mean * (1 - mean)) / (a + b + 1));
    let x = Math.min(Math.max(mean + ndtri(target) * spread, 1e-6), 1 - 1e-6);
    for (let i = 0; i < 200; i++) {
      const off = betainc(a, b, x) - target;
      if (off > 0) high = x;
      else low = x;
      const slope = Math.exp(norm + (a - 1) * Math.log(x) + (b - 1) * Math.log1p(-x));
      let next = x - off / slope;
      if (!(next > low && next < high)) next = (low + high) / 2;
      if (Math.abs(next - x) <= 1e-15 * next || next === x) return next;
      x = next;
    }
    return x;
  }

  /** Clopper and Pearson's exact interval of k right of n; [NaN, NaN] for n = 0. */
  function clopperPearson(k, n, level = 0.95) {
    if (!(n > 0)) return [NaN, NaN];
    const tail = (1 - level) / 2;
    return [
      k === 0 ? 0 : betaincinv(k, n - k + 1, tail),
      k === n ? 1 : 1 - betaincinv(n - k, k + 1, tail),
    ];
  }

  /** The least squares line of y on x: slope, intercept, r2, n; null when x is constant. */
  function ols(x, y) {
    const n = x.length;
    let mx = 0;
    let my = 0;
    for (let i = 0; i < n; i++) {
      mx += x[i] / n;
      my += y[i] / n;
    }
    let sxx = 0;
    let sxy = 0;
    let syy = 0;
    for (let i = 0; i < n; i++) {
      const u = x[i] - mx;
      const v = y[i] - my;
      sxx += u * u;
      sxy += u * v;
      syy += v * v;
    }
    if (n < 2 || !(sxx > 0)) return null;
    const slope = sxy / sxx;
    return { slope, intercept: my - slope * mx, r2: syy > 0 ? (sxy * slope) / syy : NaN, n };
  }

  /** A generator of integers below n, the same for the same text (cyrb128 seeds, sfc32). */
  function generator(text) {
    const h = [1779033703, 3144134277, 1013904242, 2773480762];
    const by = [597399067, 2869860233, 951274213, 2716044179];
    for (let i = 0; i < text.length; i++) {
      for (let j = 0; j < 4; j++) {
        h[j] = h[(j + 1) % 4] ^ Math.imul(h[j] ^ text.charCodeAt(i), by[j]);
      }
    }
    let [a, b, c, d] = h.map((v) => v | 0);
    const next = () => {
      const t = (((a + b) | 0) + d) | 0;
      d = (d + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (c << 21) | (c >>> 11);
      c = (c + t) | 0;
      return t >>> 0;
    };
    for (let i = 0; i < 15; i++) next();
    return (n) => Math.floor((next() / 4294967296) * n);
  }

  /** Lines over resampled models: slopes and intercepts of the draws that have a line. */
  function resampledLines(x, y, draws, seedText) {
    const n = x.length;
    const below = generator(seedText);
    const slopes = [];
    const intercepts = [];
    for (let d = 0; d < draws; d++) {
      let sx = 0;
      let sy = 0;
      let sxx = 0;
      let sxy = 0;
      for (let i = 0; i < n; i++) {
        const j = below(n);
        const u = x[j] - x[0];
        sx += u;
        sy += y[j];
        sxx += u * u;
        sxy += u * y[j];
      }
      const spread = sxx - (sx * sx) / n;
      if (!(spread > 1e-12 * sxx)) continue;
      const slope = (sxy - (sx * sy) / n) / spread;
      slopes.push(slope);
      intercepts.push(sy / n - slope * (sx / n + x[0]));
    }
    return { slopes, intercepts, without: draws - slopes.length };
  }

  /** A quantile by linear interpolation, as NumPy's default. */
  function quantile(values, q) {
    const sorted = Float64Array.from(values).sort();
    const at = q * (sorted.length - 1);
    const i = Math.floor(at);
    const rest = i + 1 < sorted.length ? sorted[i + 1] - sorted[i] : 0;
    return sorted[i] + (at - i) * rest;
  }

  /** The pointwise percentile band of resampled lines at each x of a grid. */
  function band(lines, grid, level = 0.95) {
    const tail = (1 - level) / 2;
    return grid.map((x) => {
      const at = lines.slopes.map((slope, i) => slope * x + lines.intercepts[i]);
      return { x, low: quantile(at, tail), high: quantile(at, 1 - tail) };
    });
  }

  heldout.stats = {
    ndtr, ndtri, transform, inverse, lgamma, betainc, betaincinv, clopperPearson,
    ols, generator, resampledLines, quantile, band,
  };
})();
