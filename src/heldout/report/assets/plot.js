/* The explorer's plot as something to look at and to walk through: hover, keys, marks, tooltip. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { page, format, scatter } = heldout;
  const { find, make, escape } = page;

  const HOW = matchMedia("(pointer: coarse)").matches ? "Tap again to highlight" : "Click or Enter to highlight";
  const NOBODY = "No model yet: press an arrow key";

  /** The plot in `root` (see template.html). pin(i): called when the reader marks a model. */
  function plot(root, data, pin) {
    const canvas = find(".canvas", root);
    const walker = find(".walker", root);
    const option = find(".walker [role=option]", root);
    const tip = find(".tip", root);
    let view = null;
    let fr = null;
    let state = null;
    let pixels = [];
    let active = null;
    let turn = 0;

    const size = () => {
      const width = Math.max(280, Math.floor(canvas.parentElement.clientWidth));
      const tall = Math.round(width * (width < 520 ? 0.98 : 0.68));
      return { width, height: Math.min(tall, Math.max(380, Math.round(innerHeight * 0.8)), 640) };
    };

    /** Draw a frame; the old picture stays until the new one is there. */
    async function show(frame, next) {
      const mine = (turn += 1);
      const { width, height } = size();
      const fresh = make("div", { class: "sheet" });
      const drawn = await scatter.draw(fresh, scatter.spec(data, next, frame, { width, height }));
      if (mine !== turn) return drawn.finalize();
      view?.finalize();
      [view, fr, state] = [drawn, frame, next];
      canvas.replaceChildren(fresh);
      canvas.style.height = `${height}px`;
      const [left, top] = view.origin();
      const [sx, sy] = [view.scale("x"), view.scale("y")];
      pixels = fr.points.map((p) => ({ p, px: left + sx(p.tx), py: top + sy(p.ty) }));
      pixels.sort((a, b) => a.p.tx - b.p.tx || a.p.i - b.p.i);
      if (active !== null && !place(active)) active = null;
      return mark();
    }

    const place = (i) => pixels.find(({ p }) => p.i === i);

    /** Show rings, intervals and names of the marked models and of the active one. */
    async function mark() {
      if (!view) return;
      const wanted = [...new Set([...state.pins, ...(active === null ? [] : [active])])];
      const there = wanted.map(place).filter(Boolean);
      const bars = there.map(({ p }) => (
        { xl: p.tx, xh: p.tx, yl: p.ty, yh: p.ty, x: p.tx, y: p.ty, ...scatter.bar(data, state, p) }));
      const named = there.filter(({ p }) => state.pins.includes(p.i))
        .map(({ p, px, py }) => ({ px, py, x: p.tx, y: p.ty, name: p.name }));
      view.data("marked", bars);
      view.data("labels", scatter.placeLabels(named, canvas.clientWidth, canvas.clientHeight));
      view.signal("dim", state.pins.length ? 0.45 : 0.82);
      await view.runAsync();
      say();
    }

    /** What is known about a point, as lines of [word, value]. */
    function facts(p) {
      const said = (c) => {
        const limits = data.interval(c);
        const between = limits ? ` ${format.interval(...limits, "fraction")}` : "";
        return `${format.show(c.p, "fraction")}${between}`;
      };
      const of = (c) => (c.k === null ? "no counts published" :
        `${c.k.toLocaleString("en")} of ${c.n.toLocaleString("en")}`);
      const beyond = heldout.data.beyond(fr, state, p);
      const rows = [[state.x, said(p.x), of(p.x)], [state.y, said(p.y), of(p.y)]];
      if (beyond !== null) rows.push(["against the line", format.show(beyond, "points"), ""]);
      for (const column of data.raw.metadata) {
        if (rows.length > 7) break;
        const value = column.levels ? column.levels[column.codes[p.i]] : column.values[p.i];
        if (value !== null && value !== undefined) rows.push([column.name, String(value), ""]);
      }
      return rows;
    }

    /** Put the tooltip beside the active point, and its words where screen readers find them. */
    function say() {
      const spot = active === null ? null : place(active);
      tip.hidden = !spot;
      if (!spot) {
        option.textContent = NOBODY;
        return;
      }
      const { p, px, py } = spot;
      const rows = facts(p);
      const pinned = state.pins.includes(p.i);
      tip.innerHTML = `<strong>${escape(p.name)}</strong><dl>${rows.map(([word, value, more]) =>
        `<div><dt>${escape(word.replaceAll("_", " "))}</dt><dd>${escape(value)}${more ? `<small>${escape(more)}</small>` : ""}</dd></div>`,
      ).join("")}</dl><p>${pinned ? "Highlighted" : HOW}</p>`;
      const wide = tip.offsetWidth;
      const tall = tip.offsetHeight;
      const room = canvas.parentElement.clientWidth;
      // Points climb to the right: below right of the point, or above left of it, is usually free.
      const before = px + 16 + wide > room;
      const left = Math.max(0, before ? px - 16 - wide : px + 16);
      const top = Math.max(0, Math.min(before ? py - tall : py - 12, canvas.clientHeight - tall));
      tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
      const at = pixels.indexOf(spot);
      option.setAttribute("aria-posinset", at + 1);
      option.setAttribute("aria-setsize", pixels.length);
      option.setAttribute("aria-selected", pinned);
      option.textContent = `${p.name}. ${rows.map((row) => row.join(" ")).join(". ")}`;
    }

    function activate(i) {
      if (i === active) return;
      active = i;
      mark();
    }

    function nearest(event, within) {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      let best = null;
      let least = within * within;
      for (const spot of pixels) {
        const far = (spot.px - x) ** 2 + (spot.py - y) ** 2;
        if (far <= least) [best, least] = [spot, far];
      }
      return best?.p.i ?? null;
    }

    let waiting = null;
    walker.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch") return;
      if (!waiting) requestAnimationFrame(() => {
        activate(nearest(waiting, 22));
        waiting = null;
      });
      waiting = event;
    });
    walker.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch" && document.activeElement !== walker) activate(null);
    });
    walker.addEventListener("click", (event) => {
      const i = nearest(event, 26);
      const again = i !== null && i === active;
      const touched = event.pointerType === "touch";
      activate(i);
      if (i !== null && (!touched || again)) pin(i);
    });
    walker.addEventListener("blur", () => activate(null));

    // Keys: left and right follow the order on x, up and down the order on y.
    walker.addEventListener("keydown", (event) => {
      const by = (order) => {
        const list = order === "x" ? pixels : [...pixels].sort((a, b) => a.p.ty - b.p.ty || a.p.i - b.p.i);
        return list.map(({ p }) => p.i);
      };
      const step = (order, change) => {
        const list = by(order);
        const now = list.indexOf(active);
        const next = now < 0 ? (change > 0 ? 0 : list.length - 1) : now + change;
        return list[Math.max(0, Math.min(next, list.length - 1))] ?? null;
      };
      const moves = {
        ArrowRight: () => step("x", 1), ArrowLeft: () => step("x", -1),
        ArrowUp: () => step("y", 1), ArrowDown: () => step("y", -1),
        PageUp: () => step("x", 10), PageDown: () => step("x", -10),
        Home: () => by("x")[0] ?? null, End: () => by("x").at(-1) ?? null,
        Escape: () => null,
      };
      if (moves[event.key]) {
        event.preventDefault();
        activate(moves[event.key]());
      } else if ((event.key === "Enter" || event.key === " ") && active !== null) {
        event.preventDefault();
        pin(active);
      }
    });

    return { show, mark, size, view: () => view };
  }

  heldout.plot = plot;
})();
