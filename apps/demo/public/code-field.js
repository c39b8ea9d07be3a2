const KINDS = {
  totp: {
    label: 'Code from your authenticator app',
    hint: 'Six digits. A code works once.',
    inputMode: 'numeric',
    autocomplete: 'one-time-code',
    placeholder: '123 456',
    switchText: 'Use a backup code instead',
  },
  backup_code: {
    label: 'Backup code',
    hint: 'Eight characters. Each code works once.',
    inputMode: 'text',
    autocomplete: 'off',
    placeholder: 'XXXX-XXXX',
    switchText: 'Use the authenticator app instead',
  },
};

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

  /** The code as typed or pasted, without the spaces that apps show for readability. */
  get value() {
    return this.input.value.replace(/\s/g, '');
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
