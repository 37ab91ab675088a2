/* A text field with a list to choose from (ARIA 1.2 combobox): type to narrow, arrows, Enter. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { make, count } = heldout.page;
  const MOST = 250;

  /** Items whose label contains every word that was typed, best places first. */
  function matching(items, typed) {
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return items;
    return items.filter((item) => {
      const text = `${item.label} ${item.also ?? ""}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }

  /**
   * Make `input` (inside a .combobox element) a combobox.
   * items(): [{value, label, group, note, also}]; choose(value): called on a choice.
   * keeps: whether the field shows the chosen label afterwards (else it is emptied).
   */
  function combobox(input, { items, choose, keeps = true }) {
    const list = make("div", { role: "listbox", id: `${input.id}-list`, class: "options",
      "aria-label": input.getAttribute("aria-label") ?? input.labels?.[0]?.textContent ?? "" });
    const empty = make("p", { class: "none", hidden: true }, "Nothing matches.");
    const popup = make("div", { class: "popup", hidden: true }, list, empty);
    input.after(popup);
    for (const [name, value] of Object.entries({
      role: "combobox", autocomplete: "off", spellcheck: "false", autocapitalize: "off",
      "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list",
    })) input.setAttribute(name, value);
    let shown = [];
    let at = -1;
    let chosen = "";
    let label = "";

    function open(typed) {
      const found = matching(items(), typed);
      shown = found.slice(0, MOST);
      list.replaceChildren();
      let group;
      let into = list;
      shown.forEach((item, i) => {
        if (item.group !== group && item.group) {
          const id = `${list.id}-g${i}`;
          into = make("div", { role: "group", "aria-labelledby": id },
            make("div", { class: "group", id, role: "presentation" }, item.group));
          list.append(into);
        }
        group = item.group;
        into.append(make("div", {
          role: "option", id: `${list.id}-${i}`, "data-i": i,
          "aria-selected": String(item.value === chosen && keeps),
        }, make("span", {}, item.label), item.note ? make("small", {}, item.note) : null));
      });
      if (found.length > MOST) {
        list.append(make("div", { class: "none", role: "presentation" },
          `… and ${count(found.length - MOST, "more", "more")}: type to narrow`));
      }
      empty.hidden = shown.length > 0;
      popup.hidden = false;
      input.setAttribute("aria-expanded", "true");
      const current = shown.findIndex((item) => item.value === chosen);
      move(typed ? 0 : keeps ? current : -1);
    }

    function close() {
      popup.hidden = true;
      at = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    }

    function move(to) {
      list.querySelector(".at")?.classList.remove("at");
      at = shown.length ? Math.min(to, shown.length - 1) : -1;
      const option = at < 0 ? null : document.getElementById(`${list.id}-${at}`);
      if (!option) return input.removeAttribute("aria-activedescendant");
      option.classList.add("at");
      option.scrollIntoView({ block: "nearest" });
      return input.setAttribute("aria-activedescendant", option.id);
    }

    function take(i) {
      const item = shown[i];
      if (!item) return;
      close();
      set(item.value, item.label);
      choose(item.value);
    }

    function set(value, text) {
      chosen = value;
      label = keeps ? text : "";
      input.value = label;
    }

    input.addEventListener("focus", () => input.select());
    input.addEventListener("click", () => open(""));
    input.addEventListener("input", () => open(input.value));
    input.addEventListener("blur", () => {
      close();
      input.value = label;
    });
    input.addEventListener("keydown", (event) => {
      const { key } = event;
      const closed = popup.hidden;
      if (key === "ArrowDown" || key === "ArrowUp") {
        event.preventDefault();
        if (closed) return open("");
        const step = key === "ArrowDown" ? 1 : -1;
        return move((at + step + shown.length) % Math.max(shown.length, 1));
      }
      if (key === "Enter" && !closed) {
        event.preventDefault();
        return take(Math.max(at, 0));
      }
      if (key === "Escape") {
        if (!closed) event.stopPropagation();
        close();
        input.value = label;
      }
      return undefined;
    });
    // The list must not take the focus from the field before the click arrives.
    popup.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) take(Number(option.dataset.i));
    });
    return { set };
  }

  heldout.combobox = combobox;
})();
