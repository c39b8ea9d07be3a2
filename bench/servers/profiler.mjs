/** Where this process spends its time, by V8's sampling profiler. */
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

let session;

export async function startProfile() {
  session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 200 });
  await session.post('Profiler.start');
}

/** Microseconds spent in each function itself: `[{ url, name, line, selfUs }]`. */
export async function stopProfile() {
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const functions = new Map(profile.nodes.map(({ id, callFrame }) => [id, { ...describe(callFrame), selfUs: 0 }]));
  profile.samples.forEach((id, index) => (functions.get(id).selfUs += profile.timeDeltas[index]));
  return [...functions.values()].filter(({ selfUs }) => selfUs > 0);
}

const describe = ({ url, functionName, lineNumber, columnNumber }) => ({
  ...(sourceOf(url, lineNumber, columnNumber) ?? { url, line: lineNumber + 1 }),
  name: functionName || '(anonymous)',
});

const maps = new Map();

/** Of the library, whose build is a few large files: the place in its sources. */
function sourceOf(url, lineNumber, columnNumber) {
  if (!url.includes('/nestjs-mfa/dist/esm/')) return null;
  if (!maps.has(url)) maps.set(url, new SourceMap(JSON.parse(readFileSync(fileURLToPath(`${url}.map`), 'utf8'))));
  const { originalSource, originalLine } = maps.get(url).findEntry(lineNumber, columnNumber);
  return originalSource ? { url: new URL(originalSource, url).href, line: originalLine + 1 } : null;
}
