/**
 * Node's ESM loader takes half a millisecond for every file, which for a hundred files was most of the library's
 * start. CommonJS is loaded in half the time, and stays as it is compiled.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rolldown } from 'rolldown';

/** Puts the compiled modules of `folder` into one file for each entry point, and in `shared/` what several need. */
export async function bundleEntries(folder, entries) {
  const modules = readdirSync(folder, { recursive: true }).filter((file) => /\.js(\.map)?$/.test(file));
  const bundle = await rolldown({
    input: entries.map((entry) => join(folder, `${entry}.js`)),
    external: /^[^./]/, // packages
    platform: 'node',
    treeshake: { moduleSideEffects: true },
    plugins: [{ name: 'source-maps-of-tsc', load: withSourceMap }],
    experimental: { attachDebugInfo: 'none' },
  });
  const { output } = await bundle.generate({
    dir: folder,
    format: 'esm',
    sourcemap: true,
    chunkFileNames: 'shared/[name].js',
  });
  await bundle.close();
  for (const file of modules) rmSync(join(folder, file));
  for (const { fileName, code, source } of output) {
    const file = join(folder, fileName);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code ?? source);
  }
}

/** Without it the maps would lead to tsc's output and not to the sources. */
function withSourceMap(file) {
  return { code: readFileSync(file, 'utf8'), map: JSON.parse(readFileSync(`${file}.map`, 'utf8')) };
}
