// A service of wasi:http 0.3 in JavaScript: says what it was asked, then gives the body back as it comes.

import { Fields, Request, Response } from "wasi:http/types@0.3.2";

export const handler = {
  async handle(request) {
    const asked = {
      method: name(request.getMethod()),
      path: request.getPathWithQuery(),
      greeting: request.getHeaders().get("x-greeting").map(text).join(", "),
    };
    const [content] = Request.consumeBody(request, Promise.resolve({ tag: "ok" }));
    const headers = Fields.fromList([["content-type", bytes("application/json")]]);
    const body = echo(`${JSON.stringify(asked)}\n`, content);
    const [response] = Response.new(headers, body, Promise.resolve({ tag: "ok", val: null }));
    return response;
  },
};

async function* echo(first, content) {
  yield bytes(first);
  yield* content;
}

/** GET, say. */
function name(method) {
  return method.tag === "other" ? method.val : method.tag.toUpperCase();
}

// The engine has no TextEncoder.

function bytes(text) {
  const utf8 = unescape(encodeURIComponent(text));
  return Uint8Array.from(utf8, (each) => each.charCodeAt(0));
}

function text(bytes) {
  return decodeURIComponent(escape(String.fromCharCode(...bytes)));
}
