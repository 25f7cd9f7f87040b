// A blind choice between two images: two questions, one key each, then the next.
const KEYS = { 1: "a", 2: "b", 0: "tie", 9: "neither" };
const WORDS = [
  ["a", "Left", "1"],
  ["b", "Right", "2"],
  ["tie", "Equal", "0"],
  ["neither", "Neither", "9"],
];

export default function ({ data, parentElement, setTriggerValue }) {
  const root = mount(parentElement, "vote-root");
  const answers = {};
  let sent = false;
  draw();
  return keys(parentElement, onKey);

  function draw() {
    const now = open();
    const left = image(data.a, "the left image", { loading: "eager" }),
      right = image(data.b, "the right image", { loading: "eager" });
    root.replaceChildren(
      make("div", { class: "vote" }, [
        make("p", { class: "prompt words", text: data.text }),
        make("div", { class: "views" }, [left, right]),
        ...data.questions.map(([name, text]) =>
          make(
            "div",
            { class: `asked ${name === now ? "now" : ""}`, role: "group", "aria-label": text },
            [
              make("b", { text }),
              ...WORDS.map(([answer, label, key]) =>
                make(
                  "button",
                  {
                    "data-question": name,
                    "data-answer": answer,
                    "aria-pressed": String(answers[name] === answer),
                    onclick: () => say(name, answer),
                  },
                  [document.createTextNode(`${label} `), make("kbd", { text: key })],
                ),
              ),
            ],
          ),
        ),
      ]),
    );
    root.dataset.painted = data.id;
  }

  function open() {
    return (data.questions.find(([name]) => !(name in answers)) || [null])[0];
  }

  function say(name, answer) {
    if (sent) return;
    answers[name] = answer;
    if (open() === null) {
      sent = true;
      setTriggerValue("vote", { id: data.id, answers });
    }
    draw();
  }

  function onKey(event) {
    const answer = KEYS[event.key],
      name = open();
    if (!answer || !name) return false;
    say(name, answer);
    return true;
  }
}
