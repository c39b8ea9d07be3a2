/**
 * The table of events in `docs/reference/events.md`, derived from the types and comments of `host/mfa-event.ts`.
 *
 *   node scripts/events-table.mjs           prints the table
 *   node scripts/events-table.mjs --write   writes it into the page
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const SOURCE = fileURLToPath(new URL('../libs/mfa/src/host/mfa-event.ts', import.meta.url));
const PAGE = fileURLToPath(new URL('../docs/reference/events.md', import.meta.url));
/** This sentence in a comment is the last column of the table. */
const OWED = / ?Send the owner a message(, unless [^.]+)?\.$/;
/** Properties that every event may have. The table leaves them out. */
const OF_EVERY_EVENT = ['reason'];

/** Every event: `{ type, when, properties, isChange, message }`. Throws for one without a comment. */
export function eventsOf(source = readFileSync(SOURCE, 'utf8')) {
  const file = ts.createSourceFile(SOURCE, source, ts.ScriptTarget.ES2022, true);
  const unionOf = (name) => file.statements.find((each) => ts.isTypeAliasDeclaration(each) && each.name.text === name);
  return ['ChangeDetails', 'OtherDetails'].flatMap((name) => {
    let end = unionOf(name).name.end;
    return unionOf(name).type.types.map((member) => {
      const comment = commentIn(source.slice(end, member.getStart()));
      end = member.end;
      const [type, ...properties] = member.members;
      const event = type.type.literal.text;
      if (comment === null) throw new Error(`${event} has no comment`);
      return {
        type: event,
        when: comment.replace(OWED, ''),
        properties: properties
          .filter((each) => !OF_EVERY_EVENT.includes(each.name.text))
          .map((each) => `${each.name.text}${each.questionToken ? '?' : ''}`),
        isChange: name === 'ChangeDetails',
        message: messageIn(comment),
      };
    });
  });
}

/** Whether the owner must get a message, as the table has it. */
function messageIn(comment) {
  const [sentence, exception] = OWED.exec(comment) ?? [];
  if (sentence === undefined) return '';
  return exception === undefined ? 'yes' : exception.slice(2);
}

function commentIn(text) {
  const [, comment] = /\/\*\*(.*?)\*\//s.exec(text) ?? [];
  return comment === undefined ? null : comment.replaceAll(/\s*\n\s*\*? ?/g, ' ').trim();
}

function tableOf(events) {
  const rows = events.map(({ type, when, properties, isChange, message }) => [
    isChange ? `**\`${type}\`**` : `\`${type}\``,
    when,
    properties.map((name) => `\`${name}\``).join(', '),
    message,
  ]);
  const head = ['Type', 'When', 'More properties', 'Message to the owner'];
  const row = (cells) => `| ${cells.join(' | ')} |`;
  return ['<!-- prettier-ignore -->', row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
}

/** The page with the table as the types are now. */
export function rendered(page, events = eventsOf()) {
  return page.replace(
    /(<!-- events -->).*?(<!-- \/events -->)/s,
    (_, open, close) => `${open}\n\n${tableOf(events)}\n\n${close}`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--write')) writeFileSync(PAGE, rendered(readFileSync(PAGE, 'utf8')));
  else console.log(tableOf(eventsOf()));
}
