// sluice:filter/log.

import { address } from "./abi";

export enum Level {
  debug,
  info,
  warn,
  error,
}

@external("sluice:filter/log@0.1.0", "log")
declare function write(level: i32, message: usize, length: i32): void;

export function log(level: Level, message: string): void {
  write(level, address(message), message.length);
}
