// The explorer's ear for the rest of the page: other components ask for a sound or a selection by events on the document.
//
// In: "loopscope:play" {id} (again: stop; a loop of another folder with its name and seconds), "loopscope:click" {id, bpm} (again: without), "loopscope:select" {id}, "loopscope:prefetch" {ids}.
// Out: "loopscope:sounding" {id, click, streams}: what sounds, the tempo of the metronome over it, null for none, and
// whether it is streamed, so that there can be none.

/** Listen on the page until `signal` ends it. @param {Views} views @param {AbortSignal} signal */
export function bridge({ session, engine, player, root }, signal) {
  const rowOf = (/** @type {string} */ id) => session.loops.row(id);
  /** @type {<Name extends "play" | "click" | "select" | "prefetch">(name: Name, task: (detail: DocumentEventMap[`loopscope:${Name}`]["detail"]) => void) => void} */
  const on = (name, task) =>
    document.addEventListener(`loopscope:${name}`, ({ detail }) => root.isConnected && task(detail), { signal });
  on("play", ({ id, name, seconds }) => {
    if (engine.id === id) engine.stop();
    else if (rowOf(id) >= 0) player.play(rowOf(id));
    else if (name !== undefined) player.playGuest({ id, name, seconds: seconds ?? 0 });
  });
  on("click", ({ id, bpm }) => {
    if (engine.id === id) engine.setClick(engine.click === bpm ? null : bpm);
    else if (rowOf(id) >= 0) player.play(rowOf(id), null, bpm);
  });
  on("select", ({ id }) => session.audition(rowOf(id)));
  on("prefetch", ({ ids }) => {
    for (const id of ids) player.prefetch(rowOf(id));
  });
  engine.addEventListener("change", () =>
    document.dispatchEvent(
      new CustomEvent("loopscope:sounding", {
        detail: { id: engine.id, click: engine.click, streams: engine.streams },
      }),
    ),
  );
}
