import type { MfaAdminAction, MfaResetOptions } from 'nestjs-mfa';

/** A program that acts for no administrator. */
export const BY_TEST: MfaAdminAction = { actor: { system: 'test' } };

/** A reset by a program, after which the next login requires no second factor. */
export const RESET: MfaResetOptions = { ...BY_TEST, reason: 'lost phone', requireEnrollment: false };
