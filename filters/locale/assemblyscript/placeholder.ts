// Replacing a placeholder in a text that comes in chunks.

const PLACEHOLDER = Uint8Array.wrap(String.UTF8.encode("{{language}}"));

export class Replacer {
  private replacement: Uint8Array;
  /** The end of what came so far when it may be the beginning of a placeholder. */
  private held: Uint8Array = new Uint8Array(0);

  constructor(replacement: string) {
    this.replacement = Uint8Array.wrap(String.UTF8.encode(replacement));
  }

  push(chunk: Uint8Array): Uint8Array {
    const text = joined([this.held, chunk]);
    const parts: Uint8Array[] = [];
    let from = 0;
    for (let at = indexOf(text, from); at >= 0; at = indexOf(text, from)) {
      parts.push(text.subarray(from, at));
      parts.push(this.replacement);
      from = at + PLACEHOLDER.length;
    }
    const end = text.length - begun(text, from);
    parts.push(text.subarray(from, end));
    this.held = text.slice(end);
    return joined(parts);
  }

  finish(): Uint8Array {
    const held = this.held;
    this.held = new Uint8Array(0);
    return held;
  }
}

/** Where the next placeholder is, -1 for nowhere. */
function indexOf(text: Uint8Array, from: i32): i32 {
  for (let at = from; at <= text.length - PLACEHOLDER.length; at++) {
    if (text[at] == PLACEHOLDER[0] && matches(text, at, PLACEHOLDER.length)) return at;
  }
  return -1;
}

/** How many bytes at the end of the text, from `from` on, are the beginning of a placeholder. */
function begun(text: Uint8Array, from: i32): i32 {
  let length = min(PLACEHOLDER.length - 1, text.length - from);
  while (length > 0 && !matches(text, text.length - length, length)) length--;
  return length;
}

function matches(text: Uint8Array, at: i32, length: i32): bool {
  return memory.compare(text.dataStart + at, PLACEHOLDER.dataStart, length) == 0;
}

function joined(parts: Uint8Array[]): Uint8Array {
  let length = 0;
  for (let i = 0; i < parts.length; i++) length += parts[i].length;
  const whole = new Uint8Array(length);
  for (let i = 0, at = 0; i < parts.length; i++) {
    whole.set(parts[i], at);
    at += parts[i].length;
  }
  return whole;
}
