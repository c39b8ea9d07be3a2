import { raw } from '../statements/sql.js';

const COLUMNS = [
  ...['id', 'user_id', 'kind', 'lookup_hash', 'secret_hash', 'previous_hash', 'rotated_at', 'key_id', 'security_stamp'],
  ...['credential_version', 'method', 'label', 'created_at', 'last_used_at', 'expires_at', 'mfa_at'],
];

/** The columns of a device `d`. Each has a name of its own, because the account is read with them. */
export const DEVICE_COLUMNS = raw(COLUMNS.map((name) => `d.${name} AS d_${name}`).join(', '));
