/**
 * From two recordings of one request (two users, two times) a plan by which a bare server sends the same statements
 * for any user at any time. So it follows the library, whatever statements that has.
 */
import { randomUUID } from 'node:crypto';
import { authenticatorIdOf } from './user-ids.mjs';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** A time within a text, such as JSON. */
const EPOCH_MS = /\b1\d{12}\b/g;

/** `first` and `second`: `{ statements: [{ text, name, values, rowCount }], context: { userId, tokenId, step, nowMs } }`. */
export function planOf(first, second) {
  const texts = ({ statements }) => statements.map(({ text }) => text).join('\n');
  if (texts(first) !== texts(second)) throw new Error('two verifications sent different statements: no plan');
  return first.statements.map(({ text, name, values, rowCount }, index) => ({
    text,
    name,
    rowCount,
    parameters: values.map((value, position) =>
      parameterOf(
        { value, at: first.context },
        { value: second.statements[index].values[position], at: second.context },
      ),
    ),
  }));
}

function parameterOf(one, other) {
  if (Array.isArray(one.value)) {
    const each = (value, index) => parameterOf({ ...one, value }, { ...other, value: other.value[index] });
    return { list: one.value.map(each) };
  }
  // What looks like a time may be a constant of the user, as the security stamp is.
  for (const timed of [true, false]) {
    const shape = shapeOf(one, timed);
    if (JSON.stringify(shape) === JSON.stringify(shapeOf(other, timed))) return shape;
  }
  if (UUID.test(one.value) && UUID.test(other.value)) return { random: true };
  throw new Error(`a parameter of the library cannot be followed: ${JSON.stringify([one.value, other.value])}`);
}

/** The value with everything of the request replaced by its name. */
function shapeOf({ value, at }, timed) {
  if (timed && typeof value === 'number' && value > 1e12) return { sinceNow: value - at.nowMs };
  if (typeof value !== 'string') return { constant: value };
  const named = [
    [at.userId, '{userId}'],
    [authenticatorIdOf(at.userId), '{authenticatorId}'],
    [at.tokenId, '{tokenId}'],
    [`:${at.step}`, ':{step}'],
  ].reduce((rest, [part, name]) => rest.replaceAll(part, name), value);
  const template = timed ? named.replaceAll(EPOCH_MS, (time) => `{now ${time - at.nowMs}}`) : named;
  return template === value ? { constant: value } : { template };
}

/** The values of one request. */
export function bindParameters(parameters, request) {
  return parameters.map((parameter) => bind(parameter, request));
}

function bind({ constant, sinceNow, list, template, random }, request) {
  if (sinceNow !== undefined) return request.nowMs + sinceNow;
  if (list) return list.map((each) => bind(each, request));
  if (random) return randomUUID();
  if (template === undefined) return constant;
  return template
    .replaceAll('{userId}', request.userId)
    .replaceAll('{authenticatorId}', () => authenticatorIdOf(request.userId))
    .replaceAll('{tokenId}', request.tokenId)
    .replaceAll('{step}', request.step)
    .replaceAll(/\{now (-?\d+)\}/g, (_, offset) => request.nowMs + Number(offset));
}
