/* Points of a plot as something to walk through: the nearest to the mouse, arrow keys, a tooltip. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { page } = heldout;
  const { find, escape } = page;

  /**
   * Make the .walker over a .plot's canvas walkable. Returns set(points): each {px, py, name, rows},
   * rows as [word, value, more]. enter(point): called on Enter or a click; null for nothing.
   */
  function points(root, enter = null) {
    const canvas = find(".canvas", root);
    const walker = find(".walker", root);
    const option = find("[role=option]", walker);
    const tip = find(".tip", root);
    const nobody = option.textContent;
    let all = [];
    let at = -1;

    function say() {
      const here = all[at];
      tip.hidden = !here;
      if (!here) {
        option.textContent = nobody;
        return;
      }
      tip.innerHTML = `<strong>${escape(here.name)}</strong><dl>${here.rows.map(([word, value, more]) =>
        `<div><dt>${escape(word)}</dt><dd>${escape(value)}${more ? `<small>${escape(more)}</small>` : ""}</dd></div>`,
      ).join("")}</dl>`;
      const room = canvas.parentElement.clientWidth;
      const before = here.px + 16 + tip.offsetWidth > room;
      const left = Math.max(0, before ? here.px - 16 - tip.offsetWidth : here.px + 16);
      const top = Math.max(0, Math.min(here.py - 12, canvas.clientHeight - tip.offsetHeight));
      tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
      option.setAttribute("aria-posinset", at + 1);
      option.setAttribute("aria-setsize", all.length);
      option.textContent = `${here.name}. ${here.rows.map((row) => row.join(" ")).join(". ")}`;
    }

    function go(to) {
      if (to === at) return;
      at = to;
      say();
    }

    function nearest(event, within) {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      let best = -1;
      let least = within * within;
      all.forEach((p, i) => {
        const far = (p.px - x) ** 2 + (p.py - y) ** 2;
        if (far <= least) [best, least] = [i, far];
      });
      return best;
    }

    walker.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "touch") go(nearest(event, 22));
    });
    walker.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch" && document.activeElement !== walker) go(-1);
    });
    walker.addEventListener("click", (event) => {
      const i = nearest(event, 26);
      const again = i === at;
      go(i);
      if (enter && i >= 0 && (event.pointerType !== "touch" || again)) enter(all[i]);
    });
    walker.addEventListener("blur", () => go(-1));

    // Left and right follow the order on x, up and down the order on y.
    walker.addEventListener("keydown", (event) => {
      const by = { ArrowRight: ["px", 1], ArrowLeft: ["px", -1], ArrowUp: ["py", -1], ArrowDown: ["py", 1] };
      if (event.key === "Escape") go(-1);
      else if (event.key === "Home" || event.key === "End") go(event.key === "Home" ? 0 : all.length - 1);
      else if ((event.key === "Enter" || event.key === " ") && enter && at >= 0) enter(all[at]);
      else if (by[event.key] && all.length) {
        const [side, step] = by[event.key];
        const order = [...all.keys()].sort((a, b) => all[a][side] - all[b][side] || a - b);
        const now = order.indexOf(at);
        const next = now < 0 ? (step > 0 ? 0 : order.length - 1) : now + step;
        go(order[Math.max(0, Math.min(next, order.length - 1))]);
      } else return;
      event.preventDefault();
    });

    return (next) => {
      all = [...next].sort((a, b) => a.px - b.px || a.py - b.py);
      at = -1;
      say();
    };
  }

  heldout.points = points;
})();
