// Which order the list stands in: a choice, and a button that turns it round.

import { button, h } from "./dom.js";
import { modeOf, ORDERS, orderOf } from "./orders.js";

export class OrderControl {
  /** @param {(mode: string) => unknown} onChoose */
  constructor(onChoose) {
    this.choice = h(
      "select",
      {
        class: "ls-order",
        "aria-label": "Order of the list",
        onchange: ({ target }) => onChoose(target.value),
      },
      ORDERS.map(({ name, label, title }) => h("option", { value: name, title }, label)),
    );
    this.way = button("", { class: "ls-quiet ls-way", hidden: true, onclick: () => onChoose(this.opposite) });
    this.opposite = "";
    this.element = h("div", { class: "ls-tools" }, this.choice, this.way);
  }

  /** Say which order holds. @param {string} mode */
  show(mode) {
    const found = orderOf(mode);
    if (!found) return;
    const { order, turned } = found;
    this.choice.value = order.name;
    this.choice.title = order.title;
    this.opposite = modeOf(order.name, !turned);
    const follows = order.name === "similar";
    this.way.hidden = !order.ways && !follows;
    if (follows) {
      this.opposite = order.name;
      this.way.textContent = "From selected";
      this.way.title = "List those that are like the loop that is selected now";
    }
    if (!order.ways) return;
    const [says, otherwise] = turned ? [...order.ways].reverse() : order.ways;
    this.way.textContent = says;
    this.way.title = `Turn round: ${otherwise.toLowerCase()}`;
  }
}
