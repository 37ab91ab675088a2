/* A section with one analysis for each of several settings: choose one, see its words and tables. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { page, tables } = heldout;
  const { find, make, read } = page;

  /** Fill a section whose documents are listed in its data-documents. */
  function section(root, words, { pick, look }) {
    const documents = JSON.parse(root.dataset.documents);
    const body = find(".body", root);
    const opened = new Map();

    function open(id) {
      if (!opened.has(id)) opened.set(id, page.unpack(read(id), words));
      fill(body, opened.get(id), { pick, look });
    }

    choose(root, open);
    open(documents[0].id);
  }

  /** The documents of a section as a list to choose from, where there are several. */
  function choose(root, open) {
    const documents = JSON.parse(root.dataset.documents);
    const choice = find("select.which", root);
    if (documents.length > 1) {
      choice.append(...documents.map((d) => make("option", { value: d.id }, d.label)));
      choice.addEventListener("change", () => open(choice.value));
      choice.closest(".choose").hidden = false;
    }
  }

  /** Words, parts, the table and its notes, in place of what is in `body`. */
  function fill(body, table, { pick, look = null, verdict = true, notes: noted = true }) {
    const parts = [];
    if (verdict && table.verdict.length) {
      parts.push(make("div", { class: "verdict" }, ...table.verdict.map((s) => make("p", {}, s))));
    }
    if (table.pair && look) {
      parts.push(make("p", { class: "links" }, make("button", { type: "button", class: "link",
        onclick: () => look(...table.pair) }, "Show this pair in the explorer ↑")));
    }
    const host = make("div", { class: "table" });
    const notes = noted && table.notes.length ? make("details", { class: "notes" },
      make("summary", {}, `${page.count(table.notes.length, "note")} on this table`),
      make("ul", {}, ...table.notes.map((n) => make("li", {}, n)))) : null;
    const parted = Object.values(table.parts ?? {}).filter((t) => t.columns[0]?.values.length);
    body.replaceChildren(...parts,
      ...(parted.length ? [make("div", { class: "parts" }, ...parted.map(tables.plain))] : []),
      host, meanings(table), ...(notes ? [notes] : []));
    tables.show(host, table, { file: table.file, pick: table.models ? pick : null, sort: table.sort });
  }

  /** What the columns mean, in the analysis' own words. */
  function meanings(table) {
    const said = table.columns.filter((c) => c.doc);
    return make("details", { class: "notes" }, make("summary", {}, "What the columns mean"),
      make("dl", { class: "meanings" }, ...said.flatMap((c) => [
        make("dt", {}, c.name.replaceAll("_", " ")), make("dd", {}, c.doc)])));
  }

  heldout.sections = { section, choose, fill };
})();
