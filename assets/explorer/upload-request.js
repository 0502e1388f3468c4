// One file on its way: `fetch` tells of an upload only when it has ended (its streams of bytes need HTTP/2).

/**
 * A PUT. Rejects where the connection is lost or the file cannot be read, and where it is aborted.
 * @param {string} address
 * @param {Blob} body
 * @param {AbortSignal} signal
 * @param {(bytes: number) => void} onSent how many have gone so far
 * @returns {Promise<Response>}
 */
export function put(address, body, signal, onSent) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    const fail = () => reject(new TypeError("Failed to send"));
    request.upload.addEventListener("progress", ({ loaded }) => onSent(Math.min(loaded, body.size)));
    request.addEventListener("load", () => resolve(answer(request)));
    for (const end of ["error", "abort", "timeout"]) request.addEventListener(end, fail);
    request.addEventListener("loadend", () => signal.removeEventListener("abort", abort));
    signal.addEventListener("abort", abort);
    request.open("PUT", address);
    if (signal.aborted) fail();
    else request.send(body);
  });
}

/** @param {XMLHttpRequest} request */
function answer({ status, response }) {
  const hasContent = status !== 204 && status !== 205 && status !== 304;
  return new Response(hasContent ? response : null, { status });
}
