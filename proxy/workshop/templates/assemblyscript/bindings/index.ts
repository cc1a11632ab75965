// What the component exports, from what ../filter defines. transform.mjs gives the functions the names that the
// canonical ABI wants.

import * as filter from "../filter";
import { area } from "./abi";
import { Level, log } from "./log";

export { cabi_realloc, collect } from "./abi";

export function onRequest(): usize {
  const reply = filter.onRequest();
  if (reply) reply.lower();
  else store<u8>(area, 0);
  return area;
}

/** What AssemblyScript calls before it traps. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  if (message) log(Level.error, `${message} at ${file ? file : "?"}:${line}:${column}`);
  unreachable();
}
