/** One keep-alive HTTP/1.1 connection, as thin as possible: the load generator shares the machine with the server. */
import { connect } from 'node:net';

/** The bytes of a POST of `body` as JSON. */
export function postRequest(path, body, headers = {}) {
  const json = JSON.stringify(body);
  const lines = Object.entries({ host: 'localhost', 'content-type': 'application/json', ...headers });
  const head = [`POST ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`)];
  return Buffer.from([...head, `content-length: ${Buffer.byteLength(json)}`, '', json].join('\r\n'));
}

/** The bytes of a GET. */
export const getRequest = (path) => Buffer.from(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);

export class Connection {
  #socket;
  #received = '';
  #waiting = null;

  /** Connects to a port of the loopback interface. */
  static async open(port) {
    const connection = new Connection();
    await connection.#connect(port);
    return connection;
  }

  /** The answer `{ status, body }` to one request; the next one may be sent after it. */
  send(request) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close() {
    this.#waiting = null;
    this.#socket.destroy();
  }

  #connect(port) {
    return new Promise((resolve, reject) => {
      this.#socket = connect({ port, host: '127.0.0.1', noDelay: true }, resolve);
      this.#socket.setEncoding('latin1');
      this.#socket.on('data', (text) => this.#receive(text));
      const fail = (error) => {
        reject(error);
        this.#waiting?.reject(error);
      };
      this.#socket.on('error', fail).on('close', () => fail(new Error('the server closed the connection')));
    });
  }

  #receive(text) {
    this.#received += text;
    const answer = parseAnswer(this.#received);
    if (answer === null) return;
    this.#received = '';
    const { resolve } = this.#waiting;
    this.#waiting = null;
    resolve(answer);
  }
}

/** The answer, or `null` while it is not complete. */
export function parseAnswer(text) {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const head = text.slice(0, end);
  const body = text.slice(end + 4);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  const complete = length === undefined ? body.endsWith('0\r\n\r\n') : body.length >= Number(length);
  return complete ? { status: Number(head.slice(9, 12)), body } : null;
}
