import { randomBytes, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CborMap, encodeCbor } from '../../testing/cbor.js';
import { generateVirtualKey } from '../../testing/virtual-key.js';
import {
  decodeBase64url,
  isAcceptedPublicKey,
  isAssertedData,
  isCredentialId,
  isOwnClientData,
  isPlainAttestation,
  isSignatureBy,
  PASSKEY_ALGORITHMS,
} from './passkey-bytes.js';
import { readCbor, readWholeCbor } from './strict-cbor.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const base64url = (data: string | Uint8Array) => Buffer.from(data as Uint8Array).toString('base64url');

describe('readCbor', () => {
  it.each([
    ['00', 0],
    ['17', 23],
    ['18 18', 24],
    ['19 0100', 256],
    ['1a 00010000', 65_536],
    ['20', -1],
    ['39 0100', -257],
    ['42 0102', Buffer.from([1, 2])],
    ['62 c3a4', 'ä'],
    ['64 efbbbf 61', '\uFEFFa'],
    ['82 01 f6', [1, null]],
    ['a2 01 f5 61 61 f4', new Map<unknown, unknown>([[1, true], ['a', false]])], // prettier-ignore
  ])('decodes %s', (text, value) => {
    expect(readWholeCbor(hex(text))).toEqual(value);
    expect(readCbor(hex(`ffff ${text} 00`), 2)).toEqual({ value, end: 2 + hex(text).length });
    expect(readWholeCbor(hex(`${text} 00`))).toBeNull();
  });

  it.each([
    ['nothing', ''],
    ['a length that is cut off', '19 01'],
    ['bytes that are cut off', '43 0102'],
    ['a length beyond the end', '5a ffffffff 00'],
    ['a list with fewer elements', '9a ffffffff 00'],
    ['a map with fewer entries', 'ba ffffffff 00 00'],
    ['a map without its last value', 'a1 01'],
    ['a length of 64 bits', '1b 0000000000000001'],
    ['an indefinite length', '5f 41 00 ff'],
    ['an indefinite map', 'bf ff'],
    ['a tag', 'c0 00'],
    ['a float', 'f9 0000'],
    ['undefined', 'f7'],
    ['a reserved length', '1c'],
    ['a repeated key', 'a2 01 00 01 00'],
    ['a repeated key in a longer spelling', 'a2 01 00 1801 00'],
    ['a list as a key', 'a1 80 00'],
    ['bytes as a key', 'a1 41 00 00'],
    ['text that is not UTF-8', '61 ff'],
    ['five levels of lists', '81 81 81 81 81 00'],
    ['five levels of maps', 'a1 00 a1 00 a1 00 a1 00 a1 00 00'],
    ['five levels, of which the last is a map', '81 a1 00 81 81 a1 00 00'],
  ])('S82 refuses %s', (_, text) => {
    expect(readCbor(hex(text))).toBeNull();
  });

  it('decodes four levels, as CTAP allows', () => {
    expect(readWholeCbor(hex('81 81 81 81 00'))).toEqual([[[[0]]]]);
    expect(readWholeCbor(hex('81 81 81 a1 00 01'))).toEqual([[[new Map([[0, 1]])]]]);
    expect(readWholeCbor(hex('a1 00 a1 00 a1 00 80'))).toEqual(new Map([[0, new Map([[0, new Map([[0, []]])]])]]));
  });

  it('S82 ends quickly for deep and for wide input', () => {
    const started = performance.now();
    for (const byte of [0x81, 0x9a, 0xa1, 0xba, 0xff, 0x80]) {
      expect(readCbor(Buffer.alloc(65_536, byte))).toEqual(byte === 0x80 ? { value: [], end: 1 } : null);
    }
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it('S82 throws for no bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const item = readCbor(bytes);
        expect(item === null || item.end <= bytes.length).toBe(true);
      }),
      { seed: 82, numRuns: 5000 },
    );
  });
});

describe('decodeBase64url', () => {
  it.each(['', 'AA==', 'AB', 'A', 'A A', 'AA\n', 'A+', 'A/', 'Ä', 'AAB'])('refuses the spelling %j', (text) => {
    expect(decodeBase64url(text)).toBeNull();
  });

  it('takes as many bytes as are allowed, and no more', () => {
    expect(decodeBase64url('AAAA', 3)).toHaveLength(3);
    expect(decodeBase64url('AAAAAA', 3)).toBeNull();
    expect(isCredentialId(base64url(randomBytes(1023)))).toBe(true);
    expect(isCredentialId(base64url(randomBytes(1024)))).toBe(false);
  });
});

describe('the data of the client', () => {
  const page = { type: 'webauthn.get', challenge: 'x', origin: 'https://example.com' };
  const isOwn = (data: unknown) => isOwnClientData(base64url(JSON.stringify(data)));

  it.each([page, { ...page, crossOrigin: false }])('is accepted from the own page: %j', (data) => {
    expect(isOwn(data)).toBe(true);
  });

  it.each([true, null, 'true', 'false', 0, 1, {}])('S82 is refused with crossOrigin %j', (crossOrigin) => {
    expect(isOwn({ ...page, crossOrigin })).toBe(false);
  });

  it.each(['https://example.com', '', null, false])('S82 is refused with topOrigin %j', (topOrigin) => {
    expect(isOwn({ ...page, topOrigin })).toBe(false);
  });

  it.each(['null', '7', '"a"', '[]', '{', '', '\uFEFF{}', `{"a":"${'x'.repeat(8200)}"}`])(
    'S82 is refused when it is %j',
    (text) => {
      expect(isOwnClientData(base64url(text))).toBe(false);
    },
  );

  it('S82 is refused when it is not UTF-8', () => {
    expect(isOwnClientData(base64url(hex('7b 22 ff 22 3a 31 7d')))).toBe(false);
  });
});

describe('a public key', () => {
  const changed = (key: CborMap, ...changes: [number, unknown][]) => {
    const copy = new Map(key) as Map<number, unknown>;
    for (const [label, value] of changes) {
      if (value === undefined) copy.delete(label);
      else copy.set(label, value);
    }
    return encodeCbor(copy as CborMap);
  };
  const [ec, okp, rsa] = (['ES256', 'EdDSA', 'RS256'] as const).map((name) => generateVirtualKey(name).cose) as [
    CborMap,
    CborMap,
    CborMap,
  ];
  const modulus = (bytes: number) => Buffer.concat([Buffer.from([0x80]), randomBytes(bytes - 1)]);

  it('S85 is accepted for the three algorithms, RSA with 2048 to 4096 bits', () => {
    for (const key of [ec, okp, rsa]) expect(isAcceptedPublicKey(encodeCbor(key))).toBe(true);
    for (const bytes of [256, 384, 512]) expect(isAcceptedPublicKey(changed(rsa, [-1, modulus(bytes)]))).toBe(true);
  });

  it('S85 has one of the three algorithms that a registration offers', () => {
    expect(PASSKEY_ALGORITHMS).toEqual([okp, ec, rsa].map((key) => key.get(3)));
  });

  it.each<[string, Buffer]>([
    ['of RSA with 1024 bits', changed(rsa, [-1, modulus(128)])],
    ['of RSA with 4104 bits', changed(rsa, [-1, modulus(513)])],
    ['of RSA with 50000 bits', changed(rsa, [-1, modulus(6250)])],
    ['of RSA with a leading zero', changed(rsa, [-1, Buffer.alloc(256)])],
    ['of RSA with the exponent 1', changed(rsa, [-2, hex('01')])],
    ['of RSA with the exponent 3', changed(rsa, [-2, hex('03')])],
    ['of RSA with the exponent 65539', changed(rsa, [-2, hex('010003')])],
    ['of RSA with the exponent 65793', changed(rsa, [-2, hex('010101')])],
    ['of RSA with the exponent 196609', changed(rsa, [-2, hex('030001')])],
    ['of RSA with a large exponent', changed(rsa, [-2, modulus(256)])],
    ['of RSA with a further field', changed(rsa, [2, randomBytes(4)])],
    ['of RSA with another algorithm', changed(rsa, [3, -37])],
    ['of RSA that says it is elliptic', changed(rsa, [1, 2])],
    ['on P-384', changed(ec, [-1, 2])],
    ['for ES384', changed(ec, [3, -35])],
    ['with a short coordinate', changed(ec, [-2, randomBytes(31)])],
    ['with a long coordinate', changed(ec, [-3, randomBytes(33)])],
    ['without a coordinate', changed(ec, [-3, undefined])],
    ['with a number in place of a coordinate', changed(ec, [-3, 32])],
    ['with a further field', changed(ec, [2, randomBytes(4)])],
    ['with the private key', changed(ec, [-4, randomBytes(32)])],
    ['of ES256 that says it is Ed25519', changed(ec, [1, 1])],
    ['on Ed448', changed(okp, [-1, 7])],
    ['of Ed25519 that says it is elliptic', changed(okp, [1, 2])],
    ['of Ed25519 with a further field', changed(okp, [2, randomBytes(4)])],
    ['of Ed25519 for ES256', changed(okp, [3, -7])],
    ['without algorithm', changed(ec, [3, undefined])],
    ['that is a list', encodeCbor([1, 2])],
    ['with bytes after it', Buffer.concat([encodeCbor(ec), hex('00')])],
    ['of no bytes', Buffer.alloc(0)],
  ])('S82 %s is refused', (_, key) => {
    expect(isAcceptedPublicKey(key)).toBe(false);
  });
});

describe('authenticator data', () => {
  const header = (flags: number) => Buffer.concat([randomBytes(32), Buffer.from([flags]), Buffer.alloc(4)]);
  const { cose } = generateVirtualKey('ES256');
  const attested = (idBytes: number, length = idBytes) =>
    Buffer.concat([
      Buffer.alloc(16),
      Buffer.from([length >> 8, length & 0xff]),
      Buffer.alloc(idBytes),
      encodeCbor(cose),
    ]);
  const attestation = (authData: unknown, fmt: unknown = 'none', attStmt: unknown = new Map()) =>
    base64url(encodeCbor(new Map(Object.entries({ fmt, attStmt, authData })) as CborMap));
  const registered = Buffer.concat([header(0x41), attested(16)]);

  it('is accepted with one credential, and with extensions after it', () => {
    expect(isPlainAttestation(attestation(registered))).toBe(true);
    const extended = Buffer.concat([header(0xc1), attested(16), encodeCbor(new Map([['credProtect', 2]]))]);
    expect(isPlainAttestation(attestation(extended))).toBe(true);
    expect(isAssertedData(base64url(header(0x01)))).toBe(true);
    expect(isAssertedData(base64url(Buffer.concat([header(0x81), hex('a0')])))).toBe(true);
  });

  it.each([1, 255, 256, 1023])('is accepted with a credential id of %s bytes', (length) => {
    expect(isPlainAttestation(attestation(Buffer.concat([header(0x41), attested(length)])))).toBe(true);
  });

  it.each<[string, Buffer]>([
    ['without the flag of a credential', Buffer.concat([header(0x01), attested(16)])],
    ['without a credential', header(0x41)],
    ['with an empty credential id', Buffer.concat([header(0x41), attested(0)])],
    ['with a credential id of 1024 bytes', Buffer.concat([header(0x41), attested(1024)])],
    ['with a credential id beyond the end', Buffer.concat([header(0x41), attested(16, 1000)])],
    ['with bytes after the key', Buffer.concat([registered, hex('00')])],
    ['with extensions that are not there', Buffer.concat([header(0xc1), attested(16)])],
    ['with extensions that are a list', Buffer.concat([header(0xc1), attested(16), hex('80')])],
  ])('S82 of a registration %s is refused', (_, data) => {
    expect(isPlainAttestation(attestation(data))).toBe(false);
  });

  it.each<[string, Buffer]>([
    ['that is short', header(0x01).subarray(1)],
    ['that is short, with extensions', header(0x81).subarray(0, 36)],
    ['that ends before its flags', header(0x01).subarray(0, 32)],
    ['with a credential', registered],
    ['with bytes at its end', Buffer.concat([header(0x01), hex('00')])],
    ['with two extension maps', Buffer.concat([header(0x81), hex('a0a0')])],
    ['with extensions that are not a map', Buffer.concat([header(0x81), hex('00')])],
  ])('S82 of an assertion %s is refused', (_, data) => {
    expect(isAssertedData(base64url(data))).toBe(false);
  });

  it('S82 of an assertion that is not base64url is refused', () => {
    expect(isAssertedData('%')).toBe(false);
  });

  const signed = { alg: -7, sig: randomBytes(70) };
  it.each<[string, unknown, object]>([
    ['a certificate', 'packed', { ...signed, x5c: [randomBytes(99)] }],
    ['an empty list of certificates', 'packed', { ...signed, x5c: [] }],
    ['a signature of another kind', 'packed', { ...signed, ecdaaKeyId: randomBytes(4) }],
    ['packed without a signature', 'packed', {}],
    ['an algorithm that is not a number', 'packed', { ...signed, alg: '-7' }],
    ['a signature of text', 'packed', { ...signed, sig: 'signature' }],
    ['none with a statement', 'none', signed],
    ['none with a certificate', 'none', { x5c: [randomBytes(99)] }],
    ['the format of U2F', 'fido-u2f', { sig: randomBytes(70), x5c: [randomBytes(99)] }],
    ['the format of TPM', 'tpm', signed],
    ['the format of Android', 'android-safetynet', { ver: '1', response: randomBytes(9) }],
    ['an unknown format', 'None', {}],
    ['a format that is a number', 7, {}],
  ])('S82 in an attestation with %s is refused', (_, fmt, attStmt) => {
    expect(isPlainAttestation(attestation(registered, 'packed', new Map(Object.entries(signed))))).toBe(true);
    expect(isPlainAttestation(attestation(registered, fmt, new Map(Object.entries(attStmt))))).toBe(false);
  });

  it.each(['fmt', 'attStmt', 'authData'])('S82 in an attestation without %s is refused', (name) => {
    for (const [fmt, attStmt] of [
      ['none', new Map()],
      ['packed', new Map(Object.entries(signed))],
    ]) {
      const object = new Map(Object.entries({ fmt, attStmt, authData: registered }));
      expect(isPlainAttestation(base64url(encodeCbor(object as CborMap)))).toBe(true);
      object.delete(name);
      expect(isPlainAttestation(base64url(encodeCbor(object as CborMap)))).toBe(false);
    }
  });

  it('S82 in an attestation that is not an object of three parts is refused', () => {
    for (const wrong of [attestation('text'), attestation(registered, 'none', []), base64url(hex('80')), 'AA', '%']) {
      expect(isPlainAttestation(wrong)).toBe(false);
    }
  });
});

describe('a signature', () => {
  const es256 = generateVirtualKey('ES256');
  const isBy256 = (bytes: Uint8Array) => isSignatureBy(encodeCbor(es256.cose), base64url(bytes));

  it('of ES256 is accepted as OpenSSL makes it, of every length', () => {
    const lengths = new Set<number>();
    for (let index = 0; index < 600; index++) {
      const bytes = sign('sha256', randomBytes(8), es256.privateKey);
      lengths.add(bytes.length);
      expect(isBy256(bytes)).toBe(true);
    }
    expect(lengths.size).toBeGreaterThan(2);
  });

  it.each(['3006 020101 020101', '3008 02020080 02020081', `3044 ${`0220 7f${'00'.repeat(31)}`.repeat(2)}`])(
    'S82 of ES256 is accepted as %s',
    (text) => expect(isBy256(hex(text))).toBe(true),
  );

  it.each([
    ['no byte', ''],
    ['a longer sequence', '3007 020101 020101'],
    ['a shorter sequence', '3003 020101 020101'],
    ['a byte behind it', '3006 020101 020101 00'],
    ['a third integer', '3009 020101 020101 020101'],
    ['one integer', '3003 020101'],
    ['an integer that is cut off', '3006 020101 020201'],
    ['an integer without a byte', '3005 0200 020101'],
    ['zero', '3006 020100 020101'],
    ['a negative integer', '3006 020180 020101'],
    ['a zero more than needed', '3007 02020001 020101'],
    ['a length in two bytes', '308106 020101 020101'],
    ['a set', '3106 020101 020101'],
    ['a string', '3006 040101 020101'],
    ['an integer of 34 bytes', `3027 0222 01${'00'.repeat(33)} 020101`],
  ])('S82 of ES256 with %s is refused', (_, text) => expect(isBy256(hex(text))).toBe(false));

  it('S82 is refused in another spelling of base64url, and by a key that is none', () => {
    const cose = encodeCbor(generateVirtualKey('EdDSA').cose);
    const right = base64url(randomBytes(64));
    expect(isSignatureBy(cose, right)).toBe(true);
    for (const wrong of ['', '%', `${right}=`, `${right}==`, `${right} `])
      expect(isSignatureBy(cose, wrong)).toBe(false);
    expect(isSignatureBy(hex('01'), right)).toBe(false);
    expect(isSignatureBy(hex(''), right)).toBe(false);
  });
});
