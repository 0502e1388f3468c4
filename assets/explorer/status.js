// What the project does, on every page: the task that runs, with its bar and Cancel; notices; and, by the poller, the
// connection. When something new is to be drawn by Python, it is asked to, at a moment when no hand is on the page.

import { followBack, nameProject } from "./address.js";
import { button, h } from "./dom.js";
import { notify, region } from "./notices.js";
import { outbox } from "./outbox.js";
import { Poller } from "./poller.js";
import { Quiet } from "./quiet.js";
import { applyTheme } from "./theme.js";
import { loadStyles } from "./transport.js";
import { stamped } from "./wire.js";

const FORGOTTEN_AFTER_MS = 5000; // gone for longer than a rerun or a change of pages takes
const PATIENCE_MS = 5000; // then Python is asked again
const RENEW_MS = 1500; // between two asks for a session
const THOUGHT_MS = 3000; // a pause within a sentence
const TEXTS = "textarea, input:not([type=checkbox], [type=radio], [type=range]), [contenteditable=true]";
const OCCUPIED =
  "dialog[open], .ls-menu[open], :popover-open, [role=dialog]:not([popover]), [data-baseweb=popover], [data-testid=stApp][data-test-script-state=running]";
const LAST_NOTICE = "loopscope.notice";

/** @type {Map<string, Status>} by key */
const shown = new Map();

/**
 * Show or update; returns what Streamlit is to call when the component leaves the page.
 * @param {Component<StatusData>} component
 * @param {string} base
 */
export function mount(component, base) {
  const { data, parentElement: parent } = component;
  const status = shown.get(data.key) ?? new Status();
  shown.set(data.key, status);
  loadStyles(base + data.assets, "explorer", "status");
  clearTimeout(status.leaving);
  if (status.root.parentElement !== parent) parent.append(status.root);
  status.update(component, base);
  return () => {
    if (status.root.parentElement !== parent) return; // it lives elsewhere already
    status.leaving = setTimeout(() => {
      status.close();
      if (shown.get(data.key) === status) shown.delete(data.key);
    }, FORGOTTEN_AFTER_MS);
  };
}

class Status {
  constructor() {
    /** @type {Component<StatusData> | null} */
    this.component = null;
    this.leaving = 0;
    this.asked = { generation: Number.NEGATIVE_INFINITY, at: 0 };
    this.cancelled = ""; // the title of the task that was just told to stop
    this.noticed = "";
    this.title = h("strong", { class: "ls-task-title" });
    this.bar = h(
      "div",
      { class: "ls-task-bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 },
      h("i"),
    );
    this.text = h("p", { class: "ls-task-text" });
    this.cancel = button("Cancel", { onclick: () => this.#cancel() });
    const head = h("div", { class: "ls-task-head" }, this.title, this.cancel);
    this.task = h("section", { class: "ls-task", "aria-label": "What runs", hidden: true }, head, this.bar, this.text);
    this.root = h("div", { class: "ls-root ls-status" }, this.task);
    this.poller = new Poller(() => this.#renew());
    this.ending = new AbortController();
    const { signal } = this.ending;
    document.addEventListener("loopscope:pulse", ({ detail }) => this.#beat(detail), { signal });
    this.quiet = new Quiet(signal);
    this.typed = Number.NEGATIVE_INFINITY; // the last change of a text
    document.addEventListener("input", () => this.#typed(), { signal, capture: true });
    followBack(() => this.component?.data.project ?? "", signal);
    region("ls-notices");
    region("ls-banner");
  }

  /** @param {Component<StatusData>} component @param {string} base */
  update(component, base) {
    this.component = component;
    applyTheme(this.root);
    outbox().use(base, component.data.token);
    this.poller.use(base, component.data.token);
  }

  close() {
    this.poller.stop();
    this.ending.abort();
    this.root.remove();
  }

  /** @param {Pulse} pulse */
  #beat({ task, generation, notice }) {
    const { project, loop } = /** @type {Component<StatusData>} */ (this.component).data;
    nameProject(project, loop); // links between pages and the back button lead to what was selected before
    this.#draw(task);
    if (notice) this.#notice(notice);
    if (typeof generation === "number") this.#refresh(generation);
  }

  /** @param {Pulse["task"]} task */
  #draw(task) {
    this.task.hidden = !task;
    if (task?.title !== this.cancelled) this.cancelled = "";
    if (!task) return;
    const stopping = task.stopping || Boolean(this.cancelled);
    const percent = Math.round(1000 * Math.min(Math.max(task.share, 0), 1)) / 10;
    this.title.textContent = task.title;
    this.text.textContent = task.text;
    this.bar.ariaValueNow = String(Math.round(percent));
    this.bar.ariaLabel = task.title;
    /** @type {HTMLElement} */ (this.bar.firstElementChild).style.width = `${percent}%`;
    this.cancel.hidden = !task.cancellable && !stopping;
    this.cancel.disabled = stopping;
    this.cancel.textContent = stopping ? "Stopping…" : "Cancel";
  }

  /** Python hears it as a trigger: a state would be sent again to a server that was started anew, and stop what runs there. */
  #cancel() {
    const title = this.title.textContent ?? "";
    this.cancelled = title;
    this.cancel.disabled = true;
    this.cancel.textContent = "Stopping…";
    this.component?.setTriggerValue("cancel", stamped({ value: title }));
    setTimeout(() => {
      this.cancelled = "";
    }, PATIENCE_MS);
  }

  /** Each once, also over a reload. @param {{ id: number, text: string }} notice */
  #notice({ id, text }) {
    const said = `${id} ${text}`;
    if (said === this.noticed || said === recalled()) return;
    this.noticed = said;
    remembered(said);
    notify(text);
  }

  /**
   * The server was started anew. Streamlit connects to it again by itself, but runs nothing there until it is asked: a
   * page that nobody touches would stay without a session for good.
   */
  #renew() {
    if (performance.now() - this.asked.at < RENEW_MS) return;
    this.asked = { generation: Number.NEGATIVE_INFINITY, at: performance.now() };
    this.component?.setStateValue("generation", stamped({ value: null }));
  }

  #typed() {
    this.typed = performance.now();
  }

  /** No hand is on the page, no text is being written, nothing is open, and no run is under way. */
  #isFree() {
    const writing = document.activeElement?.matches(TEXTS) && performance.now() - this.typed < THOUGHT_MS;
    return this.quiet.now && !writing && !document.querySelector(OCCUPIED);
  }

  /** Have Python draw again where it drew an older generation, once the page is left alone. @param {number} generation */
  #refresh(generation) {
    const { component } = this;
    if (!component || this.poller.state !== "up") return;
    const drawn = component.data.generation;
    if (drawn === null && this.asked.at === 0) this.asked = { generation, at: 1 }; // as it was when it was mounted
    const { asked } = this;
    const old = drawn === null ? generation > asked.generation : generation > drawn;
    const waits = generation <= asked.generation && performance.now() - asked.at < PATIENCE_MS;
    if (!old || waits || !this.#isFree()) return;
    this.asked = { generation, at: performance.now() };
    component.setStateValue("generation", stamped({ value: generation }));
  }
}

function recalled() {
  try {
    return sessionStorage.getItem(LAST_NOTICE);
  } catch {
    return null;
  }
}

/** @param {string} said */
function remembered(said) {
  try {
    sessionStorage.setItem(LAST_NOTICE, said);
  } catch {
    // It may be said again after a reload.
  }
}
