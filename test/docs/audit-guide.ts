import { join } from 'node:path';
import type { Type } from '@nestjs/common';
import type { MfaEvent } from 'nestjs-mfa';
import type { PolicyHost } from '../support/policy-host.js';
import { writeExample } from './example.js';
import { codeFiles, read } from './markdown.js';

export interface OwnerMail {
  notify(event: MfaEvent): Promise<void>;
}
export interface Missed {
  send(now?: Date): Promise<void>;
}
export interface Entry {
  id: string;
  state: string;
  event: MfaEvent;
}

/** The job queue that the guide describes. It takes each id once. */
export class Queue {
  readonly jobs = new Map<string, { userId: string; text: string }>();
  isDown = false;

  async add(id: string, message: { userId: string; text: string }): Promise<void> {
    if (this.isDown) throw new Error('The queue is away');
    if (!this.jobs.has(id)) this.jobs.set(id, message);
  }

  textsOf(userId: string): string[] {
    return [...this.jobs.values()].filter((job) => job.userId === userId).map(({ text }) => text);
  }
}

/** The code of the guide about audit and notifications. */
export interface AuditGuide {
  messageOf(event: MfaEvent): string | null;
  OwnerMail: new (queue: Queue) => OwnerMail;
  MailQueue: Type;
  MissedMessages: new (audit: object, mail: OwnerMail) => Missed;
  EventsHost: typeof PolicyHost;
  MfaMetrics: Type<{ counts: Map<string, number> }>;
  AuditController: Type;
  SupportRoles: Type;
  remove(): Promise<void>;
}

/** Writes the code of the guide, and of the guides whose code it uses, and loads it. */
export async function loadAuditGuide(): Promise<AuditGuide> {
  const guides = ['audit-and-notifications', 'support-desk', 'trusted-devices'];
  const files = guides.map((name) => codeFiles(read(`docs/guides/${name}.md`)));
  const example = await writeExample(new Map(files.flatMap((each) => [...each])));
  const names = ['audit/owner-mail', 'audit/missed-messages', 'audit/events-host', 'audit/mfa-metrics'];
  const modules = [...names, 'audit/audit.controller', 'support/support-desk.controller'].map(
    (name) => import(join(example.folder, 'src/guides', `${name}.ts`)) as Promise<object>,
  );
  return Object.assign({ remove: () => example.remove() }, ...(await Promise.all(modules))) as AuditGuide;
}
