import { describe, expect, it } from 'vitest';
import { qrPng, qrSvg } from './qr.js';

const URI =
  'otpauth://totp/Acme:ann?issuer=Acme&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA1&digits=6&period=30';
const PNG_MAGIC = Buffer.from('89504e470d0a1a0a', 'hex');

describe('QR codes', () => {
  it('come as a PNG data URL', async () => {
    const [, base64 = ''] = /^data:image\/png;base64,([A-Za-z0-9+/]+=*)$/.exec(await qrPng(URI)) ?? [];
    expect(Buffer.from(base64, 'base64').subarray(0, 8)).toEqual(PNG_MAGIC);
  });

  it('come as an SVG without scripts or outside references', async () => {
    const svg = await qrSvg(URI);
    expect(svg).toMatch(/^<svg [^>]*viewBox="0 0 \d+ \d+"/);
    expect(svg).not.toMatch(/<script|href|otpauth/);
  });

  it('hold the longest URI that is handed out', async () => {
    await expect(qrPng('x'.repeat(1000))).resolves.toMatch(/^data:/);
  });

  it.each([
    ['too long', URI.repeat(40)],
    ['empty', ''],
  ])('S20 refuse a text that is %s with 400 and do not quote it', async (_, text) => {
    for (const draw of [qrPng, qrSvg]) {
      await expect(draw(text)).rejects.toMatchObject({
        code: 'MFA_BAD_REQUEST',
        details: { message: ['the text is empty or too long for a QR code'] },
        cause: undefined,
      });
    }
  });
});
