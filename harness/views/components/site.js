// The host of the static site: it shows the dashboard's components; the address holds the view.
const facts = JSON.parse(document.getElementById("facts").textContent);
const page = document.getElementById("page");
const TABS = [
  ["board", "Leaderboard"],
  ["grid", "Grid"],
  ["compare", "Compare"],
  ...(facts.sweeps.length ? [["sweep", "Sweep"]] : []),
  ...(facts.blames.length ? [["blame", "Blame"]] : []),
];
const nav = make("nav"),
  bar = make("div", { class: "tools" }),
  body = make("div");
let place = {};
page.replaceChildren(nav, bar, body);

function named(board) {
  return `${board.benchmark} · ${board.signature.slice(0, 8)}`;
}

function whole(text) {
  return Math.max(0, Math.floor(Number(text)) || 0);
}

function read() {
  const link = new URLSearchParams(location.hash.slice(1));
  return {
    view: TABS.some(([name]) => name === link.get("view")) ? link.get("view") : "board",
    board: named(
      facts.boards.find((board) => named(board) === link.get("board")) || facts.boards[0],
    ),
    sort: link.get("sort") || "rank",
    pick: link.getAll("pick"),
    a: link.get("a"),
    b: link.getAll("b"),
    seed: link.get("seed"),
    words: link.get("words") || "",
    page: Math.max(1, whole(link.get("page"))),
    overlay: link.get("overlay") || "",
    at: whole(link.get("at")),
    mode: link.get("mode") || "side",
    blame: link.get("blame") || "",
    sweep: link.get("sweep") || "",
  };
}

function go(changes) {
  const link = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...read(), ...changes })) {
    for (const each of Array.isArray(value) ? value : [value])
      if (each !== null && each !== "" && each !== undefined) link.append(name, each);
  }
  history.replaceState(null, "", `#${link}`);
  draw();
}

// A list that a mouse opened gives the keys back to the images; a list that keys opened keeps them.
function choice(label, options, value, change) {
  let keyed = false;
  const chosen = () => {
    if (!keyed) list.blur();
    change(list.value);
  };
  const list = make(
    "select",
    {
      "data-key": label,
      onkeydown: () => {
        keyed = true;
      },
      onchange: chosen,
    },
    options.map((option) => {
      const [name, text] = Array.isArray(option) ? option : [option, option];
      const node = make("option", { value: name, text });
      node.selected = String(name) === String(value);
      return node;
    }),
  );
  return make("label", {}, [document.createTextNode(`${label} `), list]);
}

function search(value) {
  const box = make("input", {
    type: "search",
    "data-key": "words",
    placeholder: "words of a prompt",
    "aria-label": "words of a prompt",
    value,
  });
  box.addEventListener("change", () => go({ words: box.value, page: 1, at: 0 }));
  return box;
}

function draw() {
  const link = read(),
    board = facts.boards.find((each) => named(each) === link.board);
  const tabs = TABS.map(([name, text]) =>
    make("button", {
      class: "tab",
      "data-key": name,
      "aria-current": name === link.view ? "page" : null,
      text,
      onclick: () => go({ view: name }),
    }),
  );
  const boards = choice("Board", facts.boards.map(named), link.board, (value) =>
    go({ board: value, pick: [], a: null, b: [] }),
  );
  place.stop?.();
  if (link.view !== "board" || place.view !== "board" || place.board !== board)
    body.replaceChildren();
  redraw(nav, [make("b", { text: facts.title }), ...tabs, make("span", { class: "gap" }), boards]);
  const tools = make("div");
  place = {
    view: link.view,
    board,
    stop: VIEWS[link.view](link, board, tools),
  };
  redraw(bar, [...tools.children]);
}

function sets(name) {
  return (key, value) => {
    if (key === "sort") go({ sort: `${value.down ? "-" : ""}${value.by}` });
    else if (key === "picked") go({ pick: value });
    else go({ [key]: value });
  };
}

function recipe(board, name) {
  return board.rows.find((row) => row.name === name)?.recipe || name;
}

// Says which of those that are asked for have no pictures here; nothing is shown in their place.
function without(names) {
  for (const name of names)
    body.append(
      make("p", { class: "quiet words", text: `This export has no pictures of ${name}.` }),
    );
}

function boardView(link, board, tools) {
  const [first, ...others] = link.pick.slice(0, 6).map((name) => recipe(board, name));
  const compare = make("button", {
    text: "Compare",
    "data-key": "to compare",
    onclick: () => go({ view: "compare", a: first, b: others, pick: [] }),
  });
  const grid = make("button", {
    text: "Grid",
    "data-key": "to grid",
    onclick: () => go({ view: "grid" }),
  });
  compare.disabled = link.pick.length < 2;
  grid.disabled = !link.pick.length;
  tools.append(compare, grid, make("a", { href: "leaderboard.csv", download: true, text: "CSV" }));
  const sort = { by: link.sort.replace(/^-/, ""), down: link.sort.startsWith("-") };
  const open = (_, name) => go({ view: "grid", pick: [name] });
  return components.board({
    data: { ...board, picked: link.pick, sort },
    parentElement: body,
    setStateValue: sets("board"),
    setTriggerValue: open,
  });
}

function shown(board) {
  return board.rows.filter((row) => board.shots[row.name]);
}

function matches(shot, words) {
  const text = `${shot.prompt} ${shot.text}`.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function gridView(link, board, tools) {
  const rows = shown(board);
  const columns = link.pick.length
    ? rows.filter((row) => link.pick.includes(row.name))
    : rows.slice(0, 6);
  without(link.pick.filter((name) => !board.shots[name]).map((name) => recipe(board, name)));
  if (!columns.length) return null;
  const seeds = [
    ...new Set(columns.flatMap((row) => board.shots[row.name].map((shot) => shot.seed))),
  ].sort((a, b) => a - b);
  const seed = seeds.find((each) => String(each) === link.seed) ?? seeds[0];
  const prompts = new Map();
  for (const row of columns)
    for (const shot of board.shots[row.name])
      if (matches(shot, link.words)) prompts.set(shot.prompt, shot.text);
  const size = Math.max(1, Math.floor(64 / Math.max(1, columns.length)));
  const many = Math.max(1, Math.ceil(prompts.size / size)),
    at = Math.min(link.page, many);
  const metrics = [
    ...new Set(Object.values(board.shots).flatMap((shots) => Object.keys(shots[0]?.scores || {}))),
  ];
  tools.append(
    choice("Seed", seeds, seed, (value) => go({ seed: value })),
    choice("Overlay", [["", "none"], ...metrics], link.overlay, (value) => go({ overlay: value })),
    search(link.words),
    choice(
      "Page",
      Array.from({ length: many }, (_, each) => each + 1),
      at,
      (value) => go({ page: value }),
    ),
  );
  const ids = [...prompts.keys()].slice((at - 1) * size, at * size);
  const cell = (row, id) => {
    const shot = board.shots[row.name].find((each) => each.prompt === id && each.seed === seed);
    return shot
      ? {
          ...shot,
          recipe: row.recipe,
          alt: `${row.recipe}, seed ${shot.seed}: ${shot.text}`,
          overlay: shot.scores[link.overlay] || "",
        }
      : null;
  };
  const data = {
    side: 128,
    columns: columns.map((row) => ({ head: row.recipe, text: row.summary })),
    rows: ids.map((id) => ({ head: id, text: prompts.get(id) })),
    panels: [{ title: null, rows: ids.map((id) => columns.map((row) => cell(row, id))) }],
  };
  return components.grid({ data, parentElement: body, setStateValue: sets("grid") });
}

function compareView(link, board, tools) {
  const rows = shown(board),
    names = rows.map((row) => row.recipe);
  if (rows.length < 2)
    return body.append(
      make("p", { class: "quiet", text: "A comparison needs two results with pictures." }),
    );
  const a = link.a ?? names.find((name) => !link.b.includes(name)) ?? names[0];
  const asked = link.b.filter((name) => name !== a);
  const [b, ...more] = asked.length ? asked : [names.find((name) => name !== a)],
    rest = [...new Set([...names, ...more])].filter((name) => name !== a && name !== b);
  const options = (value) => [
    ...(names.includes(value) ? [] : [[value, `${value}: no pictures`]]),
    ...names,
  ];
  tools.append(
    choice("A", options(a), a, (value) => go({ a: value })),
    choice(
      "B",
      options(b).filter((name) => name !== a),
      b,
      (value) => go({ b: [value, ...more.filter((name) => name !== value)] }),
    ),
  );
  if (rest.length)
    tools.append(
      choice(
        "Beside",
        [
          ["", `${more.length} more`],
          ...rest.map((name) => [name, `${more.includes(name) ? "✓ " : ""}${name}`]),
        ],
        "",
        (value) =>
          go({
            b: [
              b,
              ...(more.includes(value)
                ? more.filter((name) => name !== value)
                : [...more, value].slice(-4)),
            ],
          }),
      ),
    );
  tools.append(search(link.words));
  without([a, b, ...more].filter((name) => !names.includes(name)));
  const images = make("div"),
    numbers = make("div");
  body.append(images, numbers);
  numbers.append(...said(board, a, b));
  if (!names.includes(a) || !names.includes(b)) return null;
  const labels = [a, b, ...more.filter((name) => names.includes(name))];
  const shots = labels.map(
    (name) =>
      new Map(
        board.shots[rows.find((row) => row.recipe === name).name].map((shot) => [
          `${shot.prompt} ${shot.seed}`,
          shot,
        ]),
      ),
  );
  const pairs = [...shots[0]]
    .filter(([place, shot]) => matches(shot, link.words) && shots[1].has(place))
    .map(([place, { prompt, seed, text, scores }]) => {
      const all = shots.map((each) => each.get(place));
      return {
        prompt,
        seed,
        text,
        shots: all.map((shot) => ({ src: shot?.src })),
        scores: Object.keys(scores)
          .filter((metric) => metric in all[1].scores)
          .map((metric) => [metric, ...all.map((shot) => shot?.scores[metric] ?? "–")]),
      };
    });
  return components.compare({
    data: { pairs, labels, at: link.at, mode: link.mode },
    parentElement: images,
    setStateValue: (key, value) => {
      history.replaceState(null, "", `#${keep({ [key]: value })}`);
    },
  });
}

// Says of a sweep which point to take and which cannot be told from it, with a curve a metric.
function sweepView(link, board, tools) {
  const names = facts.sweeps.map((each) => each.name),
    one = facts.sweeps[Math.max(0, names.indexOf(link.sweep))];
  tools.append(choice("Sweep", names, one.name, (value) => go({ sweep: value })));
  const line = (kind, texts) =>
    make(
      "tr",
      {},
      texts.map((text) => make(kind, { text })),
    );
  body.replaceChildren(
    make("p", { class: "words" }, [
      make("b", { text: `Take ${one.at}. ` }),
      document.createTextNode(`${one.reason}.`),
    ]),
    make("div", { class: "scrolled" }, [
      make("table", { class: "numbers" }, [
        line("th", [one.over, ...one.head]),
        ...one.rows.map((row) => line("td", row)),
      ]),
    ]),
    ...[one.legend, ...one.barred].map((text) => make("p", { class: "quiet words", text })),
    make(
      "div",
      { class: "curves" },
      one.curves.map((curve) => curveOf(curve, one)),
    ),
  );
}

// The namespace of drawings as the browser has it: the page holds no address.
const drawings = (() => {
  const parsed = new DOMParser().parseFromString("<svg></svg>", "text/html");
  return parsed.body.firstChild.namespaceURI;
})();

function drawn(name, values, children = []) {
  const node = document.createElementNS(drawings, name);
  for (const [key, value] of Object.entries(values)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function curveOf(curve, sweep) {
  const [from, to] = curve.alike || [0, 0];
  const dots = curve.dots.map((dot) => {
    const words = drawn("title", {});
    words.textContent = dot.words;
    return drawn(
      "circle",
      { class: dot.state, cx: dot.x, cy: dot.y, r: dot.state === "take" ? 5 : 3.5 },
      [words],
    );
  });
  const svg = drawn(
    "svg",
    {
      viewBox: `0 0 ${sweep.width} ${sweep.height}`,
      role: "img",
      "aria-label": `${curve.metric} by ${sweep.over}`,
    },
    [
      ...(curve.alike
        ? [
            drawn("rect", {
              class: "stretch",
              x: from - 6,
              y: 0,
              width: to - from + 12,
              height: sweep.height,
            }),
          ]
        : []),
      drawn("polygon", { class: "band", points: curve.band }),
      drawn("polyline", { class: "line", points: curve.line }),
      ...dots,
    ],
  );
  const up = curve.higher_is_better ? "↑" : "↓";
  return make("figure", {}, [
    make("figcaption", { text: `${curve.metric} ${up}  ${curve.bottom} to ${curve.top}` }),
    svg,
    make("div", { class: "axis" }, [
      make("span", { text: sweep.ends[0] }),
      make("span", { text: sweep.over }),
      make("span", { text: sweep.ends[sweep.ends.length - 1] }),
    ]),
  ]);
}

// Says which training pictures of a recipe helped and which hurt: two sheets and a table.
function blameView(link, board, tools) {
  const names = facts.blames.map((each) => each.name),
    one = facts.blames[Math.max(0, names.indexOf(link.blame))];
  tools.append(choice("Blame", names, one.name, (value) => go({ blame: value })));
  const columns = ["picture", "influence", "says", "caption"];
  const line = (kind, texts) =>
    make(
      "tr",
      {},
      texts.map((text) => make(kind, { class: "words", text })),
    );
  body.replaceChildren(
    make("p", { class: "words", text: `Asked: ${one.on}` }),
    make("p", { class: "words", text: one.sentence }),
    ...one.notes.map((text) => make("p", { class: "quiet words", text })),
    ...one.sheets.flatMap(({ title, src }) => [
      make("h3", { text: title }),
      make("img", { class: "sheet", src, alt: `${title} of ${one.name}` }),
    ]),
    make("h3", { text: "Both ends of the list" }),
    make("table", { class: "numbers" }, [
      line("th", columns),
      ...one.rows.map((row) =>
        line(
          "td",
          columns.map((name) => row[name]),
        ),
      ),
    ]),
  );
}

function keep(changes) {
  const link = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of Object.entries(changes)) link.set(name, value);
  return link;
}

function said(board, a, b) {
  const found = board.comparisons.find((each) => each.a === a && each.b === b);
  if (!found)
    return [
      make("p", {
        class: "quiet",
        text: `This export does not compare these two. Run: ${command("compare", a, b)}`,
      }),
    ];
  const columns = ["metric", "better", "A", "B", "A − B", "verdict"];
  const table = make("table", { class: "numbers" }, [
    make(
      "tr",
      {},
      columns.map((text) => make("th", { text })),
    ),
    ...found.findings.map((finding) =>
      make(
        "tr",
        {},
        columns.map((name) => make("td", { text: String(finding[name]) })),
      ),
    ),
  ]);
  const changes = make("table", { class: "numbers" }, [
    make(
      "tr",
      {},
      ["field", a, b].map((text) => make("th", { text })),
    ),
    ...found.changes.map((change) =>
      make(
        "tr",
        {},
        change.map((text) => make("td", { class: "words", text })),
      ),
    ),
  ]);
  return [
    make("h3", { text: "What the numbers say" }),
    make("p", { class: "words", text: found.sentence }),
    table,
    make("h3", { text: "How their recipes and protocols differ" }),
    found.changes.length ? changes : make("p", { text: "There is no recorded difference." }),
  ];
}

const VIEWS = {
  board: boardView,
  grid: gridView,
  compare: compareView,
  sweep: sweepView,
  blame: blameView,
};
addEventListener("hashchange", draw);
draw();
