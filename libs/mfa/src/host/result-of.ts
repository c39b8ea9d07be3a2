import { isObservable, lastValueFrom } from 'rxjs';

/**
 * What a method of the host returned, taken as Nest takes the result of a handler: a value, a promise, or the last value
 * of an Observable. The request to a microservice that `ClientProxy.send` returns begins when somebody subscribes.
 */
export async function resultOf<T>(returned: T): Promise<Awaited<T>> {
  const result = await returned;
  if (!isObservable(result)) return result;
  return (await lastValueFrom(result, { defaultValue: undefined })) as Awaited<T>;
}
