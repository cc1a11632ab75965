// What the component exports, from what ../locale defines. transform.mjs gives the functions the names that the
// canonical ABI wants.

import * as filter from "../locale";
import { area } from "./abi";
import { Level, log } from "./log";

export { cabi_realloc, collect } from "./abi";

export function onRequest(): usize {
  const reply = filter.onRequest();
  if (reply) reply.lower();
  else store<u8>(area, 0);
  return area;
}

export function onResponse(): void {
  filter.onResponse();
}

export function open(): bool {
  return filter.open();
}

export function push(chunk: usize, length: i32): usize {
  return lowered(filter.push(Uint8Array.wrap(changetype<ArrayBuffer>(chunk), 0, length)));
}

export function finish(): usize {
  return lowered(filter.finish());
}

function lowered(bytes: Uint8Array): usize {
  store<usize>(area, bytes.dataStart);
  store<i32>(area, bytes.length, 4);
  return area;
}

/** What AssemblyScript calls before it traps. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  if (message) log(Level.error, `${message} at ${file ? file : "?"}:${line}:${column}`);
  unreachable();
}
