// sluice:filter/request, as far as it is used here.

import { address, area, optionalText } from "./abi";

@external("sluice:filter/request@0.1.0", "query-param")
declare function query_param(name: usize, length: i32, result: usize): void;
@external("sluice:filter/request@0.1.0", "header")
declare function get_header(name: usize, length: i32, result: usize): void;
@external("sluice:filter/request@0.1.0", "cookie")
declare function get_cookie(name: usize, length: i32, result: usize): void;
@external("sluice:filter/request@0.1.0", "note")
declare function get_note(name: usize, length: i32, result: usize): void;
@external("sluice:filter/request@0.1.0", "set-header")
declare function set_header(name: usize, length: i32, value: usize, valueLength: i32): void;
@external("sluice:filter/request@0.1.0", "remove-header")
declare function remove_header(name: usize, length: i32): void;
@external("sluice:filter/request@0.1.0", "set-note")
declare function set_note(name: usize, length: i32, value: usize, valueLength: i32): void;

export function queryParam(name: string): string | null {
  query_param(address(name), name.length, area);
  return optionalText();
}

export function header(name: string): string | null {
  get_header(address(name), name.length, area);
  return optionalText();
}

export function cookie(name: string): string | null {
  get_cookie(address(name), name.length, area);
  return optionalText();
}

export function note(name: string): string | null {
  get_note(address(name), name.length, area);
  return optionalText();
}

export function setHeader(name: string, value: string): void {
  set_header(address(name), name.length, address(value), value.length);
}

export function removeHeader(name: string): void {
  remove_header(address(name), name.length);
}

export function setNote(name: string, value: string): void {
  set_note(address(name), name.length, address(value), value.length);
}
