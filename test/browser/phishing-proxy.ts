import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Serves the pages of another server from a port of its own, and passes every request on under the address that the
 * server expects: what a phishing site does.
 */
export async function startPhishingProxy(target: string): Promise<{ port: number; stop: () => Promise<void> }> {
  const { host, origin } = new URL(target);
  const server = createServer((given: IncomingMessage, answer: ServerResponse) => {
    const headers = { ...given.headers, host, ...(given.headers.origin && { origin }) };
    const passed = send(new URL(given.url ?? '/', target), { method: given.method, headers }, (received) => {
      answer.writeHead(received.statusCode ?? 502, received.headers);
      received.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    given.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port, stop };
}
