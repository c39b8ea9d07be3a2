/** What WebAuthn needs of CBOR: integers of at most 32 bits, bytes, texts, arrays and maps. */
export type CborValue = number | string | Uint8Array | readonly CborValue[] | CborMap;
export type CborMap = Map<number | string, CborValue>;

/** The deterministic encoding of CTAP2 (RFC 8949, section 4.2.1), if the keys of each map are already in order. */
export function encodeCbor(value: CborValue): Buffer {
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (value instanceof Map) return Buffer.concat([head(5, value.size), ...[...value].flat().map(encodeCbor)]);
  return Buffer.concat([head(4, value.length), ...value.map(encodeCbor)]);
}

/** The major type and its argument, in the fewest bytes (RFC 8949, section 3). */
function head(major: number, argument: number): Buffer {
  const type = major << 5;
  if (argument < 24) return Buffer.from([type | argument]);
  const size = argument < 0x100 ? 1 : argument < 0x10000 ? 2 : 4;
  const bytes = Buffer.alloc(1 + size, type | (size === 4 ? 26 : 23 + size));
  bytes.writeUIntBE(argument, 1, size);
  return bytes;
}
