/* What every part of the page needs: elements, escaped text, the data, the theme. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});

  const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  const escape = (text) => String(text).replace(/[&<>"']/g, (c) => ESCAPES[c]);

  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  /** An element with attributes and children (text is text, never markup). */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "html") element.innerHTML = value;
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((c) => c !== null && c !== undefined));
    return element;
  }

  /** The content of a JSON script element; null when the report has none. */
  function read(id) {
    const element = document.getElementById(id);
    return element ? JSON.parse(element.textContent) : null;
  }

  /** Text columns may be stored as places in a list of words; give them back as words. */
  function unpack(table, words) {
    for (const column of table.columns) {
      if (column.places) {
        const list = column.words ?? words;
        column.values = column.places.map((i) => (i < 0 ? null : list[i]));
        delete column.places;
        delete column.words;
      }
    }
    for (const part of Object.values(table.parts ?? {})) unpack(part, words);
    return table;
  }

  /** Say something to people who listen to the page. */
  function announce(text) {
    const region = find("#announcer");
    if (region) region.textContent = text;
  }

  /** Call `run` when things have been quiet for `wait` milliseconds. */
  function debounce(run, wait) {
    let timer = 0;
    return (...args) => {
      clearTimeout(timer);
      timer = setTimeout(() => run(...args), wait);
    };
  }

  const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

  // The theme: as the system says until the reader chooses.
  const system = matchMedia("(prefers-color-scheme: dark)");
  const listeners = [];
  let choice = "auto";
  try {
    choice = localStorage.getItem("heldout-look") ?? "auto";
  } catch {
    /* a page from a file may have no storage */
  }

  function applyLook() {
    const look = choice === "auto" ? (system.matches ? "dark" : "light") : choice;
    document.documentElement.dataset.look = look;
    listeners.forEach((listener) => listener(look));
  }

  function setLook(next) {
    choice = next;
    try {
      localStorage.setItem("heldout-look", next);
    } catch {
      /* then only for now */
    }
    applyLook();
  }

  system.addEventListener("change", applyLook);
  applyLook();

  heldout.page = {
    escape, find, all, make, read, unpack, announce, debounce, count, setLook,
    look: () => choice,
    onLook: (listener) => listeners.push(listener),
  };
})();
