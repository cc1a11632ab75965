// Replacing a placeholder in a text that comes in chunks.

import { utf8 } from "./utf8.js";

const PLACEHOLDER = utf8("{{language}}");

export class Replacer {
  #replacement;
  /** The end of what came so far when it may be the beginning of a placeholder. */
  #held = new Uint8Array();

  constructor(replacement) {
    this.#replacement = utf8(replacement);
  }

  push(chunk) {
    const text = joined([this.#held, chunk]);
    const parts = [];
    let from = 0;
    for (let at; (at = indexOf(text, from)) >= 0; from = at + PLACEHOLDER.length) {
      parts.push(text.subarray(from, at), this.#replacement);
    }
    const end = text.length - begun(text, from);
    parts.push(text.subarray(from, end));
    this.#held = text.slice(end);
    return joined(parts);
  }

  finish() {
    const held = this.#held;
    this.#held = new Uint8Array();
    return held;
  }
}

/** Where the next placeholder is, -1 for nowhere. */
function indexOf(text, from) {
  const last = text.length - PLACEHOLDER.length;
  for (let at = from; (at = text.indexOf(PLACEHOLDER[0], at)) >= 0 && at <= last; at++) {
    if (matches(text, at, PLACEHOLDER.length)) return at;
  }
  return -1;
}

/** How many bytes at the end of the text, from `from` on, are the beginning of a placeholder. */
function begun(text, from) {
  let length = Math.min(PLACEHOLDER.length - 1, text.length - from);
  while (length > 0 && !matches(text, text.length - length, length)) length--;
  return length;
}

function matches(text, at, length) {
  for (let i = 0; i < length; i++) if (text[at + i] !== PLACEHOLDER[i]) return false;
  return true;
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
