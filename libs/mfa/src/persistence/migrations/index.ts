import { CreateMfaTables1795536000000 } from './1795536000000-create-mfa-tables.js';

/** Every migration of the library, oldest first: `migrations: [...MFA_MIGRATIONS, ...mine]`. Only ever appended to. */
export const MFA_MIGRATIONS = [CreateMfaTables1795536000000];
