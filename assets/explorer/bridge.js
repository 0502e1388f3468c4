// The explorer's ear for the rest of the page: other components ask for a sound or a selection by events on the document.
//
// In: "loopscope:play" {id} (again: stop), "loopscope:select" {id}, "loopscope:prefetch" {ids}.
// Out: "loopscope:sounding" {id}, null where nothing sounds.

export class Bridge {
  constructor(explorer) {
    this.ending = new AbortController();
    const { session, engine, player, loops, root } = explorer;
    const on = (name, task) =>
      document.addEventListener(`loopscope:${name}`, ({ detail }) => root.isConnected && task(detail), {
        signal: this.ending.signal,
      });
    on("play", ({ id }) => {
      if (engine.id === id) engine.stop();
      else if (loops.row(id) >= 0) player.play(loops.row(id));
    });
    on("select", ({ id }) => session.audition(loops.row(id)));
    on("prefetch", ({ ids }) => ids.forEach((id) => player.prefetch(loops.row(id))));
    engine.addEventListener("change", () =>
      document.dispatchEvent(new CustomEvent("loopscope:sounding", { detail: { id: engine.id } })),
    );
  }

  close() {
    this.ending.abort();
  }
}
