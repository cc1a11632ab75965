// The canonical ABI as AssemblyScript can have it: strings are UTF-16 on both sides, and what the host allocates are
// ArrayBuffers.

/** Room for what does not fit into registers; no call needs it longer than until the next. */
export const area: usize = memory.data(24, 4);

export function cabi_realloc(pointer: usize, _oldSize: usize, _alignment: usize, size: usize): usize {
  return pointer ? __renew(pointer, size) : __new(size, idof<ArrayBuffer>());
}

/** After a result was read: frees what no global holds. Nothing of the guest is running then, so locals need not be
 * looked at. */
export function collect(_result: usize): void {
  __collect();
}

export function address(text: string): usize {
  return changetype<usize>(text);
}

/** The text whose address and length are at an offset in the area. */
export function text(offset: usize = 0): string {
  return String.UTF16.decodeUnsafe(load<usize>(area + offset), load<usize>(area + offset, 4) << 1);
}

export function optionalText(): string | null {
  return load<u8>(area) ? text(4) : null;
}
