import { expect } from 'vitest';
import type { Response } from 'supertest';

/** Exactly one 2xx, and every other response is 401, 429 or another documented refusal (S34a). */
export function expectOneWinner(answers: Response[], refusals = [401, 429]): Response {
  const winners = answers.filter(({ status }) => status === 200);
  expect(winners, answers.map(({ status }) => status).join()).toHaveLength(1);
  for (const { status } of answers) expect([200, ...refusals]).toContain(status);
  return winners[0]!;
}

/** Both at once. Every other round the second is sent first. Returns the responses in the order of `sends`. */
export async function inBothOrders<T>(round: number, sends: (() => PromiseLike<T>)[]): Promise<T[]> {
  const turn = <E>(all: E[]) => (round % 2 === 0 ? all : all.toReversed());
  return turn(await Promise.all(turn(sends).map((send) => send())));
}
