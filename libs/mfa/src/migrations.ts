export { MFA_MIGRATIONS } from './persistence/migrations/index.js';
