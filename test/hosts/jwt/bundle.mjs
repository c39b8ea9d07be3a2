import { createRequire } from 'node:module';
import { rolldown } from 'rolldown';

const require = createRequire(import.meta.url);
const native = ['argon2', 'libsql']; // they load a binary by its path

/** Nest and TypeORM ask for packages that this application does not have. They stay `require` calls that fail. */
function isMissing(id) {
  if (id.startsWith('.') || id.startsWith('/') || id.startsWith('\0')) return false;
  try {
    return !require.resolve(id);
  } catch (error) {
    return error.code === 'MODULE_NOT_FOUND';
  }
}

const bundle = await rolldown({
  input: 'dist/main.js',
  platform: 'node',
  external: (id) => native.includes(id) || isMissing(id),
});
await bundle.write({ file: 'bundle/main.mjs', format: 'esm', codeSplitting: false, keepNames: true });
