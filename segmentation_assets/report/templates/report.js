// The report's script: pages by hash, theme, search, sortable tables, and the charts of single accounts.
// Text from data goes into text nodes and attributes only, never into markup. The script sends no request.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const SVG = "http://www.w3.org/2000/svg";
  const build = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "on") for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
      else node.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children.flat(9)) {
      if (child === null || child === undefined || child === false) continue;
      node.append(child instanceof Node ? child : String(child));
    }
    return node;
  };
  const fill = (place, ...children) => { place.replaceChildren(); return build(place, {}, children); };
  const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
  const s = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

  // -- figures

  // Signs, scales, acronyms and names come with the page, so that script and page write figures alike.
  const FORMATS = JSON.parse(document.getElementById("formats").textContent);
  const minus = (text) => text.replace("-", FORMATS.minus);
  const number = (value, digits = 0) => value === null || value === undefined ? FORMATS.none :
    minus(value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace(/^-(?=[0.,]*$)/, ""));
  const money = (value) => {
    if (value === null || value === undefined) return FORMATS.none;
    const sign = (value < 0 && Math.round(value) !== 0 ? FORMATS.minus : "") + FORMATS.sign;
    for (const [unit, letter] of FORMATS.scales) {
      const scaled = Math.abs(value) / unit;
      if (scaled >= FORMATS.rounds_up_from) return sign + number(scaled, scaled < 10 ? 2 : scaled < 1000 ? 1 : 0) + letter;
    }
    return sign + number(Math.abs(value));
  };
  const exact = (value) => value === null || value === undefined ? FORMATS.none : (value < 0 && Math.round(value) !== 0 ? FORMATS.minus : "") + FORMATS.sign + number(Math.abs(value));
  const share = (value, digits = 1) => value === null || value === undefined ? FORMATS.none : number(value * 100, digits) + "%";
  const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
  const day = (iso) => {
    if (!iso) return FORMATS.none;
    const [y, m, d] = iso.split("-");
    return `${+d} ${FORMATS.months[m - 1]} ${y}`;
  };
  const label = (name) => {
    if (name === null || name === undefined || name === "") return FORMATS.none;
    if (FORMATS.names[name]) return FORMATS.names[name];
    const text = String(name).split("_").map((word) => FORMATS.acronyms[word] || word).join(" ");
    return text.charAt(0).toUpperCase() + text.slice(1);
  };

  // -- data: gzip in base64, unpacked on first use

  const packs = new Map();
  const unpack = (id) => {
    if (!packs.has(id)) packs.set(id, (async () => {
      const element = document.getElementById("data-" + id);
      if (!element) return null;
      const bytes = Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      return JSON.parse(await new Response(stream).text());
    })());
    return packs.get(id);
  };

  // -- theme

  const root = document.documentElement, themeButton = $("#theme");
  const setTheme = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    themeButton.setAttribute("aria-pressed", dark);
    themeButton.textContent = dark ? "Light" : "Dark";
    themeButton.setAttribute("aria-label", dark ? "Change to light colours" : "Change to dark colours");
  };
  let remembered = null;
  try { remembered = localStorage.getItem("segmentation-theme"); } catch { /* a file may have no storage */ }
  const prefers = matchMedia("(prefers-color-scheme: dark)");
  setTheme(remembered ? remembered === "dark" : prefers.matches);
  prefers.addEventListener("change", (event) => remembered || setTheme(event.matches));
  themeButton.addEventListener("click", () => {
    const dark = root.dataset.theme !== "dark";
    setTheme(dark);
    remembered = dark ? "dark" : "light";
    try { localStorage.setItem("segmentation-theme", remembered); } catch { /* likewise */ }
  });

  // -- tables

  const compare = (a, b) => a === b ? 0 : a === null || a === undefined || a === "" ? 1 : b === null || b === undefined || b === "" ? -1 :
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });

  // A table over records: columns {name, key, value?, show, numeric, wide}; a screenful at a time.
  const STEP = 50;
  const table = (place, columns, { caption, order, descending = true, step = STEP }) => {
    let rows = [], shown = step, sorted = order, down = descending, from = [];
    const head = h("tr", {}, columns.map((c) => h("th", { scope: "col", class: c.numeric && "n", "data-key": c.key },
      h("button", { type: "button", on: { click: () => { down = sorted === c.key ? !down : !!c.numeric; sorted = c.key; shown = step; arrange(); } } }, c.name))));
    const body = h("tbody");
    const count = h("p", { class: "count", role: "status" });
    const more = h("button", { type: "button", class: "more", on: { click: () => { shown += 10 * step; draw(); } } }, "Show more");
    place.replaceChildren(count, h("div", { class: "wide", role: "region", "aria-label": caption, tabindex: 0 },
      h("table", { class: "dense cards" }, h("thead", {}, head), body)), more);
    const draw = () => {
      body.replaceChildren(...rows.slice(0, shown).map((row) => h("tr", {}, columns.map((c, i) =>
        h(i ? "td" : "th", { scope: i ? null : "row", "data-label": i ? c.name : null, class: [c.numeric && "n", c.wrap && "wrap"].filter(Boolean).join(" ") || null }, c.show(row))))));
      more.hidden = rows.length <= shown;
      count.textContent = count.dataset.text + (rows.length > shown ? `, the first ${number(shown)} below` : "");
      for (const cell of head.children) {
        if (cell.dataset.key === sorted) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        else cell.removeAttribute("aria-sort");
      }
    };
    const arrange = () => {
      const column = columns.find((c) => c.key === sorted) || { key: sorted }, value = column.value || ((row) => row[column.key]);
      const known = (row) => { const v = value(row); return v !== null && v !== undefined && v !== ""; };
      const there = from.filter(known), absent = from.filter((row) => !known(row));
      there.sort((a, b) => (down ? -1 : 1) * compare(value(a), value(b)));
      rows = there.concat(absent); // rows without a value stay last in both directions
      draw();
    };
    return (next, text) => { from = next; shown = step; count.dataset.text = text; count.dataset.number = next.length; arrange(); };
  };

  // Tables of the page: sort by the text or data-value of a column's cells.
  const enhance = (element) => {
    const body = element.tBodies[0];
    [...element.tHead.rows[0].cells].forEach((cell, i) => {
      const button = h("button", { type: "button" }, ...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") ? cell.getAttribute("aria-sort") === "ascending" : cell.classList.contains("n");
        for (const other of element.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => {
          const at = row.cells[i], raw = at.dataset.value;
          return raw === undefined ? at.textContent.trim() : raw === "" ? null : isNaN(raw) ? raw : +raw;
        };
        const all = [...body.rows], known = all.filter((row) => value(row) !== null);
        known.sort((a, b) => (down ? -1 : 1) * compare(value(a), value(b)));
        body.append(...known, ...all.filter((row) => value(row) === null));
      });
    });
    const search = document.getElementById(element.dataset.search);
    if (search) search.addEventListener("input", () => {
      const words = search.value.trim().toLowerCase().split(/\s+/);
      for (const row of body.rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    });
  };
  $$("table.sortable").forEach(enhance);
  // On a phone a row of these tables is a card, in which each cell has its column's name.
  for (const element of $$("table.cards")) {
    const names = [...element.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    for (const row of element.tBodies[0].rows) [...row.cells].forEach((cell, i) => i && cell.setAttribute("data-label", names[i]));
  }

  // -- accounts

  const COLOURS = { Strategic: "c1", Growth: "c2", Core: "c3", Efficient: "c5", "At-Risk": "c7", "Long-Tail": "c4" };
  const OWNERS = { csm: "CSM", account_executive: "Account executive", executive_sponsor: "Executive sponsor", automation: "Automated" };
  const swatch = (name) => h("span", { class: "swatch", style: `background:var(--${COLOURS[name] || "c6"})`, "aria-hidden": "true" });
  const link = (account) => account.gone ? h("span", { class: "name", title: account.name }, h("bdi", {}, account.name)) : h("a", { class: "name", href: "#/account/" + encodeURIComponent(account.account_id), title: account.name }, h("bdi", {}, account.name));
  let accounts = null, gone = [];
  const loadAccounts = async () => {
    if (accounts) return accounts;
    const data = await unpack("index");
    const read = (row) => {
      const account = Object.fromEntries(data.columns.map((name, i) => [name, row[i]]));
      [account.owner, account.action] = data.actions[account.action] || [null, null];
      account.text = `${account.account_id} ${account.name} ${account.csm || ""} ${account.account_executive || ""}`.toLowerCase();
      return account;
    };
    gone = data.gone.map((row) => ({ ...read(row), gone: true }));
    return accounts = data.rows.map(read);
  };
  const matching = (list, text) => {
    const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
    return words.length ? list.filter((account) => words.every((word) => account.text.includes(word))) : list;
  };
  const COLUMNS = [
    { name: "Account", key: "name", show: link },
    { name: "Segment", key: "segment", show: (a) => a.gone ? h("span", { class: "muted" }, `left${a.segment ? ", was " + a.segment : ""}`) : [swatch(a.segment), a.segment] },
    { name: "Tier", key: "tier", show: (a) => a.tier },
    { name: "ARR", key: "arr", numeric: true, show: (a) => h("span", { title: exact(a.arr) }, money(a.arr)) },
    { name: "Health", key: "health", numeric: true, show: (a) => number(a.health) },
    { name: "Weakest", key: "weakest", show: (a) => a.weakest ? a.weakest + (a.is_capped ? " (caps health)" : "") : "\u2013" },
    { name: "Churn risk, 90 d", key: "churn_risk", numeric: true, show: (a) => share(a.churn_risk, 0) },
    { name: "Expansion", key: "expansion", numeric: true, show: (a) => number(a.expansion) },
    { name: "Renewal", key: "renewal_on", show: (a) => day(a.renewal_on) },
    { name: "CSM", key: "csm", show: (a) => h("bdi", {}, a.csm || "\u2013") },
    { name: "Signal", key: "micro", show: (a) => label(a.micro) },
  ];
  const sum = (list) => list.reduce((total, account) => total + account.arr, 0);
  const summed = (list) => `${counted(list.length, "account")}, ARR ${money(sum(list))}`;

  // The list of accounts. Its address alone says what it shows: a set of accounts that a number counts, and filters.
  // So each visit sets every filter anew, and none stays from an earlier one.
  let fillAccounts = null, chosenSet = null, chosenKey = "";
  const FILTERS = ["segment", "tier", "micro"];
  const refreshAccounts = () => {
    const list = chosenSet ? chosenSet.rows.map((i) => i < accounts.length ? accounts[i] : gone[i - accounts.length]) : accounts;
    const wanted = FILTERS.map((key) => [key, $("#accounts-" + key).value]).filter(([, value]) => value);
    const rows = matching(list, $("#accounts-search").value).filter((a) => wanted.every(([key, value]) => a[key] === value));
    fillAccounts(rows, summed(rows));
    $("#accounts-table .count").dataset.address = location.hash;
  };
  const keepAddress = () => {
    const address = new URLSearchParams(chosenSet ? { set: chosenKey } : {});
    for (const key of FILTERS) if ($("#accounts-" + key).value) address.set(key, $("#accounts-" + key).value);
    history.replaceState(null, "", "#/accounts" + (address.size ? "?" + address : ""));
    refreshAccounts();
  };
  const showAccounts = async (parameters) => {
    const list = await loadAccounts();
    if (!fillAccounts) {
      fillAccounts = table($("#accounts-table"), COLUMNS, { caption: "Accounts", order: "arr" });
      for (const key of FILTERS) {
        const select = $("#accounts-" + key);
        for (const value of [...new Set(list.map((a) => a[key]))].sort()) select.append(h("option", { value }, key === "micro" ? label(value) : value));
        select.addEventListener("change", keepAddress);
      }
      $("#accounts-search").addEventListener("input", refreshAccounts);
    }
    chosenKey = parameters.get("set") || "";
    chosenSet = chosenKey ? (await unpack("sets"))[chosenKey] || { title: "This set is not in this report", rows: [] } : null;
    for (const key of FILTERS) $("#accounts-" + key).value = parameters.get(key) || "";
    $("#accounts-search").value = "";
    $("#accounts-set").hidden = !chosenSet;
    if (chosenSet) fill($("#accounts-set"), h("strong", {}, chosenSet.title), ": ", counted(chosenSet.rows.length, "account"), ". ", h("a", { href: "#/accounts" }, "All accounts"));
    refreshAccounts();
  };

  // -- finding an account from anywhere

  const find = $("#find"), found = $("#found");
  let chosen = -1;
  const close = () => { found.hidden = true; find.setAttribute("aria-expanded", "false"); find.removeAttribute("aria-activedescendant"); chosen = -1; };
  const go = (id) => { close(); find.value = ""; location.hash = "#/account/" + encodeURIComponent(id); };
  find.addEventListener("input", async () => {
    const list = await loadAccounts();
    if (!find.value.trim()) return close();
    const best = matching(list, find.value).slice(0, 12);
    found.replaceChildren(...best.map((a, i) => h("li", { role: "option", id: "found-" + i, "aria-selected": "false", "data-id": a.account_id, on: { mousedown: (event) => { event.preventDefault(); go(a.account_id); } } },
      h("bdi", { class: "name" }, a.name), h("span", { class: "muted" }, `${a.segment} \u00b7 ${money(a.arr)}`))));
    if (!best.length) found.replaceChildren(h("li", { role: "option", "aria-selected": "false", "aria-disabled": "true" }, "No account has this name or id"));
    found.hidden = false;
    find.setAttribute("aria-expanded", "true");
    chosen = -1;
  });
  find.addEventListener("keydown", (event) => {
    const options = $$("li[data-id]", found);
    if (event.key === "Escape") return close();
    if (event.key === "Enter") return options.length && !found.hidden && go((options[Math.max(chosen, 0)]).dataset.id);
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp" || found.hidden) return;
    event.preventDefault();
    chosen = (chosen + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length;
    options.forEach((option, i) => option.setAttribute("aria-selected", i === chosen));
    find.setAttribute("aria-activedescendant", options[chosen].id);
    options[chosen].scrollIntoView({ block: "nearest" });
  });
  find.addEventListener("blur", close);

  // -- charts of one account: small, drawn here, each with its words and its table

  const described = (title, text) => [s("title", {}, title), s("desc", {}, text)];
  const figure = (caption, svg, head, rows, kind = "") => h("figure", { class: "chart " + kind },
    h("figcaption", {}, caption), kind ? h("div", { class: "plot", role: "region", "aria-label": caption, tabindex: 0 }, svg) : svg,
    h("details", {}, h("summary", {}, "As a table"), h("div", { class: "wide", role: "region", "aria-label": caption, tabindex: 0 },
      h("table", {}, h("thead", {}, h("tr", {}, head.map((name, i) => h("th", { scope: "col", class: i && "n" }, name)))),
        h("tbody", {}, rows.map((row) => h("tr", {}, row.map((value, i) => h(i ? "td" : "th", { class: i && "n", scope: i ? null : "row" }, value)))))))));

  const series = (caption, days, values, form, colour) => {
    const known = days.map((d, i) => [d, values[i]]).filter(([, v]) => v !== null && v !== undefined);
    if (known.length < 2) return h("figure", { class: "chart" }, h("figcaption", {}, caption),
      h("p", { class: "muted" }, known.length ? `One day is known so far: ${form(known[0][1])} on ${day(known[0][0])}.` : "Not known for any day."));
    const W = 300, H = 110, L = 8, R = 8, T = 20, B = 20;
    const time = (d) => Date.parse(d), [t0, t1] = [time(known[0][0]), time(known.at(-1)[0])];
    let low = Math.min(...known.map(([, v]) => v)), high = Math.max(...known.map(([, v]) => v));
    if (low === high) { low -= Math.abs(low) * 0.1 || 1; high += Math.abs(high) * 0.1 || 1; }
    const x = (d) => L + (W - L - R) * (time(d) - t0) / (t1 - t0), y = (v) => H - B - (H - T - B) * (v - low) / (high - low);
    const path = known.map(([d, v], i) => `${i ? "L" : "M"}${x(d).toFixed(1)},${y(v).toFixed(1)}`).join("");
    const [firstPoint, lastPoint] = [known[0], known.at(-1)];
    const svg = s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img" },
      described(caption, `From ${form(firstPoint[1])} on ${day(firstPoint[0])} to ${form(lastPoint[1])} on ${day(lastPoint[0])}.`),
      s("line", { x1: L, x2: W - R, y1: H - B + 4, y2: H - B + 4, stroke: "var(--line)" }),
      s("path", { d: path, fill: "none", stroke: `var(--${colour})`, "stroke-width": 2, "stroke-linejoin": "round" }),
      s("circle", { cx: x(lastPoint[0]), cy: y(lastPoint[1]), r: 3, fill: `var(--${colour})` }),
      s("text", { x: L, y: 12 }, form(firstPoint[1])), s("text", { x: W - R, y: 12, "text-anchor": "end" }, form(lastPoint[1])),
      s("text", { x: L, y: H - 3 }, day(firstPoint[0])), s("text", { x: W - R, y: H - 3, "text-anchor": "end" }, day(lastPoint[0])));
    return figure(caption, svg, ["Day", caption], known.map(([d, v]) => [day(d), form(v)]));
  };

  // Parts of a score, each from where the one before ended, down to the score itself.
  const waterfall = ([name, total, parts]) => {
    const W = Math.max(280, Math.min(640, innerWidth - 64)), row = 22, left = W < 480 ? 110 : 150, right = 60, H = (parts.length + 1) * row + 8;
    let level = 0, low = 0, high = 0;
    const steps = parts.map(([part, , , points]) => { const from = level; level += points; low = Math.min(low, level); high = Math.max(high, level); return [part, from, level, points]; });
    const x = (v) => left + (W - left - right) * (v - low) / ((high - low) || 1);
    const digits = Math.abs(total) >= 1000 ? 0 : name === "churn_risk" ? 2 : 1;
    const bar = (y, from, to, colour) => s("rect", { x: Math.min(x(from), x(to)), y: y + 4, width: Math.max(Math.abs(x(to) - x(from)), 1), height: row - 8, rx: 2, fill: `var(--${colour})` });
    const signed = (v) => (v > 0 ? "+" : "") + number(v, digits);
    const svg = s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img" },
      described(`Parts of ${label(name)}`, parts.map(([part, , , points]) => `${label(part)} ${signed(points)}`).join("; ") + `; in all ${number(total, digits)}.`),
      s("line", { x1: x(0), x2: x(0), y1: 0, y2: H, stroke: "var(--line)" }),
      steps.map(([part, from, to, points], i) => [
        s("text", { x: left - 8, y: i * row + 15, "text-anchor": "end" }, label(part)),
        bar(i * row, from, to, points < 0 ? "c7" : "c1"),
        s("text", { class: "value", x: Math.max(x(from), x(to)) + 5, y: i * row + 15 }, signed(points))]),
      s("text", { class: "value", x: left - 8, y: steps.length * row + 15, "text-anchor": "end" }, "In all"),
      bar(steps.length * row, 0, total, "c6"),
      s("text", { class: "value", x: Math.max(x(0), x(total)) + 5, y: steps.length * row + 15 }, number(total, digits)));
    const raw = (value) => value === null ? "\u2013" : typeof value === "number" ? number(value, Number.isInteger(value) ? 0 : 2) : label(value);
    const unit = name === "churn_risk" ? " (log-odds)" : name === "value" ? " (amount)" : "";
    return figure(`Parts of ${label(name)}${unit}`, svg, ["Part", "Raw figure", "Weight", "Points"],
      [...parts.map(([part, value, weight, points]) => [label(part), raw(value), weight === null ? "\u2013" : number(weight, 2), number(points, digits)]), ["In all", "", "", number(total, digits)]], "fall");
  };

  const SHARES = new Set(FORMATS.shares), AMOUNTS = new Set(FORMATS.amounts);
  const words = (text) => text.replace(/[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+/g, label);
  const plain = (name, value) => {
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (typeof value === "string") return /^\d{4}-\d\d-\d\d$/.test(value) ? day(value) : h("bdi", {}, /^[a-z0-9]+(_[a-z0-9]+)+$/.test(value) ? label(value) : words(value));
    if (SHARES.has(name)) return share(value);
    if (AMOUNTS.has(name)) return exact(value);
    return number(value, Number.isInteger(value) || Math.abs(value) >= 1000 ? 0 : 2);
  };
  const sentences = (list) => h("ul", { class: "plain" }, list.map((text) => h("li", {}, text.replace(/\b\d{4}-\d\d-\d\d\b/g, day))));
  const marked = (text) => text.split("`").map((part, i) => i % 2 ? h("code", {}, part) : part);
  const section = (title, ...children) => [h("h2", { class: "rule" }, title), ...children];
  const simple = (caption, head, rows, numeric = []) => h("div", { class: "wide", role: "region", "aria-label": caption, tabindex: 0 },
    h("table", {}, h("thead", {}, h("tr", {}, head.map((name, i) => h("th", { scope: "col", class: numeric.includes(i) && "n" }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((value, i) => h(i ? "td" : "th", { scope: i ? null : "row", class: numeric.includes(i) ? "n" : i === row.length - 1 ? "wrap" : null }, value)))))));
  const MET = { true: "\u2713 yes", false: "\u2717 no", null: "unknown" };
  const PEERS = [["arr", "ARR", money, "arr"], ["health_score", "Health", (v) => number(v, 1), "health"], ["behavioral_score", "Behavioral score", (v) => number(v, 1), "behavioral"],
    ["expansion_score", "Expansion score", (v) => number(v, 1), "expansion"], ["churn_risk", "Churn risk, 90 d", share, "churn_risk"], ["composite_score", "Composite score", (v) => number(v, 1), "composite"]];

  const actionCard = (account) => h("div", { class: "card action" }, h("p", { class: "kind" }, "Next action"), h("h2", { style: "margin:.1rem 0" }, account.action),
    h("p", {}, OWNERS[account.owner] || account.owner), h("p", { class: "muted" }, account.why));

  const NEWEST = 8;
  const showAccount = async ([id]) => {
    const place = $("#account"), title = $("#title-account");
    const list = await loadAccounts(), position = list.findIndex((a) => a.account_id === id), account = list[position];
    if (!account) {
      title.textContent = "No such account";
      return fill(place, h("p", { class: "notice" }, `No live account has the id ${id || "\u2013"} in this report. `, h("a", { href: "#/accounts" }, "All accounts")));
    }
    const data = await unpack("index"), pack = data.packs[position];
    const details = pack === null ? null : (await unpack("accounts-" + pack))[id];
    title.replaceChildren(h("bdi", {}, account.name));
    const facts = [["Account", account.account_id], ["Segment", [swatch(account.segment), account.segment]], ["Tier", account.tier], ["ARR", h("span", { title: exact(account.arr) }, money(account.arr))],
      ["Health", [number(account.health, 1), account.weakest ? h("small", { class: "muted meaning" }, account.is_capped ? `capped by ${account.weakest}` : `weakest: ${account.weakest}`) : null]], ["Churn risk, 90 d", share(account.churn_risk)], ["Expansion score", number(account.expansion, 1)],
      ["Renewal", day(account.renewal_on)], ["Signal", label(account.micro)], ["CSM", h("bdi", {}, account.csm || "\u2013")], ["Account executive", h("bdi", {}, account.account_executive || "\u2013")]];
    const due = (await loadPlays()).filter((t) => t.account_id === id);
    const openPlays = h("div", {});
    if (due.length) table(openPlays, [WHAT, DUE, WHY, { name: "Who", key: "who", show: (t) => h("bdi", {}, t.who) }], { caption: "Plays", order: "rank", descending: false })(due, counted(due.length, "play"));
    const head = [h("p", { class: "crumb" }, h("a", { href: "#/accounts" }, "Accounts")),
      details && details.briefing.length ? h("div", { class: "briefing" }, details.briefing.map((text) => h("p", {}, text))) : null,
      h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      due.length ? section("What is due", openPlays) : actionCard(account)];
    if (!details) return fill(place, head, h("p", { class: "notice" }, "The reasons are missing: segment_inputs has not been made for this day."));
    const chosen = h("select", { id: "which-score" }, details.scores.map(([name], i) => h("option", { value: i }, label(name))));
    const fall = h("div", {});
    const drawFall = () => fall.replaceChildren(details.scores.length ? waterfall(details.scores[chosen.value || 0]) : h("p", { class: "notice" }, "The parts of the scores are missing: score_contributions has not been made for this day."));
    chosen.addEventListener("change", drawFall);
    drawFall();
    const days = data.history_days, past = details.history;
    const folded = (title, ...children) => h("details", { class: "fold" }, h("summary", {}, title), children);
    const events = (listed) => h("ol", { class: "timeline" }, listed.map(([on, kind, what]) => h("li", { class: kind }, h("time", { datetime: on }, day(on)), h("span", {}, what))));
    const newest = details.timeline.slice(0, NEWEST), older = details.timeline.slice(NEWEST);
    fill(place, head,
      details.timeline.length || details.opportunities.length ? h("div", { class: "columns" },
        h("div", {}, section("What happened lately", details.timeline.length ? events(newest) : h("p", { class: "muted" }, "Nothing is recorded."), older.length ? folded(`Before that (${older.length})`, events(older)) : null)),
        h("div", {}, section("Open opportunities", details.opportunities.length ? simple("Open opportunities", ["Kind", "ARR", "Since", "Competitor"], details.opportunities.map(([kind, arr, since, rival]) => [label(kind), money(arr), day(since), rival || "\u2013"]), [1]) : h("p", { class: "muted" }, "None is open.")))) : null,
      h("div", { class: "columns" },
        h("div", {}, section(data.previous ? `Since ${day(data.previous)}` : "What changed", data.previous ? sentences(details.changes.length ? details.changes : ["Nothing on this page has changed."]) : h("p", { class: "muted" }, "There is no earlier snapshot to compare with."))),
        h("div", {}, section("What would move it up", sentences(details.ways_up)))),
      h("div", { class: "columns" },
        h("div", {}, section(`Why segment ${account.segment}`, sentences(details.segment_reasons))),
        h("div", {}, section(`Why tier ${account.tier}`, sentences(details.tier_reasons)))),
      section("Over time", h("div", { class: "small" }, series("ARR", days, past.arr || [], money, "c1"), series("Active users, 28 d", days, past.users || [], (v) => number(v), "c1"), series("Active share of seats", days, past.seat_share || [], (v) => share(v, 0), "c1"), series("Health", days, past.health || [], (v) => number(v, 1), "c1"))),
      section("More"),
      folded("Scores by part", details.scores.length ? h("div", { class: "filters" }, h("label", {}, "Score ", chosen)) : null, fall),
      folded("Conditions of the segment", simple("Conditions of the segment", ["Condition", "This account", "Typical of the segment", "Met"], details.conditions.map(([name, value, wanted, met]) => [label(name), value || "\u2013", wanted, MET[met]]))),
      folded("Among peers", details.peers ? [h("p", { class: "muted" }, `${counted(details.peers.accounts, "account")}: ${label(details.peers.group)}`), simple("Peers", ["Figure", "Account", "Peers, median"], PEERS.map(([key, name, form, own]) => [name, form(account[own]), form(details.peers.medians[key])]), [1, 2])] : h("p", { class: "muted" }, "Peers are not known: expansion_scores has not been made for this day.")),
      folded(`Moves (${details.moves.length})`, details.moves.length ? simple("Moves", ["On", "What", "From", "To", "Why"], details.moves.map(([on, kind, from, to, , why]) => [day(on), label(kind), from, to, why])) : h("p", { class: "muted" }, "No move is recorded.")),
      folded("Treatment", h("dl", { class: "facts" }, Object.entries(details.treatment).map(([name, value]) => h("div", {}, h("dt", {}, label(name)), h("dd", { style: "font-size:1rem;font-weight:500" }, plain(name, value)))))),
      folded("Raw figures", h("div", { class: "figures" }, Object.entries(details.figures).map(([topic, values]) => h("div", { class: "card" }, h("h3", {}, label(topic)), h("dl", {}, Object.entries(values).flatMap(([name, value]) => [h("dt", {}, label(name)), h("dd", {}, plain(name, value))])))))));
  };

  // -- plays: what is due, by person and by account

  let plays = null;
  const loadPlays = async () => {
    if (plays) return plays;
    const data = await unpack("tasks");
    return plays = data.rows.map((row, i) => ({ ...Object.fromEntries(data.columns.map((name, j) => [name, row[j]])), place: i }));
  };
  const DUE = { name: "Due", key: "due_on", show: (t) => h("span", { class: t.overdue && "bad" }, t.due) };
  const WHAT = { name: "What to do", key: "what", wrap: true, show: (t) => [h("span", { class: "what" }, t.what), h("span", { class: "muted target" }, ["Content: " + t.material, t.remarks].filter(Boolean).join(" \u00b7 "))] };
  const WHY = { name: "Why", key: "why", wrap: true, show: (t) => t.why };
  const TASK = [{ name: "Account", key: "name", show: link }, WHAT, DUE, WHY, { name: "ARR", key: "arr", numeric: true, show: (t) => money(t.arr) }];
  const PARTS = [["today", "Today"], ["this_week", "This week"], ["later", "Later"]];
  const showWeek = async ([key], parameters) => {
    const place = $("#week-one"), all = $("#week-all");
    if (!place) return;
    place.hidden = key === undefined;
    all.hidden = !place.hidden;
    if (place.hidden) return;
    const only = parameters.get("timing"), mine = (await loadPlays()).filter((t) => t.owner === key);
    const row = $$("#week-all a.name").find((a) => a.getAttribute("href") === "#/week/" + encodeURIComponent(key));
    const parts = only === "overdue" ? [["overdue", "Overdue"]] : PARTS.filter(([name]) => !only || name === only);
    const tables = parts.map(([name, title]) => {
      const rows = mine.filter((t) => name === "overdue" ? t.overdue : t.timing === name), at = h("div", { "data-part": name });
      if (rows.length) table(at, TASK, { caption: title, order: "place", descending: false, step: 100 })(rows, counted(rows.length, "play"));
      return rows.length || only ? [h("h3", {}, title), rows.length ? at : h("p", { class: "muted" }, "Nothing is due.")] : null;
    });
    fill(place, h("p", { class: "crumb" }, h("a", { href: "#/week" }, "Everybody")), h("h2", { class: "rule" }, h("bdi", {}, row ? row.textContent : key)),
      mine.length ? null : h("p", { class: "notice" }, "Nothing is due for this person."), tables);
  };
  const RENEWAL = [COLUMNS[0], { name: "Renewal", key: "renewal_on", show: (a) => day(a.renewal_on) }, COLUMNS[3], COLUMNS[6], COLUMNS[4], COLUMNS[1], COLUMNS[9]];
  let fillRenewals = null;
  const showRenewals = async () => {
    const place = $("#renewals-table");
    if (!place || fillRenewals) return;
    const list = await loadAccounts(), set = (await unpack("sets"))[place.dataset.set];
    const rows = set.rows.map((i) => list[i]);
    fillRenewals = table(place, RENEWAL, { caption: "Renewals", order: "renewal_on", descending: false });
    fillRenewals(rows, summed(rows));
  };

  // -- portfolios: the accounts of one person, each with what to do next

  const PORTFOLIO = [COLUMNS[0], COLUMNS[1], COLUMNS[3], COLUMNS[4], COLUMNS[5], COLUMNS[8],
    { name: "Next action", key: "action", wrap: true, show: (a) => [a.action, h("span", { class: "muted target" }, `${OWNERS[a.owner] || a.owner} \u00b7 ${a.why}`)] }];
  let fillPortfolio = null;
  const showPortfolio = async ([kind, key]) => {
    const place = $("#portfolio-one");
    place.hidden = kind === undefined;
    if (place.hidden) return;
    const column = kind === "ae" ? "account_executive" : "csm_id";
    const list = (await loadAccounts()).filter((a) => (a[column] || "") === key), data = await unpack("index");
    const name = (kind === "csm" && list[0] && list[0].csm) || key || "nobody";
    const until = new Date(Date.parse(data.as_of) + data.renewal_within_days * 864e5).toISOString().slice(0, 10);
    const due = list.filter((a) => a.renewal_on && a.renewal_on > data.as_of && a.renewal_on <= until);
    const risky = list.filter((a) => a.segment === "At-Risk");
    const rows = h("div");
    place.replaceChildren(h("h2", { class: "rule" }, kind === "ae" ? "Account executive " : "CSM ", h("bdi", {}, name)),
      h("p", { class: "lead" }, `${counted(risky.length, "account")} in the At-Risk segment with ${money(sum(risky))} ARR; ${counted(due.length, "renewal")} within ${data.renewal_within_days} days, ${money(sum(due))} ARR.`), rows);
    fillPortfolio = table(rows, PORTFOLIO, { caption: "Accounts of " + name, order: "arr" });
    fillPortfolio(list, summed(list));
  };

  // -- moves

  let fillMoves = null;
  const showMoves = async () => {
    const place = $("#moves-table");
    if (!place || fillMoves) return;
    const data = await unpack("moves"), search = $("#moves-search"), direction = $("#moves-direction");
    const rows = data.rows.map((row) => { const move = Object.fromEntries(data.columns.map((name, i) => [name, row[i]])); move.text = `${move.account_id} ${move.name} ${move.why}`.toLowerCase(); return move; });
    for (const value of [...new Set(rows.map((m) => m.direction))].sort()) direction.append(h("option", { value }, label(value)));
    fillMoves = table(place, [
      { name: "Account", key: "name", show: link }, { name: "What", key: "kind", show: (m) => label(m.kind) },
      { name: "From", key: "from", show: (m) => [swatch(m.from), m.from] }, { name: "To", key: "to", show: (m) => [swatch(m.to), m.to] },
      { name: "Direction", key: "direction", show: (m) => ({ up: "\u25b2 up", down: "\u25bc down", "into risk": "! into risk", "out of risk": "\u2713 out of risk" })[m.direction] || m.direction },
      { name: "Since", key: "on", show: (m) => day(m.on) }, { name: "ARR", key: "arr", numeric: true, show: (m) => money(m.arr) }, { name: "Why", key: "why", wrap: true, show: (m) => m.why }],
      { caption: "Moves", order: "arr", step: 25 });
    const refresh = () => { const found = matching(rows, search.value).filter((m) => !direction.value || m.direction === direction.value); fillMoves(found, counted(found.length, "move")); };
    search.addEventListener("input", refresh);
    direction.addEventListener("change", refresh);
    refresh();
  };

  // -- lineage and dictionary

  let catalogue = null;
  const loadCatalogue = async () => {
    if (catalogue) return catalogue;
    const { lineage, tables } = await unpack("catalogue");
    const entries = new Map(tables.map((table) => [table.name, table])), down = new Map();
    for (const [table, facts] of Object.entries(lineage)) for (const [column, sources] of Object.entries(facts.columns)) for (const [of, name, ...roles] of sources.concat(facts.rows)) {
      const key = `${of}.${name}`;
      if (!down.has(key)) down.set(key, []);
      down.get(key).push([table, column, ...roles]);
    }
    return catalogue = { lineage, entries, down };
  };
  const VALUE = new Set(["copied", "calculated", "aggregated"]), STRONG = new Set([...VALUE, "observed", "read"]);
  const isStrong = (edge) => edge.slice(2).some((role) => STRONG.has(role));
  const columnLink = (table, column) => catalogue.entries.has(table) ? h("a", { href: `#/lineage/${encodeURIComponent(`${table}.${column}`)}` }, `${table}.${column}`) : h("span", {}, table === "spine" ? `the run's days (${column})` : `${table}.${column}`);
  const edges = (list, caption) => list.length ? simple(caption, ["Column", "How", "Meaning"], list.map(([table, column, ...roles]) => {
    const entry = catalogue.entries.get(table), found = entry && entry.columns.find((c) => c.name === column);
    return [columnLink(table, column), roles.join(", "), found ? found.description : ""];
  })) : h("p", { class: "muted" }, "None.");
  // All columns that a walk over value edges reaches, without the start.
  const reach = (table, column, next) => {
    const seen = new Set([`${table}.${column}`]), queue = [[table, column]], found = [];
    while (queue.length) for (const [t, c, ...roles] of next(...queue.shift())) {
      const key = `${t}.${c}`;
      if (seen.has(key) || !isStrong([t, c, ...roles])) continue;
      seen.add(key); found.push([t, c]); queue.push([t, c]);
    }
    return found;
  };
  const sourcesOf = (table, column) => { const facts = catalogue.lineage[table]; return facts ? (facts.columns[column] || []).concat(facts.rows) : []; };
  const rule = (column) => [column.low, column.high, column.allowed.join(" / "), column.pattern].filter(Boolean).join(", ");
  const showLineage = async ([name]) => {
    const { entries, down } = await loadCatalogue(), place = $("#lineage-one"), search = $("#lineage-search"), list = $("#lineage-columns");
    if (!list.children.length) {
      list.append(...[...entries.values()].flatMap((table) => table.columns.map((column) => h("option", { value: `${table.name}.${column.name}` }))));
      search.addEventListener("change", () => { if (search.value.trim()) location.hash = "#/lineage/" + encodeURIComponent(search.value.trim()); });
    }
    const wanted = name || "segments.segment", [table, column] = [wanted.split(".")[0], wanted.split(".").slice(1).join(".")];
    search.value = wanted;
    const entry = entries.get(table), found = entry && entry.columns.find((c) => c.name === column);
    if (!found) return fill(place, h("p", { class: "notice" }, entry ? `${table} has no column ${column || "named"}; it has: ` : `There is no table ${table}. `, entry ? entry.columns.map((c, i) => [i ? ", " : "", columnLink(table, c.name)]) : h("a", { href: "#/dictionary" }, "All tables")));
    const direct = sourcesOf(table, column), used = down.get(wanted) || [];
    const raw = reach(table, column, sourcesOf).filter(([t]) => catalogue.entries.has(t) && entries.get(t).group === "extracts");
    const after = reach(table, column, (t, c) => down.get(`${t}.${c}`) || []), tables = [...new Set(after.map(([t]) => t))];
    const [made, shaped] = [direct.filter(isStrong), direct.filter((edge) => !isStrong(edge))];
    fill(place, h("h2", { class: "rule" }, wanted), h("p", {}, found.description, " ", h("span", { class: "muted" }, [found.type, found.unit, rule(found)].filter(Boolean).join(" \u00b7 "))),
      h("p", { class: "muted" }, "Table ", h("a", { href: "#/dictionary/" + table }, table), catalogue.lineage[table].policy.length ? `; policy sections: ${catalogue.lineage[table].policy.join(", ")}` : ""),
      h("h3", {}, `Made from (${made.length})`), entry.group === "extracts" ? h("p", { class: "muted" }, "A raw field of an extract.") : edges(made, "Made from"),
      h("h3", {}, `Raw fields it comes from (${raw.length})`), raw.length ? h("p", {}, raw.sort().map(([t, c], i) => [i ? ", " : "", columnLink(t, c)])) : h("p", { class: "muted" }, "None."),
      h("details", {}, h("summary", {}, `Columns that decide which rows exist or match (${shaped.length})`), edges(shaped, "Influences")),
      h("h3", {}, `Used directly by (${used.filter(isStrong).length})`), edges(used.filter(isStrong), "Used by"),
      h("p", { class: "muted" }, after.length ? `Directly or not, ${counted(after.length, "column")} of ${counted(tables.length, "table")} ${after.length === 1 ? "is" : "are"} made from it: ${tables.sort().join(", ")}.` : "No column is made from it."));
  };
  let fillDictionary = null;
  const showDictionary = async ([name]) => {
    const { entries } = await loadCatalogue(), place = $("#dictionary-one"), search = $("#dictionary-search");
    if (!fillDictionary) {
      const all = [...entries.values()].flatMap((table) => table.columns.map((column) => ({ table: table.name, group: table.group, column: column.name, type: column.type, unit: column.unit, meaning: column.description, rule: rule(column), empty: column.may_be_empty,
        text: `${table.name} ${column.name} ${column.description} ${table.description}`.toLowerCase() })));
      fillDictionary = table($("#dictionary-table"), [
        { name: "Table", key: "table", show: (c) => h("a", { href: "#/dictionary/" + c.table }, c.table) }, { name: "Column", key: "column", show: (c) => columnLinkShort(c) },
        { name: "Type", key: "type", show: (c) => c.type }, { name: "Unit", key: "unit", show: (c) => c.unit || "" }, { name: "Meaning", key: "meaning", wrap: true, show: (c) => c.meaning }, { name: "Allowed", key: "rule", wrap: true, show: (c) => c.rule }],
        { caption: "Columns", order: "table", descending: false, step: 50 });
      const refresh = () => { const found = matching(all, search.value); fillDictionary(found, `${number(found.length)} columns of ${number(new Set(found.map((c) => c.table)).size)} tables`); };
      search.addEventListener("input", refresh);
      refresh();
    }
    const entry = entries.get(name);
    fill(place, name && !entry ? h("p", { class: "notice" }, `There is no table ${name}.`) : null, entry ? [h("h2", { class: "rule" }, entry.name), h("p", {}, marked(entry.description)),
      h("p", { class: "muted" }, `${label(entry.group)} \u00b7 key ${entry.key.join(", ")}${entry.inputs.length ? " \u00b7 reads " : ""}`, entry.inputs.map((input, i) => [i ? ", " : "", h("a", { href: "#/dictionary/" + input }, input)])),
      simple("Columns of " + entry.name, ["Column", "Type", "Unit", "May be empty", "Allowed", "Meaning"], entry.columns.map((c) => [columnLinkShort({ table: entry.name, column: c.name }), c.type, c.unit, c.may_be_empty ? "yes" : "no", rule(c), c.description])), h("p", {}, h("a", { href: "#/dictionary" }, "All tables and columns"))] : null);
    $("#dictionary-table").hidden = !!entry;
    $("#page-dictionary .filters").hidden = !!entry;
  };
  const columnLinkShort = (c) => h("a", { href: `#/lineage/${encodeURIComponent(`${c.table}.${c.column}`)}` }, c.column);

  // -- pages

  const DRAW = { accounts: (rest, parameters) => showAccounts(parameters), account: showAccount, portfolio: showPortfolio, movement: showMoves, week: showWeek, renewals: showRenewals, lineage: showLineage, dictionary: showDictionary };
  // Not scrollIntoView: in Chromium the keyboard would then go on from there, past the link that skips to the page.
  const bringIntoView = (item) => {
    const bar = item.closest("nav"), box = bar.getBoundingClientRect(), own = item.getBoundingClientRect();
    bar.scrollLeft += Math.min(0, own.left - box.left) + Math.max(0, own.right - box.right);
  };
  const showBoard = async () => {
    for (const page of $$(".page")) {
      page.hidden = !("board" in page.dataset);
      const id = page.id.slice(5);
      if (!page.hidden && DRAW[id]) await DRAW[id]([], new URLSearchParams());
    }
    for (const item of $$("nav a")) item.removeAttribute("aria-current");
    document.title = "Board pack: segmentation report";
    window.scrollTo(0, 0);
  };
  let first = true;
  const route = async () => {
    const [path, query] = decodeHash();
    const [name, ...rest] = path.split("/");
    if (name === "board") return showBoard();
    const page = document.getElementById("page-" + name) || $(".page");
    for (const other of $$(".page")) other.hidden = other !== page;
    const id = page.id.slice(5);
    for (const item of $$("nav a")) {
      if (item.dataset.page === (id === "account" ? "accounts" : id)) { item.setAttribute("aria-current", "page"); bringIntoView(item); }
      else item.removeAttribute("aria-current");
    }
    if (DRAW[id]) await DRAW[id](rest.map(safeDecode), new URLSearchParams(query));
    document.title = `${$("h1", page).textContent}: segmentation report`;
    if (!first) { window.scrollTo(0, 0); $("h1", page).focus({ preventScroll: true }); }
    first = false;
  };
  const decodeHash = () => { const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?"); return [path || "executive", query]; };
  const safeDecode = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  for (const link of $$(".faults-link")) link.addEventListener("click", (event) => { event.preventDefault(); $("#faults").scrollIntoView(); });
  $(".skip").addEventListener("click", (event) => { event.preventDefault(); $("#main").focus(); });
  addEventListener("hashchange", route);
  route();
  const idle = window.requestIdleCallback || setTimeout;
  idle(loadAccounts);
})();
