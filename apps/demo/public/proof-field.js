import { rememberOwner } from './accepted-passkeys.js';
import { fieldProblem } from './ui.js';
import { hasPasskeys, noPasskeysText, usePasskey } from './webauthn.js';

/** The ways to prove a second factor, the strongest one first. */
const KINDS = {
  passkey: {
    hint: 'Your browser asks for it next: a fingerprint, your face, a PIN or a security key.',
    switchText: 'Use a passkey instead',
  },
  totp: {
    label: 'Code from your authenticator app',
    hint: 'Six digits. A code works once.',
    inputMode: 'numeric',
    autocomplete: 'one-time-code',
    placeholder: '123 456',
    switchText: 'Use the authenticator app instead',
    wrongShape: 'A code of the app has six digits.',
  },
  backup_code: {
    label: 'Backup code',
    hint: 'Eight characters. Each code works once.',
    inputMode: 'text',
    autocomplete: 'off',
    placeholder: 'XXXX-XXXX',
    switchText: 'Use a backup code instead',
    wrongShape: 'A backup code has eight letters and digits.',
  },
  recovery_code: {
    label: 'Recovery code',
    hint: 'Sixteen characters, from your support desk. It works once, and for 24 hours.',
    inputMode: 'text',
    autocomplete: 'off',
    placeholder: 'XXXX-XXXX-XXXX-XXXX',
    switchText: 'I have a recovery code',
    wrongShape: 'A recovery code has sixteen letters and digits.',
    shape: /^[A-Z0-9]{16}$/i,
    // The server never lists this method, so a request names it.
    named: { method: 'recovery_code' },
  },
};

/** What the server accepts in either kind of field: six digits of any script, or a backup code. */
const SHAPE = /^(?:\p{Nd}{6}|(?=.*[A-Z])[A-Z0-9]{8})$/iu;

/** Wrong codes in a row that the server allows, and the seconds of its first lock. */
const LOCK = { failures: 5, seconds: 900 };

/** The methods of the field for the `proof` of the status and of `MFA_PROOF_REQUIRED`. */
export const methodsOf = (proof) => proof.flatMap((each) => (each === 'code' ? ['totp', 'backup_code'] : [each]));

/** One proof of a second factor: a passkey, or a code of one of the kinds, by the switches below the field. */
export class ProofField {
  /** `onKind(kind)` runs when the field changes to a code or to a passkey. */
  constructor(id, { methods = [], onKind = () => {} } = {}) {
    const place = document.querySelector(`[data-proof-field="${id}"]`);
    place.append(document.getElementById('proof-field').content.cloneNode(true));
    this.place = place;
    this.code = place.querySelector('[data-code]');
    this.label = place.querySelector('label');
    this.input = place.querySelector('input');
    this.hint = place.querySelector('[data-hint]');
    this.note = place.querySelector('[data-note]');
    this.switches = place.querySelector('[data-switches]');
    this.label.htmlFor = this.input.id = id;
    this.hint.id = `${id}-hint`;
    this.input.setAttribute('aria-describedby', this.hint.id);
    this.onKind = onKind;
    this.failures = { totp: 0, backup_code: 0, recovery_code: 0 };
    this.reset(methods);
  }

  /** Empties the field for a new question. `options` requests what the browser needs to use a passkey. */
  reset(methods, options) {
    this.options = options;
    this.kinds = Object.keys(KINDS).filter((kind) => methods.includes(kind) && (kind !== 'passkey' || hasPasskeys()));
    this.note.textContent = methods.includes('passkey') && !hasPasskeys() ? noPasskeysText() : '';
    this.#use(this.kinds[0] ?? 'totp');
  }

  set shown(shown) {
    this.place.hidden = !shown;
  }

  /** A passkey has no input: then the button that sends the form gets the focus. */
  focus() {
    const target = this.kind === 'passkey' ? this.place.closest('form').querySelector('[type="submit"]') : this.input;
    target.focus();
  }

  /**
   * Calls `send({ code })` with what was typed or pasted, without spaces and hyphens, or `send({ passkey })` with the
   * response of the browser. Returns what `send` returns. A code of neither shape is refused here.
   */
  submit(send) {
    return this.kind === 'passkey' ? this.#submitPasskey(send) : this.#submitCode(send);
  }

  async #submitPasskey(send) {
    const { options } = await this.options();
    const passkey = await usePasskey(options);
    const answer = await send({ passkey }).catch((error) => {
      if (error.code === 'MFA_CODE_REJECTED') error.message = 'The passkey was not accepted. Try again or another way.';
      throw error;
    });
    await rememberOwner({ rpId: options.rpId, userId: passkey.response.userHandle });
    return answer;
  }

  /**
   * The server reports a lock with the code after the one that has set it off, so the last code that it allows is
   * reported as the lock.
   */
  async #submitCode(send) {
    const code = this.input.value.replace(/[\s-]/g, '');
    const { kind, failures } = this;
    const { shape = SHAPE, wrongShape, named } = KINDS[kind];
    if (!shape.test(code)) throw fieldProblem('code', wrongShape);
    try {
      const answer = await send({ code, ...named });
      failures[kind] = 0;
      return answer;
    } catch (error) {
      if (error.code === 'MFA_LOCKED') failures[kind] = 0;
      if (error.code !== 'MFA_CODE_REJECTED' || ++failures[kind] < LOCK.failures) throw error;
      failures[kind] = 0;
      Object.assign(error, { code: 'MFA_LOCKED', retryAfterSeconds: LOCK.seconds });
      throw error;
    }
  }

  #use(kind) {
    this.kind = kind;
    const { label = '', hint, inputMode, autocomplete, placeholder } = KINDS[kind];
    this.code.hidden = kind === 'passkey';
    this.label.textContent = label;
    this.hint.textContent = hint;
    if (kind !== 'passkey') Object.assign(this.input, { inputMode, autocomplete, placeholder });
    this.input.dataset.kind = kind;
    this.input.value = '';
    this.input.removeAttribute('aria-invalid');
    this.switches.replaceChildren(
      ...this.kinds.filter((other) => other !== kind).map((other) => this.#switchTo(other)),
    );
    this.onKind(kind);
  }

  #switchTo(kind) {
    const button = document.createElement('button');
    Object.assign(button, { type: 'button', className: 'link', textContent: KINDS[kind].switchText });
    button.dataset.switch = kind;
    button.addEventListener('click', () => {
      this.#use(kind);
      this.focus();
    });
    return button;
  }
}
