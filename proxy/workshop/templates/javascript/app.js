import config from "sluice:filter/config@0.1.0";
import request from "sluice:filter/request@0.1.0";

export const onRequest = {
  onRequest() {
    const greeting = config.get("greeting") ?? "Hello";
    const name = request.queryParam("name");
    if (name !== null) return { tag: "reply", val: text(`${greeting}, ${name}!\n`) };
    request.setHeader("x-greeting", greeting);
    return { tag: "next" };
  },
};

function text(body) {
  return { status: 200, headers: [["content-type", "text/plain; charset=utf-8"]], body: utf8(body) };
}

// QuickJS, the engine that is built in, has no TextEncoder.
function utf8(text) {
  return Uint8Array.from(unescape(encodeURIComponent(text)), (character) => character.charCodeAt(0));
}
