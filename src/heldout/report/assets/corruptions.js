/* The section on corruptions: a heat map, accuracy against severity and the table of mCE. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { page, format, sections } = heldout;
  const { find, make, read } = page;

  function corruptions(root, models, { pick }) {
    const documents = JSON.parse(root.dataset.documents);
    const opened = new Map();
    const severity = heldout.severity(root);
    const heat = heldout.heatTable(root, severity.toggle);

    function open(id) {
      if (!opened.has(id)) opened.set(id, page.unpack(read(id), models));
      const doc = opened.get(id);
      const names = doc.heat.models.map((i) => models[i]);
      const mean = new Map(format.byName(doc, "model").values.map((name, r) => [name, r]));
      const column = (name) => format.byName(doc, name).values;
      const [value, low, high] = ["mean_error", "mean_error_low", "mean_error_high"].map(column);
      const added = (cells, means) => cells.map((row, i) => [means[mean.get(names[i])] ?? null, ...row]);
      find(".words", root).replaceChildren(...doc.verdict.map((s) => make("p", {}, s)),
        ...doc.notes.map((s) => make("p", {}, make("small", {}, s))));
      const counted = doc.counted.filter(Boolean).length;
      heat({
        names,
        heads: [{ name: `mean of ${counted}`, counted: true },
          ...doc.kinds.map((k, i) => ({ name: k.replaceAll("_", " "), counted: doc.counted[i] }))],
        error: added(doc.heat.error, value), low: added(doc.heat.low, low), high: added(doc.heat.high, high),
        n: doc.heat.n, medium: doc.medium,
      });
      const apart = doc.counted.length - counted;
      find(".heat-caption small", root).textContent = "Top-1 error in percent, mean of five severities; – where one is missing."
        + (apart ? ` The last ${apart}, with light headings, do not count in the mean.` : "")
        + " A heading sorts, a model's name draws it below.";
      severity.show(doc, names);
      find(".table-head", root).textContent = doc.title;
      sections.fill(find(".body", root), doc, { pick, verdict: false, notes: false });
    }

    sections.choose(root, open);
    open(documents[0].id);
  }

  heldout.corruptions = corruptions;
})();
