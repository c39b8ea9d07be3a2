/** Where this process spends its time, by V8's sampling profiler. */
import { Session } from 'node:inspector/promises';

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

const describe = ({ url, functionName, lineNumber }) => ({
  url,
  name: functionName || '(anonymous)',
  line: lineNumber + 1,
});
