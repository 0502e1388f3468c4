// Small helpers for building DOM: no framework, no innerHTML with data in it.

/**
 * Element with attributes (`class`, `aria-*`, `onclick`, ...) and children; null attributes are left out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  const nodes = /** @type {(Node | string | null | undefined)[]} */ (/** @type {any[]} */ (children).flat(Infinity));
  element.append(...nodes.filter((child) => child !== null && child !== undefined));
  return element;
}

const PATHS = {
  play: "M7 4.5v15l12-7.5z",
  stop: "M6 6h12v12H6z",
  previous: "M18 5v14l-9.5-7zM6 5h2v14H6z",
  open: "M13 4h7v7h-2V7.4l-8.3 8.3-1.4-1.4L16.6 6H13zM5 6h5v2H7v9h9v-3h2v5H5z",
  next: "M6 5v14l9.5-7zM16 5h2v14h-2z",
  volume: "M4 9v6h4l5 4.5v-15L8 9zM15.5 8.5a5 5 0 0 1 0 7l1.4 1.4a7 7 0 0 0 0-9.8z",
  keep: "M9.2 18.2 3.6 12.6l1.9-1.9 3.7 3.7 9.3-9.3 1.9 1.9z",
  quarantine: "M12 2.5 22.5 21h-21zM11 9.5v5.5h2V9.5zm0 7v2h2v-2z",
  love: "M12 20.5 4 12.6a5 5 0 0 1 7-7.1l1 1 1-1a5 5 0 0 1 7 7.1z",
  here: "M12 2.5a7 7 0 0 1 7 7c0 4.6-7 12-7 12s-7-7.4-7-12a7 7 0 0 1 7-7zm0 4.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6z",
  note: "M5 3h14v12l-6 6H5zm2 2v14h5v-5h5V5zm2 3h6v2H9zm0 3h6v2H9z",
  options: "M10 4h4v4h-4zm0 6h4v4h-4zm0 6h4v4h-4z",
  download: "M11 4h2v8.2l3-3 1.4 1.4L12 16l-5.4-5.4L8 9.2l3 3zM5 18h14v2H5z",
  pan: "M12 2l3.5 3.5H13V11h5.5V8.5L22 12l-3.5 3.5V13H13v5.5h2.5L12 22l-3.5-3.5H11V13H5.5v2.5L2 12l3.5-3.5V11H11V5.5H8.5z",
  select:
    "M4 4h5v2H6v3H4zm11 0h5v5h-2V6h-3zM4 15h2v3h3v2H4zm14 0h2v5h-5v-2h3zM11 4h2v2h-2zm0 14h2v2h-2zM4 11h2v2H4zm14 0h2v2h-2z",
  lasso:
    "M12 4c4.7 0 8.5 2.4 8.5 5.6 0 3.2-3.8 5.6-8.5 5.6-.9 0-1.8-.1-2.6-.3-.2 1.3-1 2.1-1.9 2.6l1.2 2.5-1.8.9-1.6-3.3c-1.2-.2-1.8-1.1-1.6-2 .2-.8 1-1.2 2.1-.9.8.2 1.1-.3 1.2-.9C4.9 12.9 3.5 11.4 3.5 9.6 3.5 6.4 7.3 4 12 4zm0 2c-3.7 0-6.5 1.8-6.5 3.6S8.3 13.2 12 13.2s6.5-1.8 6.5-3.6S15.7 6 12 6z",
  fit: "M4 4h6v2H7.4l3.3 3.3-1.4 1.4L6 7.4V10H4zm10 0h6v6h-2V7.4l-3.3 3.3-1.4-1.4L16.6 6H14zM9.3 13.3l1.4 1.4L7.4 18H10v2H4v-6h2v2.6zm5.4 0 3.3 3.3V14h2v6h-6v-2h2.6l-3.3-3.3z",
  enlarge: "M13 4h7v7h-2V7.4l-4.3 4.3-1.4-1.4L16.6 6H13zM4 13h2v3.6l4.3-4.3 1.4 1.4L7.4 18H11v2H4z",
  reset: "M12 5V1.5L7 6.5l5 5V7.4a5.8 5.8 0 1 1-5.8 5.8H3.8A8.2 8.2 0 1 0 12 5z",
  close: "m6.4 5 5.6 5.6L17.6 5 19 6.4 13.4 12l5.6 5.6-1.4 1.4-5.6-5.6L6.4 19 5 17.6l5.6-5.6L5 6.4z",
};

/** A 24 × 24 icon in the colour of the text, hidden from screen readers. @param {keyof typeof PATHS} name */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("ls-icon");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

/** A push button in words (or an icon). @param {Child} label @param {Attributes} attributes */
export const button = (label, attributes) => h("button", { type: "button", class: "ls-quiet", ...attributes }, label);

/**
 * A push button with an icon and a spoken name.
 * @param {IconName} name
 * @param {string} label
 * @param {() => void} onclick
 * @param {Attributes} extra
 */
export const iconButton = (name, label, onclick, extra = {}) =>
  button(icon(name), { class: "ls-icon-button", "aria-label": label, title: label, onclick, ...extra });

/**
 * A button that opens a small menu of [label, action] choices.
 * @param {IconName} name
 * @param {string} label
 * @param {[string, () => void][]} choices
 */
export function menuButton(name, label, choices) {
  const menu = h(
    "details",
    { class: "ls-menu" },
    h("summary", { class: "ls-quiet", "aria-label": label, title: label }, icon(name)),
  );
  const pick = (/** @type {() => void} */ action) => () => {
    menu.open = false;
    action();
  };
  const items = choices.map(([text, action]) => button(text, { onclick: pick(action) }));
  menu.append(h("div", { class: "ls-menu-items" }, items));
  menu.addEventListener("focusout", ({ relatedTarget }) => {
    if (!(relatedTarget instanceof Node && menu.contains(relatedTarget))) menu.open = false;
  });
  return menu;
}

/**
 * Calls `task` once after the last call, `wait` milliseconds later, or `first` after a call that comes alone: with none
 * in the `wait` before it. `.cancel()` drops a waiting call.
 * @template {unknown[]} Values
 * @param {(...values: Values) => void} task
 * @param {number} wait
 */
export function debounce(task, wait, first = wait) {
  let timer = 0;
  let calling = 0;
  const later = (/** @type {Values} */ ...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => task(...values), calling ? wait : first);
    clearTimeout(calling);
    calling = setTimeout(() => {
      calling = 0;
    }, wait);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/**
 * Calls `task` at most once per animation frame, with the newest values.
 * @template {unknown[]} Values
 * @param {(...values: Values) => void} task
 */
export function perFrame(task) {
  let frame = 0;
  /** @type {Values} */
  let newest;
  const later = (/** @type {Values} */ ...values) => {
    newest = values;
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      task(...newest);
    });
  };
  later.cancel = () => {
    cancelAnimationFrame(frame);
    frame = 0;
  };
  return later;
}

/**
 * Wipe a canvas of CSS size width × height, with the backing store of this screen; returns its drawing context.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function fitCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const store = { width: Math.max(1, Math.round(width * ratio)), height: Math.max(1, Math.round(height * ratio)) };
  if (canvas.width !== store.width || canvas.height !== store.height) Object.assign(canvas, store);
  const context = contextOf(canvas);
  context.setTransform(store.width / width, 0, 0, store.height / height, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/**
 * A node that stands for a slider: it takes the focus, and whoever made it keeps its value up to date.
 * @param {string} label spoken
 * @param {number} most
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
export function sliderNode(label, most, attributes, ...children) {
  const range = { "aria-valuemin": "0", "aria-valuemax": most, "aria-valuenow": "0" };
  return h("div", { role: "slider", tabindex: "0", "aria-label": label, ...range, ...attributes }, ...children);
}

/** Why nothing is shown. @param {string} what @param {Error} error */
export const failure = (what, { message }) =>
  h(
    "p",
    { class: "ls-failed", role: "alert" },
    `${what} could not be shown: ${message}. Reload the page to try again.`,
  );

/** @param {HTMLCanvasElement} canvas @param {CanvasRenderingContext2DSettings} settings */
export const contextOf = (canvas, settings = {}) =>
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", settings));

/** Once what is on the page now was painted, or soon where nobody sees the page. */
export const painted = () =>
  new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve));
    setTimeout(resolve, 100);
  });
