/** A value of the part of CBOR that WebAuthn uses (RFC 8949; CTAP 2.1 §8). */
export type DecodedCbor = number | boolean | null | string | Uint8Array | readonly DecodedCbor[] | DecodedCborMap;
export type DecodedCborMap = ReadonlyMap<number | string, DecodedCbor>;

/** A decoded value, and the position after it. */
export interface CborItem {
  value: DecodedCbor;
  end: number;
}

/** Deepest nesting, as in CTAP 2.1 §8. */
const DEEPEST = 4;

/**
 * Decodes one CBOR value. Returns `null` for what is malformed, too deep, or outside of the part that WebAuthn uses:
 * indefinite lengths, tags, floats, lengths over 32 bits, repeated keys. It stops at the end of the bytes, so its work is
 * bounded by their number.
 */
// S82
export function readCbor(bytes: Uint8Array, start = 0): CborItem | null {
  try {
    const reader = new CborReader(bytes, start);
    return { value: reader.value(DEEPEST), end: reader.position };
  } catch {
    return null;
  }
}

/** Decodes bytes that are one CBOR value and nothing else. `null` = they are not. */
export function readWholeCbor(bytes: Uint8Array): DecodedCbor | null {
  const item = readCbor(bytes);
  return item?.end === bytes.length ? item.value : null;
}

export const isDecodedMap = (value: DecodedCbor | undefined): value is DecodedCborMap => value instanceof Map;

class CborReader {
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    public position: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number): DecodedCbor {
    const initial = this.view.getUint8(this.position++);
    const [major, info] = [initial >> 5, initial & 0x1f];
    if (major === 7) return simple(info);
    const argument = this.argument(info);
    if (major === 0) return argument;
    if (major === 1) return -1 - argument;
    if (major === 2) return this.take(argument);
    if (major === 3) return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.take(argument));
    if (depth === 0 || major === 6) throw new RangeError('too deep, or a tag');
    return major === 4 ? this.array(argument, depth - 1) : this.map(argument, depth - 1);
  }

  /** The number in or after the initial byte (RFC 8949 §3). `DataView` throws at the end of the bytes. */
  private argument(info: number): number {
    if (info < 24) return info;
    const at = this.position;
    if (info === 24) return this.skip(1, this.view.getUint8(at));
    if (info === 25) return this.skip(2, this.view.getUint16(at));
    if (info === 26) return this.skip(4, this.view.getUint32(at));
    throw new RangeError('a length over 32 bits, or an indefinite one');
  }

  private skip(count: number, value: number): number {
    this.position += count;
    return value;
  }

  private take(length: number): Uint8Array {
    const end = this.position + length;
    if (end > this.bytes.length) throw new RangeError('the bytes end within a value');
    return this.bytes.subarray(this.position, this.skip(length, end));
  }

  // A declared length is not trusted: every element takes at least a byte, or the reader throws.
  private array(length: number, depth: number): DecodedCbor[] {
    const values: DecodedCbor[] = [];
    for (let index = 0; index < length; index++) values.push(this.value(depth));
    return values;
  }

  private map(length: number, depth: number): DecodedCborMap {
    const values = new Map<number | string, DecodedCbor>();
    for (let index = 0; index < length; index++) {
      const key = this.value(0);
      if ((typeof key !== 'number' && typeof key !== 'string') || values.has(key)) throw new RangeError('a wrong key');
      values.set(key, this.value(depth));
    }
    return values;
  }
}

function simple(info: number): boolean | null {
  if (info === 20 || info === 21) return info === 21;
  if (info === 22) return null;
  throw new RangeError('a float or an unknown simple value');
}
