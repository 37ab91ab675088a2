/* Numbers as people read them, and tables as CSV, JSON and LaTeX: the same text as heldout.table. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const MISSING = "–";

  /** A number with d decimals; exact halves go to the even digit, as in Python. */
  function fixed(x, d) {
    let text = Math.abs(x).toFixed(d);
    const exact = Math.abs(x).toFixed(d + 50);
    const half = exact.length - 50;
    if (/^50*$/.test(exact.slice(half)) && /[13579]$/.test(text)) {
      text = exact.slice(0, d ? half : half - 1); // toFixed went up from an even digit
    }
    return x < 0 || Object.is(x, -0) ? `-${text}` : text;
  }

  /** Python's '.4g'. */
  function general(x, digits) {
    if (x === 0) return "0";
    const [mantissa, exponent] = x.toExponential(digits - 1).split("e");
    const power = Number(exponent);
    const bare = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
    if (power >= -4 && power < digits) return bare(fixed(x, digits - 1 - power));
    const sign = power < 0 ? "-" : "+";
    return `${bare(mantissa)}e${sign}${String(Math.abs(power)).padStart(2, "0")}`;
  }

  /** A value as people read it; kinds as in heldout.table. */
  function show(value, kind) {
    if (value === null || value === undefined || Number.isNaN(value)) return MISSING;
    if (kind === "fraction") return `${fixed(100 * value, 2)} %`;
    if (kind === "points") {
      const text = fixed(100 * value, 2);
      return `${text.startsWith("-") ? "" : "+"}${text} %`;
    }
    if (kind === "int") return String(Math.trunc(value));
    if (kind === "pvalue") {
      if (value >= 0.001) return fixed(value, 3);
      return value === 0 ? "0e+00" : value.toExponential(0).replace(/e([+-])(\d)$/, "e$10$2");
    }
    if (kind === "number") {
      return Math.abs(value) >= 1000 || value === 0 ? general(value, 4) : fixed(value, 4);
    }
    if (kind === "bool") return value ? "yes" : "no";
    return String(value);
  }

  const bare = (text) => text.replace(/[ %]+$/, "");

  /** The interval of a cell as "[low, high]", or "" where there is none. */
  function interval(low, high, kind) {
    const ends = [show(low, kind), show(high, kind)];
    return ends.includes(MISSING) ? "" : `[${bare(ends[0])}, ${bare(ends[1])}]`;
  }

  /** A cell with its interval. table: {columns: [{name, kind, interval, values}]}. */
  function cell(table, column, row) {
    const text = show(column.values[row], column.kind);
    if (!column.interval || text === MISSING) return text;
    const [low, high] = column.interval.map((name) => byName(table, name).values[row]);
    const between = interval(low, high, column.kind);
    return between ? `${text} ${between}` : text;
  }

  const byName = (table, name) => table.columns.find((c) => c.name === name);

  /** The columns that people see: limits are merged into the cells they belong to. */
  function visible(table, wide) {
    const limits = new Set(table.columns.flatMap((c) => c.interval ?? []));
    return table.columns.filter((c) => !limits.has(c.name) && (wide || !c.wide));
  }

  /** Full precision, fractions, an empty field for a missing value. */
  function toCsv(table, rows) {
    const quoted = (v) => (/[",\n\r]/.test(v) ? `"${v.replaceAll('"', '""')}"` : v);
    const plain = (v, kind) => {
      if (v === null || v === undefined) return "";
      if (kind === "bool") return v ? "True" : "False";
      if (kind === "text" || kind === "int") return String(v);
      return Number.isInteger(v) ? v.toFixed(1) : String(v);
    };
    const lines = [table.columns.map((c) => quoted(c.name)).join(",")];
    for (const r of rows) {
      lines.push(table.columns.map((c) => quoted(plain(c.values[r], c.kind))).join(","));
    }
    return `${lines.join("\n")}\n`;
  }

  function toJson(table, rows) {
    return JSON.stringify(
      {
        title: table.title,
        columns: table.columns.map(({ name, kind, doc, interval: limits }) => ({
          name, kind, doc, ...(limits ? { interval: limits } : {}),
        })),
        rows: rows.map((r) => Object.fromEntries(table.columns.map((c) => [c.name, c.values[r]]))),
        notes: table.notes,
        verdict: table.verdict,
        facts: table.facts,
        choices: table.choices,
      },
      null,
      1,
    );
  }

  const TEX = {
    "–": "--",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "\\": "\\textbackslash{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    "²": "\\textsuperscript{2}",
  };

  const tex = (text) =>
    text
      .trim()
      .split(/\s+/)
      .join(" ")
      .replace(/[_%&#${}–~^\\<>|²]/g, (c) => TEX[c] ?? `\\${c}`);

  /** A booktabs tabular as people read it. */
  function toLatex(table, rows, wide = true) {
    const columns = visible(table, wide);
    const spec = columns.map((c) => (c.kind === "text" ? "l" : "r")).join("");
    const line = (cells) => `${cells.map(tex).join(" & ")} \\\\`;
    return [
      `\\begin{tabular}{${spec}}`,
      "\\toprule",
      line(columns.map((c) => c.name)),
      "\\midrule",
      ...rows.map((r) => line(columns.map((c) => cell(table, c, r)))),
      "\\bottomrule",
      "\\end{tabular}",
      "",
    ].join("\n");
  }

  /** Give text to the reader as a file. */
  function download(name, text, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(text instanceof Blob ? text : new Blob([text], { type }));
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  heldout.format = {
    MISSING, show, interval, cell, visible, byName, toCsv, toJson, toLatex, download,
  };
})();
