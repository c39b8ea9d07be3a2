import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A server on loopback between an application and its database, whose network a test can break. */
export interface TcpProxy {
  port: number;
  /** Cuts every connection that there is. */
  reset(): void;
  /** Refuses new connections, and cuts those that there are. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = connect(targetPort, '127.0.0.1');
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const reset = () => sockets.forEach((socket) => socket.resetAndDestroy());
  return {
    port,
    reset,
    stop: () => {
      const stopped = new Promise<void>((resolve) => void server.close(() => resolve()));
      reset();
      return stopped;
    },
    start: () => listen(port),
  };
}
