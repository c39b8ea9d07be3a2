import { CreateMfaTables1795449600000 } from './1795449600000-create-mfa-tables.js';

/** Every migration of the library, oldest first: `migrations: [...MFA_MIGRATIONS, ...mine]`. Only ever appended to. */
export const MFA_MIGRATIONS = [CreateMfaTables1795449600000];
