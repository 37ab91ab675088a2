/* Small pictures in table rows: an estimate with its interval, or a pair of accuracies. */
(() => {
  "use strict";
  const heldout = (globalThis.heldout ??= {});
  const { format } = heldout;
  const WIDE = 132;
  const TALL = 20;

  const finite = (values) => values.filter((v) => v !== null && Number.isFinite(v));

  /** {column, axis, row(r)}: SVG text on one scale for all rows; null without numbers. */
  function painter(table, picture) {
    const values = (name) => format.byName(table, name)?.values ?? [];
    const column = format.byName(table, picture.column ?? picture.to);
    if (!column) return null;
    const [low, high] = (column.interval ?? []).map(values);
    const middle = values(picture.column ?? picture.to);
    const first = picture.from ? values(picture.from) : null;
    const seen = finite([...middle, ...(first ?? []), ...(first ? [] : [...(low ?? []), ...(high ?? [])])]);
    if (!seen.length) return null;
    let from = seen.reduce((a, b) => Math.min(a, b));
    let to = seen.reduce((a, b) => Math.max(a, b));
    if (first) [from, to] = [Math.min(from, 0), Math.max(to, 1)];
    else [from, to] = [Math.min(from, 0), Math.max(to, 0)];
    const at = (v) => (6 + ((v - from) / (to - from || 1)) * (WIDE - 12)).toFixed(1);
    const svg = (inner) => `<svg class="mini" viewBox="0 0 ${WIDE} ${TALL}" width="${WIDE}" height="${TALL}" aria-hidden="true">${inner}</svg>`;
    const y = TALL / 2;
    const ends = (low, high) => svg(`<path class="zero" d="M6 17H${WIDE - 6}"/>
      <text x="6" y="12">${low}</text><text x="${WIDE - 6}" y="12" text-anchor="end">${high}</text>`);
    const said = (v) => `${v > 0 && column.kind === "points" ? "+" : ""}${(100 * v).toFixed(Math.abs(v) < 0.01 ? 1 : 0)} %`;
    const axis = from === 0 || to === 0 || first ? ends(from === 0 ? "0" : said(from), to === 0 ? "0" : said(to))
      : ends(said(from), said(to));
    if (first) {
      return { column: picture.to, axis, row(r) {
        const [a, b] = [first[r], middle[r]];
        if (a === null || b === null) return "";
        return svg(`<path class="zero" d="M6 ${y}H${WIDE - 6}"/><path class="move" d="M${at(a)} ${y}H${at(b)}"/>
          <circle class="from" cx="${at(a)}" cy="${y}" r="3.6"/><circle class="to" cx="${at(b)}" cy="${y}" r="4"/>`);
      } };
    }
    return { column: column.name, axis, row(r) {
      const v = middle[r];
      if (v === null) return "";
      const whisker = low?.[r] != null && high?.[r] != null
        ? `<path class="move" d="M${at(low[r])} ${y}H${at(high[r])}"/>` : "";
      return svg(`<path class="zero" d="M${at(0)} 2V${TALL - 2}"/>${whisker}<circle class="to" cx="${at(v)}" cy="${y}" r="3.6"/>`);
    } };
  }

  heldout.pictures = { painter };
})();
