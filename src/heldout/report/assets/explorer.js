/* The explorer: its state, its controls, what it says about the fit, its downloads. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { page, format, palette, scatter } = heldout;
  const { find, all, make, escape, count } = page;

  /** Build the explorer; returns {ready, pin, look(x, y), state}. */
  function explorer(root, raw) {
    const data = heldout.data.model(raw);
    const state = {
      x: raw.x, y: raw.y, scale: raw.scale, colour: raw.family ?? "", hidden: new Set(), pins: [],
      fit: raw.population ? "population" : "all",
      show: { line: true, diagonal: true, intervals: false },
    };
    fromAddress(state, data);
    let fr = null;
    const plot = heldout.plot(find(".plot", root), data, toggle);

    function toggle(i, also = false) {
      const there = state.pins.includes(i);
      if (there && also) return;
      state.pins = there ? state.pins.filter((p) => p !== i) : [...state.pins, i];
      page.announce(`${raw.models[i]} ${there ? "no longer highlighted" : "highlighted"}`);
      chips();
      remember(state, raw);
      plot.mark();
    }

    async function update() {
      fr = heldout.data.frame(data, state);
      legend();
      readout(root, raw, state, fr);
      remember(state, raw);
      await plot.show(fr, state);
    }

    // Settings on x and y, with their groups.
    const items = settingItems(raw);
    const boxes = Object.fromEntries(["x", "y"].map((side) => [side, heldout.combobox(
      find(`#explorer-${side}`, root),
      { items: () => items, choose: (value) => { state[side] = value; update(); } },
    )]));
    const showPair = () => ["x", "y"].forEach((side) => boxes[side].set(state[side], state[side]));
    find("#explorer-swap", root).addEventListener("click", () => {
      [state.x, state.y] = [state.y, state.x];
      showPair();
      update();
    });

    for (const radio of all("input[name=scale]", root)) {
      radio.checked = radio.value === state.scale;
      radio.addEventListener("change", () => { state.scale = radio.value; update(); });
    }
    for (const box of all("input[data-show]", root)) {
      box.checked = state.show[box.dataset.show];
      box.addEventListener("change", () => { state.show[box.dataset.show] = box.checked; update(); });
    }

    // Highlighting by name.
    heldout.combobox(find("#explorer-find", root), {
      items: () => raw.models.map((name, i) => ({ value: i, label: name })),
      choose: (i) => toggle(i, true), keeps: false,
    });
    function chips() {
      find(".chips", root).replaceChildren(...state.pins.map((i) => make("button", {
        type: "button", "aria-label": `Stop highlighting ${raw.models[i]}`, onclick: () => toggle(i),
      }, raw.models[i], make("span", { "aria-hidden": "true" }, "×"))));
    }

    // Families: what they are, which are drawn, and the models that the line is fitted to.
    const colours = find("#explorer-colour", root);
    const families = raw.metadata.filter((c) => c.levels);
    colours.append(make("option", { value: "" }, "nothing"),
      ...families.map((c) => make("option", { value: c.name }, c.name)));
    colours.value = state.colour;
    colours.addEventListener("change", () => {
      state.colour = colours.value;
      state.hidden.clear();
      if (state.fit.startsWith("level:")) state.fit = raw.population ? "population" : "all";
      update();
    });
    const fits = find("#explorer-fit", root);
    fits.addEventListener("change", () => { state.fit = fits.value; update(); });

    function legend() {
      const list = find(".legend", root);
      const focused = document.activeElement?.dataset?.level;
      list.replaceChildren(...fr.legend.levels.map((level, l) => make("li", {}, make("button", {
        type: "button", "data-level": l, "aria-pressed": String(!state.hidden.has(l)),
        onclick: () => { if (!state.hidden.delete(l)) state.hidden.add(l); update(); },
        html: `${palette.swatch(level.place)}<span>${escape(level.name)}</span><small>${level.count}</small>`,
      }))));
      list.parentElement.hidden = fr.legend.levels.length < 2;
      find(`[data-level="${focused}"]`, list)?.focus();
      const named = fr.legend.levels.length > 1 ? fr.legend.levels : [];
      fits.replaceChildren(
        raw.population ? make("option", { value: "population" },
          `the baseline: ${raw.population.condition}`) : "",
        make("option", { value: "all" }, "all models"),
        make("option", { value: "shown" }, "the models shown"),
        ...named.map((l) => make("option", { value: `level:${l.name}` }, `only ${l.name}`)),
      );
      fits.value = state.fit;
    }

    downloads(root, data, state, () => fr);
    page.onLook(() => { if (fr) update(); });
    let before = plot.size().width;
    new ResizeObserver(page.debounce(() => {
      const { width } = plot.size();
      if (width !== before) {
        before = width;
        plot.show(fr, state);
      }
    }, 120)).observe(find(".plot", root));

    showPair();
    chips();
    return {
      ready: update(), state, toggle, data,
      look(x, y) {
        [state.x, state.y] = [x, y];
        showPair();
        return update();
      },
    };
  }

  /** Settings for the lists, those of a group together. */
  function settingItems(raw) {
    const order = new Map(["original", "replicate", "relabelled", "natural"].map((g, i) => [g, i]));
    raw.settings.forEach((s) => order.has(s.group ?? "") || order.set(s.group ?? "", order.size));
    const rank = (s) => order.get(s.group ?? "");
    const grouped = raw.settings.some((s) => s.group);
    return [...raw.settings]
      .sort((a, b) => rank(a) - rank(b))
      .map((s) => ({ value: s.name, label: s.name, group: s.group ?? (grouped ? "other" : ""),
        note: count(s.models, "model"), also: `${s.aliases ?? ""} ${s.group ?? ""}` }));
  }

  /** The fit in words and numbers, and everything that was left out. */
  function readout(root, raw, state, fr) {
    const { line } = fr;
    const name = { linear: "", logit: "logit ", probit: "probit " }[state.scale];
    const sign = (v) => `${v < 0 ? "−" : "+"} ${Math.abs(v).toFixed(3)}`;
    const level = `${+(100 * raw.level).toFixed(1)} %`;
    find(".equation", root).textContent = line
      ? `${name}y = ${line.slope.toFixed(3)} ${name}x ${sign(line.intercept)}`
      : "no line: too few models";
    const facts = line
      ? [["slope", `${line.slope.toFixed(3)}${fr.slope ? ` [${fr.slope.map((s) => s.toFixed(3)).join(", ")}]` : ""}`],
        ["R²", Number.isNaN(line.r2) ? "–" : line.r2.toFixed(3)],
        ["models in the fit", fr.used.toLocaleString("en")],
        ["models drawn", fr.points.length.toLocaleString("en")]]
      : [["models drawn", fr.points.length.toLocaleString("en")]];
    find(".fit-facts", root).replaceChildren(...facts.map(([word, value]) =>
      make("div", {}, make("dt", {}, word), make("dd", {}, value))));
    const out = [];
    if (fr.left.missing) out.push(`${count(fr.left.missing, "model")} without an accuracy on both settings`);
    if (fr.left.unbounded.length) {
      const some = fr.left.unbounded.slice(0, 3).join(", ");
      const more = fr.left.unbounded.length > 3 ? ", …" : "";
      out.push(`${count(fr.left.unbounded.length, "model")} at 0 % or 100 %, which the ${state.scale} scale cannot show (${some}${more})`);
    }
    if (fr.left.hidden) out.push(`${count(fr.left.hidden, "model")} in hidden families`);
    find(".left-out", root).textContent = out.length ? `Left out: ${out.join("; ")}.` : "No model is left out.";
    find(".plot-caption", root).textContent =
      `Each mark is a model. Solid: least squares on the ${state.scale} scale over ${count(fr.used, "model")}; `
      + `shaded: ${level} band from ${raw.draws.toLocaleString("en")} resamples of these models (seed ${raw.seed}). `
      + `Dashed: y = x. Models are not independent draws, so the band is a guide only.`
      + (fr.used < 20 ? ` With so few models it is too narrow, too.` : "");
    find(".walker", root).setAttribute("aria-label",
      `Scatter plot of ${count(fr.points.length, "model")}: ${state.x} on x, ${state.y} on y. Arrow keys move between models, Enter highlights one.`);
  }

  function downloads(root, data, state, frame) {
    const name = () => `${state.x}-${state.y}-${state.scale}`.replace(/[^\w.-]+/g, "_");
    const still = async (renderer) => {
      const host = make("div", { class: "offstage" });
      document.body.append(host);
      const size = { width: 760, height: 520, legend: true };
      const view = await scatter.draw(host, scatter.spec(data, state, frame(), size), renderer);
      host.remove();
      return view;
    };
    find("#explorer-svg", root).addEventListener("click", async () => {
      format.download(`${name()}.svg`, await (await still("svg")).toSVG(), "image/svg+xml");
    });
    find("#explorer-png", root).addEventListener("click", async () => {
      const canvas = await (await still("canvas")).toCanvas(3);
      canvas.toBlob((blob) => format.download(`${name()}.png`, blob));
    });
    find("#explorer-csv", root).addEventListener("click", () => {
      const rows = frame().points.map((p) => {
        const limits = [p.x, p.y].map((c) => data.interval(c) ?? [null, null]);
        return [p.name, p.x.p, ...limits[0], p.x.k, p.x.n, p.y.p, ...limits[1], p.y.k, p.y.n,
          heldout.data.beyond(frame(), state, p)];
      });
      const heads = ["model", "x", "x_low", "x_high", "x_k", "x_n", "y", "y_low", "y_high", "y_k",
        "y_n", "beyond_line"];
      const table = { columns: heads.map((head, j) => ({ name: head,
        kind: j ? (/_[kn]$/.test(head) ? "int" : "fraction") : "text",
        values: rows.map((row) => row[j]) })) };
      format.download(`${name()}.csv`, format.toCsv(table, rows.map((_, i) => i)), "text/csv");
    });
  }

  /** The state in the page's address, so that a view can be shared. */
  function remember(state, raw) {
    const words = new URLSearchParams({ x: state.x, y: state.y, scale: state.scale });
    if (state.pins.length) words.set("models", state.pins.map((i) => raw.models[i]).join("|"));
    try {
      history.replaceState(null, "", `#${words}`);
    } catch {
      /* some browsers refuse for pages from a file */
    }
  }

  function fromAddress(state, data) {
    const words = new URLSearchParams(location.hash.slice(1));
    for (const side of ["x", "y"]) {
      if (data.bySetting.has(words.get(side))) state[side] = words.get(side);
    }
    if (["linear", "logit", "probit"].includes(words.get("scale"))) state.scale = words.get("scale");
    const names = new Set((words.get("models") ?? "").split("|"));
    state.pins = data.raw.models.flatMap((name, i) => (names.has(name) ? [i] : []));
  }

  heldout.explorer = explorer;
})();
