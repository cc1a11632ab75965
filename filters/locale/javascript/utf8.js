// QuickJS, the engine that componentize-qjs embeds, has no TextEncoder.

/** The bytes of a text in UTF-8. */
export function utf8(text) {
  return Uint8Array.from(unescape(encodeURIComponent(text)), (character) => character.charCodeAt(0));
}
