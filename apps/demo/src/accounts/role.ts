import type { MfaPolicy } from 'nestjs-mfa';

/** Roles that a registration can choose. They differ only in what they require of the sign-in. */
export const OPEN_ROLES = ['member', 'manager', 'staff'] as const;

/** An administrator has power over other accounts, so no request gives this role: `npm run make-admin` does. */
export type Role = (typeof OPEN_ROLES)[number] | 'admin';

/** Which role must have a second factor: a member need not, a manager must within a week, staff and admins at once. */
export const POLICIES: Record<Role, MfaPolicy | null> = {
  member: null,
  manager: { id: 'manager', required: true, graceSeconds: 7 * 24 * 60 * 60 },
  staff: { id: 'staff', required: true },
  admin: { id: 'admin', required: true },
};
