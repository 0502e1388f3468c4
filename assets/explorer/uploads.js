// A folder or a large file from this computer to the server: chosen or dropped, with its progress, and a way to stop.

import { button, h } from "./dom.js";
import { count } from "./format.js";
import { applyTheme } from "./theme.js";
import { loadStyles } from "./transport.js";
import { UploadSender } from "./upload-sender.js";
import { stamped } from "./wire.js";

/** @type {Map<string, Upload>} by key; an upload goes on while another page is shown */
const shown = new Map();

/**
 * Show or update; returns what Streamlit is to call when the component leaves the page.
 * @param {Component<UploadData>} component
 * @param {string} base
 */
export function mount(component, base) {
  const { data, parentElement: parent } = component;
  const upload = shown.get(data.key) ?? new Upload();
  shown.set(data.key, upload);
  loadStyles(base + data.assets, "explorer", "status");
  if (upload.root.parentElement !== parent) parent.append(upload.root); // first: colours are known on the page only
  upload.show(component, `${base}ls/upload/${data.token}`);
  return () => upload.root.parentElement === parent && upload.root.remove();
}

class Upload {
  constructor() {
    /** @type {UploadSender | null} */
    this.sender = null;
    this.failure = "";
    this.left = 0; // files of other kinds, which stay where they are
    this.address = "";
    /** @type {string[]} */
    this.suffixes = [];
    this.noun = "";
    this.input = h("input", { type: "file" });
    this.input.addEventListener("change", () => this.#take([...(this.input.files ?? [])].map(withPath)));
    this.hint = h("span", { class: "ls-task-text" });
    this.choose = h("span", { class: "ls-upload-choose" });
    this.drop = h("label", { class: "ls-upload-drop" }, this.choose, this.input, this.hint);
    this.drop.addEventListener("dragover", (event) => event.preventDefault());
    this.drop.addEventListener("drop", (event) => this.#dropped(event));
    this.title = h("span", { class: "ls-task-title" });
    this.bar = h("i");
    const track = h("div", { class: "ls-task-bar" }, this.bar);
    this.text = h("span", { class: "ls-task-text", role: "status", "aria-live": "off" });
    this.on = button("Go on", { onclick: () => this.#run() });
    this.cancel = button("Cancel", { onclick: () => this.#cancel() });
    const head = h(
      "div",
      { class: "ls-task-head" },
      this.title,
      h("span", { class: "ls-upload-buttons" }, this.on, this.cancel),
    );
    this.task = h("div", { class: "ls-task" }, head, track, this.text);
    this.root = h("div", { class: "ls-root ls-upload" }, this.drop, this.task);
  }

  /** @param {Component<UploadData>} component @param {string} address */
  show(component, address) {
    this.component = component;
    this.address = address;
    this.suffixes = component.data.suffixes;
    this.noun = component.data.noun;
    this.input.multiple = this.input.webkitdirectory = this.noun === "folder";
    this.input.ariaLabel = `${this.noun === "folder" ? "Folder" : "File"} to upload`;
    this.choose.textContent = `Choose a ${this.noun}`;
    this.hint.textContent = component.data.hint;
    applyTheme(this.root);
    this.#say();
  }

  /** @param {DragEvent} event */
  async #dropped(event) {
    event.preventDefault();
    const entries = [...(event.dataTransfer?.items ?? [])].map((item) => item.webkitGetAsEntry());
    this.#take((await Promise.all(entries.map(filesBelow))).flat());
  }

  /** @param {UploadFile[]} files */
  #take(files) {
    const wanted = files.filter(({ name }) => isWanted(name, this.suffixes));
    this.input.value = "";
    if (!files.length) return;
    this.left = files.length - wanted.length;
    this.sender = new UploadSender(wanted, this.address);
    this.#run();
  }

  async #run() {
    const { sender } = this;
    if (!sender) return;
    this.failure = "";
    this.#say();
    try {
      await sender.run(() => this.#say());
      if (sender.isWhole) this.#tell(sender.name);
    } catch (error) {
      if (!sender.isCancelled) this.failure = error instanceof Error ? error.message : String(error);
    }
    this.#say();
  }

  /** Begin anew; what arrived is removed where it is not whole. */
  #cancel() {
    if (!this.sender?.isWhole) this.sender?.cancel();
    this.sender = null;
    this.#tell(null);
    this.#say();
  }

  /** @param {string | null} name of the upload that is whole */
  #tell(name) {
    this.component?.setStateValue("uploaded", stamped({ value: name }));
  }

  #say() {
    const { sender, failure } = this;
    this.drop.hidden = Boolean(sender);
    this.task.hidden = !sender;
    if (!sender) return;
    const { files, sent, sentBytes, bytes, isWhole } = sender;
    this.title.textContent = failure ? "The upload stopped" : isWhole ? "Uploaded" : "Uploading";
    this.bar.style.width = `${(100 * (bytes ? sentBytes / bytes : 1)).toFixed(1)}%`;
    const others = this.left ? `; ${count(this.left)} of other kinds stay behind` : "";
    const done = `${count(sent.size)} of ${count(files.length)} files, ${megabytes(sentBytes)} of ${megabytes(bytes)} MB${others}`;
    this.text.textContent = failure ? `${failure} ${done}.` : done;
    this.on.hidden = !failure;
    this.cancel.textContent = isWhole ? `Another ${this.noun}` : "Cancel";
  }
}

/** @param {number} bytes */
const megabytes = (bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);

/** @param {File} file @returns {UploadFile} */
const withPath = (file) => ({ name: file.webkitRelativePath || file.name, size: file.size, body: file });

/** Neither hidden nor below a hidden folder, and of a kind that is read. @param {string} name @param {string[]} suffixes */
const isWanted = (name, suffixes) =>
  !name.split("/").some((part) => part.startsWith(".")) &&
  suffixes.some((suffix) => name.toLowerCase().endsWith(suffix));

/** @param {FileSystemEntry | null} entry @returns {Promise<UploadFile[]>} */
async function filesBelow(entry) {
  if (entry instanceof FileSystemFileEntry) {
    /** @type {File} */
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ name: entry.fullPath.replace(/^\//, ""), size: file.size, body: file }];
  }
  if (!(entry instanceof FileSystemDirectoryEntry)) return [];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at a time
    if (!some.length) return (await Promise.all(found.map(filesBelow))).flat();
    found.push(...some);
  }
}
