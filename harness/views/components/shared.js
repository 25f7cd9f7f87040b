// What every component uses. Words from prompts and captions only ever become text nodes.
const ADDRESSES = /^(\/pictures\/|\/artifacts\/|\/blind\/|pictures\/)/;

function make(tag, properties = {}, children = []) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) if (child) node.append(child);
  return node;
}

function image(address, alt, properties = {}) {
  if (!address || !ADDRESSES.test(address))
    return make("span", { class: "none", text: "no image" });
  const picture = make("img", {
    src: address,
    alt,
    loading: "lazy",
    decoding: "async",
    ...properties,
  });
  picture.addEventListener("error", () =>
    picture.replaceWith(make("span", { class: "none", text: "no image" })),
  );
  return picture;
}

// Fetches pictures and unpacks them off the main thread, before they are asked for. They stay
// unpacked as long as what is returned is kept.
function ahead(addresses) {
  return addresses
    .filter((address) => address && ADDRESSES.test(address))
    .map((address) => {
      const picture = new Image();
      picture.src = address;
      picture.unpacked = picture.decode().then(
        () => true,
        () => false,
      );
      return picture;
    });
}

// A command of ours to copy: every word is one argument, as `harness.escaping.command` writes it.
function command(verb, ...words) {
  const quoted = words
    .map(visible)
    .map((word) =>
      word && !/[^\w@%+=:,./-]/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`,
    );
  const dashes = words.some((word) => word.startsWith("-")) ? ["--"] : [];
  return ["harness", verb, ...dashes, ...quoted].join(" ");
}

// Signs that a terminal obeys are written out.
const UNSEEN =
  /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu;

function visible(word) {
  return word.replace(UNSEEN, (sign) => {
    const code = sign.charCodeAt(0).toString(16);
    return sign < "\u0100" ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
  });
}

function typing(event) {
  const target = event.composedPath()[0];
  return (
    (["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName) && target.type !== "checkbox") ||
    target.isContentEditable ||
    event.ctrlKey ||
    event.metaKey ||
    event.altKey
  );
}

// Controls that use the arrow keys, and controls that use Space and Enter. A control that has the
// focus keeps its own keys.
const ROLES = "radio tab option menuitem combobox slider spinbutton grid".split(" ");
const MOVED = ["select", ...ROLES.map((role) => `[role=${role}]`), "[role=grid] *"].join(", ");
const BUTTONS = ["button", "link", "checkbox", "switch"].map((role) => `[role=${role}]`).join(", ");
const PRESSED = `a[href], button, input, summary, ${BUTTONS}, ${MOVED}`;

function owned(event) {
  const kept = [" ", "Enter"].includes(event.key)
    ? PRESSED
    : event.key.startsWith("Arrow") && MOVED;
  return kept && event.composedPath()[0].matches?.(kept);
}

// Listens to keys of the whole page while a component is on it; one listener a root.
function keys(root, handler) {
  const host = root.host || root;
  if (host.stopKeys) host.stopKeys();
  const listen = (event) => {
    if (!typing(event) && !owned(event) && handler(event)) event.preventDefault();
  };
  document.addEventListener("keydown", listen);
  host.stopKeys = () => document.removeEventListener("keydown", listen);
  return host.stopKeys;
}

// Replaces the children. The focus goes back to the child with the same `data-key`, or else to the
// frame.
function redraw(root, children) {
  const had = root.getRootNode().activeElement;
  const held = had && root.contains(had),
    key = held && had.dataset.key;
  root.replaceChildren(...children);
  const next = [...root.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
  if (held) (next || root.querySelector(":scope > [tabindex]"))?.focus({ preventScroll: true });
}

function mount(root, name) {
  let place = [...root.children].find((node) => node.classList.contains(name));
  if (!place) {
    place = make("div", { class: name });
    root.append(place);
  }
  return place;
}
