// A leaderboard: every value with its interval on the metric's own axis; sorts, selects, opens.
const STEP = 60;

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = mount(parentElement, "board-root");
  const state = root.state || (root.state = { shown: STEP });
  state.sort = data.sort || state.sort || { by: "rank", down: false };
  state.picked = new Set(data.picked || []);
  const rows = sorted(data.rows, state.sort);
  const body = make("tbody");
  const table = make("table", { "aria-label": `Leaderboard of ${data.benchmark}` }, [
    heads(),
    body,
  ]);
  const frame = make("div", { class: "board", tabindex: "-1" }, [table]);
  const old = root.querySelector(".board");
  const top = old ? old.scrollTop : 0;
  fill(Math.max(STEP, state.shown));
  redraw(root, [frame, legend()]);
  frame.scrollTop = top;
  body.addEventListener("focusin", (event) => {
    state.row = event.target.closest("tr").dataset.name;
  });
  frame.addEventListener("scroll", () => {
    if (frame.scrollTop + frame.clientHeight < frame.scrollHeight - 400) return;
    if (state.shown < rows.length) fill(state.shown + STEP);
    else if (rows.length < data.total && state.asked !== rows.length) {
      state.asked = rows.length;
      setStateValue("most", rows.length + 2 * STEP);
    }
  });
  root.dataset.painted = `${data.total} ${data.group}`.trim();
  return keys(parentElement, onKey);

  function sorted(list, { by, down }) {
    const value = (row) => {
      if (by === "rank") return row.order;
      if (by === "recipe") return row.recipe;
      const cell = row.cells[by];
      return cell && cell.v !== undefined ? cell.v : null;
    };
    const way = down ? -1 : 1;
    return [...list].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return (x < y ? -1 : x > y ? 1 : a.order - b.order) * way;
    });
  }

  function heads() {
    const line = make("tr", {}, [make("th", { "aria-label": "select" })]);
    line.append(head("rank", "rank", false), head("recipe", "recipe", false, "", "name"));
    for (const metric of data.metrics) {
      const barred = !/^licensed(,|$)/.test(metric.licence);
      const label = `${metric.name} ${metric.up ? "↑" : "↓"}${barred ? " ⊘" : ""}`;
      const title = [`${metric.family}: ${metric.up ? "higher" : "lower"} is better`];
      if (barred) title.push(`may not judge here: ${metric.licence}`);
      line.append(head(metric.name, label, metric.up, title.join("; ")));
    }
    for (const name of ["images", "trainings", "cost"]) line.append(make("th", { text: name }));
    return make("thead", {}, [line]);
  }

  function head(by, label, firstDown, title, kind) {
    const active = state.sort.by === by;
    const mark = active ? (state.sort.down ? " ▾" : " ▴") : "";
    const click = () => {
      state.sort = { by, down: active ? !state.sort.down : firstDown };
      setStateValue("sort", state.sort);
    };
    return make(
      "th",
      {
        class: kind,
        "aria-sort": active ? (state.sort.down ? "descending" : "ascending") : "none",
      },
      [
        make("button", {
          text: label + mark,
          title,
          tabindex: "0",
          "data-key": `head ${by}`,
          onclick: click,
        }),
      ],
    );
  }

  function fill(count) {
    for (const row of rows.slice(body.children.length, count)) body.append(line(row));
    state.shown = Math.min(count, rows.length);
  }

  function line(row) {
    const kind = row.reference ? "reference" : state.picked.has(row.name) ? "picked" : "";
    const cells = data.metrics.map((metric) =>
      make("td", { class: "cell" }, drawn(row.cells[metric.name], metric)),
    );
    return make("tr", { class: kind, "data-name": row.reference ? null : row.name }, [
      make("td", { class: "pick" }, [row.reference ? null : box(row)]),
      make("td", { class: "rank", text: row.rank }),
      make("td", { class: "name" }, [who(row)]),
      ...cells,
      make("td", { class: "few", text: row.images }),
      make("td", { class: "few", text: row.seeds }),
      make(
        "td",
        { class: "quiet few" },
        row.cost.split(" · ").map((text) => make("div", { text })),
      ),
    ]);
  }

  function box(row) {
    const box = make("input", {
      type: "checkbox",
      "aria-label": `select ${row.recipe}`,
      "data-key": `box ${row.name}`,
      onchange: () => pick(row),
    });
    box.checked = state.picked.has(row.name);
    return box;
  }

  // The picture, name, summary and flags of a row. The bare base is a reference: it has no run.
  function who(row) {
    const name = row.reference
      ? make("b", { class: "words", text: row.recipe })
      : make("button", {
          class: "words",
          text: row.recipe,
          tabindex: "0",
          title: "open the run",
          "data-key": `row ${row.name}`,
          onclick: () => setTriggerValue("open", row.name),
        });
    return make("div", { class: "who" }, [
      row.reference ? null : image(row.thumb, row.alt),
      make("div", {}, [
        name,
        make("div", { class: "quiet clip words", text: row.summary, title: row.summary }),
        ...row.flags.map((flag) => make("div", { class: "flag", text: `⚑ ${flag}` })),
      ]),
    ]);
  }

  function drawn(cell, metric) {
    if (!cell || cell.v === undefined)
      return [make("span", { class: "quiet", text: "–", title: cell ? cell.why : "" })];
    const percent = (value) =>
      `${2 + (96 * (value - metric.from)) / (metric.to - metric.from || 1)}%`;
    const position =
      cell.at === null || cell.at === undefined ? null : `${Math.round(cell.at * 100)} %`;
    const notes = (cell.notes || []).join("; ");
    const title = [`${metric.name} ${cell.text}`, cell.n ? `N = ${cell.n}` : "", notes]
      .filter(Boolean)
      .join(" · ");
    const width = (96 * (cell.hi - cell.lo)) / (metric.to - metric.from || 1);
    return [
      make("div", { class: "value", text: cell.text, title }),
      make("div", { class: "track", role: "img", "aria-label": title }, [
        metric.floor !== null &&
          make("u", { title: "real pictures", style: { left: percent(metric.floor) } }),
        metric.base !== null &&
          make("u", {
            class: "base",
            title: "the bare base",
            style: { left: percent(metric.base) },
          }),
        cell.lo !== undefined &&
          make("i", { style: { left: percent(cell.lo), width: `${width}%` } }),
        make("b", { style: { left: percent(cell.v) } }),
      ]),
      make("div", { class: "quiet counts" }, [
        make("span", { text: cell.n ? `N = ${cell.n}` : "" }),
        position &&
          make("span", { text: position, title: "from the bare base (0) to real pictures (100)" }),
      ]),
    ];
  }

  function pick(row) {
    if (state.picked.has(row.name)) state.picked.delete(row.name);
    else state.picked.add(row.name);
    setStateValue("picked", [...state.picked]);
  }

  function legend() {
    const item = (kind, text) =>
      make("span", { class: "quiet" }, [
        make("span", { class: `key ${kind}` }),
        document.createTextNode(text),
      ]);
    return make("div", { class: "legend" }, [
      item("", "real pictures"),
      item("base", "the bare base"),
      make("span", {
        class: "quiet",
        text: `${data.ranking}; rows that the data cannot tell apart share a rank`,
      }),
      make("span", { class: "quiet" }, [
        make("kbd", { text: "↑" }),
        make("kbd", { text: "↓" }),
        document.createTextNode(" row "),
        make("kbd", { text: "x" }),
        document.createTextNode(" select "),
        make("kbd", { text: "Enter" }),
        document.createTextNode(" open"),
      ]),
    ]);
  }

  function onKey(event) {
    const lines = [...body.children].filter((each) => each.dataset.name);
    const at = lines.findIndex((each) => each.dataset.name === state.row);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const next =
        lines[Math.max(0, Math.min(lines.length - 1, at + (event.key === "ArrowDown" ? 1 : -1)))];
      if (!next || !frame.matches(":hover, :focus-within")) return false;
      next.querySelector(".who button").focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest" });
      return true;
    }
    if (event.key === "x" && at >= 0) {
      pick(rows.find((row) => row.name === lines[at].dataset.name));
      return true;
    }
    return false;
  }
}
