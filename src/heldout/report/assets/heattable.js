/* A heat map that is a table: models by corruptions, coloured, sorted, with names that can be read. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { page, palette, format } = heldout;
  const { find, make, escape, count } = page;
  const AT_ONCE = 60;

  /**
   * The heat map in `root` (see html.py). Returns show(now): {names, heads: [{name, counted}],
   * error, low, high: by row and head, n: by row, medium}. pick(name): a model was chosen.
   */
  function heatTable(root, pick) {
    const place = find(".heat-place", root);
    const scroller = find(".heat-scroller", root);
    const tip = find(".tip", place);
    const filter = find(".heat-filter", root);
    const small = find(".heat-small", root);
    let now = null;
    let extent = [0, 1];
    let rows = [];
    let shown = 0;
    let sort = null;
    let at = [0, 0]; // row in the order shown (-1: heads), column (0: the name)

    const colour = (v) => {
      const [r, g, b] = palette.cividis((v - extent[0]) / (extent[1] - extent[0] || 1));
      const linear = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
      const light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
      return `background:rgb(${r},${g},${b});color:${light > 0.179 ? "#000" : "#fff"}`;
    };

    function head() {
      const cells = now.heads.map((h, j) => `<th scope="col" data-c="${j + 1}" tabindex="-1"${
        sort?.column === j ? ` aria-sort="${sort.down ? "descending" : "ascending"}"` : ""
      } class="${h.counted ? "" : "apart"}" title="Sort by ${escape(h.name)}"><span>${escape(h.name)}</span></th>`);
      find("thead", scroller).innerHTML = `<tr><th scope="col" class="first" data-c="0"
        tabindex="-1" title="In the order of the table below">model</th>${cells.join("")}</tr>`;
    }

    function arrange() {
      const typed = filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      rows = [...now.names.keys()].filter((i) => typed.every((w) => now.names[i].toLowerCase().includes(w)));
      if (sort) {
        const value = (i) => now.error[i][sort.column] ?? Infinity;
        rows.sort((a, b) => (sort.down && Number.isFinite(value(a)) && Number.isFinite(value(b))
          ? value(b) - value(a) : value(a) - value(b)) || a - b);
      }
      find("tbody", scroller).replaceChildren();
      shown = 0;
      at = [0, Math.min(at[1], now.heads.length)];
      scroller.scrollTop = 0;
      more(small.checked ? rows.length : AT_ONCE);
      const said = rows.length === now.names.length ? count(rows.length, "model")
        : `${rows.length.toLocaleString("en")} of ${count(now.names.length, "model")}`;
      find(".count", root).textContent = said;
      stop(at, 0);
      hide();
    }

    function more(how = AT_ONCE) {
      const next = rows.slice(shown, shown + how);
      find("tbody", scroller).insertAdjacentHTML("beforeend", next.map((i) => `<tr data-r="${i}"><th scope="row"
        class="first" data-c="0" tabindex="-1"><span class="pick">${escape(now.names[i])}</span></th>${
        now.heads.map((h, j) => {
          const v = now.error[i][j];
          return v === null ? `<td data-c="${j + 1}" tabindex="-1">–</td>`
            : `<td data-c="${j + 1}" tabindex="-1" style="${colour(v)}"${h.counted ? "" : ' class="apart"'}>${(100 * v).toFixed(0)}</td>`;
        }).join("")}</tr>`).join(""));
      shown += next.length;
    }

    const cell = ([r, c]) => find(r < 0 ? "thead tr" : `tbody tr:nth-child(${r + 1})`, scroller)?.children[c];
    const stop = (where, value) => cell(where)?.setAttribute("tabindex", value);

    function walk(r, c, focus = true) {
      const row = Math.max(-1, Math.min(r, rows.length - 1));
      const column = Math.max(0, Math.min(c, now.heads.length));
      while (row >= shown) more();
      stop(at, -1);
      at = [row, column];
      stop(at, 0);
      if (focus) cell(at)?.focus();
    }

    const where = (element) => {
      const r = element.closest("tbody") ? [...element.parentElement.parentElement.children].indexOf(element.parentElement) : -1;
      return [r, Number(element.dataset.c)];
    };

    /** Say what is known about a cell, beside it and to screen readers. */
    function tell(element) {
      const [r, c] = where(element);
      if (r < 0 || c < 1) return hide();
      const i = rows[r];
      const j = c - 1;
      const head = now.heads[j];
      const v = now.error[i][j];
      const between = format.interval(now.low[i][j], now.high[i][j], "fraction");
      const facts = [[head.name, v === null ? "not measured" : `${format.show(v, "fraction")} ${between}`],
        ["images", now.n[i] === null ? "not known" : `${now.n[i].toLocaleString("en")} a setting`],
        ["medium", now.medium]];
      tip.hidden = false;
      tip.innerHTML = `<strong>${escape(now.names[i])}</strong><dl>${facts.map(([a, b]) =>
        `<div><dt>${escape(a)}</dt><dd>${escape(b)}</dd></div>`).join("")}</dl><p>${
        head.counted ? "top-1 error, mean of 5 severities" : "not in the mean"}</p>`;
      const [box, outer] = [element.getBoundingClientRect(), place.getBoundingClientRect()];
      const left = Math.min(Math.max(0, box.left - outer.left + 10), place.clientWidth - tip.offsetWidth);
      const below = box.bottom - outer.top + 8;
      const top = below + tip.offsetHeight > place.clientHeight
        ? Math.max(0, box.top - outer.top - tip.offsetHeight - 8) : below;
      tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
      find(".heat-said", root).textContent = document.activeElement === element
        ? `${now.names[i]}, ${facts.map((f) => f.join(" ")).join(", ")}` : "";
      return undefined;
    }

    function hide() {
      tip.hidden = true;
    }

    function resort(column) {
      sort = column < 0 ? null : { column, down: sort?.column === column && !sort.down };
      head();
      arrange();
      at = [-1, column + 1];
      page.announce(column < 0 ? "In the first order"
        : `Sorted by ${now.heads[column].name}, ${sort.down ? "descending" : "ascending"}`);
    }

    scroller.addEventListener("scroll", () => {
      if (scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 600 && shown < rows.length) more();
    });
    scroller.addEventListener("pointerover", (event) => {
      const element = event.target.closest("[data-c]");
      if (element && event.pointerType !== "touch") tell(element);
    });
    scroller.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") hide();
    });
    scroller.addEventListener("focusin", (event) => {
      const element = event.target.closest("[data-c]");
      if (!element) return;
      stop(at, -1);
      at = where(element);
      stop(at, 0);
      tell(element);
    });
    scroller.addEventListener("focusout", hide);
    scroller.addEventListener("click", (event) => {
      const element = event.target.closest("[data-c]");
      if (!element) return;
      const [r, c] = where(element);
      if (r < 0) {
        resort(c - 1);
        walk(-1, c, false);
      } else {
        walk(r, c);
        if (event.target.closest(".pick")) pick(now.names[rows[r]]);
      }
    });
    scroller.addEventListener("keydown", (event) => {
      if (!event.target.dataset.c) return;
      const [r, c] = at;
      const moves = { ArrowDown: [r + 1, c], ArrowUp: [r - 1, c], ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1],
        PageDown: [r + 12, c], PageUp: [r - 12, c], Home: [r, 0], End: [r, now.heads.length] };
      if (moves[event.key]) walk(...moves[event.key]);
      else if (event.key === "Enter" && r < 0) {
        resort(c - 1);
        walk(-1, c);
      } else if (event.key === "Enter") pick(now.names[rows[r]]);
      else return;
      event.preventDefault();
    });
    filter.addEventListener("input", page.debounce(arrange, 80));
    small.addEventListener("change", () => {
      scroller.classList.toggle("small", small.checked);
      arrange();
    });
    page.onLook(() => { if (now) arrange(); });

    return (next) => {
      now = next;
      sort = null;
      const seen = now.error.flat().filter((v) => v !== null);
      extent = [seen.reduce((a, b) => Math.min(a, b), 1), seen.reduce((a, b) => Math.max(a, b), 0)];
      const stops = Array.from({ length: 10 }, (_, s) => `rgb(${palette.cividis(s / 9)})`);
      find(".bar", root).replaceChildren(make("span", {}, `error ${(100 * extent[0]).toFixed(0)} %`),
        make("i", { style: `background:linear-gradient(90deg,${stops})`, "aria-hidden": "true" }),
        make("span", {}, `${(100 * extent[1]).toFixed(0)} %`));
      scroller.innerHTML = `<table role="grid" class="heat-table" aria-label="Error of ${now.names.length} models by corruption. Arrow keys move between cells."><thead></thead><tbody></tbody></table>`;
      find(".heat-filter", root).closest(".tools").classList.toggle("few", now.names.length < 12);
      head();
      arrange();
    };
  }

  heldout.heatTable = heatTable;
})();
