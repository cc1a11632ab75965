// The reply of sluice:filter/on-request.

import { address, area } from "./abi";

export class Header {
  constructor(
    public name: string,
    public value: string,
  ) {}
}

export class Reply {
  constructor(
    public status: u16,
    public headers: Header[],
    public body: ArrayBuffer,
  ) {}

  /** This as the case `reply` of a verdict; what it points to lives until the next collection. */
  lower(): void {
    const headers = this.headers;
    const lines = changetype<usize>(new ArrayBuffer(16 * headers.length));
    for (let i = 0; i < headers.length; i++) {
      const line = lines + 16 * i;
      store<usize>(line, address(headers[i].name));
      store<i32>(line, headers[i].name.length, 4);
      store<usize>(line, address(headers[i].value), 8);
      store<i32>(line, headers[i].value.length, 12);
    }
    store<u8>(area, 1);
    store<u16>(area, this.status, 4);
    store<usize>(area, lines, 8);
    store<i32>(area, headers.length, 12);
    store<usize>(area, changetype<usize>(this.body), 16);
    store<i32>(area, this.body.byteLength, 20);
  }
}
