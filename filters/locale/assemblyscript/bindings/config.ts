// sluice:filter/config, as far as it is used here.

import { address, area, optionalText } from "./abi";

@external("sluice:filter/config@0.1.0", "get")
declare function get_value(name: usize, length: i32, result: usize): void;

export function get(name: string): string | null {
  get_value(address(name), name.length, area);
  return optionalText();
}
