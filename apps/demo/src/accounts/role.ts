import type { MfaPolicy } from 'nestjs-mfa';

/** Roles of the demo. They differ only in what they require of the sign-in. */
export const ROLES = ['member', 'manager', 'staff'] as const;
export type Role = (typeof ROLES)[number];

/** Which role must have a second factor: a member need not, a manager must within a week, a member of staff at once. */
export const POLICIES: Record<Role, MfaPolicy | null> = {
  member: null,
  manager: { id: 'manager', required: true, graceSeconds: 7 * 24 * 60 * 60 },
  staff: { id: 'staff', required: true },
};
