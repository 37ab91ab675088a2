/* Colours that colour-blind readers can tell apart (Okabe and Ito 2008), each with its own shape. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});

  // Outlines are darker (or, on a dark page, lighter) so that every mark has 3:1 contrast.
  const COLOURS = {
    light: [
      ["#0072b2", "#00466e"], ["#e69f00", "#8a5a00"], ["#009e73", "#00553e"],
      ["#cc79a7", "#8a3f68"], ["#56b4e9", "#1f6f9e"], ["#d55e00", "#8a3c00"],
      ["#f0e442", "#7a7300"], ["#a6adb6", "#5f6873"],
    ],
    dark: [
      ["#3d9fdc", "#a9d6f5"], ["#e69f00", "#ffd78a"], ["#00b386", "#8ce8cd"],
      ["#cc79a7", "#f3c4de"], ["#7cc8f2", "#d3edfc"], ["#e0702a", "#ffc09a"],
      ["#f0e442", "#fbf6b5"], ["#8b94a0", "#c9d0d8"],
    ],
  };
  const SHAPES = [
    "circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right",
    "circle",
  ];
  const OTHER = SHAPES.length - 1;

  const PATHS = {
    circle: "M6 1.2a4.8 4.8 0 1 0 .001 0Z",
    square: "M2 2h8v8H2Z",
    "triangle-up": "M6 1 11 10.4H1Z",
    diamond: "M6 .6 10.6 6 6 11.4 1.4 6Z",
    cross: "M4.3 1.2h3.4v3.1h3.1v3.4H7.7v3.1H4.3V7.7H1.2V4.3h3.1Z",
    "triangle-down": "M6 11 1 1.6h10Z",
    "triangle-right": "M11 6 1.6 11V1Z",
  };

  const dark = () => document.documentElement.dataset.look === "dark";

  /** Fill, outline and shape of place i in the legend; the last place is for all the rest. */
  function style(i) {
    const place = Math.min(i, OTHER);
    const [fill, stroke] = COLOURS[dark() ? "dark" : "light"][place];
    return { fill, stroke, shape: SHAPES[place] };
  }

  /** A legend's mark as SVG text. */
  function swatch(i) {
    const { fill, stroke, shape } = style(i);
    return `<svg class="swatch" viewBox="0 0 12 12" aria-hidden="true"><path d="${PATHS[shape]}"
      fill="${fill}" stroke="${stroke}" stroke-width="1"/></svg>`;
  }

  // Cividis (Nuñez, Anderton and Renslow 2018) at nine places.
  const CIVIDIS = [
    [0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120],
    [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56],
  ];
  function cividis(t) {
    const at = Math.min(Math.max(t, 0), 1) * (CIVIDIS.length - 1);
    const i = Math.min(Math.floor(at), CIVIDIS.length - 2);
    return CIVIDIS[i].map((c, j) => Math.round(c + (at - i) * (CIVIDIS[i + 1][j] - c)));
  }

  /** A colour of the page's style sheet. */
  const themed = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  heldout.palette = { style, swatch, cividis, themed, dark, places: SHAPES.length };
})();
