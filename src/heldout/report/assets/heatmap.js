/* Similarity of models: a heat map on a canvas, models in the order of a dendrogram. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { page, palette, format } = heldout;
  const { find, make, read } = page;

  function heatmap(root) {
    const documents = JSON.parse(root.dataset.documents);
    const canvas = find("canvas", root);
    const say = find(".pair", root);
    const bar = find(".bar", root);
    const kinds = find("#similarity-kind", root);
    const choice = find("select.which", root);
    let now = null;
    let spot = [0, 1];

    /** The value of a pair: agreement, or agreement beyond what independence predicts. */
    function value(i, j) {
      const { models, agreeing, accuracy, n } = now;
      const m = models.length;
      const [a, b] = i < j ? [i, j] : [j, i];
      const seen = agreeing[a * m - (a * (a + 1)) / 2 + (b - a - 1)] / n;
      const [p, q] = [accuracy[i], accuracy[j]];
      const expected = p * q + (1 - p) * (1 - q);
      return { seen, expected, shown: kinds.value === "beyond" ? seen - expected : seen };
    }

    function extent() {
      let [low, high] = [Infinity, -Infinity];
      for (let i = 0; i < now.models.length; i++) {
        for (let j = 0; j < i; j++) {
          const v = value(i, j).shown;
          if (v < low) low = v;
          if (v > high) high = v;
        }
      }
      return [low, high];
    }

    function draw() {
      const { models } = now;
      const m = models.length;
      const side = Math.min(canvas.parentElement.clientWidth, 680);
      const ratio = Math.max(1, globalThis.devicePixelRatio || 1);
      const paint = canvas.getContext("2d");
      const font = `${Math.min(12, (0.72 * side) / m)}px system-ui, sans-serif`;
      // Names stand beside the rows where there is room to read them.
      paint.font = font;
      const longest = Math.max(...models.map((name) => paint.measureText(name).width));
      const gutter = side >= 520 && side / m > 13 ? Math.min(longest + 8, side * 0.32) : 0;
      const cell = Math.max(1, Math.floor(((side - gutter) * ratio) / m));
      now.place = { gutter: Math.round(gutter * ratio), cell, ratio };
      canvas.width = now.place.gutter + cell * m;
      canvas.height = cell * m;
      canvas.style.width = `${canvas.width / ratio}px`;
      canvas.style.height = `${canvas.height / ratio}px`;
      const [low, high] = extent();
      const blank = palette.themed("panel");
      paint.font = font.replace(/^[\d.]+/, (size) => size * ratio);
      paint.textAlign = "right";
      paint.textBaseline = "middle";
      for (let i = 0; i < m; i++) {
        if (gutter) {
          paint.fillStyle = palette.themed(i === spot[0] ? "ink" : "muted");
          paint.fillText(models[i], now.place.gutter - 6 * ratio, (i + 0.5) * cell, now.place.gutter - 6 * ratio);
        }
        for (let j = 0; j < m; j++) {
          paint.fillStyle = i === j ? blank
            : `rgb(${palette.cividis((value(i, j).shown - low) / (high - low || 1))})`;
          paint.fillRect(now.place.gutter + j * cell, i * cell, cell, cell);
        }
      }
      const [i, j] = spot;
      const [x, y] = [now.place.gutter + j * cell, i * cell];
      paint.lineWidth = 2 * ratio;
      paint.strokeStyle = "#fff";
      paint.strokeRect(x, y, cell, cell);
      paint.strokeStyle = "#000";
      paint.setLineDash([3 * ratio, 3 * ratio]);
      paint.strokeRect(x, y, cell, cell);
      paint.setLineDash([]);
      const stops = Array.from({ length: 10 }, (_, s) => `rgb(${palette.cividis(s / 9)})`);
      const kind = kinds.value === "beyond" ? "points" : "fraction";
      bar.replaceChildren(make("span", {}, format.show(low, kind)),
        make("i", { style: `background:linear-gradient(90deg,${stops})`, "aria-hidden": "true" }),
        make("span", {}, format.show(high, kind)));
    }

    /** All pairs as a table: what the heat map shows, most alike first. */
    function pairs() {
      const { models, n } = now;
      const rows = [];
      for (let i = 0; i < models.length; i++) {
        for (let j = i + 1; j < models.length; j++) rows.push([models[i], models[j], value(i, j)]);
      }
      const by = kinds.value === "beyond" ? (v) => v.seen - v.expected : (v) => v.seen;
      rows.sort((a, b) => by(b[2]) - by(a[2]));
      const column = (name, kind, values) => ({ name, kind, doc: "", values });
      return { title: `Similarity of models on ${now.setting}`, notes: [], verdict: [], facts: { n },
        choices: {}, columns: [
          column("first", "text", rows.map((r) => r[0])),
          column("second", "text", rows.map((r) => r[1])),
          column("agreement", "fraction", rows.map((r) => r[2].seen)),
          column("expected", "fraction", rows.map((r) => r[2].expected)),
          column("n", "int", rows.map(() => n))] };
    }

    function list() {
      const table = pairs();
      const top = table.columns[0].values.slice(0, 8).map((_, r) => make("li", {},
        `${table.columns[0].values[r]} and ${table.columns[1].values[r]} `,
        make("small", {}, format.show(table.columns[2].values[r], "fraction"))));
      find(".alike", root).replaceChildren(...top);
    }

    function tell() {
      const [i, j] = spot;
      const { models } = now;
      if (i === j) {
        say.textContent = models[i];
        return;
      }
      const { seen, expected } = value(i, j);
      say.replaceChildren(make("strong", {}, models[i]), " and ", make("strong", {}, models[j]),
        `: both right or both wrong on ${format.show(seen, "fraction")} of ${now.n.toLocaleString("en")} examples; `
        + `${format.show(expected, "fraction")} if they were independent.`);
    }

    function go(i, j) {
      const most = now.models.length - 1;
      spot = [Math.max(0, Math.min(i, most)), Math.max(0, Math.min(j, most))];
      draw();
      tell();
    }

    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      const { gutter, cell, ratio } = now.place;
      const i = Math.floor(((event.clientY - box.top) * ratio) / cell);
      const j = Math.floor(((event.clientX - box.left) * ratio - gutter) / cell);
      if (j >= 0 && (i !== spot[0] || j !== spot[1])) go(i, j);
    });
    canvas.addEventListener("keydown", (event) => {
      const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      const by = moves[event.key];
      if (!by) return;
      event.preventDefault();
      go(spot[0] + by[0], spot[1] + by[1]);
    });

    function open(id) {
      now = read(id);
      spot = [0, Math.min(1, now.models.length - 1)];
      find(".words", root).replaceChildren(...now.words.map((w) => make("p", {}, w)));
      canvas.setAttribute("aria-label", `Similarity of ${now.models.length} models on ${now.setting}. Arrow keys move between pairs.`);
      go(...spot);
      list();
    }

    find("#similarity-csv", root).addEventListener("click", () => {
      const table = pairs();
      format.download(`similarity-${now.setting.replace(/[^\w.-]+/g, "_")}.csv`,
        format.toCsv(table, table.columns[0].values.map((_, r) => r)), "text/csv");
    });
    if (documents.length > 1) {
      choice.append(...documents.map((d) => make("option", { value: d.id }, d.label)));
      choice.addEventListener("change", () => open(choice.value));
      choice.closest(".choose").hidden = false;
    }
    kinds.addEventListener("change", () => {
      go(...spot);
      list();
    });
    page.onLook(draw);
    new ResizeObserver(page.debounce(draw, 120)).observe(canvas.parentElement);
    open(documents[0].id);
  }

  heldout.heatmap = heatmap;
})();
