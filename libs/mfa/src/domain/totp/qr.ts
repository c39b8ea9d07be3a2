import type QRCode from 'qrcode';
import { MfaError } from '../mfa-error.js';
import { lazy } from '../lazy.js';

/** Only a setup draws: no other route needs the encoder, nor the PNG writer that comes with it. */
const qrcode = lazy(async () => (await import('qrcode')).default);

/** Level M survives 15 % damage; four modules of quiet zone are what ISO/IEC 18004 asks, and dark pages need them. */
const LOOK = { errorCorrectionLevel: 'M', margin: 4 } as const;

/**
 * The URI as `data:image/png;base64,…`. About 11 ms of CPU; the SVG costs a sixth.
 * Throws `MFA_BAD_REQUEST` when the text is empty or fits no QR code.
 */
// S20
export function qrPng(uri: string): Promise<string> {
  // These are the defaults of the encoder, given so that they stay.
  return encode((qr) => qr.toDataURL(uri, { ...LOOK, type: 'image/png' }));
}

/** The URI as an `<svg>` document. Throws `MFA_BAD_REQUEST` when the text is empty or fits no QR code. */
// S20
export function qrSvg(uri: string): Promise<string> {
  return encode((qr) => qr.toString(uri, { ...LOOK, type: 'svg' }));
}

async function encode(draw: (qr: typeof QRCode) => Promise<string>): Promise<string> {
  const qr = await qrcode();
  try {
    return await draw(qr);
  } catch {
    // No cause: an encoder's message may quote the text, and the text holds the secret (S64).
    throw new MfaError('MFA_BAD_REQUEST', { message: ['the text is empty or too long for a QR code'] });
  }
}
