import { byId, changed, clearProblem, copy, fieldProblem, notify, onClick, onSubmit, show } from './ui.js';

const form = byId('codes-kept-form');
let codes = [];

/** Whose codes were shown and not yet kept; a reload of the page cannot show them again. */
const UNKEPT = 'backup-codes-not-kept-of';
const account = () => byId('who').textContent;

export const wereNotKept = () => sessionStorage.getItem(UNKEPT) === account();

/** Shows a set of codes, the only time that it can be seen. */
export function showBackupCodes(list, said) {
  codes = list;
  sessionStorage.setItem(UNKEPT, account());
  byId('codes').replaceChildren(...codes.map(item));
  byId('print-account').textContent = `Backup codes of ${byId('who').textContent} for ${location.host}`;
  form.reset();
  clearProblem(form);
  show('backup-codes');
  notify(said);
}

function item(code) {
  const line = document.createElement('li');
  line.append(Object.assign(document.createElement('code'), { textContent: code }));
  return line;
}

function download() {
  const text = [byId('print-account').textContent, 'Each code works once.', '', ...codes, ''].join('\n');
  const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  Object.assign(document.createElement('a'), { href: url, download: 'backup-codes.txt' }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1_000);
  notify('The codes were saved as backup-codes.txt.');
}

onClick(byId('copy-codes'), ({ currentTarget }) => copy(codes.join('\n'), currentTarget));
onClick(byId('download-codes'), download);
onClick(byId('print-codes'), () => window.print());

onSubmit(form, ({ kept }) => {
  if (!kept) throw fieldProblem('kept', 'Keep the codes first: they will not be shown again.');
  codes = [];
  sessionStorage.removeItem(UNKEPT);
  byId('codes').replaceChildren();
  changed();
});
