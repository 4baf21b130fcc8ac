// The report's script: pages by hash, theme, search, sortable tables, and the charts of single accounts.
// Text from data goes into text nodes and attributes only, never into markup. Nothing is ever requested.
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
  const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
  const s = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

  // -- figures, as the pages made beforehand write them

  const minus = (text) => text.replace("-", "\u2212");
  const number = (value, digits = 0) => value === null || value === undefined ? "\u2013" :
    minus(value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  const money = (value) => {
    if (value === null || value === undefined) return "\u2013";
    for (const [unit, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
      const scaled = Math.abs(value) / unit;
      if (scaled >= 0.9995) return (value < 0 ? "\u2212" : "") + number(scaled, scaled < 10 ? 2 : scaled < 1000 ? 1 : 0) + letter;
    }
    return number(value);
  };
  const share = (value, digits = 1) => value === null || value === undefined ? "\u2013" : number(value * 100, digits) + "%";
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const day = (iso) => {
    if (!iso) return "\u2013";
    const [y, m, d] = iso.split("-");
    return `${+d} ${MONTHS[m - 1]} ${y}`;
  };
  const label = (name) => { const text = String(name).replaceAll("_", " "); return text.charAt(0).toUpperCase() + text.slice(1); };

  // -- data: gzip in base64, unpacked when it is first asked for

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
  const STEP = 100;
  const table = (place, columns, { caption, order, descending = true }) => {
    let rows = [], shown = STEP, sorted = order, down = descending, from = [];
    const head = h("tr", {}, columns.map((c) => h("th", { scope: "col", class: c.numeric && "n", "data-key": c.key },
      h("button", { type: "button", on: { click: () => { down = sorted === c.key ? !down : !!c.numeric; sorted = c.key; shown = STEP; arrange(); } } }, c.name))));
    const body = h("tbody");
    const count = h("p", { class: "count", role: "status" });
    const more = h("button", { type: "button", class: "more", on: { click: () => { shown += 10 * STEP; draw(); } } }, "Show more");
    place.replaceChildren(count, h("div", { class: "wide", role: "region", "aria-label": caption, tabindex: 0 },
      h("table", {}, h("thead", {}, head), body)), more);
    const draw = () => {
      body.replaceChildren(...rows.slice(0, shown).map((row) => h("tr", {}, columns.map((c, i) =>
        h(i ? "td" : "th", { scope: i ? null : "row", class: [c.numeric && "n", c.wrap && "wrap"].filter(Boolean).join(" ") || null }, c.show(row))))));
      more.hidden = rows.length <= shown;
      count.textContent = count.dataset.text + (rows.length > shown ? `, the first ${number(shown)} below` : "");
      for (const cell of head.children) {
        if (cell.dataset.key === sorted) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        else cell.removeAttribute("aria-sort");
      }
    };
    const arrange = () => {
      const column = columns.find((c) => c.key === sorted), value = column.value || ((row) => row[column.key]);
      const known = (row) => { const v = value(row); return v !== null && v !== undefined && v !== ""; };
      const there = from.filter(known), absent = from.filter((row) => !known(row));
      there.sort((a, b) => (down ? -1 : 1) * compare(value(a), value(b)));
      rows = there.concat(absent); // what is not known stands last, either way
      draw();
    };
    return (next, text) => { from = next; shown = STEP; count.dataset.text = text; arrange(); };
  };

  // Tables made beforehand: sort by the text or data-value of a column's cells.
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

  // -- accounts

  const COLOURS = { Strategic: "c1", Growth: "c2", Core: "c3", Efficient: "c5", "At-Risk": "c7", "Long-Tail": "c4" };
  const OWNERS = { csm: "CSM", account_executive: "Account executive", executive_sponsor: "Executive sponsor", automation: "Automated" };
  const swatch = (name) => h("span", { class: "swatch", style: `background:var(--${COLOURS[name] || "c6"})`, "aria-hidden": "true" });
  const link = (account) => h("a", { class: "name", href: "#/account/" + encodeURIComponent(account.account_id), title: account.name }, h("bdi", {}, account.name));
  let accounts = null;
  const loadAccounts = async () => {
    if (accounts) return accounts;
    const data = await unpack("index");
    if (!accounts) accounts = data.rows.map((row) => {
      const account = Object.fromEntries(data.columns.map((name, i) => [name, row[i]]));
      [account.owner, account.action] = data.actions[account.action];
      account.text = `${account.account_id} ${account.name} ${account.csm || ""} ${account.account_executive || ""}`.toLowerCase();
      return account;
    });
    return accounts;
  };
  const matching = (list, text) => {
    const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
    return words.length ? list.filter((account) => words.every((word) => account.text.includes(word))) : list;
  };
  const COLUMNS = [
    { name: "Account", key: "name", show: link },
    { name: "Segment", key: "segment", show: (a) => [swatch(a.segment), a.segment] },
    { name: "Tier", key: "tier", show: (a) => a.tier },
    { name: "ARR", key: "arr", numeric: true, show: (a) => h("span", { title: number(a.arr) }, money(a.arr)) },
    { name: "Health", key: "health", numeric: true, show: (a) => number(a.health) },
    { name: "Weakest", key: "weakest", show: (a) => a.weakest || "\u2013" },
    { name: "Churn risk, 90 d", key: "churn_risk", numeric: true, show: (a) => share(a.churn_risk, 0) },
    { name: "Expansion", key: "expansion", numeric: true, show: (a) => number(a.expansion) },
    { name: "Renewal", key: "renewal_on", show: (a) => day(a.renewal_on) },
    { name: "CSM", key: "csm", show: (a) => h("bdi", {}, a.csm || "\u2013") },
    { name: "Signal", key: "micro", show: (a) => label(a.micro) },
  ];
  const sum = (list) => list.reduce((total, account) => total + account.arr, 0);
  const told = (list) => `${number(list.length)} account${list.length === 1 ? "" : "s"}, ARR ${money(sum(list))}`;

  let fillAccounts = null;
  const FILTERS = ["segment", "tier", "micro"];
  const showAccounts = async (parameters) => {
    const list = await loadAccounts();
    if (!fillAccounts) {
      fillAccounts = table($("#accounts-table"), COLUMNS, { caption: "Accounts", order: "arr" });
      for (const key of FILTERS) {
        const select = $("#accounts-" + key);
        for (const value of [...new Set(list.map((a) => a[key]))].sort()) select.append(h("option", { value }, key === "micro" ? label(value) : value));
        select.addEventListener("change", refresh);
      }
      $("#accounts-search").addEventListener("input", refresh);
    }
    if (parameters) for (const key of FILTERS) if (parameters.has(key)) $("#accounts-" + key).value = parameters.get(key);
    refresh();
    function refresh() {
      const wanted = FILTERS.map((key) => [key, $("#accounts-" + key).value]).filter(([, value]) => value);
      const found = matching(accounts, $("#accounts-search").value).filter((a) => wanted.every(([key, value]) => a[key] === value));
      fillAccounts(found, told(found));
    }
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

  // -- pages

  const DRAW = { accounts: (rest, parameters) => showAccounts(parameters) };
  let first = true;
  const route = async () => {
    const [path, query] = decodeHash();
    const [name, ...rest] = path.split("/");
    const page = document.getElementById("page-" + name) || $(".page");
    for (const other of $$(".page")) other.hidden = other !== page;
    const id = page.id.slice(5);
    for (const item of $$("nav a")) {
      if (item.dataset.page === (id === "account" ? "accounts" : id)) { item.setAttribute("aria-current", "page"); item.scrollIntoView({ block: "nearest", inline: "nearest" }); }
      else item.removeAttribute("aria-current");
    }
    if (DRAW[id]) await DRAW[id](rest.map(safeDecode), new URLSearchParams(query));
    document.title = `${$("h1", page).textContent}: segmentation report`;
    if (!first) { window.scrollTo(0, 0); $("h1", page).focus({ preventScroll: true }); }
    first = false;
  };
  const decodeHash = () => { const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?"); return [path || "executive", query]; };
  const safeDecode = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  $(".skip").addEventListener("click", (event) => { event.preventDefault(); $("#main").focus(); });
  addEventListener("hashchange", route);
  route();
  const idle = window.requestIdleCallback || setTimeout;
  idle(loadAccounts);
})();
