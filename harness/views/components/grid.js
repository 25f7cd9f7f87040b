// A sheet of pictures at the same prompts and seeds; a click shows one in full, with its scores.
export default function ({ data, parentElement, setStateValue }) {
  const root = mount(parentElement, "grid-root");
  const cells = [];
  const side = `${data.side || 128}px`;
  const panels = data.panels.map((panel) => sheet(panel));
  root.replaceChildren(make("div", { class: "grid", style: { "--side": side } }, panels));
  root.firstChild.style.setProperty("--side", side);
  root.dataset.painted = `${cells.length} ${data.page || 1}`;
  let open = null;
  return keys(parentElement, onKey);

  function sheet(panel) {
    const columns = data.columns.length || 1;
    const wide = data.flow ? `repeat(auto-fill, ${side})` : `240px repeat(${columns}, ${side})`;
    const grid = make("div", { class: "sheet", style: { gridTemplateColumns: wide } });
    if (data.flow) grid.style.width = "auto";
    if (!data.flow) {
      grid.append(make("div", { class: "top" }));
      for (const column of data.columns)
        grid.append(make("div", { class: "top words", text: column.head, title: column.text }));
    }
    panel.rows.forEach((row, at) => {
      if (!data.flow) {
        grid.append(
          make("div", { class: "left" }, [
            make("b", { class: "words", text: data.rows[at].head }),
            make("div", {
              class: "words quiet",
              text: data.rows[at].text,
              title: data.rows[at].text.slice(0, 2000),
            }),
          ]),
        );
      }
      for (const cell of row) grid.append(shown(cell));
    });
    const title =
      panel.title && panel.title.head
        ? make("h4", { class: "words", text: panel.title.head })
        : null;
    return make("section", { class: "panel" }, [title, make("div", { class: "scroll" }, [grid])]);
  }

  function shown(cell) {
    if (!cell) return make("span", { class: "none", text: "no image" });
    const at = cells.push(cell) - 1;
    const over = cell.overlay ? make("span", { class: "over", text: cell.overlay }) : null;
    const picture = cell.src
      ? image(cell.src, cell.alt)
      : make("span", { class: "none", text: cell.reason || "no image" });
    return make(
      "button",
      {
        class: "cell",
        title: `${cell.recipe} · ${cell.prompt} · seed ${cell.seed}`,
        onclick: () => show(at),
      },
      [picture, over],
    );
  }

  function show(at) {
    close(false);
    const cell = cells[at];
    const picture = image(cell.full || cell.src, cell.alt, { loading: "eager" });
    const facts = [
      ["recipe", cell.recipe],
      ["prompt", cell.prompt],
      ["seed", cell.seed],
      ...Object.entries(cell.scores || {}),
    ];
    const table = make(
      "table",
      {},
      facts
        .filter((fact) => fact[1] !== "")
        .map(([name, value]) =>
          make("tr", {}, [
            make("td", { text: name }),
            make("td", { class: "words", text: String(value) }),
          ]),
        ),
    );
    const box = make(
      "div",
      { class: "light", role: "dialog", "aria-modal": "true", "aria-label": cell.alt },
      [
        make("div", { class: "stage", onclick: () => close() }, [picture]),
        make("aside", {}, [
          make("p", { class: "words", text: cell.text }),
          table,
          make("p", {}, [
            make("kbd", { text: "←" }),
            make("kbd", { text: "→" }),
            document.createTextNode(" next  "),
            make("kbd", { text: "Esc" }),
            document.createTextNode(" close"),
          ]),
        ]),
        make("button", {
          class: "close",
          text: "×",
          "aria-label": "close",
          onclick: () => close(),
        }),
      ],
    );
    root.append(box);
    box.querySelector(".close").focus();
    const sides = [at + 1, at - 1].map((other) => cells[(other + cells.length) % cells.length]);
    open = { at, box, ahead: ahead(sides.map((each) => each.full || each.src)) };
  }

  function close(refocus = true) {
    if (!open) return;
    open.box.remove();
    if (refocus) root.querySelectorAll(".cell")[open.at]?.focus();
    open = null;
  }

  function onKey(event) {
    const step = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: data.flow ? 1 : data.columns.length,
      ArrowUp: data.flow ? -1 : -data.columns.length,
    }[event.key];
    if (open && event.key === "Escape") {
      close();
      return true;
    }
    if (step && open) {
      show((open.at + step + cells.length) % cells.length);
      return true;
    }
    const all = [...root.querySelectorAll(".cell")];
    const active = parentElement.activeElement || document.activeElement;
    const at = all.indexOf(active);
    if (step && at >= 0) {
      all[Math.max(0, Math.min(all.length - 1, at + step))].focus();
      return true;
    }
    return false;
  }
}
