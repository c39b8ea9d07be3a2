import { isObservable, lastValueFrom } from 'rxjs';

/**
 * Resolves what a method of the host returned, as Nest resolves the result of a handler: a value, a promise, or the last
 * value of an Observable. An Observable is subscribed to, because `ClientProxy.send` sends only on subscription.
 */
export async function resultOf<T>(returned: T): Promise<Awaited<T>> {
  const result = await returned;
  if (!isObservable(result)) return result;
  return (await lastValueFrom(result, { defaultValue: undefined })) as Awaited<T>;
}
