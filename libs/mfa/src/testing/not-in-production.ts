// S26: nothing of the testing kit can be loaded where it could stand in for the real thing.
if (process.env.NODE_ENV === 'production') {
  throw new Error('nestjs-mfa/testing must not be loaded when NODE_ENV is production');
}

export {};
