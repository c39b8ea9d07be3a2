import { fieldProblem } from './ui.js';

const KINDS = {
  totp: {
    label: 'Code from your authenticator app',
    hint: 'Six digits. A code works once.',
    inputMode: 'numeric',
    autocomplete: 'one-time-code',
    placeholder: '123 456',
    switchText: 'Use a backup code instead',
    wrongShape: 'A code of the app has six digits.',
  },
  backup_code: {
    label: 'Backup code',
    hint: 'Eight characters. Each code works once.',
    inputMode: 'text',
    autocomplete: 'off',
    placeholder: 'XXXX-XXXX',
    switchText: 'Use the authenticator app instead',
    wrongShape: 'A backup code has eight letters and digits.',
  },
};

/** What the server accepts in either kind of field: six digits of any script, or a backup code. */
const SHAPE = /^(?:\p{Nd}{6}|(?=.*[A-Z])[A-Z0-9]{8})$/iu;

/** Wrong codes in a row that the server allows, and the seconds of its first lock. */
const LOCK = { failures: 5, seconds: 900 };

/** The field of one code: from the app, or from the list of backup codes by its switch. */
export class CodeField {
  constructor(id, methods = ['totp', 'backup_code']) {
    const place = document.querySelector(`[data-code-field="${id}"]`);
    place.append(document.getElementById('code-field').content.cloneNode(true));
    this.place = place;
    this.label = place.querySelector('label');
    this.input = place.querySelector('input');
    this.hint = place.querySelector('.hint');
    this.switch = place.querySelector('[data-switch]');
    this.label.htmlFor = this.input.id = id;
    this.hint.id = `${id}-hint`;
    this.input.setAttribute('aria-describedby', this.hint.id);
    this.switch.addEventListener('click', () => {
      this.#use(this.kind === 'totp' ? 'backup_code' : 'totp');
      this.input.focus();
    });
    this.failures = { totp: 0, backup_code: 0 };
    this.reset(methods);
  }

  /** Empties the field for a new question that can be answered by `methods`. */
  reset(methods) {
    this.switch.hidden = !methods.includes('backup_code');
    this.#use('totp');
  }

  set shown(shown) {
    this.place.hidden = !shown;
  }

  /**
   * Sends the code, as typed or pasted but without spaces and hyphens, and returns what `send` returns.
   * A code of neither shape is refused here. The server reports a lock with the code after the one that has set it off,
   * so the last code that it allows is reported as the lock.
   */
  async submit(send) {
    const code = this.input.value.replace(/[\s-]/g, '');
    if (!SHAPE.test(code)) throw fieldProblem('code', KINDS[this.kind].wrongShape);
    const { kind, failures } = this;
    try {
      const answer = await send(code);
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
    const { label, hint, inputMode, autocomplete, placeholder, switchText } = KINDS[kind];
    this.label.textContent = label;
    this.hint.textContent = hint;
    this.switch.textContent = switchText;
    Object.assign(this.input, { inputMode, autocomplete, placeholder, value: '' });
    this.input.removeAttribute('aria-invalid');
  }
}
