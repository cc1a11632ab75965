// sluice:filter/config.

import { address, area, optionalText, text } from "./abi";

@external("sluice:filter/config@0.1.0", "get")
declare function get_value(name: usize, length: i32, result: usize): void;
@external("sluice:filter/config@0.1.0", "json")
declare function get_json(result: usize): void;

export function get(name: string): string | null {
  get_value(address(name), name.length, area);
  return optionalText();
}

export function json(): string {
  get_json(area);
  return text();
}
