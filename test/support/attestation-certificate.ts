import { sign, type KeyObject } from 'node:crypto';

/** A certificate for a `packed` attestation in DER (WebAuthn, section 8.2.1), signed by its own P-256 key. */
export function attestationCertificate(publicKey: KeyObject, privateKey: KeyObject): Buffer {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const hex = (text: string) => Buffer.from(text, 'hex');
  const der = (tag: number, ...parts: Buffer[]) => {
    const body = Buffer.concat(parts);
    const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff];
    return Buffer.concat([Buffer.from([tag, ...length]), body]);
  };
  const subject = { '550406': 'SE', '55040a': 'Acme', '55040b': 'Authenticator Attestation', '550403': 'Acme key' };
  const name = Object.entries(subject).map(([oid, text]) =>
    der(0x31, der(0x30, der(0x06, hex(oid)), der(0x0c, Buffer.from(text)))),
  );
  const validity = ['20200101000000Z', '99991231235959Z'].map((time) => der(0x18, Buffer.from(time)));
  const ecdsaWithSha256 = der(0x30, der(0x06, hex('2a8648ce3d040302')));
  const notCa = der(0xa3, der(0x30, der(0x30, der(0x06, hex('551d13')), der(0x04, der(0x30)))));
  const head = [der(0xa0, hex('020102')), hex('020101'), ecdsaWithSha256, der(0x30, ...name), der(0x30, ...validity)];
  const toBeSigned = der(0x30, ...head, der(0x30, ...name), spki, notCa);
  return der(0x30, toBeSigned, ecdsaWithSha256, der(0x03, hex('00'), sign('sha256', toBeSigned, privateKey)));
}
