/**
 * The rooms of the library: the folders below `libs/mfa/src`. No chain of imports leads from a room back to itself, type
 * imports included. `npm run arrows` checks it after the rules for single files.
 */
const { options } = require('./.dependency-cruiser.cjs');

module.exports = {
  forbidden: [
    {
      name: 'no-room-cycles',
      comment: 'Two rooms that import each other are one room. Move what both need below them.',
      severity: 'error',
      scope: 'folder',
      from: { path: '^libs/mfa/src/' },
      to: { circular: true },
    },
  ],
  options: { ...options, exclude: { path: `\\.(spec|contract)\\.ts$|${options.exclude.path}` } },
};
