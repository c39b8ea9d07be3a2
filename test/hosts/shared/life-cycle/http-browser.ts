import type { Reply } from './life-cycle.flow.js';
import type { TrustedDevice, TrustingBrowser } from './trusted-devices.flow.js';

/** A browser of an application that mounts the built-in routes. How it keeps its session is the subclass's. */
export abstract class HttpBrowser implements TrustingBrowser {
  constructor(protected readonly url: string) {}

  /** What a request carries of the session. */
  protected abstract headers(): Record<string, string>;

  /** Keeps what a response says about the session. */
  protected abstract keep(response: Response, body: Record<string, any>): void;

  /** The fields by which a request names the login that is not complete. */
  protected abstract inLogin(): object;

  /** What the second step sends so that this device is trusted. */
  protected abstract readonly rememberDevice: true | 'token';

  /** What the device sends with its first factor. */
  protected withFirstFactor(): object {
    return {};
  }

  abstract closeSession(): void;

  protected async call(method: string, path: string, body?: object, extra: object = {}): Promise<Reply> {
    const headers = { ...this.headers(), ...(body ? { 'content-type': 'application/json' } : {}), ...extra };
    const response = await fetch(this.url + path, { method, headers, body: body && JSON.stringify(body) });
    const parsed = (await response.json()) as Record<string, any>;
    if (response.ok) this.keep(response, parsed);
    return { code: response.ok ? 'OK' : String(parsed.code ?? response.status), body: parsed };
  }

  register = (email: string, password: string) => this.call('POST', '/auth/register', { email, password });
  login = (email: string, password: string) =>
    this.call('POST', '/auth/login', { email, password, ...this.withFirstFactor() });
  verify = (mfa_token: string, code: string) => this.call('POST', '/mfa/verify', { mfa_token, code });
  setup = (password: string) => this.call('POST', '/mfa/totp/setup', { password });
  confirm = (code: string) => this.call('POST', '/mfa/totp/confirm', { code });
  stepUp = (code: string) => this.call('POST', '/mfa/step-up', { code });
  disable = (code: string) => this.call('POST', '/mfa/disable', { code });
  me = () => this.call('GET', '/auth/me');
  payouts = () => this.call('GET', '/payouts');
  transfer = () => this.call('POST', '/payouts', {});
  abstract refresh(): Promise<Reply>;

  abstract byProvider(code: string): Promise<Reply>;
  byLink = (token: string) => this.call('POST', '/auth/magic-link', { token, ...this.withFirstFactor() });
  abstract openLogin(): Promise<Reply>;
  dueAt = async () => (await this.call('GET', '/mfa/status')).body.enrollmentDueAt as string;
  verifyInLogin = (code: string, method?: string) =>
    this.call('POST', '/mfa/verify', { ...this.inLogin(), code, method });
  setupInLogin = (recoveryCode?: string) =>
    this.call('POST', '/mfa/totp/setup', {
      ...this.inLogin(),
      ...(recoveryCode && { code: recoveryCode, method: 'recovery_code' }),
    });
  confirmInLogin = (code: string) => this.call('POST', '/mfa/totp/confirm', { ...this.inLogin(), code });
  cancelInLogin = () => this.call('POST', '/mfa/setup/cancel', this.inLogin());
  trustInLogin = (code: string) =>
    this.call('POST', '/mfa/verify', { ...this.inLogin(), code, rememberDevice: this.rememberDevice });
  devices = async () => (await this.call('GET', '/mfa/devices')).body.devices as TrustedDevice[];
  revokeDevice = (id: string) => this.call('POST', `/mfa/devices/${id}/revoke`, {});
}
