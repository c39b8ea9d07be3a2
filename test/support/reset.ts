import type { MfaResetOptions } from 'nestjs-mfa';

/** A reset by a program, after which the next login requires no second factor. */
export const RESET: MfaResetOptions = { actor: { system: 'test' }, reason: 'lost phone', requireEnrollment: false };
