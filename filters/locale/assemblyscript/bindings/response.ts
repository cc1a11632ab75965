// sluice:filter/response, as far as it is used here.

import { address, area, optionalText } from "./abi";

@external("sluice:filter/response@0.1.0", "header")
declare function get_header(name: usize, length: i32, result: usize): void;
@external("sluice:filter/response@0.1.0", "set-header")
declare function set_header(name: usize, length: i32, value: usize, valueLength: i32): void;
@external("sluice:filter/response@0.1.0", "append-header")
declare function append_header(name: usize, length: i32, value: usize, valueLength: i32): void;

export function header(name: string): string | null {
  get_header(address(name), name.length, area);
  return optionalText();
}

export function setHeader(name: string, value: string): void {
  set_header(address(name), name.length, address(value), value.length);
}

export function appendHeader(name: string, value: string): void {
  append_header(address(name), name.length, address(value), value.length);
}
