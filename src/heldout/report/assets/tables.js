/* Tables that can be sorted, narrowed, walked through by keyboard and downloaded. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { page, format, pictures } = heldout;
  const { make, escape, count } = page;
  const AT_ONCE = 60;

  const words = (name) => (name === "r2" ? "R²" : name.replaceAll("_", " "));
  /** The setting that a column is about, from what its documentation says. */
  const about = (column) => /accuracy on (\S+)$/.exec(column.doc ?? "")?.[1];

  /**
   * Show a table (see heldout.report.tables) in `root`.
   * options: {file, pick(name), sort: {column, down}}; pick is called with a row's first cell.
   */
  function show(root, table, { file, pick = null, sort = null }) {
    const size = table.columns[0]?.values.length ?? 0;
    const paint = table.picture ? pictures.painter(table, table.picture) : null;
    const state = { wide: false, typed: "", sort, rows: [], shown: 0, at: 0 };
    const uses = table.columns.filter((c) => c.kind === "text");
    const search = uses.map((c) => c.values.map((v) => String(v ?? "").toLowerCase()));

    const filter = make("input", { type: "search", placeholder: "Filter rows …", autocomplete: "off",
      "aria-label": `Filter the table “${table.title}”`,
      oninput: (event) => { state.typed = event.target.value; arrange(); } });
    const status = make("output", { class: "count" });
    const hasWide = table.columns.some((c) => c.wide);
    const wide = hasWide ? make("label", { class: "check" }, make("input", { type: "checkbox",
      onchange: (event) => { state.wide = event.target.checked; head(); arrange(); } }), "all columns") : null;
    const which = make("select", { "aria-label": "Rows to download" },
      make("option", { value: "shown" }, "rows shown"), make("option", { value: "all" }, "all rows"));
    const called = { csv: "CSV", json: "JSON", tex: "LaTeX" };
    const give = (ending, write, type) => make("button", { type: "button",
      "aria-label": `Download as ${called[ending]}`,
      onclick: () => format.download(`${file}.${ending}`, write(table, which.value === "all"
        ? [...Array(size).keys()] : state.rows, state.wide), type) }, called[ending]);
    const save = make("div", { class: "save" }, make("span", {}, "Download"), which,
      give("csv", format.toCsv, "text/csv"), give("json", format.toJson, "application/json"),
      give("tex", format.toLatex, "text/x-tex"));
    const thead = make("thead");
    const tbody = make("tbody");
    const grid = make("table", { "aria-rowcount": size + 1 },
      make("caption", { class: "hidden" }, table.title), thead, tbody);
    const scroller = make("div", { class: "scroller", tabindex: "-1" }, grid);
    root.replaceChildren(make("div", { class: "tools" }, filter, status, wide, save), scroller);

    /** The picture stands after the column it draws. */
    const pictured = () => columns().findIndex((c) => c.name === paint.column);

    function columns() {
      return format.visible(table, state.wide);
    }

    function head() {
      const cells = columns().map((c, j) => make("th", { scope: "col", "data-name": c.name,
        class: `${c.kind === "text" ? "text" : "number"}${j ? "" : " first"}`, title: c.doc || null },
        make("button", { type: "button", onclick: () => resort(c) }, words(c.name)),
        about(c) ? make("small", {}, about(c)) : null));
      if (paint) cells.splice(pictured() + 1, 0, make("th", { scope: "col", class: "picture",
        html: `<span class="hidden">drawn</span>${paint.axis}` }));
      thead.replaceChildren(make("tr", {}, ...cells));
      mark();
    }

    function mark() {
      for (const th of thead.querySelectorAll("th[data-name]")) {
        const mine = state.sort?.column === th.dataset.name;
        if (mine) th.setAttribute("aria-sort", state.sort.down ? "descending" : "ascending");
        else th.removeAttribute("aria-sort");
      }
    }

    function resort(column) {
      const same = state.sort?.column === column.name;
      state.sort = { column: column.name, down: same ? !state.sort.down : column.kind !== "text" };
      mark();
      arrange();
      page.announce(`Sorted by ${words(column.name)}, ${state.sort.down ? "descending" : "ascending"}`);
    }

    /** The rows that match, in order; missing values come last whichever the direction. */
    function arrange() {
      const typed = state.typed.trim().toLowerCase().split(/\s+/).filter(Boolean);
      let rows = [...Array(size).keys()];
      if (typed.length) {
        rows = rows.filter((r) => typed.every((word) => search.some((texts) => texts[r].includes(word))));
      }
      const column = state.sort && format.byName(table, state.sort.column);
      if (column) {
        const sign = state.sort.down ? -1 : 1;
        const value = column.values;
        const compare = column.kind === "text"
          ? new Intl.Collator("en", { numeric: true }).compare : (a, b) => a - b;
        rows.sort((a, b) => {
          const [u, v] = [value[a], value[b]];
          if (u === null || v === null) return (u === null) - (v === null) || a - b;
          return sign * compare(u, v) || a - b;
        });
      }
      state.rows = rows;
      state.at = 0;
      state.shown = 0;
      tbody.replaceChildren();
      more();
      scroller.scrollTop = 0;
      status.textContent = rows.length === size ? count(size, "row")
        : `${rows.length.toLocaleString("en")} of ${count(size, "row")}`;
    }

    function more() {
      const next = state.rows.slice(state.shown, state.shown + AT_ONCE);
      const cols = columns();
      const html = next.map((r, j) => {
        const place = state.shown + j;
        const cells = cols.map((c, i) => {
          const tag = i ? "td" : "th";
          const text = c.kind === "text" ? escape(format.show(c.values[r], "text")) : number(c, r);
          const inner = i || !pick ? text : `<span class="pick">${text}</span>`;
          const whole = !i && text.length > 28 ? ` title="${text}"` : "";
          return `<${tag}${i ? "" : ' scope="row"'}${whole} class="${c.kind === "text" ? "text" : "number"}${i ? "" : " first"}">${inner}</${tag}>`;
        });
        if (paint) cells.splice(pictured() + 1, 0, `<td class="picture">${paint.row(r)}</td>`);
        return `<tr data-r="${r}" aria-rowindex="${place + 2}" tabindex="${place === state.at ? 0 : -1}">${cells.join("")}</tr>`;
      });
      tbody.insertAdjacentHTML("beforeend", html.join(""));
      state.shown += next.length;
    }

    function number(column, r) {
      const text = format.show(column.values[r], column.kind);
      if (!column.interval || text === format.MISSING) return escape(text);
      const limits = column.interval.map((name) => format.byName(table, name).values[r]);
      const between = format.interval(...limits, column.kind);
      return between ? `${escape(text)} <small>${escape(between)}</small>` : escape(text);
    }

    scroller.addEventListener("scroll", () => {
      const left = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
      if (left < 600 && state.shown < state.rows.length) more();
    });

    // One stop for Tab; arrows walk through the rows; Enter highlights the row's model.
    function walk(to) {
      const place = Math.max(0, Math.min(to, state.rows.length - 1));
      while (place >= state.shown) more();
      tbody.children[state.at]?.setAttribute("tabindex", "-1");
      state.at = place;
      const row = tbody.children[place];
      row.setAttribute("tabindex", "0");
      row.focus();
    }
    tbody.addEventListener("keydown", (event) => {
      if (!event.target.matches("tr")) return;
      const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 };
      if (event.key in moves) walk(state.at + moves[event.key]);
      else if (event.key === "Home") walk(0);
      else if (event.key === "End") walk(state.rows.length - 1);
      else if (event.key === "Enter" && pick) choose(event.target);
      else return;
      event.preventDefault();
    });
    tbody.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row && pick && event.target.closest(".pick")) choose(row);
    });
    const choose = (row) => pick(String(table.columns[0].values[Number(row.dataset.r)]));

    head();
    arrange();
  }

  /** A short table without tools. */
  function plain(table) {
    const cols = format.visible(table, false);
    const rows = [...Array(table.columns[0]?.values.length ?? 0).keys()];
    return make("div", { class: "scroller plain", tabindex: "0", role: "group",
      "aria-label": table.title, html: `<table><caption>${escape(table.title)}</caption><thead><tr>${
        cols.map((c) => `<th scope="col" class="${c.kind === "text" ? "text" : "number"}" title="${escape(c.doc ?? "")}">${escape(words(c.name))}</th>`).join("")
      }</tr></thead><tbody>${rows.map((r) => `<tr>${cols.map((c) => {
        const [value, between] = split(format.cell(table, c, r));
        return `<td class="${c.kind === "text" ? "text" : "number"}">${escape(value)}${between ? ` <small>${escape(between)}</small>` : ""}</td>`;
      }).join("")}</tr>`).join("")}</tbody></table>` });
  }
  const split = (text) => {
    const at = text.indexOf(" [");
    return at < 0 || !text.endsWith("]") ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  };

  heldout.tables = { show, plain };
})();
