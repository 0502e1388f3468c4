// A panel over the page that a button opens, Esc or a click elsewhere closes; where the window is narrow, a sheet at its
// foot (filters.css). It belongs to the browser's top layer: it is cut off by nothing and makes nothing scroll.

export class Sheet {
  /**
   * @param {HTMLButtonElement} opener
   * @param {HTMLElement} element
   * @param {() => void} onOpen before it is seen
   */
  constructor(opener, element, onOpen) {
    this.opener = opener;
    this.element = element;
    this.open = false;
    element.popover = "auto";
    opener.popoverTargetElement = element;
    const place = () => this.#place();
    const closeByKey = (/** @type {KeyboardEvent} */ event) => {
      if (!element.matches(":popover-open")) return; // the explorer is off the page for a moment
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopImmediatePropagation(); // else the explorer clears the filters
      this.close();
    };
    element.addEventListener("keydown", (event) => event.stopPropagation()); // its keys are not the explorer's
    element.addEventListener("beforetoggle", ({ newState }) => {
      if (newState !== "open") return;
      onOpen();
      place();
    });
    this.ending = new AbortController();
    element.addEventListener("toggle", ({ newState }) => {
      this.open = newState === "open";
      this.ending.abort();
      if (!this.open) return;
      this.ending = new AbortController();
      const { signal } = this.ending;
      document.addEventListener("keydown", closeByKey, { capture: true, signal });
      document.addEventListener("scroll", place, { capture: true, passive: true, signal });
      window.addEventListener("resize", place, { signal });
    });
  }

  /** The explorer is gone; a panel that was open with it says nothing of that by itself. */
  end() {
    this.open = false;
    this.ending.abort();
  }

  close() {
    const within = this.element.contains(document.activeElement);
    this.element.hidePopover();
    if (within) this.opener.focus({ preventScroll: true });
  }

  /** Back on the page: the browser closes what leaves it. */
  returned() {
    if (this.open && this.element.isConnected && !this.element.matches(":popover-open")) this.element.showPopover();
  }

  /** Below its button; filters.css keeps it within the window. */
  #place() {
    const { left, bottom } = this.opener.getBoundingClientRect();
    this.element.style.setProperty("--ls-x", `${left}px`);
    this.element.style.setProperty("--ls-y", `${bottom}px`);
  }
}
