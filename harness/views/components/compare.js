// The images of several results at one prompt and seed: side by side, or the first two of them
// under a slider, blinking, or as their difference.
const MODES = [
  ["side", "s", "Side by side"],
  ["slider", "l", "Slider"],
  ["blink", "b", "Blink"],
  ["difference", "d", "Difference"],
];

export default function ({ data, parentElement, setStateValue }) {
  const root = mount(parentElement, "compare-root");
  const state =
    root.state ||
    (root.state = {
      scale: 1,
      x: 0,
      y: 0,
      split: 50,
      gain: 4,
      flipped: false,
      still: false,
      said: {},
      waiting: {},
      told: { at: [], mode: [] },
    });
  if (heard("at") || state.pairs !== data.pairs.length)
    state.at = Math.max(0, Math.min(data.at || 0, data.pairs.length - 1));
  if (heard("mode")) state.mode = MODES.some(([name]) => name === data.mode) ? data.mode : "side";
  state.pairs = data.pairs.length;
  let timer = null;
  draw();
  const stop = keys(parentElement, onKey);
  return () => {
    clearInterval(timer);
    stop();
  };

  function draw() {
    clearInterval(timer);
    const pair = data.pairs[state.at];
    if (!pair)
      return root.replaceChildren(
        make("p", { class: "quiet", text: "There are no images at the same prompts and seeds." }),
      );
    const box = make(
      "div",
      {
        class: "compare",
        tabindex: "0",
        "data-key": "compare",
        "aria-label": `${pair.prompt}, seed ${pair.seed}`,
      },
      [bar(pair), views(pair), below(pair)],
    );
    const many = state.mode === "side" ? Math.min(3, data.labels.length) : 1;
    const room = (root.clientWidth || 960) / many - 16;
    const side = `${Math.round(Math.min(data.side || 460, room))}px`;
    box.style.setProperty("--side", side);
    // The mouse leaves the keys with the images, so that Space and arrows go on after a click.
    box.addEventListener("mousedown", (event) => {
      if (event.target.closest("button, .view")) {
        event.preventDefault();
        box.focus({ preventScroll: true });
      }
    });
    redraw(root, [box]);
    root.dataset.mode = state.mode;
    root.dataset.at = String(state.at);
    root.dataset.painted = "1";
    move();
    prepare();
  }

  function bar(pair) {
    const mode = ([name, key, label]) =>
      make("button", {
        text: label,
        title: `key ${key}`,
        "data-key": name,
        "aria-pressed": String(state.mode === name),
        onclick: () => choose(name),
      });
    return make("div", { class: "bar", role: "toolbar" }, [
      ...MODES.map(mode),
      make("span", { class: "space" }),
      state.mode === "difference" && gain(),
      make("button", {
        text: "1:1",
        "data-key": "whole",
        title: "key 0: whole image",
        onclick: () => zoom(1, 0, 0, true),
      }),
      make("button", {
        text: "‹",
        "data-key": "previous",
        title: "key ←",
        "aria-label": "previous",
        onclick: () => go(-1),
      }),
      make("span", { text: `${state.at + 1} of ${data.pairs.length}` }),
      make("button", {
        text: "›",
        "data-key": "next",
        title: "key →",
        "aria-label": "next",
        onclick: () => go(1),
      }),
    ]);
  }

  function gain() {
    const slide = make("input", {
      type: "range",
      min: 1,
      max: 16,
      value: state.gain,
      "data-key": "gain",
      "aria-label": "gain of the difference",
    });
    slide.addEventListener("input", () => {
      state.gain = slide.value;
      root.querySelector(".gain").style.setProperty("--gain", slide.value);
    });
    return make("label", { class: "quiet" }, [document.createTextNode("× "), slide]);
  }

  function picture(which, pair) {
    const { src, full } = pair.shots[which];
    const node = image(src, `${data.labels[which]}: ${pair.text}`, {
      loading: "eager",
      draggable: "false",
    });
    if (full && src) {
      const [whole] = ahead([full]);
      whole?.unpacked.then((done) => {
        if (done) node.src = full;
      });
    }
    return node;
  }

  function views(pair) {
    const [a, b] = data.labels;
    if (state.mode === "side") {
      return make(
        "div",
        { class: "views" },
        data.labels.map((label, which) =>
          make("figure", {}, [
            make("figcaption", { class: "words", text: label }),
            view("", [picture(which, pair)]),
          ]),
        ),
      );
    }
    if (state.mode === "slider") {
      const over = picture(1, pair);
      const knob = make("span", { class: "knob" });
      const box = view("slider", [picture(0, pair), over, knob, tag("a", a), tag("b", b)]);
      const said = {
        tabindex: 0,
        role: "slider",
        "data-key": "split",
        "aria-label": `share of ${a}`,
        "aria-valuemin": 0,
        "aria-valuemax": 100,
      };
      for (const [name, value] of Object.entries(said)) box.setAttribute(name, value);
      state.place = (percent) => {
        state.split = Math.max(0, Math.min(100, percent));
        over.style.clipPath = `inset(0 0 0 ${state.split}%)`;
        knob.style.left = `${state.split}%`;
        box.setAttribute("aria-valuenow", String(Math.round(state.split)));
      };
      state.place(state.split);
      box.addEventListener("keydown", slide);
      return make("div", { class: "views" }, [box]);
    }
    if (state.mode === "blink") {
      const [one, other] = [picture(0, pair), picture(1, pair)];
      const label = tag("a", a);
      // Which image is shown, and that Space has stopped the blinking, outlast a new drawing.
      state.flip = (to = !state.flipped) => {
        state.flipped = to;
        other.style.visibility = to ? "visible" : "hidden";
        label.textContent = to ? b : a;
        root.dataset.flipped = String(to);
      };
      state.flip(state.flipped);
      const quiet = state.still || matchMedia("(prefers-reduced-motion: reduce)").matches;
      if (data.blinking !== false && !quiet) timer = setInterval(() => state.flip(), 700);
      return make("div", { class: "views" }, [view("", [one, other, label])]);
    }
    const both = make("div", { class: "gain" }, [picture(0, pair), picture(1, pair)]);
    both.style.setProperty("--gain", state.gain);
    return make("div", { class: "views" }, [view("diff", [both])]);
  }

  function slide(event) {
    const to = {
      ArrowRight: state.split + 5,
      ArrowUp: state.split + 5,
      ArrowLeft: state.split - 5,
      ArrowDown: state.split - 5,
      Home: 0,
      End: 100,
      " ": state.split > 50 ? 0 : 100,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    state.place(to);
  }

  function tag(side, text) {
    return make("span", { class: `tag ${side} words`, text });
  }

  function view(kind, children) {
    const box = make("div", { class: `view ${kind}` }, children);
    let held = null;
    const share = (event) =>
      (100 * (event.clientX - box.getBoundingClientRect().left)) / box.clientWidth;
    box.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const frame = box.getBoundingClientRect();
        zoom(
          state.scale * (event.deltaY < 0 ? 1.25 : 0.8),
          event.clientX - frame.left,
          event.clientY - frame.top,
        );
      },
      { passive: false },
    );
    box.addEventListener("pointerdown", (event) => {
      held = [event.clientX - state.x, event.clientY - state.y];
      box.setPointerCapture(event.pointerId);
      if (kind === "slider" && state.scale === 1) state.place(share(event));
    });
    box.addEventListener("pointermove", (event) => {
      if (
        kind === "slider" &&
        (held || event.pointerType === "mouse") &&
        (state.scale === 1 || !held)
      )
        state.place(share(event));
      else if (held) {
        state.x = event.clientX - held[0];
        state.y = event.clientY - held[1];
        move();
      }
    });
    box.addEventListener("pointerup", () => {
      held = null;
    });
    return box;
  }

  function zoom(scale, x, y, whole = false) {
    const next = Math.max(1, Math.min(16, scale));
    if (whole || next === 1) [state.x, state.y] = [0, 0];
    else {
      state.x = x - ((x - state.x) * next) / state.scale;
      state.y = y - ((y - state.y) * next) / state.scale;
    }
    state.scale = whole ? 1 : next;
    move();
  }

  function move() {
    for (const each of root.querySelectorAll(".view img")) {
      each.style.transform = `translate(${state.x}px, ${state.y}px) scale(${state.scale})`;
      each.style.imageRendering = state.scale > 3 ? "pixelated" : "auto";
    }
    root.dataset.scale = String(state.scale);
  }

  function below(pair) {
    const rows = (pair.scores || []).map((score) =>
      make(
        "tr",
        {},
        score.map((cell) => make("td", { text: cell })),
      ),
    );
    const table = rows.length
      ? make("table", {}, [
          make(
            "tr",
            {},
            ["", ...data.labels].map((text) => make("th", { class: "words", text })),
          ),
          ...rows,
        ])
      : null;
    const hints = [
      ["Space", "flip"],
      ["←→", "prompt"],
      ["↑↓", "seed"],
      ["s l b d", "mode"],
      ["wheel", "zoom"],
      ["0", "whole"],
    ];
    return make("div", { class: "below" }, [
      make("div", {}, [
        make("b", { class: "words", text: `${pair.prompt} · seed ${pair.seed}` }),
        make("p", { class: "words", text: pair.text }),
        pair.note ? make("p", { class: "words quiet", text: pair.note }) : null,
        make(
          "p",
          { class: "quiet" },
          hints.flatMap(([key, what]) => [
            make("kbd", { text: key }),
            document.createTextNode(` ${what}  `),
          ]),
        ),
      ]),
      table,
    ]);
  }

  function choose(mode) {
    state.mode = mode;
    state.flipped = state.still = false;
    draw();
    tell("mode");
  }

  function tell(name) {
    clearTimeout(state.waiting[name]);
    state.waiting[name] = setTimeout(() => {
      state.told[name].push(state[name]);
      setStateValue(name, state[name]);
    }, 250);
  }

  // Returns whether the host sends a new value. A value that this component sent to the host comes
  // back, sometimes late: such an echo is not new.
  function heard(name) {
    const value = data[name],
      echo = state.told[name].lastIndexOf(value);
    const is = echo < 0 && (!(name in state.said) || state.said[name] !== value);
    state.said[name] = value;
    state.told[name].splice(0, echo + 1);
    if (is) {
      clearTimeout(state.waiting[name]);
      state.told[name] = [];
    }
    return is;
  }

  function go(step, sameSeed = false) {
    state.at = beside(step, sameSeed);
    draw();
    tell("at");
  }

  function beside(step, sameSeed) {
    const many = data.pairs.length,
      from = data.pairs[state.at];
    let at = (state.at + step + many) % many;
    if (sameSeed)
      for (
        let tries = 0;
        tries < many &&
        (data.pairs[at].seed !== from.seed || data.pairs[at].prompt === from.prompt);
        tries++
      )
        at = (at + step + many) % many;
    return at;
  }

  function seed(step) {
    state.at = otherSeed(step);
    draw();
    tell("at");
  }

  function otherSeed(step) {
    const same = data.pairs
      .map((pair, at) => [pair, at])
      .filter(([pair]) => pair.prompt === data.pairs[state.at].prompt);
    const here = same.findIndex(([, at]) => at === state.at);
    return same[(here + step + same.length) % same.length][1];
  }

  // Every picture that one key leads to; those behind the arrows to the right and left in full.
  function prepare() {
    const [next, before] = [beside(1, true), beside(-1, true)];
    const small = [next, before, beside(1), beside(-1), otherSeed(1)];
    const addresses = [
      ...small.flatMap((at) => data.pairs[at].shots.map(({ src }) => src)),
      ...[next, before].flatMap((at) => data.pairs[at].shots.map(({ full }) => full)),
    ];
    state.ahead = ahead([...new Set(addresses)]);
  }

  function onKey(event) {
    const mode = MODES.find(([, key]) => key === event.key);
    if (mode) choose(mode[0]);
    else if (event.key === " " && state.mode === "blink") {
      clearInterval(timer);
      state.still = true;
      state.flip();
    } else if (event.key === " " && state.mode === "slider")
      state.place(state.split > 50 ? 0 : 100);
    else if (event.key === " ") choose("blink");
    else if (event.key === "ArrowRight") go(1, true);
    else if (event.key === "ArrowLeft") go(-1, true);
    else if (event.key === "ArrowDown") seed(1);
    else if (event.key === "ArrowUp") seed(-1);
    else if (event.key === "0") zoom(1, 0, 0, true);
    else return false;
    return true;
  }
}
