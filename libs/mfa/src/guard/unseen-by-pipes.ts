import 'reflect-metadata';

const PARAMETER_TYPES = 'design:paramtypes';

/**
 * Wraps a parameter decorator, so that `ValidationPipe` does not change its value. With `validateCustomDecorators` the pipe
 * would replace the value by an instance of the parameter's class. It skips the type `Object`.
 */
// S69
export function unseenByPipes(decorator: ParameterDecorator): ParameterDecorator {
  return (target, method, index) => {
    decorator(target, method, index);
    if (method === undefined) return;
    const types = Reflect.getOwnMetadata(PARAMETER_TYPES, target, method) as unknown[] | undefined;
    if (!types) return;
    Reflect.defineMetadata(PARAMETER_TYPES, types.with(index, Object), target, method);
  };
}
