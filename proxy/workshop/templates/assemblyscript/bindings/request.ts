// sluice:filter/request, but for headers().

import { address, area, optionalText, text } from "./abi";

@external("sluice:filter/request@0.1.0", "method")
declare function get_method(result: usize): void;
@external("sluice:filter/request@0.1.0", "scheme")
declare function get_scheme(result: usize): void;
@external("sluice:filter/request@0.1.0", "authority")
declare function get_authority(result: usize): void;
@external("sluice:filter/request@0.1.0", "path")
declare function get_path(result: usize): void;
@external("sluice:filter/request@0.1.0", "query")
declare function get_query(result: usize): void;
@external("sluice:filter/request@0.1.0", "client-address")
declare function client_address(result: usize): void;
@external("sluice:filter/request@0.1.0", "query-param")
declare function query_param(name: usize, length: i32, result: usize): void;
@external("sluice:filter/request@0.1.0", "header")
declare function get_header(name: usize, length: i32, result: usize): void;
@external("sluice:filter/request@0.1.0", "cookie")
declare function get_cookie(name: usize, length: i32, result: usize): void;
@external("sluice:filter/request@0.1.0", "note")
declare function get_note(name: usize, length: i32, result: usize): void;
@external("sluice:filter/request@0.1.0", "set-method")
declare function set_method(value: usize, length: i32): void;
@external("sluice:filter/request@0.1.0", "set-authority")
declare function set_authority(value: usize, length: i32): void;
@external("sluice:filter/request@0.1.0", "set-path")
declare function set_path(value: usize, length: i32): void;
@external("sluice:filter/request@0.1.0", "set-query")
declare function set_query(some: i32, value: usize, length: i32): void;
@external("sluice:filter/request@0.1.0", "set-header")
declare function set_header(name: usize, length: i32, value: usize, valueLength: i32): void;
@external("sluice:filter/request@0.1.0", "append-header")
declare function append_header(name: usize, length: i32, value: usize, valueLength: i32): void;
@external("sluice:filter/request@0.1.0", "set-note")
declare function set_note(name: usize, length: i32, value: usize, valueLength: i32): void;
@external("sluice:filter/request@0.1.0", "remove-header")
declare function remove_header(name: usize, length: i32): void;

export function method(): string {
  get_method(area);
  return text();
}

export function scheme(): string {
  get_scheme(area);
  return text();
}

export function authority(): string {
  get_authority(area);
  return text();
}

export function path(): string {
  get_path(area);
  return text();
}

export function query(): string | null {
  get_query(area);
  return optionalText();
}

export function clientAddress(): string {
  client_address(area);
  return text();
}

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

export function setMethod(value: string): void {
  set_method(address(value), value.length);
}

export function setAuthority(value: string): void {
  set_authority(address(value), value.length);
}

export function setPath(value: string): void {
  set_path(address(value), value.length);
}

export function setQuery(query: string | null): void {
  if (query === null) set_query(0, 0, 0);
  else set_query(1, address(query), query.length);
}

export function setHeader(name: string, value: string): void {
  set_header(address(name), name.length, address(value), value.length);
}

export function appendHeader(name: string, value: string): void {
  append_header(address(name), name.length, address(value), value.length);
}

export function setNote(name: string, value: string): void {
  set_note(address(name), name.length, address(value), value.length);
}

export function removeHeader(name: string): void {
  remove_header(address(name), name.length);
}
