import type { AddressInfo } from 'node:net';
import { WebSocket } from 'ws';
import type { HostApp } from './host-app.js';

/** The first message that a gateway on the `ws` adapter sends back; rejects when none comes. */
export async function askGateway({ app }: HostApp, path: string, event: string, data: object = {}): Promise<unknown> {
  const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  try {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no message came back')), 5_000);
      socket.on('open', () => socket.send(JSON.stringify({ event, data })));
      socket.on('message', (text: Buffer) => {
        clearTimeout(timer);
        resolve(JSON.parse(text.toString()));
      });
      socket.on('error', reject);
    });
  } finally {
    socket.close();
  }
}
