import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { MfaClock } from '../../domain/clock.js';
import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import { TotpService } from './totp.service.js';

/** Setups whose images are kept. The images of one setup are about 20 kB. */
const MOST_KEPT = 100;

export interface SetupImageSet {
  /** PNG data URL. */
  qrCode: string;
  qrSvg: string;
}

interface Kept {
  /** Of the URI, which holds the secret. */
  hash: string;
  expiresAtMs: number;
  images: Promise<SetupImageSet>;
}

/** Draws the QR codes of pending setups, and keeps the newest ones in memory: a repeated setup draws nothing. */
@Injectable()
export class SetupImages {
  private readonly kept = new Map<string, Kept>();

  constructor(
    private readonly totp: TotpService,
    private readonly clock: MfaClock,
  ) {}

  /** The images of a setup, which show `uri`. */
  of({ id, expiresAtMs }: Authenticator, uri: string): Promise<SetupImageSet> {
    const hash = createHash('sha256').update(uri).digest('hex');
    const known = this.kept.get(id);
    if (known?.hash === hash) return known.images;
    const images = this.draw(uri);
    this.keep(id, { hash, expiresAtMs: expiresAtMs ?? 0, images });
    // What failed is drawn again by the next request.
    images.catch(() => this.kept.get(id)?.images === images && this.kept.delete(id));
    return images;
  }

  /** Drops the images of a setup that ended. */
  forget(id: string): void {
    this.kept.delete(id);
  }

  private keep(id: string, kept: Kept): void {
    const nowMs = this.clock.nowMs();
    for (const [each, { expiresAtMs }] of this.kept) if (expiresAtMs <= nowMs) this.kept.delete(each);
    this.kept.delete(id);
    this.kept.set(id, kept);
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST_KEPT && oldest !== undefined) this.kept.delete(oldest);
  }

  private async draw(uri: string): Promise<SetupImageSet> {
    const [qrCode, qrSvg] = await Promise.all([this.totp.qrCode(uri), this.totp.qrSvg(uri)]);
    return { qrCode, qrSvg };
  }
}
