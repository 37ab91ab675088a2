/* Start: the explorer first; the tables below it when the reader's browser has a free moment. */
(() => {
  "use strict";
  const { heldout } = globalThis;
  const { page } = heldout;
  const { find, all } = page;

  const look = find("#look");
  look.value = page.look();
  look.addEventListener("change", () => page.setLook(look.value));
  document.documentElement.classList.add("scripted");

  const raw = page.read("explorer-data");
  const explorer = heldout.explorer(find("#explorer"), raw);
  heldout.current = explorer;

  const places = new Map(raw.models.map((name, i) => [name, i]));
  const actions = {
    pick(name) {
      if (places.has(name)) explorer.toggle(places.get(name));
    },
    look(x, y) {
      explorer.look(x, y);
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      find("#explorer").scrollIntoView({ behavior: calm ? "auto" : "smooth" });
      find("#explorer-x").focus({ preventScroll: true });
    },
  };

  const idle = globalThis.requestIdleCallback ?? ((run) => setTimeout(run, 1));
  const starts = [
    ...all("section[data-kind=tables]").map((root) => (
      () => heldout.sections.section(root, raw.models, actions))),
    ...all("section[data-kind=corruptions]").map((root) => (
      () => heldout.corruptions(root, raw.models, actions))),
    ...all("section[data-kind=synthetic]").map((root) => (
      () => heldout.synthetic(root, raw.models, actions))),
    ...all("section[data-kind=heatmap]").map((root) => () => heldout.heatmap(root)),
  ];

  explorer.ready.then(() => {
    performance.mark("heldout-ready");
    document.documentElement.dataset.ready = String(Math.round(performance.now()));
    const next = () => {
      const start = starts.shift();
      if (start) {
        start();
        idle(next);
      } else {
        document.documentElement.dataset.complete = String(Math.round(performance.now()));
      }
    };
    idle(next);
  });
})();
