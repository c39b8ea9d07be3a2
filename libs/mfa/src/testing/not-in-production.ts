// S26: the testing kit cannot be loaded in production.
if (process.env.NODE_ENV === 'production') {
  throw new Error('nestjs-mfa/testing must not be loaded when NODE_ENV is production');
}

export {};
